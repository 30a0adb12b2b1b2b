//! What `/livez` and `/readyz` say, in the words of the API server (<https://kubernetes.io/docs/reference/using-api/health-checks/>). Pure.

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name: `watch-handlers`.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
}

/// How a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be; with a remark, if there is something to say.
    Passed(Option<String>),
    /// Not as it should be, and why.
    Failed(String),
}

impl Verdict {
    /// As it should be.
    pub fn ok() -> Self {
        Self::Passed(None)
    }

    /// As it should be, with a remark.
    pub fn noted(note: impl Into<String>) -> Self {
        Self::Passed(Some(note.into()))
    }

    /// Not as it should be.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    /// Whether it is as it should be.
    pub fn has_passed(&self) -> bool {
        matches!(self, Self::Passed(_))
    }
}

/// Whether a query asks for all lines: `verbose`, with or without a value.
pub fn is_verbose(query: Option<&str>) -> bool {
    query.unwrap_or_default().split('&').any(|pair| pair.split('=').next() == Some("verbose"))
}

/// The page of `probe`: `ok` if nothing has failed and nobody wants to know more, else a line for each part, and what it comes to.
pub fn text(probe: &str, lines: &[Line], is_verbose: bool) -> String {
    let has_passed = lines.iter().all(|line| line.verdict.has_passed());
    if has_passed && !is_verbose {
        return "ok\n".to_owned();
    }
    let shown = lines.iter().map(|Line { name, verdict }| match verdict {
        Verdict::Passed(None) => format!("[+]{name} ok\n"),
        Verdict::Passed(Some(note)) => format!("[+]{name} ok: {}\n", on_one_line(note)),
        Verdict::Failed(why) => format!("[-]{name}: {}\n", on_one_line(why)),
    });
    let result = format!("{probe} check {}\n", if has_passed { "passed" } else { "failed" });
    shown.chain([result]).collect()
}

/// What others said, such as the API server, may have line ends in it.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_short_while_all_is_well_and_names_each_part_when_asked_or_when_it_is_not() {
        let line = |name: &str, verdict: Verdict| Line { name: name.to_owned(), verdict };
        let well = [line("ping", Verdict::ok()), line("bot-lease", Verdict::noted("not wanted"))];
        let ill = [well[0].clone(), line("watch-handlers", Verdict::failed("forbidden:\n  list"))];
        assert_eq!(text("readyz", &well, false), "ok\n");
        assert_eq!(text("readyz", &well, true), "[+]ping ok\n[+]bot-lease ok: not wanted\nreadyz check passed\n");
        let failed = "[+]ping ok\n[-]watch-handlers: forbidden: list\nlivez check failed\n";
        assert_eq!((text("livez", &ill, false), text("livez", &ill, true)), (failed.to_owned(), failed.to_owned()));
    }

    #[test]
    fn verbose_needs_no_value() {
        let check = |query: Option<&str>, expected: bool| assert_eq!(is_verbose(query), expected, "{query:?}");
        check(None, false);
        check(Some(""), false);
        check(Some("verbose"), true);
        check(Some("verbose=1"), true);
        check(Some("a=b&verbose"), true);
        check(Some("verboser"), false);
    }
}
