//! Other images in the text of a manifest, and not one byte more. Pure.

use std::collections::HashMap;
use std::ops::Range;

use thiserror::Error;

use super::workloads::{ContainerImage, Fixed, Spot};
use super::yaml::{self, Document, Node, Value};

/// A piece of text to be replaced by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Its bytes.
    pub text: Range<usize>,
    /// What is to stand there.
    pub new: String,
}

/// What is to be done about one container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It keeps its image.
    Keep,
    /// Its image is replaced, where it stands or at the anchor that it refers to.
    Replace,
    /// It should have another image, which it does not get.
    Refuse(Fixed),
}

/// The text would not be what it should be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("changing the images would change something else as well, so nothing was changed; change them by hand")]
pub(super) struct NotExact;

/// What is to be done to give each of `wanted` its new image, if it is to get one, and a plan for each of them, in the same order. All are
/// of one file.
///
/// Where several places share one text through an anchor, it is replaced only if all of them are images and get the same.
pub(super) fn plan(wanted: &[(&ContainerImage, Option<String>)]) -> (Vec<Edit>, Vec<Plan>) {
    // What the aliases of each anchor want.
    let mut aliases: HashMap<(usize, usize), Vec<&Option<String>>> = HashMap::new();
    for (image, new) in wanted {
        if let Spot::Alias { anchor } = image.spot {
            aliases.entry(anchor).or_default().push(new);
        }
    }
    let agreed = |id: (usize, usize), references: usize, new: &Option<String>| {
        let aliases = aliases.get(&id).map(Vec::as_slice).unwrap_or_default();
        aliases.len() == references && aliases.iter().all(|alias| *alias == new)
    };
    let mut edits = Vec::new();
    let mut replaced = Vec::new();
    for (image, new) in wanted {
        if let (Spot::Scalar { text, anchor }, Some(new_text)) = (&image.spot, new) {
            if let Some(anchor) = anchor {
                if !agreed(anchor.id, anchor.references, new) {
                    continue;
                }
                replaced.push(anchor.id);
            }
            edits.push(Edit { text: text.clone(), new: new_text.clone() });
        }
    }
    edits.sort_by_key(|edit| edit.text.start);
    let plan = |(image, new): &(&ContainerImage, Option<String>)| match (&image.spot, new) {
        (_, None) => Plan::Keep,
        (Spot::Scalar { anchor: None, .. }, Some(_)) => Plan::Replace,
        (Spot::Scalar { anchor: Some(anchor), .. }, Some(_)) if replaced.contains(&anchor.id) => Plan::Replace,
        (Spot::Alias { anchor }, Some(_)) if replaced.contains(anchor) => Plan::Replace,
        (Spot::Scalar { .. } | Spot::Alias { .. }, Some(_)) => Plan::Refuse(Fixed::Alias),
        (Spot::Fixed(why), Some(_)) => Plan::Refuse(*why),
    };
    (edits, wanted.iter().map(plan).collect())
}

/// `text` with the `edits`, which are in order and do not overlap.
///
/// The result is parsed again: it has the same documents, with the same in them, but for the scalars that were to be replaced.
///
/// # Errors
/// [`NotExact`] if that is not so.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Result<String, NotExact> {
    let mut changed = String::with_capacity(text.len().saturating_add(64));
    let mut done = 0;
    for edit in edits {
        changed.push_str(text.get(done..edit.text.start).ok_or(NotExact)?);
        changed.push_str(&edit.new);
        done = edit.text.end;
    }
    changed.push_str(text.get(done..).ok_or(NotExact)?);
    let (before, after) = (yaml::parse(text).map_err(|_| NotExact)?, yaml::parse(&changed).map_err(|_| NotExact)?);
    if is_exact(&before, &after, edits) { Ok(changed) } else { Err(NotExact) }
}

fn is_exact(before: &[Document], after: &[Document], edits: &[Edit]) -> bool {
    let mut left: Vec<&Edit> = edits.iter().collect();
    let same = before.len() == after.len()
        && before.iter().zip(after).all(|(before, after)| is_same(&before.root, &after.root, &mut left));
    // Each edit has been met, none twice.
    same && left.is_empty()
}

/// Whether both are the same but for edits, which are taken out of `left` as they are met.
fn is_same(before: &Node, after: &Node, left: &mut Vec<&Edit>) -> bool {
    if before.anchor != after.anchor {
        return false;
    }
    match (&before.value, &after.value) {
        (Value::Scalar(old, old_style), Value::Scalar(new, new_style)) => {
            let is_meant = |edit: &&Edit| before.span.start <= edit.text.start && edit.text.end <= before.span.end;
            match left.iter().position(is_meant) {
                None => old == new && old_style == new_style,
                Some(place) => left.remove(place).new == *new && old_style == new_style,
            }
        }
        (Value::Sequence(old), Value::Sequence(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| is_same(old, new, left))
        }
        (Value::Mapping(old), Value::Mapping(new)) => {
            old.len() == new.len()
                && old
                    .iter()
                    .zip(new)
                    .all(|((old_key, old), (new_key, new))| is_same(old_key, new_key, left) && is_same(old, new, left))
        }
        (Value::Alias(old), Value::Alias(new)) => old == new,
        (Value::Scalar(..) | Value::Sequence(_) | Value::Mapping(_) | Value::Alias(_), _) => false,
    }
}

#[cfg(test)]
mod tests;
