//! YAML with the place of everything in it: which bytes of the text are which scalar. Pure.
//!
//! A parser says where things stand; what they mean to Kubernetes is for [`workloads`](super::workloads). JSON is YAML, too.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span};
use thiserror::Error;

/// Most merges (`<<`) that are followed from one mapping to the next: more are a circle.
const MOST_MERGES: usize = 16;

/// Why a text is no YAML.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum YamlError {
    /// The parser does not understand it.
    #[error("line {line}, column {column}: {what}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// In the words of the parser.
        what: String,
    },
    /// A key is there twice, so nobody knows which one counts.
    #[error("line {line}: the key {key:?} is there twice")]
    Twice {
        /// Where it is the second time, from 1.
        line: usize,
        /// The key.
        key: String,
    },
}

/// One document of a stream.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// What it holds.
    pub root: Node,
    /// The bytes that it stands in, from the beginning of its first line.
    pub range: Range<usize>,
    /// How often each anchor is referred to.
    aliases: HashMap<usize, usize>,
}

/// Something, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// What it is.
    pub value: Value,
    /// The bytes of its content: with quotes, without anchor and tag.
    pub span: Range<usize>,
    /// The line in which it begins, from 1.
    pub line: usize,
    /// The number of its anchor; 0 if it has none.
    pub anchor: usize,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A scalar, without quotes and escapes.
    Scalar(String, ScalarStyle),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping, in the order of the text.
    Mapping(Vec<(Node, Node)>),
    /// Stands for the node with the anchor of that number.
    Alias(usize),
}

/// A node by the way on which it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<'a> {
    /// The node itself; never an alias that could be followed.
    pub node: &'a Node,
    /// The alias that led to it in the last step.
    pub alias: Option<&'a Node>,
    /// Whether it is, or may be, part of other places of the document too: it was reached through an alias or merge before the last step,
    /// or stands within something that has an anchor which is referred to.
    pub is_shared: bool,
}

/// Places make no difference.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.anchor == other.anchor
    }
}

/// All documents of `text`; those without content are left out.
///
/// # Errors
/// [`YamlError::Syntax`], at the first mistake.
pub(super) fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    let options = granit_parser::options! { emit_comments: false };
    let mut documents = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    let mut aliases = HashMap::new();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|err| syntax(&err))?;
        let range = span.byte_range().unwrap_or_default();
        let node = |value: Value, anchor: usize| Node { value, span: range.clone(), line: span.start.line(), anchor };
        let finished = match event {
            Event::Scalar(scalar, style, anchor, _) => node(Value::Scalar(scalar.into_owned(), style), anchor),
            Event::Alias(anchor) => {
                let count: &mut usize = aliases.entry(anchor).or_default();
                *count = count.saturating_add(1);
                node(Value::Alias(anchor), 0)
            }
            Event::SequenceStart(_, anchor, _) => {
                open.push(Open::new(&span, anchor, Children::Sequence(Vec::new())));
                continue;
            }
            Event::MappingStart(_, anchor, _) => {
                open.push(Open::new(&span, anchor, Children::Mapping(Vec::new(), None)));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(done) => done.close(range.end),
                None => continue,
            },
            Event::DocumentEnd => {
                if let Some(root) = root.take() {
                    let range = document_range(text, &root, range.end);
                    documents.push(Document { root, range, aliases: std::mem::take(&mut aliases) });
                }
                continue;
            }
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.children.push(finished),
            None => root = Some(finished),
        }
    }
    documents.retain(|document| !document.is_empty());
    Ok(documents)
}

/// A collection of which the end is still to come.
struct Open {
    start: usize,
    line: usize,
    anchor: usize,
    children: Children,
}

enum Children {
    Sequence(Vec<Node>),
    /// The pairs, and a key that waits for its value.
    Mapping(Vec<(Node, Node)>, Option<Node>),
}

impl Children {
    fn push(&mut self, node: Node) {
        match self {
            Self::Sequence(nodes) => nodes.push(node),
            Self::Mapping(pairs, key) => match key.take() {
                Some(key) => pairs.push((key, node)),
                None => *key = Some(node),
            },
        }
    }
}

impl Open {
    fn new(span: &Span, anchor: usize, children: Children) -> Self {
        let start = span.start.byte_offset().unwrap_or_default();
        Self { start, line: span.start.line(), anchor, children }
    }

    fn close(self, end: usize) -> Node {
        let value = match self.children {
            Children::Sequence(nodes) => Value::Sequence(nodes),
            Children::Mapping(pairs, _) => Value::Mapping(pairs),
        };
        Node { value, span: self.start..end.max(self.start), line: self.line, anchor: self.anchor }
    }
}

fn syntax(err: &granit_parser::ScanError) -> YamlError {
    let marker = err.marker();
    YamlError::Syntax { line: marker.line(), column: marker.col().saturating_add(1), what: err.kind().to_string() }
}

/// From the beginning of the line in which `root` begins, so that its indentation is kept.
fn document_range(text: &str, root: &Node, end: usize) -> Range<usize> {
    let before = text.get(..root.span.start).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    start..end.max(start)
}

impl Document {
    fn is_empty(&self) -> bool {
        matches!(&self.root.value, Value::Scalar(text, ScalarStyle::Plain) if text.is_empty() || text == "~")
    }

    /// How often the anchor of that number is referred to.
    pub(super) fn references(&self, anchor: usize) -> usize {
        self.aliases.get(&anchor).copied().unwrap_or(0)
    }

    /// The root, as the beginning of a way.
    pub(super) fn found(&self) -> Found<'_> {
        Found { node: &self.root, alias: None, is_shared: false }
    }

    /// What `key` has in the mapping `at`, its own or merged in; none if there is no such key, or no mapping.
    ///
    /// # Errors
    /// [`YamlError::Twice`].
    pub(super) fn get<'a>(&'a self, at: Found<'a>, key: &str) -> Result<Option<Found<'a>>, YamlError> {
        self.get_merged(at, key, MOST_MERGES)
    }

    fn get_merged<'a>(&'a self, at: Found<'a>, key: &str, merges: usize) -> Result<Option<Found<'a>>, YamlError> {
        let Value::Mapping(pairs) = &at.node.value else { return Ok(None) };
        let mut own = pairs.iter().filter(|(name, _)| name.text() == Some(key));
        match (own.next(), own.next()) {
            (Some(_), Some((second, _))) => {
                return Err(YamlError::Twice { line: second.line, key: key.to_owned() });
            }
            (Some((_, value)), None) => return Ok(Some(self.step(at, value))),
            (None, _) => {}
        }
        let Some(left) = merges.checked_sub(1) else { return Ok(None) };
        for (_, value) in pairs.iter().filter(|(name, _)| name.text() == Some("<<")) {
            let from = self.step(at, value);
            let sources = match &from.node.value {
                Value::Sequence(nodes) => nodes.iter().map(|node| self.step(from, node)).collect(),
                Value::Scalar(..) | Value::Mapping(_) | Value::Alias(_) => vec![from],
            };
            for source in sources {
                if let Some(found) = self.get_merged(Found { is_shared: true, ..source }, key, left)? {
                    return Ok(Some(Found { is_shared: true, ..found }));
                }
            }
        }
        Ok(None)
    }

    /// What is at the end of a way of keys.
    ///
    /// # Errors
    /// [`YamlError::Twice`].
    pub(super) fn walk<'a>(&'a self, from: Found<'a>, keys: &[&str]) -> Result<Option<Found<'a>>, YamlError> {
        let mut at = from;
        for key in keys {
            match self.get(at, key)? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The text at the end of a way of keys; none if there is something else.
    ///
    /// # Errors
    /// [`YamlError::Twice`].
    pub(super) fn text<'a>(&'a self, from: Found<'a>, keys: &[&str]) -> Result<Option<&'a str>, YamlError> {
        Ok(self.walk(from, keys)?.and_then(|found| found.node.text()))
    }

    /// The items of the sequence `at`; empty if it is none.
    pub(super) fn items<'a>(&'a self, at: Found<'a>) -> Vec<Found<'a>> {
        match &at.node.value {
            Value::Sequence(nodes) => nodes.iter().map(|node| self.step(at, node)).collect(),
            Value::Scalar(..) | Value::Mapping(_) | Value::Alias(_) => Vec::new(),
        }
    }

    /// One step down from `at` to its child, through the alias that this may be.
    fn step<'a>(&'a self, at: Found<'a>, child: &'a Node) -> Found<'a> {
        let is_shared = at.is_shared || at.alias.is_some() || self.references(at.node.anchor) > 0;
        match child.value {
            Value::Alias(anchor) => match self.root.anchored(anchor) {
                Some(node) => Found { node, alias: Some(child), is_shared },
                None => Found { node: child, alias: Some(child), is_shared },
            },
            Value::Scalar(..) | Value::Sequence(_) | Value::Mapping(_) => Found { node: child, alias: None, is_shared },
        }
    }
}

impl Node {
    /// Its text; none if it is no scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text, _) => Some(text),
            Value::Sequence(_) | Value::Mapping(_) | Value::Alias(_) => None,
        }
    }

    /// The node in here with that anchor.
    fn anchored(&self, anchor: usize) -> Option<&Self> {
        if self.anchor == anchor {
            return Some(self);
        }
        match &self.value {
            Value::Scalar(..) | Value::Alias(_) => None,
            Value::Sequence(nodes) => nodes.iter().find_map(|node| node.anchored(anchor)),
            Value::Mapping(pairs) => {
                pairs.iter().find_map(|(key, value)| key.anchored(anchor).or_else(|| value.anchored(anchor)))
            }
        }
    }
}

#[cfg(test)]
mod tests;
