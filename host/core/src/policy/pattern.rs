//! Patterns that tags must match, or must not.

use std::fmt;
use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

/// Most bytes of memory that one compiled pattern may take. A pattern for versions takes a hundredth of it.
const LARGEST: usize = 256 * 1024;
/// Most groups within groups. The regular expression around the pattern adds one, so it must be below the limit of [`regex`], 250.
const DEEPEST: u32 = 100;

/// A regular expression for a whole tag, as `tags.include` and `tags.exclude` have them.
///
/// The syntax is that of <https://docs.rs/regex/latest/regex/#syntax>, without Unicode classes, because tags are ASCII. It matches a tag
/// in time that grows with the length of the tag only, whatever the pattern. Two patterns are equal if they are spelt the same.
#[derive(Clone)]
pub struct TagPattern {
    text: String,
    regex: Regex,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// It could match nothing, because no tag is empty.
    #[error("it is empty, which no tag is; leave it out, or write \".*\" for all tags")]
    Empty,
    /// It is too long.
    #[error("it has {0} bytes; at most {longest} are allowed", longest = TagPattern::LONGEST)]
    TooLong(usize),
    /// It is no regular expression.
    #[error("it is no regular expression: {problem}, at character {place}, {shown}")]
    Syntax {
        /// What is wrong, in the words of the parser.
        problem: String,
        /// Where it is wrong, in characters, counted from 1.
        place: usize,
        /// What stands there.
        shown: String,
    },
    /// Compiled, it takes too much memory.
    #[error("it is too large once compiled; repeat less in it, such as \"{{1,9}}\" instead of \"{{1,999}}\"")]
    TooLarge,
}

impl TagPattern {
    /// Most bytes of a pattern. Longer ones could not be read by people either.
    pub const LONGEST: usize = 1_000;

    /// Whether it matches all of `tag`, from its first to its last character.
    pub fn matches(&self, tag: &str) -> bool {
        self.regex.is_match(tag.as_bytes())
    }

    /// As it was spelt.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for TagPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > Self::LONGEST {
            return Err(PatternError::TooLong(text.len()));
        }
        check_syntax(text)?;
        // That the pattern is sound by itself, which is known now, keeps a `)` in it from ending the group.
        let regex = RegexBuilder::new(&format!(r"\A(?:{text})\z"))
            .unicode(false)
            .size_limit(LARGEST)
            .dfa_size_limit(LARGEST)
            .build()
            .map_err(|err| match err {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
                // All that is left is a comment, which has swallowed what closes the group.
                _ => syntax(text, "a comment must end with a line break", text.len()),
            })?;
        Ok(Self { text: text.to_owned(), regex })
    }
}

/// Parses it once more than necessary, because [`regex`] tells in prose for terminals where a mistake is, and [`regex_syntax`] as a number.
fn check_syntax(text: &str) -> Result<(), PatternError> {
    let mut parser = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).nest_limit(DEEPEST).build();
    match parser.parse(text) {
        Ok(_) => Ok(()),
        Err(regex_syntax::Error::Parse(err)) => Err(syntax(text, &err.kind().to_string(), err.span().start.offset)),
        Err(regex_syntax::Error::Translate(err)) => Err(syntax(text, &err.kind().to_string(), err.span().start.offset)),
        Err(err) => Err(syntax(text, &err.to_string(), 0)),
    }
}

/// The error at the byte `offset` of `text`.
fn syntax(text: &str, problem: &str, offset: usize) -> PatternError {
    let (before, rest) = text.split_at_checked(offset).unwrap_or((text, ""));
    let shown: String = rest.chars().take(8).collect();
    PatternError::Syntax {
        problem: problem.to_owned(),
        place: before.chars().count().saturating_add(1),
        shown: if shown.is_empty() { "which is its end".to_owned() } else { format!("where {shown:?} begins") },
    }
}

impl PartialEq for TagPattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TagPattern {}

impl fmt::Display for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for TagPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TagPattern").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_tags() {
        let check = |pattern: &str, tag: &str, expected: bool| {
            let parsed: TagPattern = pattern.parse().unwrap_or_else(|err| panic!("{pattern}: {err}"));
            assert_eq!(parsed.matches(tag), expected, "{pattern} {tag}");
            assert_eq!((parsed.as_str(), parsed.to_string().as_str()), (pattern, pattern));
        };
        check("1\\.[0-9]+", "1.27", true);
        check("1\\.[0-9]+", "1.27.3", false);
        check("1\\.[0-9]+", "v1.27", false);
        check("^1\\.[0-9]+$", "1.27", true);
        check("^1\\.[0-9]+", "1.27-alpine", false);
        check("-alpine", "1.27-alpine", false);
        check(".*-alpine", "1.27-alpine", true);
        // The group around the pattern keeps both sides of an alternative anchored, and the leftmost one from winning.
        check("1|2", "12", false);
        check("a|ab", "ab", true);
        check("(?i)RC.*", "rc1", true);
        check("(?m)^1$", "1", true);
        check("(?x) 1 \\. 2 # a comment\n", "1.2", true);
        check("\\d+\\.\\d{1,128}", "1.2", true);
        check("\\w{1,128}", "1_a", true);
        check("ä|1", "1", true);
        check("[^.]+", "1.2", false);
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_place_that_is_wrong() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(pattern.parse::<TagPattern>().unwrap_err().to_string(), expected, "{pattern}");
        };
        let syntax = |text: &str| format!("it is no regular expression: {text}");
        check("", "it is empty, which no tag is; leave it out, or write \".*\" for all tags");
        check("1.(2", &syntax("unclosed group, at character 3, where \"(2\" begins"));
        check("1.2)", &syntax("unopened group, at character 4, where \")\" begins"));
        check("a)|(b", &syntax("unopened group, at character 2, where \")|(b\" begins"));
        check("*-alpine", &syntax("repetition operator missing expression, at character 1, where \"*-alpine\" begins"));
        check("ää[0-9", &syntax("unclosed character class, at character 3, where \"[0-9\" begins"));
        check(
            "1\\",
            &syntax(
                "incomplete escape sequence, reached end of pattern prematurely, at character 2, where \"\\\\\" begins",
            ),
        );
        let look = "look-around, including look-ahead and look-behind, is not supported";
        check("1(?!.*rc).*", &syntax(&format!("{look}, at character 2, where \"(?!.*rc)\" begins")));
        check("(?x)1.2 # end", &syntax("a comment must end with a line break, at character 14, which is its end"));
        check(&"1".repeat(1_001), "it has 1001 bytes; at most 1000 are allowed");
        check(
            ".{900}{900}",
            "it is too large once compiled; repeat less in it, such as \"{1,9}\" instead of \"{1,999}\"",
        );
        assert!("1".repeat(1_000).parse::<TagPattern>().is_ok());
        assert!(format!("{}1{}", "(".repeat(300), ")".repeat(300)).parse::<TagPattern>().is_err());
        assert!("\\p{Greek}".parse::<TagPattern>().is_err(), "tags are ASCII");
    }

    #[test]
    fn patterns_are_equal_by_their_text() {
        let pattern = |text: &str| text.parse::<TagPattern>().unwrap();
        assert_eq!(pattern("1.*"), pattern("1.*"));
        assert_ne!(pattern("[0-9]"), pattern("\\d"));
        assert_eq!(format!("{:?}", pattern("1.*")), "TagPattern(\"1.*\")");
    }
}
