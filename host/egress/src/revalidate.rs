//! Answers that are kept, so that asking again costs a `304 Not Modified` instead of the whole answer.
//!
//! Pure, apart from a lock. Nothing is ever served without asking: each request goes out, with the validators of the answer that is
//! kept (RFC 9110 section 13), and only a 304 makes the kept one the answer again. So there is no question of freshness, and a secret
//! that was taken back stops working at once.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use http::{Method, StatusCode};
use lru::LruCache;

use crate::credential::Identity;
use crate::request::Call;
use crate::wire::Answer;

/// What an entry costs beside its texts and bytes: links, tables, reference counts.
const OVERHEAD: usize = 512;

/// Answers that are kept, up to a number of bytes; the least recently used go first.
pub(crate) struct Kept(Mutex<Store>);

struct Store {
    answers: LruCache<Key, Arc<Entry>>,
    bytes: usize,
    most_bytes: usize,
}

/// What makes two requests the same: all of the request, and whose it is, so that tenants never see each other's answers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    identities: Vec<Identity>,
}

/// An answer that is kept.
pub(crate) struct Entry {
    headers: HeaderMap,
    body: Bytes,
    cost: usize,
}

impl Key {
    /// The key of `call`; none if its answer is not one to keep.
    pub(crate) fn of(call: &Call, identities: Vec<Identity>) -> Option<Self> {
        if call.method != Method::GET || !call.body.is_empty() {
            return None;
        }
        let mut headers: Vec<_> = call.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        // A stable sort: several values of one name keep their order, which means something.
        headers.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
        Some(Self { url: call.url.to_string(), headers, identities })
    }

    fn cost(&self) -> usize {
        self.url.len()
            + self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>()
            + self.identities.len() * size_of::<Identity>()
    }
}

impl Entry {
    /// Adds what makes a request conditional on this answer being out of date.
    pub(crate) fn condition(&self, headers: &mut HeaderMap) {
        for (validator, condition) in [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)] {
            if let Some(value) = self.headers.get(validator) {
                headers.insert(condition, value.clone());
            }
        }
    }

    /// The answer, as it was.
    pub(crate) fn answer(&self) -> Answer {
        Answer { status: StatusCode::OK, headers: self.headers.clone(), body: self.body.clone() }
    }
}

impl Kept {
    /// Room for answers of `most_bytes` in total.
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self(Mutex::new(Store { answers: LruCache::unbounded(), bytes: 0, most_bytes }))
    }

    /// The answer that was kept for `key`.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Entry>> {
        self.lock().answers.get(key).cloned()
    }

    /// Keeps `answer` if it is one that can be asked about again; what was kept for `key` before is dropped in any case.
    pub(crate) fn keep(&self, key: Key, answer: &Answer) {
        let entry = is_kept(answer).then(|| {
            let headers: usize = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
            let cost = OVERHEAD + key.cost() + headers + answer.body.len();
            Entry { headers: answer.headers.clone(), body: answer.body.clone(), cost }
        });
        let mut store = self.lock();
        if let Some(old) = store.answers.pop(&key) {
            store.bytes -= old.cost;
        }
        let Some(entry) = entry.filter(|entry| entry.cost <= store.most_bytes) else { return };
        store.bytes += entry.cost;
        store.answers.put(key, Arc::new(entry));
        while store.bytes > store.most_bytes {
            let Some((_, oldest)) = store.answers.pop_lru() else { break };
            store.bytes -= oldest.cost;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `answer` has a validator and its server does not forbid keeping it (RFC 9111 sections 3 and 4.1).
fn is_kept(answer: &Answer) -> bool {
    let says = |name: HeaderName, word: &str| {
        let values = answer.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    answer.status == StatusCode::OK
        && (answer.headers.contains_key(ETAG) || answer.headers.contains_key(LAST_MODIFIED))
        && !says(CACHE_CONTROL, "no-store")
        && !says(VARY, "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(url: &str) -> Key {
        Key { url: url.to_owned(), headers: Vec::new(), identities: Vec::new() }
    }

    fn answer(headers: &[(&'static str, &str)], length: usize) -> Answer {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
        Answer { status: StatusCode::OK, headers, body: vec![b'x'; length].into() }
    }

    #[test]
    fn only_answers_with_a_validator_are_kept() {
        let check = |status: u16, headers: &[(&'static str, &str)], is_found: bool| {
            let kept = Kept::new(1024 * 1024);
            let mut answer = answer(headers, 10);
            answer.status = StatusCode::from_u16(status).unwrap();
            kept.keep(key("u"), &answer);
            assert_eq!(kept.find(&key("u")).is_some(), is_found, "{status} {headers:?}");
        };
        check(200, &[("etag", "\"a\"")], true);
        check(200, &[("etag", "W/\"a\"")], true);
        check(200, &[("last-modified", "Mon, 15 Jan 2024 10:00:00 GMT")], true);
        check(200, &[], false);
        check(404, &[("etag", "\"a\"")], false);
        check(206, &[("etag", "\"a\"")], false);
        check(200, &[("etag", "\"a\""), ("cache-control", "private, No-Store")], false);
        check(200, &[("etag", "\"a\""), ("cache-control", "no-cache")], true);
        check(200, &[("etag", "\"a\""), ("vary", "*")], false);
    }

    #[test]
    fn the_least_recently_used_answers_go_first_and_the_limit_holds() {
        let kept = Kept::new(10_000);
        let page = answer(&[("etag", "\"a\"")], 2_000);
        for url in ["a", "b", "c"] {
            kept.keep(key(url), &page);
        }
        assert!(kept.find(&key("a")).is_some(), "and is the most recently used now");
        kept.keep(key("d"), &page);
        let left = ["a", "b", "c", "d"].map(|url| kept.lock().answers.contains(&key(url)));
        assert_eq!(left, [true, false, true, true]);
        kept.keep(key("huge"), &answer(&[("etag", "\"a\"")], 10_000));
        assert!(kept.find(&key("huge")).is_none());
        kept.keep(key("a"), &answer(&[], 1));
        assert!(kept.find(&key("a")).is_none(), "an answer that cannot be kept replaces one that was");
        for url in ["c", "d"] {
            kept.keep(key(url), &answer(&[], 1));
        }
        assert_eq!(kept.lock().bytes, 0);
    }
}
