//! `CHANGELOG.md`, in the form of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/).

use anyhow::{Result, bail};

/// What is said about one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// When it was released, as in `2026-01-31`; none where the heading says `Unreleased`.
    pub date: Option<String>,
    /// The text below the heading.
    pub body: String,
}

/// The section of `version`: what follows `## [0.1.0] - 2026-01-31`, or `- Unreleased`, up to the next version or the links at the end.
///
/// # Errors
/// When there is none, its heading is of another form, or it says nothing.
pub fn section(text: &str, version: &str) -> Result<Section> {
    let start = format!("## [{version}]");
    let mut lines = text.lines().skip_while(|line| !line.starts_with(&start));
    let Some(heading) = lines.next() else { bail!("CHANGELOG.md has no section `{start} - …`") };
    let date = match heading[start.len()..].strip_prefix(" - ").map(str::trim) {
        Some("Unreleased") => None,
        Some(date) if is_date(date) => Some(date.to_owned()),
        _ => bail!("CHANGELOG.md: write `{start} - 2026-01-31` or `{start} - Unreleased` instead of `{heading}`"),
    };
    let is_end = |line: &str| line.starts_with("## ") || (line.starts_with('[') && line.contains("]: "));
    let body: Vec<&str> = lines.take_while(|line| !is_end(line)).collect();
    match body.join("\n").trim() {
        "" => bail!("CHANGELOG.md says nothing about {version}"),
        body => Ok(Section { date, body: body.to_owned() }),
    }
}

/// Four digits, two, and two.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [4, 2, 2] && parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - Unreleased\n\n### Added\n\n- [A link](x) and more.\n\n\
        ## [0.1.0] - 2026-01-31\n\nThe first.\n\n## [0.0.1] - 31.1.2026\n\nBefore.\n\n## [0.0.0] - 2026-01-01\n\n[0.1.0]: https://x\n";

    #[test]
    fn a_section_ends_with_the_next_one_or_with_the_links() {
        let section = |date: Option<&str>, body: &str| Section { date: date.map(str::to_owned), body: body.to_owned() };
        for (version, expected) in [
            ("0.2.0", section(None, "### Added\n\n- [A link](x) and more.")),
            ("0.1.0", section(Some("2026-01-31"), "The first.")),
        ] {
            assert_eq!(super::section(TEXT, version).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_wrong_with_a_section_is_said() {
        for (version, expected) in [
            ("0.3.0", "CHANGELOG.md has no section `## [0.3.0] - …`"),
            (
                "0.0.1",
                "write `## [0.0.1] - 2026-01-31` or `## [0.0.1] - Unreleased` instead of `## [0.0.1] - 31.1.2026`",
            ),
            ("0.0.0", "says nothing about 0.0.0"),
            ("Unreleased", "instead of `## [Unreleased]`"),
        ] {
            let err = section(TEXT, version).unwrap_err().to_string();
            assert!(err.contains(expected), "{err}");
        }
    }
}
