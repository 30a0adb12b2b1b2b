//! Certificates: who is trusted, and what is said when somebody is not.

use k8supdater_egress::{BuildError, Client, Failure, Options};

use crate::server::{Server, client, get, names, ok, scope};

#[tokio::test]
async fn an_extra_authority_is_trusted_for_the_names_it_vouches_for() {
    let certificate = rcgen::generate_simple_self_signed(vec!["good.example".to_owned()]).unwrap();
    let server = Server::start_tls(&certificate, |_| ok("secure")).await;
    let resolver = || names(&[("good.example", &["127.0.0.1"]), ("bad.example", &["127.0.0.1"])]);
    let send = async |host: &str, authority: Option<String>| {
        let extra_authorities = authority.map(String::into_bytes);
        let client = Client::new(Options { resolver: resolver(), extra_authorities, ..Options::default() }).unwrap();
        let url = server.origin_as(host);
        client.send(&scope(&[&url]), get(&url)).await.map(|response| response.status)
    };
    let check = |result: Result<u16, Failure>, expected: &str| match result {
        Err(Failure::Tls(text)) => assert!(text.contains(expected), "{text}"),
        other => unreachable!("expected a TLS failure with {expected:?}, got {other:?}"),
    };
    assert_eq!(send("good.example", Some(certificate.cert.pem())).await, Ok(200));
    check(send("good.example", None).await, "unknown authority");
    check(send("bad.example", Some(certificate.cert.pem())).await, "for another name");
    assert_eq!(server.count(), 1);
    assert_eq!(server.seen()[0].version, axum::http::Version::HTTP_2);
}

#[tokio::test]
async fn an_expired_certificate_is_called_so() {
    let mut params = rcgen::CertificateParams::new(vec!["old.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertifiedKey { cert: params.self_signed(&signing_key).unwrap(), signing_key };
    let server = Server::start_tls(&certificate, |_| ok("")).await;
    let client = Client::new(Options {
        resolver: names(&[("old.example", &["127.0.0.1"])]),
        extra_authorities: Some(certificate.cert.pem().into_bytes()),
        ..Options::default()
    })
    .unwrap();
    let url = server.origin_as("old.example");
    let result = client.send(&scope(&[&url]), get(&url)).await;
    assert!(matches!(&result, Err(Failure::Tls(text)) if text.contains("expired")), "{result:?}");
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let server = Server::start(|_| ok("")).await;
    let url = format!("https://{}/", server.address);
    let result = client().send(&scope(&[&url]), get(&url)).await;
    assert!(matches!(&result, Err(Failure::Tls(text)) if text.contains("does not speak TLS")), "{result:?}");
}

#[test]
fn a_bundle_without_a_certificate_is_refused_at_the_start() {
    let check = |pem: &str| {
        let options = Options { extra_authorities: Some(pem.as_bytes().to_vec()), ..Options::default() };
        let err = Client::new(options).err();
        assert!(matches!(&err, Some(BuildError::Authorities(_))), "{pem:?}: {err:?}");
    };
    check("");
    check("hello");
    check("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    check("-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
}
