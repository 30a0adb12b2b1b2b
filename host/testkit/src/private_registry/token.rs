//! The tokens of a registry (<https://distribution.github.io/distribution/spec/auth/jwt/>): JSON Web Tokens, signed with Ed25519.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

/// Who issues tokens.
pub(super) const ISSUER: &str = "testkit tokens";
/// Whom they are for: the registry.
pub(super) const SERVICE: &str = "testkit registry";
/// How long they are good, if nobody says how long.
pub(super) const LIFETIME: Duration = Duration::from_mins(5);

/// The name of the key. There is only one.
const KEY: &str = "testkit";

/// What tokens are signed with.
#[derive(Debug)]
pub(super) struct Key(Ed25519KeyPair);

impl Key {
    pub(super) fn generate() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the system has random numbers");
        Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key that was just made can be read"))
    }

    /// The public half for the registry (RFC 7517, RFC 8037).
    pub(super) fn to_jwks(&self) -> Value {
        let public = BASE64_URL_SAFE_NO_PAD.encode(self.0.public_key());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": KEY, "alg": "EdDSA", "use": "sig", "x": public}]})
    }

    /// A token that gives `access` from now on.
    pub(super) fn token(&self, subject: &str, access: &Value, lifetime: Duration) -> String {
        let now = Timestamp::now().as_second();
        let claims = json!({
            "iss": ISSUER,
            "sub": subject,
            "aud": SERVICE,
            "exp": now.saturating_add_unsigned(lifetime.as_secs()),
            "nbf": now,
            "iat": now,
            "jti": format!("{:016x}", rand::random::<u64>()),
            "access": access,
        });
        let header = json!({"typ": "JWT", "alg": "EdDSA", "kid": KEY});
        let [header, claims] = [header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = BASE64_URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// What a scope asks for: `repository:team/web:pull,push`. None if it is no such thing.
pub(super) fn access(scope: &str) -> Option<Value> {
    let (kind, rest) = scope.split_once(':')?;
    // A name may hold a colon, where it begins with a host and a port.
    let (name, actions) = rest.rsplit_once(':')?;
    Some(json!({"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}))
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_holds_its_claims_and_is_signed_with_the_key_that_is_shown() {
        let key = Key::generate();
        let token = key.token("robot", &json!([access("repository:team/web:pull")]), Duration::from_mins(1));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        let public = decode(key.to_jwks()["keys"][0]["x"].as_str().unwrap());
        UnparsedPublicKey::new(&ED25519, public).verify(signed.as_bytes(), &decode(signature)).unwrap();
        let claims: Value = serde_json::from_slice(&decode(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
        assert_eq!(claims["access"], json!([{"type": "repository", "name": "team/web", "actions": ["pull"]}]));
    }

    #[test]
    fn a_scope_is_read_from_both_ends() {
        let expected = json!({"type": "repository", "name": "host:5000/web", "actions": ["pull", "push"]});
        assert_eq!(access("repository:host:5000/web:pull,push"), Some(expected));
        assert_eq!(access("repository"), None);
    }
}
