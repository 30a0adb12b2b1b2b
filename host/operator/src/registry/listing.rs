//! The tags of one repository at one time, and the versions that parsers read from them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use k8supdater_core::policy::Tagged;
use k8supdater_runtime::wit::registry::Tag;
use k8supdater_runtime::{CallError, Component};
use thiserror::Error;

/// A parser, by digest, and its settings.
type Reading = (String, String);

/// The tags of one repository, as a registry listed them.
#[derive(Debug)]
pub struct Listing {
    tags: Vec<Tag>,
    /// Versions by parser (digest) and settings: they are a pure function of these and the tags, so they live as long as the listing.
    versions: Mutex<HashMap<Reading, Arc<[Tagged]>>>,
}

/// Why tags could not be read as versions.
#[derive(Debug, Error)]
pub enum ParseError {
    /// The parser broke a limit or its contract.
    #[error("the plugin failed")]
    Call(#[source] CallError),
    /// The parser found that its settings make no sense.
    #[error("the settings make no sense to the plugin: {0}")]
    Settings(String),
}

impl Listing {
    /// `tags` without duplicates, sorted by name, so that two listings of the same tags are equal.
    pub fn new(mut tags: Vec<Tag>) -> Self {
        tags.sort_by(|one, other| one.name.cmp(&other.name));
        tags.dedup_by(|one, other| one.name == other.name);
        Self { tags, versions: Mutex::default() }
    }

    /// Whether both hold the same tags with the same details.
    pub fn has_same_tags(&self, other: &Self) -> bool {
        let key = |tag: &Tag| (tag.digest.clone(), tag.pushed);
        self.tags.len() == other.tags.len()
            && self.tags.iter().zip(&other.tags).all(|(one, two)| one.name == two.name && key(one) == key(two))
    }

    /// All tags with their versions, as `parser` reads them; sorted by tag. Read once per listing, parser and settings.
    ///
    /// # Errors
    /// See [`ParseError`].
    pub async fn versions(&self, parser: &Component, settings: &str) -> Result<Arc<[Tagged]>, ParseError> {
        let key = (parser.digest().to_string(), settings.to_owned());
        if let Some(known) = self.versions.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(known));
        }
        // Two who come at the same time both parse; the results are equal, and it takes milliseconds.
        let names = self.tags.iter().map(|tag| tag.name.clone()).collect();
        let parsed = parse(parser, names, settings).await?;
        // A digest that is none is as good as one that is not told.
        let digest = |tag: &Tag| tag.digest.as_deref().and_then(|digest| digest.parse().ok());
        let parsed =
            parsed.iter().zip(&self.tags).map(|(tagged, tag)| Tagged { digest: digest(tag), ..tagged.clone() });
        let parsed: Arc<[Tagged]> = parsed.collect();
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&parsed));
        Ok(parsed)
    }
}

/// Reads `tags` as versions, in the same order.
///
/// # Errors
/// See [`ParseError`].
pub async fn parse(parser: &Component, tags: Vec<String>, settings: &str) -> Result<Arc<[Tagged]>, ParseError> {
    let versions =
        parser.parse(tags.clone(), settings).await.map_err(ParseError::Call)?.map_err(ParseError::Settings)?;
    Ok(tags.into_iter().zip(versions).map(|(tag, version)| Tagged::new(tag, version)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, digest: Option<&str>) -> Tag {
        Tag { name: name.to_owned(), digest: digest.map(str::to_owned), pushed: None, images: vec![] }
    }

    #[test]
    fn listings_are_equal_whatever_the_order_and_repetition_of_their_tags() {
        let one = Listing::new(vec![tag("1.0", None), tag("1.1", None)]);
        let two = Listing::new(vec![tag("1.1", None), tag("1.0", None), tag("1.1", None)]);
        assert!(one.has_same_tags(&two));
        assert!(!one.has_same_tags(&Listing::new(vec![tag("1.0", None)])));
        assert!(!one.has_same_tags(&Listing::new(vec![tag("1.0", Some("sha256:a")), tag("1.1", None)])));
    }
}
