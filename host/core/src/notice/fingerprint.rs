//! When two notices are the same.

use std::fmt;

use sha2::{Digest, Sha256};

use super::Notice;

/// What the format is called inside the hash; a change of the format changes it.
const FORMAT: &str = "k8supdater-notice-1";

/// What two notices have in common if they say the same. Prints as 16 hexadecimal digits in lower case.
///
/// Stable across restarts, replicas and versions: the first eight bytes of the SHA-256 hash of these texts, each after its length in bytes
/// as eight bytes, the least significant first: `k8supdater-notice-1`, the kind's word, the handler's namespace and UID, container, from,
/// to, error class and plugin. What is none is the empty text. Level, time, link, newest and the words for people do not count, nor does
/// the handler's name, which goes with the UID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(notice: &Notice) -> Self {
        let word = |word: &Option<String>| word.clone().unwrap_or_default();
        Self::of_parts(&[
            FORMAT,
            notice.kind.as_str(),
            &notice.handler.namespace,
            &notice.handler.uid,
            &word(&notice.container),
            &word(&notice.from),
            &word(&notice.to),
            &word(&notice.error_class),
            &word(&notice.plugin),
        ])
    }

    /// Of any texts; which of them belongs where counts.
    pub(super) fn of_parts<T: AsRef<str>>(parts: &[T]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref().as_bytes();
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(part);
        }
        Self(hash.finalize().0.first_chunk().copied().map_or(0, u64::from_be_bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{notice, some};
    use super::super::{Handler, Kind, Level};
    use super::*;

    /// Whoever has to change these has made every notice that stands anywhere be told again.
    #[test]
    fn the_format_does_not_change() {
        let check = |notice: &Notice, expected: &str| assert_eq!(notice.fingerprint().to_string(), expected);
        check(&notice(Kind::HandlerCreated), "8a6760bd939308c0");
        check(
            &Notice { container: some("app"), from: some("1.0"), to: some("2.0"), ..notice(Kind::UpdateAvailable) },
            "6946d90183d698d9",
        );
    }

    #[test]
    fn what_makes_a_notice_another_one() {
        let base = Notice {
            container: some("app"),
            from: some("1.0"),
            to: some("2.0"),
            error_class: some("Timeout"),
            plugin: some("oci"),
            ..notice(Kind::UpdateAvailable)
        };
        let check = |what: &str, change: &dyn Fn(&mut Notice), is_same: bool| {
            let mut changed = base.clone();
            change(&mut changed);
            assert_eq!(changed.fingerprint() == base.fingerprint(), is_same, "{what}");
        };
        let handler = |namespace: &str, name: &str, uid: &str| Handler {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        };
        check("kind", &|notice| notice.kind = Kind::Updated, false);
        check("namespace", &|notice| notice.handler = handler("team-b", "web", "u-1"), false);
        check("uid", &|notice| notice.handler = handler("team-a", "web", "u-2"), false);
        check("container", &|notice| notice.container = some("sidecar"), false);
        check("no container", &|notice| notice.container = None, false);
        check("from", &|notice| notice.from = some("1.1"), false);
        check("to", &|notice| notice.to = some("2.1"), false);
        check("class", &|notice| notice.error_class = some("Refused"), false);
        check("plugin", &|notice| notice.plugin = some("hub"), false);
        check("moved border", &|notice| (notice.from, notice.to) = (some("1.02"), some(".0")), false);
        check("moved part", &|notice| (notice.error_class, notice.plugin) = (some("oci"), some("Timeout")), false);

        check("name", &|notice| notice.handler = handler("team-a", "other", "u-1"), true);
        check("level", &|notice| notice.level = Level::Debug, true);
        check("time", &|notice| notice.time = jiff::Timestamp::UNIX_EPOCH, true);
        check("detail", &|notice| notice.detail = some("another"), true);
        check("newest", &|notice| notice.newest = some("3.0"), true);
    }
}
