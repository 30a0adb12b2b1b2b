//! What an error asks of the loop that met it. Types only.

use std::time::Duration;

/// When trying again makes sense. Every error enum of the operator answers this question in its `retry()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Only when the object, or something that it refers to, changes: the user has to act, and a watch will tell.
    OnChange,
    /// Nothing is broken; the world moved meanwhile. Look again in a moment.
    Soon,
    /// Something is broken for a while: again with growing delays.
    BackOff,
    /// Not before this much time has passed.
    After(Duration),
}

/// `err` and everything beneath it in one line, outermost first: what is shown in conditions and log lines.
///
/// Some libraries tell the cause in their own text, too. What has been said is not said again.
pub fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(inner) = source {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::chain;

    #[derive(Debug, Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    #[test]
    fn causes_follow_and_none_is_told_twice() {
        let told = |texts: &[&'static str]| {
            let wrap = |source: Option<Box<Told>>, text: &&'static str| Some(Box::new(Told { text, source }));
            texts.iter().rev().fold(None, wrap).map(|err| chain(&*err)).unwrap_or_default()
        };
        assert_eq!(told(&["a"]), "a");
        assert_eq!(told(&["no status", "refused", "no route"]), "no status: refused: no route");
        assert_eq!(told(&["no kubeconfig: (a: no file)", "a: no file", "no file"]), "no kubeconfig: (a: no file)");
        assert_eq!(told(&["no kubeconfig", "a: no file", "no file"]), "no kubeconfig: a: no file");
    }
}
