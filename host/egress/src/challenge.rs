//! What a registry asks for when it answers 401, and whom it may send us to.
//!
//! Pure. The forms are those of RFC 9110 section 11.6.1 and of the registries' token protocol
//! (<https://distribution.github.io/distribution/spec/auth/token/>). Start reading at [`check_realm`]: it is the rule that keeps a
//! registry from collecting passwords, or from having us call addresses that it cannot reach itself.

use http::header::{HeaderMap, WWW_AUTHENTICATE};
use http_auth::{ChallengeParser, ChallengeRef};
use k8supdater_core::origin::{Origin, Scheme};
use url::Url;

use crate::failure::Failure;
use crate::resolve::Reach;
use crate::scope::RealmBinding;

/// A challenge that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With user name and password.
    Basic,
    /// With a token that is sold elsewhere.
    Bearer(TokenService),
}

/// Who sells tokens, and which one is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenService {
    realm: Url,
    service: Option<String>,
    /// What the token should allow, separated by spaces: `repository:library/nginx:pull`.
    scope: Option<String>,
}

impl TokenService {
    /// Where a token is to be had, with the question as its query.
    pub(crate) fn url(&self) -> Url {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = &self.service {
                query.append_pair("service", service);
            }
            for scope in self.scope.iter().flat_map(|scope| scope.split(' ')).filter(|scope| !scope.is_empty()) {
                query.append_pair("scope", scope);
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        url
    }
}

/// The challenge in the headers of a 401; none if there is none that makes sense.
///
/// A token is preferred to a password where there is a choice.
pub(crate) fn parse(headers: &HeaderMap) -> Option<Challenge> {
    let mut found = None;
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(value) = value.to_str() else { continue };
        // What follows a syntax error cannot be told apart from it; what came before is still good.
        for challenge in ChallengeParser::new(value).map_while(Result::ok) {
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(service) = token_service(&challenge)
            {
                return Some(Challenge::Bearer(service));
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                found = Some(Challenge::Basic);
            }
        }
    }
    found
}

fn token_service(challenge: &ChallengeRef<'_>) -> Option<TokenService> {
    let param = |wanted: &str| {
        let found = challenge.params.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.to_unescaped())
    };
    let mut realm = Url::parse(&param("realm")?).ok()?;
    realm.set_fragment(None);
    let is_usable =
        matches!(realm.scheme(), "http" | "https") && realm.username().is_empty() && realm.password().is_none();
    is_usable.then(|| TokenService { realm, service: param("service"), scope: param("scope") })
}

/// A token service that may be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) origin: Origin,
    pub(crate) reach: Reach,
}

/// Whether `registry` may send us to `service`.
///
/// It may, if the service is on its own host, at any port, over `https`; over `http` only where the registry itself is called over
/// `http`. Any other origin must be bound to the registry by an administrator, who thereby also vouches for its address.
///
/// # Errors
/// [`Failure::Denied`], naming both and the remedy.
pub(crate) fn check_realm(
    service: &TokenService,
    registry: &Origin,
    reach: Reach,
    bindings: &[RealmBinding],
) -> Result<Realm, Failure> {
    let denied = |realm: &str| {
        Failure::Denied(format!(
            "{registry} wants a token from {realm}, which is neither on its own host nor bound to it, so nothing was sent there; \
             an administrator can bind it in the Plugin's spec.grants.realms"
        ))
    };
    let origin = Origin::of(&service.realm).ok_or_else(|| denied("a realm without a host"))?;
    if bindings.iter().any(|binding| binding.registry == *registry && binding.realm == origin) {
        return Ok(Realm { origin, reach: Reach::Named });
    }
    // Plain http is only ever called where an administrator named the origin, so `registry` being http says that it was named.
    let is_as_safe = origin.scheme() == Scheme::Https || registry.scheme() == Scheme::Http;
    if origin.host() == registry.host() && is_as_safe {
        return Ok(Realm { origin, reach });
    }
    Err(denied(&origin.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, value.parse().unwrap())).collect()
    }

    /// What is bought for the challenge, as the URL that is called for it; `Basic` and nothing otherwise.
    fn check(values: &[&str], expected: &str) {
        let found = match parse(&headers(values)) {
            None => "nothing".to_owned(),
            Some(Challenge::Basic) => "Basic".to_owned(),
            Some(Challenge::Bearer(service)) => service.url().to_string(),
        };
        assert_eq!(found, expected, "{values:?}");
    }

    /// The forms are those that distribution, Docker Hub, renovate's and argocd-image-updater's tests show.
    #[test]
    fn challenges_are_read_in_all_forms_that_registries_use() {
        check(
            &[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/node:pull""#,
            ],
            "https://auth.docker.io/token?service=registry.docker.io&scope=repository%3Alibrary%2Fnode%3Apull",
        );
        check(&[r#"Basic realm="My Private Docker Registry Server""#], "Basic");
        check(
            &[
                r#"Bearer realm="https://auth.example.com/token",service="registry.example.com",other=fun,slashed="he\"\l\lo""#,
            ],
            "https://auth.example.com/token?service=registry.example.com",
        );
        check(&["Authenticate you must"], "nothing");
        check(&[], "nothing");
        check(&[""], "nothing");
        check(&[r#"bearer REALM="https://a.example/t""#], "https://a.example/t");
        check(&[r#"Bearer service="x""#], "nothing");
        check(&[r#"Bearer realm="not a url""#], "nothing");
        check(&[r#"Bearer realm="/token""#], "nothing");
        check(&[r#"Bearer realm="file:///etc/passwd""#], "nothing");
        check(&[r#"Bearer realm="https://user:password@a.example/t""#], "nothing");
        check(&[r#"Bearer realm="https://a.example/t?x=1#f",service="s""#], "https://a.example/t?x=1&service=s");
        check(
            &[r#"Bearer realm="https://a.example/t",scope="repository:a:pull  repository:b:pull""#],
            "https://a.example/t?scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull",
        );
        check(&[r#"Basic realm="x", Bearer realm="https://a.example/t""#], "https://a.example/t");
        check(&[r#"Basic realm="x""#, r#"Bearer realm="https://a.example/t""#], "https://a.example/t");
        check(&[r#"Basic realm="x", error error"#], "Basic");
        check(
            &[r#"Bearer realm="https://a.example/t",service="a&scope=all""#],
            "https://a.example/t?service=a%26scope%3Dall",
        );
    }

    #[test]
    fn a_registry_sends_us_to_its_own_host_or_to_a_bound_one() {
        let origin = |text: &str| Origin::parse(text).unwrap();
        let bindings = [RealmBinding { registry: origin("https://r.example"), realm: origin("https://auth.example") }];
        let check = |registry: &str, reach: Reach, realm: &str, expected: Option<Reach>| {
            let service = TokenService { realm: Url::parse(realm).unwrap(), service: None, scope: None };
            match (check_realm(&service, &origin(registry), reach, &bindings), expected) {
                (Ok(realm), Some(reach)) => assert_eq!(realm.reach, reach),
                (Err(Failure::Denied(text)), None) => {
                    assert!(text.contains(registry) && text.contains("spec.grants.realms"), "{text}");
                    assert!(text.contains(&service.realm.origin().ascii_serialization()), "{text}");
                }
                (result, expected) => panic!("{registry} -> {realm}: {result:?}, expected {expected:?}"),
            }
        };
        check("https://r.example", Reach::Public, "https://r.example/token", Some(Reach::Public));
        check("https://r.example", Reach::Named, "https://r.example:8443/token", Some(Reach::Named));
        check("https://r.example", Reach::Named, "http://r.example/token", None);
        check("http://r.example:5000", Reach::Named, "http://r.example:5001/token", Some(Reach::Named));
        check("http://r.example:5000", Reach::Named, "https://r.example/token", Some(Reach::Named));
        check("https://r.example", Reach::Public, "https://auth.example/token", Some(Reach::Named));
        check("https://r.example", Reach::Public, "https://auth.example:444/token", None);
        check("https://r.example", Reach::Public, "http://auth.example/token", None);
        check("https://other.example", Reach::Public, "https://auth.example/token", None);
        check("https://r.example", Reach::Public, "https://sub.r.example/token", None);
        check("https://r.example", Reach::Public, "https://r.example.attacker.example/token", None);
        check("https://r.example", Reach::Public, "https://169.254.169.254/token", None);
    }
}
