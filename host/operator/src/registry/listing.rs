//! The tags of one repository at one time, and the versions that parsers read from them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use k8supdater_core::image::Digest;
use k8supdater_core::policy::{Platform, Tagged};
use k8supdater_runtime::wit::registry::Tag;
use k8supdater_runtime::{CallError, Component};
use thiserror::Error;

use crate::telemetry::traces::call::traced;

/// A parser, by digest, and its settings.
type Reading = (String, String);

/// The tags of one repository, as a registry listed them.
#[derive(Debug)]
pub struct Listing {
    tags: Vec<Listed>,
    /// Versions by parser (digest) and settings: they are a pure function of these and the tags, so they live as long as the listing.
    versions: Mutex<HashMap<Reading, Arc<[Tagged]>>>,
    /// Since when there are tags that were not in the first of the listings that followed one another.
    seen: HashMap<String, Timestamp>,
}

/// One tag, without what is the same for many.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    name: String,
    digest: Option<Digest>,
    pushed: Option<Timestamp>,
    /// None if the registry did not tell.
    images: Option<Images>,
    /// None unless this one tag was asked for.
    source: Option<Box<str>>,
}

/// The images behind a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Images {
    platforms: Arc<[Platform]>,
    /// Kept only where one tag was asked for: in a listing they would take more memory than all the rest.
    digests: Vec<Digest>,
}

/// What is known about one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// What it points at, if the registry tells.
    pub digest: Option<Digest>,
    /// What it runs on, if the registry tells.
    pub platforms: Option<Arc<[Platform]>>,
    /// The image manifests behind it, one for each platform; empty if nobody has asked for them, or the registry does not tell.
    pub members: Vec<Digest>,
    /// Where the image says that its source is; none if it does not, or the registry was not asked about this one tag. Whoever built the
    /// image has written it. At most 2048 bytes.
    pub source: Option<String>,
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
    pub fn new(tags: Vec<Tag>) -> Self {
        Self::of(listed(tags, false))
    }

    /// The answer to a question about single tags, which keeps all that was told.
    pub(super) fn detailed(tags: Vec<Tag>) -> Self {
        Self::of(listed(tags, true))
    }

    /// This listing with `news` laid over it: tags of the same name are replaced.
    pub(super) fn updated(&self, news: Vec<Tag>) -> Self {
        // The first of the same name stays.
        Self::of(listed(news, false).into_iter().chain(self.tags.iter().cloned()).collect())
    }

    fn of(mut tags: Vec<Listed>) -> Self {
        tags.sort_by(|one, other| one.name.cmp(&other.name));
        tags.dedup_by(|one, other| one.name == other.name);
        Self { tags, versions: Mutex::default(), seen: HashMap::new() }
    }

    /// Takes note of what is new at `now`, compared with the listing `before`.
    pub(super) fn follow(&mut self, before: &Self, now: Timestamp) {
        for Listed { name, .. } in &self.tags {
            let seen = match before.place(name) {
                Some(_) => before.seen.get(name).copied(),
                None => Some(now),
            };
            self.seen.extend(seen.map(|seen| (name.clone(), seen)));
        }
    }

    /// When that tag was listed first, if it was not there before.
    pub(super) fn first_seen(&self, tag: &str) -> Option<Timestamp> {
        self.seen.get(tag).copied()
    }

    /// Whether both hold the same tags with the same details.
    pub fn has_same_tags(&self, other: &Self) -> bool {
        self.tags == other.tags
    }

    /// What is known about one tag; none if it is not listed.
    pub fn detail(&self, tag: &str) -> Option<Detail> {
        let place = self.place(tag)?;
        let Listed { digest, images, source, .. } = self.tags.get(place)?.clone();
        let (platforms, members) = images.map_or((None, Vec::new()), |images| (Some(images.platforms), images.digests));
        Some(Detail { digest, platforms, members, source: source.map(String::from) })
    }

    fn place(&self, tag: &str) -> Option<usize> {
        self.tags.binary_search_by(|listed| listed.name.as_str().cmp(tag)).ok()
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
        let parsed = parsed.iter().zip(&self.tags).map(|(tagged, listed)| Tagged {
            digest: listed.digest.clone(),
            platforms: listed.images.as_ref().map(|images| Arc::clone(&images.platforms)),
            since: listed.pushed,
            ..tagged.clone()
        });
        let parsed: Arc<[Tagged]> = parsed.collect();
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Arc::clone(&parsed));
        Ok(parsed)
    }
}

/// `tags` as they are kept. A digest that is none, and a time that no calendar has, are as good as one that is not told.
fn listed(tags: Vec<Tag>, with_digests: bool) -> Vec<Listed> {
    let mut shared: HashSet<Arc<[Platform]>> = HashSet::new();
    let mut kept = Vec::with_capacity(tags.len());
    for Tag { name, digest, pushed, images, source } in tags {
        let digest = digest.and_then(|digest| digest.parse().ok());
        let pushed = pushed.and_then(|second| Timestamp::from_second(i64::try_from(second).ok()?).ok());
        let images = (!images.is_empty()).then(|| {
            let platforms: BTreeSet<Platform> =
                images.iter().map(|image| Platform::new(&image.os, &image.architecture)).collect();
            let platforms: Arc<[Platform]> = platforms.into_iter().collect();
            // Nearly all tags of a repository have the same platforms.
            let platforms = shared.get(&platforms).cloned().unwrap_or_else(|| {
                shared.insert(Arc::clone(&platforms));
                platforms
            });
            let digests = images.iter().filter(|_| with_digests).filter_map(|image| image.digest.parse().ok());
            Images { platforms, digests: digests.collect() }
        });
        kept.push(Listed { name, digest, pushed, images, source: source.map(String::into_boxed_str) });
    }
    kept
}

/// Reads `tags` as versions, in the same order.
///
/// # Errors
/// See [`ParseError`].
pub async fn parse(parser: &Component, tags: Vec<String>, settings: &str) -> Result<Arc<[Tagged]>, ParseError> {
    let mut answer = traced(parser, "parse", parser.parse(tags.clone(), settings)).await;
    if matches!(answer, Err(CallError::DeadlineExceeded { .. })) {
        // The deadline is time as it passes, and a node that is busy may not come to the plugin in all of it. One that is too slow is late again.
        answer = traced(parser, "parse", parser.parse(tags.clone(), settings)).await;
    }
    let versions = answer.map_err(ParseError::Call)?.map_err(ParseError::Settings)?;
    Ok(tags.into_iter().zip(versions).map(|(tag, version)| Tagged::new(tag, version)).collect())
}

#[cfg(test)]
mod tests {
    use k8supdater_runtime::wit::registry::Image;

    use super::*;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn tag(name: &str, digest_digit: Option<char>) -> Tag {
        let digest = digest_digit.map(digest);
        Tag { name: name.to_owned(), digest, pushed: None, images: Vec::new(), source: None }
    }

    fn image(architecture: &str, digit: char) -> Image {
        Image { digest: digest(digit), os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    #[test]
    fn listings_are_equal_whatever_the_order_and_repetition_of_their_tags() {
        let one = Listing::new(vec![tag("1.0", None), tag("1.1", None)]);
        let two = Listing::new(vec![tag("1.1", None), tag("1.0", None), tag("1.1", None)]);
        assert!(one.has_same_tags(&two));
        assert!(!one.has_same_tags(&Listing::new(vec![tag("1.0", None)])));
        assert!(!one.has_same_tags(&Listing::new(vec![tag("1.0", Some('a')), tag("1.1", None)])));
        let strange = Tag { digest: Some("md5:1".to_owned()), ..tag("1.0", None) };
        assert!(one.has_same_tags(&Listing::new(vec![strange, tag("1.1", None)])));
    }

    #[test]
    fn news_are_laid_over_what_is_known() {
        let known = Listing::new(vec![tag("1.0", Some('a')), tag("1.1", Some('b'))]);
        let updated = known.updated(vec![tag("1.2", Some('d')), tag("1.1", Some('c'))]);
        let expected = Listing::new(vec![tag("1.0", Some('a')), tag("1.1", Some('c')), tag("1.2", Some('d'))]);
        assert!(updated.has_same_tags(&expected), "{updated:?}");
        assert!(known.updated(Vec::new()).has_same_tags(&known));
    }

    #[test]
    fn tags_that_come_are_seen_then_and_those_that_were_there_are_not() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = Listing::new(vec![tag("1.0", None)]);
        let mut second = Listing::new(vec![tag("1.0", None), tag("1.1", None)]);
        second.follow(&first, at(10));
        let mut third = second.updated(vec![tag("1.1", Some('a')), tag("1.2", None)]);
        third.follow(&second, at(20));
        let seen = ["1.0", "1.1", "1.2", "2.0"].map(|tag| third.first_seen(tag));
        assert_eq!(seen, [None, Some(at(10)), Some(at(20)), None]);
        let mut without = Listing::new(vec![tag("1.2", None)]);
        without.follow(&third, at(30));
        let mut again = Listing::new(vec![tag("1.1", None), tag("1.2", None)]);
        again.follow(&without, at(40));
        assert_eq!((again.first_seen("1.1"), again.first_seen("1.2")), (Some(at(40)), Some(at(20))));
    }

    #[test]
    fn platforms_are_known_as_far_as_the_registry_tells_and_kept_once() {
        let multi = |name: &str| Tag { images: vec![image("arm64", '1'), image("amd64", '2')], ..tag(name, Some('f')) };
        let (linux_amd, linux_arm) = (Platform::new("linux", "amd64"), Platform::new("linux", "arm64"));
        let listing = Listing::new(vec![multi("1"), multi("2"), tag("3", None)]);
        let (one, two) = (listing.detail("1").unwrap(), listing.detail("2").unwrap());
        assert_eq!(one.platforms.as_deref(), Some([linux_amd, linux_arm].as_slice()));
        assert!(Arc::ptr_eq(one.platforms.as_ref().unwrap(), two.platforms.as_ref().unwrap()));
        assert_eq!((one.members, listing.detail("3").unwrap().platforms), (vec![], None));
        assert_eq!(listing.detail("4"), None);
        let detail = Listing::detailed(vec![multi("1")]).detail("1").unwrap();
        assert_eq!(detail.members, [digest('1').parse().unwrap(), digest('2').parse().unwrap()]);
        let source = Some("https://github.com/example/app".to_owned());
        let told = Listing::detailed(vec![Tag { source: source.clone(), ..multi("1") }]).detail("1").unwrap();
        assert_eq!((told.source, detail.source), (source, None));
    }
}
