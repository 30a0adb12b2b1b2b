use k8supdater_plugin::platform::Platform;
use k8supdater_plugin::registry::{EncodedStep, next};
use k8supdater_plugin::{Action, Error, Failure, Header, HttpResponse, Image, Question, Reply, Repository, Tag};
use sha2::{Digest, Sha256};

use super::*;

const TAGS: Question = Question::Tags(None);
const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_registry::<Oci>(include_str!("../plugin.json")).unwrap();
}

fn repository(registry: &str, name: &str) -> Repository {
    Repository { registry: registry.to_owned(), name: name.to_owned() }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: (*value).to_owned() };
    Reply::Http(HttpResponse { status, headers: headers.iter().map(header).collect(), body: body.as_bytes().to_vec() })
}

/// The last step after these replies, one per turn, to a question about `r.test/team/app`.
fn converse(question: &Question, replies: Vec<Reply>) -> Result<EncodedStep, Error> {
    let repository = repository("r.test", "team/app");
    let first = next::<Oci>(&repository, question, "{}", b"", vec![]);
    replies.into_iter().fold(first, |step, reply| next::<Oci>(&repository, question, "{}", &step?.state, vec![reply]))
}

/// Method and URL that a step asks for.
fn asked(step: &EncodedStep) -> Vec<(&str, &str)> {
    fn request(action: &Action) -> (&str, &str) {
        match action {
            Action::Http(request) => (&request.method, &request.url),
            Action::Mail(_) => panic!("a registry sends no mail"),
        }
    }
    step.actions.iter().map(request).collect()
}

#[track_caller]
fn check_invalid(got: &Result<EncodedStep, Error>, text: &str) {
    assert!(matches!(got, Err(Error::InvalidReply(why)) if why.contains(text)), "{got:?} without {text:?}");
}

#[test]
fn requests_name_the_slot_and_the_types_of_manifests() {
    let first = converse(&Question::Tag("1.0".to_owned()), vec![]).unwrap();
    let [Action::Http(request)] = first.actions.as_slice() else { panic!("{:?}", first.actions) };
    assert_eq!(request.credential.as_deref(), Some("registry"));
    let [Header { name, value }] = request.headers.as_slice() else { panic!("{:?}", request.headers) };
    let types: Vec<&str> = value.split(", ").collect();
    assert_eq!(name, "accept");
    assert_eq!(
        types,
        [
            "application/vnd.oci.image.index.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ]
    );
}

#[test]
fn every_setting_shows_in_the_request() {
    let check = |registry: &str, settings: &str, expected: &str| {
        let step = next::<Oci>(&repository(registry, "a/b"), &TAGS, settings, b"", vec![]).unwrap();
        assert_eq!(asked(&step), [("GET", expected)], "for {settings}");
    };
    check("r.test", "{}", "https://r.test/v2/a/b/tags/list?n=1000");
    check("r.test", r#"{"pageSize": 7}"#, "https://r.test/v2/a/b/tags/list?n=7");
    check("[::1]:5000", r#"{"plainHttp": true}"#, "http://[::1]:5000/v2/a/b/tags/list?n=1000");
    check("docker.io", "{}", "https://registry-1.docker.io/v2/a/b/tags/list?n=1000");
    check("ghcr.io", "{}", "https://ghcr.io/v2/a/b/tags/list?n=1000");
    let unknown = next::<Oci>(&repository("r.test", "a"), &TAGS, r#"{"pagesize": 7}"#, b"", vec![]);
    assert!(
        matches!(&unknown, Err(Error::InvalidSettings(why)) if why.contains("unknown field `pagesize`")),
        "{unknown:?}"
    );
}

#[test]
fn no_name_changes_where_a_request_goes() {
    let check = |registry: &str, name: &str, question: &Question| {
        let got = next::<Oci>(&repository(registry, name), question, "{}", b"", vec![]);
        assert!(
            matches!(&got, Err(Error::Other(why)) if why.contains("cannot be")),
            "{registry:?} {name:?} {question:?}: {got:?}"
        );
    };
    for registry in ["", "r.test/x", "me@r.test", "r.test?x", "r.test#", "r test", "r.test\\x"] {
        check(registry, "app", &TAGS);
    }
    for name in ["", "/app", "app/", "a//b", "../app", "a/../b", "app?x=", "app#", "App", "a b", "a%2fb"] {
        check("r.test", name, &TAGS);
    }
    for tag in ["", "..", ".x", "a/b", "a?b", "a b", "ä", "sha256:0"] {
        check("r.test", "app", &Question::Tag(tag.to_owned()));
    }
}

#[test]
fn a_page_holds_tags_or_says_why_not() {
    let check = |body: &str, expected: &[&str]| {
        let tags: Vec<Tag> = expected.iter().map(|name| Tag::named(*name)).collect();
        let last = converse(&TAGS, vec![answer(200, &[], body)]).unwrap();
        assert_eq!((last.tags, last.actions.len()), (tags, 0), "for {body}");
    };
    check(r#"{"name": "team/app", "tags": ["1.0", "latest"]}"#, &["1.0", "latest"]);
    check(r#"{"name": "team/app", "tags": []}"#, &[]);
    check(r#"{"name": "team/app", "tags": null}"#, &[]);
    check("{}", &[]);
    let check = |body: &str, text| check_invalid(&converse(&TAGS, vec![answer(200, &[], body)]), text);
    check("", "empty body");
    check(r#"{"tags": ["1.0", "#, "EOF");
    check("<!doctype html>", "near `<!doctype html>`");
    check(r#"{"tags": [1]}"#, "expected a string");
    check(r#"{"tags": "1.0"}"#, "expected a sequence");
    check(r#"{"errors": [{"code": "DENIED", "message": "no"}]}"#, "status 200 with errors: DENIED no");
}

#[test]
fn an_answer_that_never_came_is_unavailable() {
    let check = |failure: Failure, text: &str| {
        let got = converse(&TAGS, vec![Reply::Failed(failure)]);
        assert!(matches!(&got, Err(Error::Unavailable(why)) if why.contains(text)), "{got:?} without {text:?}");
    };
    check(Failure::Timeout, "no answer in the time allowed");
    check(Failure::Connect("refused".to_owned()), "refused");
    check(Failure::Tls("expired".to_owned()), "expired");
}

#[test]
fn tags_are_handed_over_page_by_page_and_the_state_stays_small() {
    let repository = repository("r.test", "team/app");
    let mut step = next::<Oci>(&repository, &TAGS, "{}", b"", vec![]).unwrap();
    for page in 0..999 {
        let link = format!("</v2/team/app/tags/list?n=1000&last={page}>; rel=\"next\"");
        let body = format!(r#"{{"tags": ["{page}"]}}"#);
        let reply = answer(200, &[("link", &link)], &body);
        step = next::<Oci>(&repository, &TAGS, "{}", &step.state, vec![reply]).unwrap();
        assert_eq!(step.tags, [Tag::named(page.to_string())]);
        let url = format!("https://r.test/v2/team/app/tags/list?n=1000&last={page}");
        assert_eq!(asked(&step), [("GET", url.as_str())]);
    }
    assert!(step.state.len() < 64 * 1024, "{} bytes", step.state.len());
}

#[test]
fn circles_are_found_out() {
    let page = |query: &str| answer(200, &[("link", &format!("<?{query}>; rel=\"next\""))], r#"{"tags": []}"#);
    check_invalid(
        &converse(&TAGS, vec![page("n=1000")]),
        "leads in a circle, back to GET https://r.test/v2/team/app/tags/list?n=1000",
    );
    check_invalid(&converse(&TAGS, vec![page("last=a"), page("last=b"), page("last=a")]), "circle");
    let to = |location: &str| answer(302, &[("location", location)], "");
    check_invalid(&converse(&TAGS, vec![to("/a"), to("/b"), to("/a")]), "circle");
}

#[test]
fn pages_after_a_redirect_stay_where_it_led() {
    let page = answer(200, &[("link", "</elsewhere?last=a>; rel=next")], r#"{"tags": ["a"]}"#);
    let step = converse(&TAGS, vec![answer(308, &[("location", "/v2/mirror/tags/list?n=5")], ""), page]).unwrap();
    assert_eq!(asked(&step), [("GET", "https://r.test/v2/mirror/tags/list?last=a")]);
    let away = converse(&TAGS, vec![answer(302, &[("location", "https://cdn.test/list")], "")]);
    check_invalid(&away, "a link to another origin: https://cdn.test/list");
}

#[test]
fn the_digest_is_stated_or_computed() {
    let question = Question::Tag("1.0".to_owned());
    let stated = format!("sha256:{}", "d".repeat(64));
    let computed = digest_of(INDEX);
    let check = |replies: Vec<Reply>, digest: &str| {
        let last = converse(&question, replies).unwrap();
        let tag = Tag::named("1.0").with_digest(Some(digest.to_owned()));
        assert_eq!((last.tags, last.actions.len()), (vec![tag], 0));
    };
    let head = |digest: &str| answer(200, &[("docker-content-digest", digest)], "");
    check(vec![head(&stated)], &stated);
    check(vec![answer(200, &[], ""), answer(200, &[], INDEX)], &computed);
    check(vec![answer(405, &[], ""), answer(200, &[("docker-content-digest", &computed)], INDEX)], &computed);
    check(vec![head("sha512:00"), answer(200, &[("docker-content-digest", "sha512:00")], INDEX)], &computed);
    for digest in ["", "sha256:", "sha256:xyz", &stated.to_uppercase(), &format!("{stated}0")] {
        check(vec![head(digest), answer(200, &[], INDEX)], &computed);
    }
    let after_head = |reply| converse(&question, vec![answer(200, &[], ""), reply]);
    check_invalid(
        &after_head(answer(200, &[("docker-content-digest", &stated)], INDEX)),
        "which the registry says is sha256:ddd",
    );
    check_invalid(&after_head(answer(200, &[], "<html>")), "expected JSON");
    check_invalid(&after_head(answer(200, &[], r#"{"schemaVersion": 1}"#)), "schema version 1, expected 2");
    assert_eq!(after_head(answer(404, &[], "")), Err(Error::NotFound));
    check_invalid(&after_head(answer(405, &[], "")), "status 405");
}

/// The digest of `text`.
fn digest_of(text: &str) -> String {
    Sha256::digest(text).iter().fold("sha256:".to_owned(), |digest, byte| format!("{digest}{byte:02x}"))
}

/// The images of the tag `1.0` after these replies, each as operating system, architecture, variant and digest; and all requests.
fn images(replies: Vec<Reply>) -> (Vec<Tag>, Vec<String>) {
    let question = Question::Images("1.0".to_owned());
    let repository = repository("r.test", "team/app");
    let mut step = next::<Oci>(&repository, &question, "{}", b"", vec![]).unwrap();
    let mut requests = Vec::new();
    for reply in replies {
        requests.extend(asked(&step).iter().map(|(method, url)| format!("{method} {url}")));
        step = next::<Oci>(&repository, &question, "{}", &step.state, vec![reply]).unwrap();
    }
    assert_eq!(step.actions, []);
    (step.tags, requests)
}

fn image(digest: &str, os: &str, architecture: &str, variant: Option<&str>) -> Image {
    let platform =
        Platform { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) };
    platform.image(digest).unwrap()
}

#[test]
fn an_index_tells_its_images() {
    let (a, b) = (format!("sha256:{}", "a".repeat(64)), format!("sha256:{}", "b".repeat(64)));
    let check = |members: &str, expected: Vec<Image>| {
        let members = members.replace("A_", &a).replace("B_", &b);
        let index = format!(r#"{{"schemaVersion": 2, "manifests": [{members}]}}"#);
        let (tags, requests) = images(vec![answer(200, &[("docker-content-digest", &digest_of(&index))], &index)]);
        let tag = Tag::named("1.0").with_digest(Some(digest_of(&index))).with_images(expected);
        assert_eq!((tags, requests), (vec![tag], vec!["GET https://r.test/v2/team/app/manifests/1.0".to_owned()]));
    };
    let amd = r#"{"digest": "A_", "platform": {"os": "linux", "architecture": "amd64"}}"#;
    let arm = r#"{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "B_", "size": 7143,
        "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}}"#;
    let both = || vec![image(&a, "linux", "amd64", None), image(&b, "linux", "arm64", Some("v8"))];
    check("", vec![]);
    check(&format!("{amd}, {arm}"), both());
    let windows = r#"{"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": "A_",
        "platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2700"}}"#;
    check(windows, vec![image(&a, "windows", "amd64", None)]);
    // What stands beside the images: attestations, by platform or by annotation, and other artifacts.
    let attestation = r#"{"digest": "A_", "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"}}"#;
    check(&format!("{amd}, {attestation}, {arm}"), both());
    check(&format!("{amd}, {arm}, {}", attestation.replace("unknown", "linux")), both());
    check(
        &format!(r#"{amd}, {arm}, {{"digest": "A_", "platform": {{"os": "unknown", "architecture": "unknown"}}}}"#),
        both(),
    );
    check(&format!(r#"{amd}, {arm}, {{"digest": "A_", "artifactType": "application/spdx+json"}}"#), both());
    // Something that may be an image and does not say what for: the rest is not all.
    check(&format!(r#"{amd}, {{"digest": "B_"}}"#), vec![]);
    check(
        &format!(r#"{amd}, {{"digest": "sha512:00", "platform": {{"os": "linux", "architecture": "arm64"}}}}"#),
        vec![],
    );
    let nested = arm.replace("manifest.v1", "index.v1");
    check(&format!("{amd}, {nested}"), vec![]);
    // More than the contract allows.
    check(&[amd; 65].join(", "), vec![]);
    check(&[amd; 64].join(", "), vec![image(&a, "linux", "amd64", None); 64]);
}

const CONFIGURATION: &str =
    r#"{"architecture":"arm","os":"linux","variant":"v7","rootfs":{"type":"layers","diff_ids":[]}}"#;

/// The manifest of an image with [`CONFIGURATION`].
fn image_manifest() -> String {
    let digest = digest_of(CONFIGURATION);
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":1}},"layers":[]}}"#
    )
}

#[test]
fn a_single_image_is_told_by_its_configuration() {
    let manifest = image_manifest();
    let blob = |digest: &str| format!("GET https://r.test/v2/team/app/blobs/{digest}");
    let check = |manifest: &str, replies: Vec<Reply>, image: Option<Image>, more: &[String]| {
        let replies = std::iter::once(answer(200, &[], manifest)).chain(replies).collect();
        let tag = Tag::named("1.0").with_digest(Some(digest_of(manifest))).with_images(image.into_iter().collect());
        let requests = [&["GET https://r.test/v2/team/app/manifests/1.0".to_owned()], more].concat();
        assert_eq!(images(replies), (vec![tag], requests));
    };
    let known = || Some(image(&digest_of(&manifest), "linux", "arm", Some("v7")));
    let asked = [blob(&digest_of(CONFIGURATION))];
    check(&manifest, vec![answer(200, &[], CONFIGURATION)], known(), &asked);
    let docker = manifest.replace("vnd.oci.image.config", "vnd.docker.container.image");
    let expected = image(&digest_of(&docker), "linux", "arm", Some("v7"));
    check(&docker, vec![answer(200, &[], CONFIGURATION)], Some(expected), &asked);
    // On the same host, the redirect is followed.
    let moved = [asked[0].clone(), "GET https://r.test/storage/1?signed".to_owned()];
    let to = |location: &str| answer(307, &[("location", location)], "");
    check(&manifest, vec![to("/storage/1?signed"), answer(200, &[], CONFIGURATION)], known(), &moved);
    // Whatever else comes of it, the digest is known, and the image is not.
    let unknown = |reply: Reply| check(&manifest, vec![reply], None, &asked);
    unknown(to("https://storage.test/1?signed"));
    unknown(to(&format!("https://r.test/v2/team/app/blobs/{}", digest_of(CONFIGURATION))));
    unknown(answer(307, &[], ""));
    unknown(answer(404, &[], ""));
    unknown(answer(401, &[], ""));
    unknown(answer(200, &[], "<html>"));
    unknown(answer(200, &[], &CONFIGURATION.replace("arm", "s390x")));
    unknown(Reply::Failed(Failure::Timeout));
    unknown(Reply::Failed(Failure::TooLarge));
    let check_platform = |configuration: &str| {
        let manifest = manifest.replace(&digest_of(CONFIGURATION), &digest_of(configuration));
        check(&manifest, vec![answer(200, &[], configuration)], None, &[blob(&digest_of(configuration))]);
    };
    check_platform(r#"{"architecture": "", "os": ""}"#);
    check_platform(r#"{"architecture": "unknown", "os": "unknown"}"#);
    check_platform("not JSON");
    // A Helm chart is no image, and neither has a manifest without a configuration, or with another digest, one that can be asked for.
    check(&manifest.replace("vnd.oci.image.config", "vnd.cncf.helm.config"), vec![], None, &[]);
    check(&manifest.replace("sha256:", "sha512:"), vec![], None, &[]);
    check(r#"{"schemaVersion": 2, "layers": []}"#, vec![], None, &[]);
}

#[test]
fn the_source_is_told_where_it_is_found_on_the_way() {
    const SOURCE: &str = "https://github.com/example/app";
    let labels = |source: &str| format!(r#"{{"org.opencontainers.image.source": {source}}}"#);
    let quoted = |source: &str| format!("\"{source}\"");
    let annotated =
        |body: &str, annotations: &str| body.replacen('{', &format!(r#"{{"annotations":{annotations},"#), 1);
    // An index, asked for in both ways.
    let check = |annotations: &str, expected: Option<&str>| {
        let index = annotated(INDEX, annotations);
        let (tags, requests) = images(vec![answer(200, &[], &index)]);
        assert_eq!((tags[0].source.as_deref(), requests.len()), (expected, 1), "{annotations}");
        let after_head = vec![answer(405, &[], ""), answer(200, &[], &index)];
        let tags = converse(&Question::Tag("1.0".to_owned()), after_head).unwrap().tags;
        assert_eq!(tags[0].source.as_deref(), expected, "{annotations}");
    };
    check(&labels(&quoted(SOURCE)), Some(SOURCE));
    check(&labels(&quoted("javascript:alert(1)")), Some("javascript:alert(1)"));
    // What is none, or too long, is not told; nothing else fails for it.
    for none in ["null", "7", "[]", "\"\"", &quoted(&"x".repeat(2049))] {
        check(&labels(none), None);
    }
    for none in ["null", "{}", "[]", "7", "\"x\""] {
        check(none, None);
    }
    // A single image: its manifest comes before its configuration, which is read for the platform anyway.
    let check = |annotations: &str, config: &str, expected: Option<&str>| {
        let configuration = CONFIGURATION.replacen('{', &format!(r#"{{"config":{config},"#), 1);
        let manifest = image_manifest().replace(&digest_of(CONFIGURATION), &digest_of(&configuration));
        let manifest = annotated(&manifest, annotations);
        let (tags, requests) = images(vec![answer(200, &[], &manifest), answer(200, &[], &configuration)]);
        let found = (tags[0].source.as_deref(), tags[0].images.len(), requests.len());
        assert_eq!(found, (expected, 1, 2), "{annotations} {config}");
        let (tags, _) = images(vec![answer(200, &[], &manifest), answer(404, &[], "")]);
        let of_manifest = expected.filter(|_| annotations != "{}");
        assert_eq!((tags[0].source.as_deref(), tags[0].images.len()), (of_manifest, 0), "{annotations} {config}");
    };
    let in_config = |source: &str| format!(r#"{{"Labels":{}}}"#, labels(&quoted(source)));
    check(&labels(&quoted(SOURCE)), "{}", Some(SOURCE));
    check(&labels(&quoted(SOURCE)), &in_config("https://example.net"), Some(SOURCE));
    check("{}", &in_config(SOURCE), Some(SOURCE));
    for none in ["null", "{}", "[]", r#"{"Labels":null}"#, r#"{"Labels":{"org.opencontainers.image.source":7}}"#] {
        check("{}", none, None);
    }
}

#[test]
fn images_of_what_is_not_there_or_no_manifest_are_an_error() {
    let ask = |reply| converse(&Question::Images("1.0".to_owned()), vec![reply]);
    assert_eq!(ask(answer(404, &[], "")), Err(Error::NotFound));
    assert_eq!(ask(answer(401, &[], "")), Err(Error::Unauthorized));
    check_invalid(&ask(answer(200, &[], "<html>")), "expected JSON");
    check_invalid(&ask(answer(200, &[], r#"{"schemaVersion": 3}"#)), "schema version 3, expected 2");
    let wrong = format!("sha256:{}", "d".repeat(64));
    check_invalid(
        &ask(answer(200, &[("docker-content-digest", &wrong)], INDEX)),
        "which the registry says is sha256:ddd",
    );
}

#[test]
fn a_manifest_of_schema_1_has_the_digest_that_the_registry_states_and_no_images() {
    // Its digest is that of the manifest without its signatures.
    let schema_1 = r#"{"schemaVersion": 1, "architecture": "amd64", "fsLayers": [], "signatures": []}"#;
    let stated = format!("sha256:{}", "1".repeat(64));
    let tag = || vec![Tag::named("1.0").with_digest(Some(stated.clone()))];
    assert_eq!(images(vec![answer(200, &[("docker-content-digest", &stated)], schema_1)]).0, tag());
    let after_head = vec![answer(200, &[], ""), answer(200, &[("docker-content-digest", &stated)], schema_1)];
    assert_eq!(converse(&Question::Tag("1.0".to_owned()), after_head).unwrap().tags, tag());
    let unstated = converse(&Question::Images("1.0".to_owned()), vec![answer(200, &[], schema_1)]);
    check_invalid(&unstated, "schema version 1, expected 2");
}

#[test]
fn the_next_page_is_found_however_the_registry_writes_its_link() {
    let check = |link: &str, expected: Result<Option<&str>, &str>| {
        let got = converse(&TAGS, vec![answer(200, &[("link", link)], r#"{"tags": ["1.0"]}"#)]);
        match expected {
            Ok(next) => {
                let step = got.unwrap();
                let url = next.map(|query| format!("https://r.test/v2/team/app/tags/list?{query}"));
                assert_eq!(asked(&step).first().map(|(_, url)| (*url).to_owned()), url, "for {link}");
                assert_eq!(step.tags, [Tag::named("1.0")]);
            }
            Err(text) => check_invalid(&got, text),
        }
    };
    check(r#"</v2/team/app/tags/list?page=2>; rel="next""#, Ok(Some("page=2")));
    check(r#"<https://r.test/v2/team/app/tags/list?n=1&last=tag2>; rel="next""#, Ok(Some("n=1&last=tag2")));
    // Docker Hub and Artifactory end with a comma; Artifactory does not know its own path either; Quay writes no brackets.
    check(r#"<https://r.test/v2/team/app/tags/list?n=1&page=1>; rel="next", "#, Ok(Some("n=1&page=1")));
    check(r#"</team/app/tags/list?n=10000&last=10000>; rel="next", "#, Ok(Some("n=10000&last=10000")));
    check("/v2/team/app/tags/list?n=50&last=v3; rel=next", Ok(Some("n=50&last=v3")));
    // The last page of some has a link back, and none onwards.
    check(r#"</v2/team/app/tags/list?n=1>; rel="prev""#, Ok(None));
    check("<https://attacker.test/v2/steal/tags/list?n=10000>; rel=\"next\", ", Err("a link to another origin"));
}

#[test]
fn no_page_is_larger_than_amazon_ecr_allows() {
    let manifest = include_str!("../plugin.json");
    assert!(manifest.contains("\"maximum\": 1000,") && manifest.contains("\"default\": 1000,"));
    assert_eq!(Settings::default().page_size, 1000);
}

#[test]
fn a_state_of_another_question_is_an_error_not_a_panic() {
    let repository = repository("r.test", "team/app");
    let tag = converse(&Question::Tag("1.0".to_owned()), vec![]).unwrap();
    for state in [tag.state.as_slice(), b"{}", b"\xff", b""] {
        let got = next::<Oci>(&repository, &TAGS, "{}", state, vec![answer(200, &[], INDEX)]);
        assert!(matches!(&got, Err(Error::Other(why)) if why.contains("the state handed back")), "{got:?}");
    }
}
