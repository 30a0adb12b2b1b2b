//! Ranges of versions: `>=1.2 <2`, `^1.4 || ~2.1`.
//!
//! Comparators are those of the crate [`semver`], which are Cargo's. It wants commas between them; most people know ranges with spaces, and
//! `||` between alternatives, from other tools, so both are understood here.

use semver::{Version, VersionReq};

/// What stands alone before its version in `>= 1.2`.
const OPERATORS: [&str; 7] = ["=", ">", ">=", "<", "<=", "~", "^"];

/// Alternatives, at least one.
pub(crate) struct Range(Vec<VersionReq>);

impl Range {
    /// # Errors
    /// A sentence for people that names the range, and the alternative in it that is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parse = |alternative: &str| {
            with_commas(alternative).parse().map_err(|err| {
                let place = if alternative == text { String::new() } else { format!(" in {:?}", alternative.trim()) };
                format!("the range {text:?} cannot be read: {err}{place}; expected something like \">=1.2 <2\" or \"^1.4 || ~2.1\"")
            })
        };
        text.split("||").map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an alternative has this version: each of its comparators does, and for a pre-release one of them names a pre-release of the
    /// same three numbers, as in Cargo and npm.
    pub(crate) fn contains(&self, version: &Version) -> bool {
        self.0.iter().any(|alternative| alternative.matches(version))
    }
}

/// Comparators with commas between them. A comma that is there already stays, so that the crate finds what is missing around it.
fn with_commas(comparators: &str) -> String {
    let mut text = String::new();
    let mut is_open = true;
    for word in comparators.replace(',', " , ").split_whitespace() {
        if !is_open && word != "," {
            text.push(',');
        }
        text.push_str(word);
        is_open = word == "," || OPERATORS.contains(&word);
    }
    text
}
