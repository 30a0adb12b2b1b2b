//! The user's expression: read, judged, compiled, and matched against whole tags.
//!
//! Matching takes time in proportion to the tag times the compiled expression, and both are bounded: by [`LONGEST_TAG`] and [`LARGEST`].
//! Classes such as `\d` and `\w` are ASCII, as tags are.

use k8supdater_plugin::text::one_line;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input, PatternID};
use regex_syntax::hir::{Class, Hir, HirKind, Look};
use regex_syntax::{Parser, ParserBuilder};

/// Longest tag that the OCI distribution specification allows, in characters
/// (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).
const LONGEST_TAG: usize = 128;

/// Longest expression, in bytes. The schema says the same.
const LONGEST: usize = 1000;

/// Most bytes of a compiled expression. One of the usual kind has two thousand; the slowest that was found below the limit takes 0.1 ms a tag.
const LARGEST: usize = 16 * 1024;

/// Most bytes of the table that tells the groups of a simple expression apart at once. Without it, matching takes longer.
const LARGEST_TABLE: usize = 64 * 1024;

/// How deep groups may be nested.
const DEEPEST: u32 = 50;

/// What is printable in ASCII; no tag has anything else.
const PRINTABLE: std::ops::RangeInclusive<u8> = b'!'..=b'~';

/// A compiled expression.
pub(crate) struct Expression(Regex);

impl Expression {
    /// # Errors
    /// A sentence for people: it is no regular expression (and where), it can never match a tag, it is too large.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("the expression has {} bytes; at most {LONGEST} are allowed", text.len()));
        }
        let hir = parser().parse(text).map_err(|err| explain(text, &err))?;
        match shortest(&hir) {
            None => return Err("the expression can never match: it wants something that no text can be".to_owned()),
            Some(length) if length > LONGEST_TAG => {
                return Err(format!(
                    "the expression can never match: it wants {length} characters, and a tag has at most {LONGEST_TAG}"
                ));
            }
            Some(_) => {}
        }
        let whole = Hir::concat(vec![Hir::look(Look::Start), hir, Hir::look(Look::End)]);
        // Capturing groups are numbered in the order of the text, which adding around it does not change.
        let config =
            Config::new().utf8_empty(false).nfa_size_limit(Some(LARGEST)).onepass_size_limit(Some(LARGEST_TABLE));
        Regex::builder().configure(config).build_from_hir(&whole).map(Self).map_err(|err| explain_size(&err))
    }

    /// The names of its groups, each with the index that it has in [`captures`](Self::captures).
    pub(crate) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        let names = self.0.group_info().pattern_names(PatternID::ZERO);
        names.enumerate().filter_map(|(index, name)| Some((index, name?)))
    }

    /// What the groups are, if the expression matches the whole of `tag`.
    pub(crate) fn captures(&self, tag: &str) -> Option<Captures> {
        if tag.len() > LONGEST_TAG || !tag.bytes().all(|byte| PRINTABLE.contains(&byte)) {
            return None;
        }
        let mut captures = self.0.create_captures();
        self.0.search_captures(&Input::new(tag).anchored(Anchored::Yes), &mut captures);
        captures.is_match().then_some(captures)
    }
}

/// Bytes rather than Unicode, whose tables are larger than all the rest of the plugin.
fn parser() -> Parser {
    ParserBuilder::new().unicode(false).utf8(false).nest_limit(DEEPEST).build()
}

/// Length of the shortest text of printable ASCII that could match, if what `^`, `$` and `\b` say is left out; `None` if there is none.
fn shortest(hir: &Hir) -> Option<usize> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(0),
        HirKind::Literal(literal) => literal.0.iter().all(|byte| PRINTABLE.contains(byte)).then_some(literal.0.len()),
        HirKind::Class(Class::Bytes(class)) => {
            let is_possible = |start, end| start <= *PRINTABLE.end() && end >= *PRINTABLE.start();
            class.ranges().iter().any(|range| is_possible(range.start(), range.end())).then_some(1)
        }
        HirKind::Class(Class::Unicode(class)) => class.minimum_len(),
        HirKind::Repetition(repetition) if repetition.min == 0 => Some(0),
        HirKind::Repetition(repetition) => {
            let times = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            shortest(&repetition.sub).map(|length| length.saturating_mul(times))
        }
        HirKind::Capture(capture) => shortest(&capture.sub),
        HirKind::Concat(parts) => {
            parts.iter().try_fold(0_usize, |length, part| Some(length.saturating_add(shortest(part)?)))
        }
        HirKind::Alternation(alternatives) => alternatives.iter().filter_map(shortest).min(),
    }
}

/// What is wrong, and where.
fn explain(text: &str, err: &regex_syntax::Error) -> String {
    let (problem, start) = match err {
        regex_syntax::Error::Parse(err) => (err.kind().to_string(), err.span().start.offset),
        regex_syntax::Error::Translate(err) => (err.kind().to_string(), err.span().start.offset),
        _ => (err.to_string(), 0),
    };
    let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    let place = if rest.is_empty() { "at its end".to_owned() } else { format!("at {:?}", one_line(rest, 30)) };
    let problem = one_line(&problem, 200);
    format!("the expression is not a regular expression: {problem}, character {}, {place}", before.chars().count() + 1)
}

fn explain_size(err: &BuildError) -> String {
    match err.size_limit() {
        Some(_) => {
            "the expression is too large once its repetitions are written out; use + or * in place of {n,m} with large numbers".to_owned()
        }
        None => format!("the expression cannot be used: {}", one_line(&err.to_string(), 200)),
    }
}
