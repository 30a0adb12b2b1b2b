//! What was known when a listing ended. The semantics are in the documentation of the [crate].

use k8supdater_plugin::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Most tags that are remembered. With the longest names they have 33 KiB, and a checkpoint may have 64. Tags beyond count as new again.
const MOST_TAGS: usize = 256;
/// Longest tag (<https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests>).
const LONGEST_TAG: usize = 128;

/// The newest update of a repository, and the tags that were updated at that instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The newest `last_updated`.
    pub newest: Timestamp,
    /// The tags with that `last_updated`, sorted, so that the same repository gives the same checkpoint.
    pub tags: Vec<String>,
}

impl Checkpoint {
    /// Reads what [`encode`](Self::encode) wrote; None for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// As bytes for the host. JSON, so that a recorded conversation can be read by people.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        serde_json::to_vec(self).ok()
    }

    /// Whether a tag that was last updated at this time is new since. Of one without a time nobody can tell, so it is.
    pub(crate) fn is_new(&self, name: &str, updated: Option<Timestamp>) -> bool {
        match updated {
            None => true,
            Some(time) if time == self.newest => !self.tags.iter().any(|known| known == name),
            Some(time) => time > self.newest,
        }
    }

    /// What is known after this tag was listed as well.
    pub(crate) fn with(known: Option<Self>, name: &str, updated: Option<Timestamp>) -> Option<Self> {
        let Some(time) = updated else { return known };
        let mut known = known.filter(|known| known.newest >= time).unwrap_or(Self { newest: time, tags: Vec::new() });
        let has_room = known.tags.len() < MOST_TAGS && name.len() <= LONGEST_TAG;
        if has_room
            && known.newest == time
            && let Err(place) = known.tags.binary_search_by(|tag| tag.as_str().cmp(name))
        {
            known.tags.insert(place, name.to_owned());
        }
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanoseconds: u32) -> Timestamp {
        Timestamp { seconds, nanoseconds }
    }

    fn known(tags: &[(&str, Option<Timestamp>)]) -> Option<Checkpoint> {
        tags.iter().fold(None, |known, (name, updated)| Checkpoint::with(known, name, *updated))
    }

    #[test]
    fn the_newest_instant_and_its_tags_are_remembered() {
        let check = |tags: &[(&str, Option<Timestamp>)], expected: Option<(Timestamp, &[&str])>| {
            let expected = expected
                .map(|(newest, tags)| Checkpoint { newest, tags: tags.iter().map(|tag| (*tag).to_owned()).collect() });
            assert_eq!(known(tags), expected, "after {tags:?}");
        };
        check(&[], None);
        check(&[("a", None)], None);
        check(&[("a", Some(at(5, 0)))], Some((at(5, 0), &["a"])));
        check(&[("a", Some(at(5, 0))), ("b", Some(at(5, 0))), ("c", Some(at(4, 9)))], Some((at(5, 0), &["a", "b"])));
        check(&[("a", Some(at(5, 0))), ("a", Some(at(5, 0))), ("b", None)], Some((at(5, 0), &["a"])));
        check(&[("a", Some(at(5, 0))), ("b", Some(at(5, 1)))], Some((at(5, 1), &["b"])));
    }

    #[test]
    fn new_is_what_is_later_or_unknown_at_the_same_instant() {
        let checkpoint = known(&[("a", Some(at(5, 7)))]).unwrap();
        let check =
            |name, updated, expected| assert_eq!(checkpoint.is_new(name, updated), expected, "{name} {updated:?}");
        check("a", Some(at(5, 7)), false);
        check("b", Some(at(5, 7)), true);
        check("a", Some(at(5, 8)), true);
        check("b", Some(at(5, 6)), false);
        check("b", Some(at(4, 999_999_999)), false);
        check("a", None, true);
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_and_nothing_else_is_one() {
        let checkpoint = known(&[("a", Some(at(5, 7))), ("b", Some(at(5, 7)))]).unwrap();
        assert_eq!(Checkpoint::decode(&checkpoint.encode().unwrap()), Some(checkpoint));
        for bytes in [b"".as_slice(), b"{}", b"\xff", br#"{"newest": 5, "tags": []}"#] {
            assert_eq!(Checkpoint::decode(bytes), None);
        }
    }

    #[test]
    fn it_stays_small_however_many_tags_there_are() {
        let names: Vec<String> = (0..10_000).map(|number| format!("{number:0128}")).collect();
        let huge = "x".repeat(100_000);
        let mut tags: Vec<(&str, Option<Timestamp>)> =
            names.iter().map(|name| (name.as_str(), Some(at(5, 7)))).collect();
        tags.insert(0, (&huge, Some(at(5, 7))));
        let checkpoint = known(&tags).unwrap();
        assert!(checkpoint.encode().unwrap().len() < 64 * 1024);
        assert!(!checkpoint.is_new(&names[0], Some(at(5, 7))));
        assert!(checkpoint.is_new(&names[9_999], Some(at(5, 7))), "forgotten, so it is handed over again");
    }
}
