//! How an API gives a token for user name and password.

use serde::Deserialize;

/// Longest path of a login, in characters.
const LONGEST_PATH: usize = 256;
/// Longest name of a field, in characters.
const LONGEST_FIELD: usize = 64;

/// What the host sends to log in, and where it finds the token: a `POST` of a JSON object with two fields, answered by one with the token.
///
/// It says nothing about the host: the login goes to the origin that the request goes to, and only if the secret is bound to that.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginForm {
    /// Where, as an absolute path without a query: `/v2/auth/token`.
    pub path: String,
    /// The field of the request for the user name.
    pub username: String,
    /// The field of the request for the password.
    pub password: String,
    /// The field of the answer with the token.
    pub token: String,
}

impl LoginForm {
    /// What is wrong with it: the field, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if !is_path(&self.path) {
            let rule =
                "expected a path such as /v2/auth/token: letters, digits and -._~ between single slashes, nothing else";
            return Err(("path", format!("{:?} is no path to log in at; {rule}", self.path)));
        }
        for (field, name) in [("username", &self.username), ("password", &self.password), ("token", &self.token)] {
            if !is_field(name) {
                let rule = format!("expected up to {LONGEST_FIELD} letters, digits and -._");
                return Err((field, format!("{name:?} is no name of a JSON field; {rule}")));
            }
        }
        if self.username == self.password {
            return Err(("password", format!("{:?} is the field for the user name already", self.password)));
        }
        Ok(())
    }
}

/// Steps of RFC 3986's unreserved characters. No encoding and no dots alone, so that every URL parser reads the same path.
fn is_path(path: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_step = |step: &str| !matches!(step, "" | "." | "..") && step.chars().all(is_allowed);
    let Some(steps) = path.strip_prefix('/') else { return false };
    path.len() <= LONGEST_PATH && steps.strip_suffix('/').unwrap_or(steps).split('/').all(is_step)
}

fn is_field(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    (1..=LONGEST_FIELD).contains(&name.len()) && name.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_only_ever_a_path() {
        let check = |path: &str, expected: bool| assert_eq!(is_path(path), expected, "{path:?}");
        check("/v2/auth/token", true);
        check("/v2/users/login/", true);
        check("/a-b._~1", true);
        check("/.well-known/token", true);
        for path in
            ["", "/", "//", "//evil.example", "v2/token", "https://evil.example/t", "@evil.example", "/@evil.example"]
        {
            check(path, false);
        }
        for path in
            ["/a//b", "/a/../b", "/a/./b", "/..", "/%2e%2e/b", "/a?b", "/a#b", "/\\evil.example", "/a b", "/a\n", "/ä"]
        {
            check(path, false);
        }
        check("/{slot:x}", false);
        check(&format!("/{}", "a".repeat(255)), true);
        check(&format!("/{}", "a".repeat(256)), false);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = || LoginForm {
            path: "/v2/auth/token".to_owned(),
            username: "identifier".to_owned(),
            password: "secret".to_owned(),
            token: "access_token".to_owned(),
        };
        let check = |form: LoginForm, field: &str, expected: &str| {
            let found = form.check();
            assert!(matches!(&found, Err((at, why)) if *at == field && why.contains(expected)), "{form:?}: {found:?}");
        };
        assert_eq!(good().check(), Ok(()));
        check(LoginForm { path: "/a?b".to_owned(), ..good() }, "path", r#""/a?b" is no path to log in at"#);
        check(LoginForm { username: String::new(), ..good() }, "username", "is no name of a JSON field");
        check(LoginForm { password: "a b".to_owned(), ..good() }, "password", "is no name of a JSON field");
        check(LoginForm { token: "x".repeat(65), ..good() }, "token", "expected up to 64 letters");
        check(
            LoginForm { password: "identifier".to_owned(), ..good() },
            "password",
            "is the field for the user name already",
        );
    }
}
