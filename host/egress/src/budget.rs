//! What a server says about how many more requests it allows. Pure.
//!
//! Read for people who look at metrics; nothing here waits because of it. What a server does when there is nothing left, it says with a 429.

use http::header::HeaderMap;

/// Names under which servers tell what is left: that of an IETF draft
/// (<https://datatracker.ietf.org/doc/html/draft-polli-ratelimit-headers-05>), which Docker Hub's registry and GitLab use
/// (<https://docs.docker.com/docker-hub/usage/pulls/>,
/// <https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers>), and that from before it, which Docker Hub's API
/// and GitHub use.
const REMAINING: [&str; 2] = ["ratelimit-remaining", "x-ratelimit-remaining"];
/// The same for how many there are in all.
const LIMIT: [&str; 2] = ["ratelimit-limit", "x-ratelimit-limit"];

/// How many requests a server still allows for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// So many.
    pub remaining: u64,
    /// Of so many, if it says that.
    pub limit: Option<u64>,
}

impl Budget {
    /// What `headers` say; none if they say nothing.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let read = |names: [&str; 2]| names.iter().find_map(|name| number(headers.get(*name)?.to_str().ok()?));
        Some(Self { remaining: read(REMAINING)?, limit: read(LIMIT) })
    }
}

/// The number that `value` begins with: `76;w=21600` is 76 in a window of six hours, `10, 10;w=1, 50;w=60` is 10.
fn number(value: &str) -> Option<u64> {
    value.split([';', ',']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn what_is_left_is_read_from_the_headers_of_the_large_registries() {
        let check = |headers: &[(&'static str, &str)], expected: Option<(u64, Option<u64>)>| {
            let headers: HeaderMap =
                headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect();
            let expected = expected.map(|(remaining, limit)| Budget { remaining, limit });
            assert_eq!(Budget::of(&headers), expected, "{headers:?}");
        };
        // Docker Hub's registry, Docker Hub's API, GitLab, the draft.
        check(&[("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")], Some((76, Some(100))));
        check(&[("x-ratelimit-limit", "180"), ("x-ratelimit-remaining", "179")], Some((179, Some(180))));
        check(&[("ratelimit-limit", "600"), ("ratelimit-remaining", "0")], Some((0, Some(600))));
        check(&[("ratelimit-limit", "10, 10;w=1, 50;w=60"), ("ratelimit-remaining", "9")], Some((9, Some(10))));
        check(&[("ratelimit-remaining", "5")], Some((5, None)));
        check(&[("ratelimit-limit", "100")], None);
        check(&[("ratelimit-remaining", "-1")], None);
        check(&[("ratelimit-remaining", "many"), ("x-ratelimit-remaining", "4")], Some((4, None)));
        check(&[], None);
    }
}
