//! Secrets: where they are put, and where they are not.

use k8supdater_egress::{Request, Scheme, Scope};

use crate::server::{Server, answer, bound, client, denied, get, login, ok, scope, token, with_slot};

fn scope_with(origin: &str, scheme: Scheme, secret: k8supdater_egress::Credential) -> Scope {
    let mut scope = scope(&[origin]);
    scope.credentials = vec![bound("main", origin, scheme, secret)];
    scope
}

#[tokio::test]
async fn a_secret_is_attached_where_its_scheme_says() {
    let server = Server::start(|_| ok("")).await;
    let origin = server.origin();
    let check = async |scope: &Scope, request: Request, header: &str, expected: &str| {
        client().send(scope, request).await.unwrap();
        assert_eq!(server.seen().last().unwrap().header(header), expected);
    };
    let named = || with_slot(get(&origin), "main");
    let basic = scope_with(&origin, Scheme::Basic, login("Aladdin", "open sesame"));
    check(&basic, named(), "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await;
    check(&basic, get(&origin), "authorization", "").await;
    check(&basic, with_slot(get(&origin), "other"), "authorization", "").await;
    check(&scope_with(&origin, Scheme::Bearer, token("t0k")), named(), "authorization", "Bearer t0k").await;
    let header = scope_with(&origin, Scheme::Header("PRIVATE-TOKEN".to_owned()), token("glpat"));
    check(&header, named(), "private-token", "glpat").await;
    // The plugin's own value of that header does not stand beside the secret.
    let forged = Request { headers: vec![("private-token".to_owned(), "mine".to_owned())], ..named() };
    client().send(&header, forged).await.unwrap();
    let seen = server.seen();
    let values: Vec<_> = seen.last().unwrap().headers.get_all("private-token").iter().collect();
    assert_eq!(values, ["glpat"]);
    let signing = scope_with(&origin, Scheme::HmacSha256("X-K8supdater-Signature".to_owned()), token("Jefe"));
    let body = b"what do ya want for nothing?".to_vec();
    let posted = Request { method: "POST".to_owned(), body, ..named() };
    // Test case 2 of RFC 4231, section 4.3.
    let signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    check(&signing, posted.clone(), "x-k8supdater-signature", signature).await;
    let forged = Request { headers: vec![("x-k8supdater-signature".to_owned(), "sha256=00".to_owned())], ..posted };
    check(&signing, forged, "x-k8supdater-signature", signature).await;
    // Sent only when the origin asks for it.
    check(&scope_with(&origin, Scheme::OciToken, login("u", "p")), named(), "authorization", "").await;
}

#[tokio::test]
async fn a_secret_is_shown_to_no_other_origin_than_its_own() {
    let (own, other) = (Server::start(|_| ok("")).await, Server::start(|_| ok("")).await);
    let mut scope = scope(&[&own.origin(), &other.origin(), &own.origin_as("localhost")]);
    let schemes = [
        (Scheme::Basic, login("u", "canary")),
        (Scheme::Bearer, token("canary")),
        (Scheme::Header("x-key".to_owned()), token("canary")),
        (Scheme::HmacSha256("x-signature".to_owned()), token("canary")),
        (Scheme::Login(crate::logins::form()), login("u", "canary")),
        (Scheme::OciToken, login("u", "canary")),
    ];
    for (scheme, secret) in schemes {
        scope.credentials = vec![bound("main", &own.origin(), scheme.clone(), secret)];
        for url in [other.origin(), own.origin_as("localhost")] {
            client().send(&scope, with_slot(get(url), "main")).await.unwrap();
        }
        for seen in own.seen().iter().chain(&other.seen()) {
            assert!(!format!("{:?} {:?}", seen.headers, seen.body).contains("canary"), "{scheme:?}: {seen:?}");
            assert_eq!(seen.header("authorization"), "", "{scheme:?}");
            assert_eq!(seen.header("x-signature"), "", "{scheme:?}");
        }
    }
}

#[tokio::test]
async fn a_secret_for_https_is_not_sent_over_http() {
    let server = Server::start(|_| ok("")).await;
    let mut scope = scope(&[&server.origin()]);
    scope.credentials = vec![bound("main", &format!("https://{}", server.address), Scheme::Bearer, token("t"))];
    client().send(&scope, with_slot(get(server.origin()), "main")).await.unwrap();
    assert_eq!(server.seen()[0].header("authorization"), "");
}

#[tokio::test]
async fn a_secret_in_the_url_is_put_in_last_and_taken_out_of_the_answer() {
    let server =
        Server::start(|seen| answer(301, &[("location", &format!("https://other.example{}", seen.path))], "")).await;
    let origin = server.origin();
    let scope = scope_with(&origin, Scheme::Url, token("12:a/b?c"));
    let check = async |path: &str, expected: &str| {
        let response = client().send(&scope, get(format!("{origin}{path}"))).await.unwrap();
        assert_eq!(server.seen().last().unwrap().path, expected);
        let (_, location) = response.headers.iter().find(|(name, _)| name == "location").unwrap();
        assert!(!location.contains("12:a"), "{location}");
        location.clone()
    };
    let location = check("/bot{slot:main}/sendMessage", "/bot12:a%2Fb%3Fc/sendMessage").await;
    assert_eq!(location, "https://other.example/bot{slot:main}/sendMessage");
    check("/x?key={slot:main}&y=z", "/x?key=12:a%2Fb%3Fc&y=z").await;
    check("/{slot:main}/{slot:main}", "/12:a%2Fb%3Fc/12:a%2Fb%3Fc").await;
}

#[tokio::test]
async fn placeholders_without_a_fitting_secret_are_refused() {
    let (own, other) = (Server::start(|_| ok("")).await, Server::start(|_| ok("")).await);
    let mut scope = scope(&[&own.origin(), &other.origin()]);
    scope.credentials = vec![
        bound("url", &own.origin(), Scheme::Url, token("canary")),
        bound("bearer", &own.origin(), Scheme::Bearer, token("canary")),
        bound("login", &own.origin(), Scheme::Url, login("u", "canary")),
    ];
    let check = async |url: String, expected: &str| {
        let text = denied(client().send(&scope, get(url)).await);
        assert!(text.contains(expected) && !text.contains("canary"), "{text}");
    };
    check(format!("{}/{{slot:url}}", other.origin()), "no secret is bound to credential slot \"url\"").await;
    check(format!("{}/{{slot:none}}", own.origin()), "no secret is bound to credential slot \"none\"").await;
    check(format!("{}/{{slot:bearer}}", own.origin()), "only a slot of scheme url").await;
    check(format!("{}/{{slot:login}}", own.origin()), "does not fit its scheme").await;
    check(format!("http://{{slot:url}}.{}/", own.address), "not valid").await;
    assert_eq!((own.count(), other.count()), (0, 0));
    client().send(&scope, get(format!("{}/{{name}}/{{slot:url#{{slot:url}}", own.origin()))).await.unwrap();
    assert_eq!(
        own.seen()[0].path,
        "/%7Bname%7D/%7Bslot:url",
        "neither is a placeholder, nor is what stands in the fragment"
    );
}

#[tokio::test]
async fn a_secret_that_does_not_fit_its_scheme_is_named_by_its_slot() {
    let server = Server::start(|_| ok("")).await;
    let origin = server.origin();
    let check = async |scheme: Scheme, secret: k8supdater_egress::Credential| {
        let text = denied(client().send(&scope_with(&origin, scheme, secret), with_slot(get(&origin), "main")).await);
        assert!(text.contains("\"main\"") && !text.contains("canary"), "{text}");
    };
    check(Scheme::Basic, token("canary")).await;
    check(Scheme::Bearer, login("canary", "canary")).await;
    check(Scheme::Bearer, token("canary\r\nx: y")).await;
    check(Scheme::Login(crate::logins::form()), token("canary")).await;
    check(Scheme::OciToken, token("canary")).await;
    check(Scheme::Header("transfer-encoding".to_owned()), token("canary")).await;
    check(Scheme::HmacSha256("transfer-encoding".to_owned()), token("canary")).await;
    check(Scheme::HmacSha256("x-signature".to_owned()), login("canary", "canary")).await;
    assert_eq!(server.count(), 0);
}
