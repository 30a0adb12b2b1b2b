//! How handlers are named at a terminal.

use std::fmt;

/// Namespace and name of a VersioningHandler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Reads `NAMESPACE/HANDLER`.
///
/// # Errors
/// With what is expected.
pub fn handler_name(text: &str) -> Result<HandlerName, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(HandlerName { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("expected NAMESPACE/HANDLER, such as team-a/web".to_owned()),
    }
}

impl fmt::Display for HandlerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_is_named_with_its_namespace() {
        let check = |text: &str, expected: bool| {
            let found = handler_name(text).ok().map(|name| name.to_string());
            assert_eq!(found.as_deref(), expected.then_some(text));
        };
        check("team-a/web", true);
        for text in ["web", "/web", "team-a/", "a/b/c", ""] {
            check(text, false);
        }
    }
}
