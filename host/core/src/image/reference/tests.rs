use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c";

/// What `text` means: registry, repository, tag and digest, `-` for what is not there.
fn check(text: &str, expected: (&str, &str, &str, &str)) {
    let reference: ImageReference = text.parse().unwrap_or_else(|err| panic!("{text}: {err}"));
    let digest = reference.digest().map_or("-".to_owned(), ToString::to_string);
    let found = (reference.registry(), reference.repository(), reference.tag().unwrap_or("-"), digest.as_str());
    assert_eq!(found, expected, "{text}");
    assert_eq!(reference.to_string(), text);
    assert_eq!(reference.name(), format!("{}/{}", expected.0, expected.1));
}

/// Cases of distribution/reference (commit 0965666a), diun, argocd-image-updater and keel.
#[test]
fn references_mean_what_they_mean_to_runtimes() {
    let hub = "docker.io";
    check("nginx", (hub, "library/nginx", "-", "-"));
    check("nginx:1.27", (hub, "library/nginx", "1.27", "-"));
    check("library/nginx", (hub, "library/nginx", "-", "-"));
    check("docker.io/nginx", (hub, "library/nginx", "-", "-"));
    check("docker.io/library/nginx:1", (hub, "library/nginx", "1", "-"));
    check("index.docker.io/nginx", (hub, "library/nginx", "-", "-"));
    check("index.docker.io/fooo/bar", (hub, "fooo/bar", "-", "-"));
    check("docker.io/library/foo/bar", (hub, "library/foo/bar", "-", "-"));
    check("library/foo/bar", (hub, "library/foo/bar", "-", "-"));
    check("other/library", (hub, "other/library", "-", "-"));
    check("ubuntu-12.04-base", (hub, "library/ubuntu-12.04-base", "-", "-"));
    check("test_com/foo", (hub, "test_com/foo", "-", "-"));
    check("foo/foo_bar.com:8080", (hub, "foo/foo_bar.com", "8080", "-"));
    check("docker---rules/docker", (hub, "docker---rules/docker", "-", "-"));
    check("dock__er/docker", (hub, "dock__er/docker", "-", "-"));
    check("test.com:5000", (hub, "library/test.com", "5000", "-"));
    check("192.168.0.1:80", (hub, "library/192.168.0.1", "80", "-"));
    check("dbcc1", (hub, "library/dbcc1", "-", "-"));
    check("test.com/foo", ("test.com", "foo", "-", "-"));
    check("test.com:8080/foo", ("test.com:8080", "foo", "-", "-"));
    check("test:5000/repo:tag", ("test:5000", "repo", "tag", "-"));
    check("localhost/fooo/bar", ("localhost", "fooo/bar", "-", "-"));
    check("LOCALDOMAIN/debian", ("LOCALDOMAIN", "debian", "-", "-"));
    check("Foo/bar", ("Foo", "bar", "-", "-"));
    check("192.168.1.1:5000/repo:5050", ("192.168.1.1:5000", "repo", "5050", "-"));
    check("xn--n3h.com/myimage:xn--n3h.com", ("xn--n3h.com", "myimage", "xn--n3h.com", "-"));
    check("[2001:db8::1]/repo", ("[2001:db8::1]", "repo", "-", "-"));
    check("[fc00:1:2:3:4:5:6:7]:5000/library/debian", ("[fc00:1:2:3:4:5:6:7]:5000", "library/debian", "-", "-"));
    check("[::1]:5000/repo:tag", ("[::1]:5000", "repo", "tag", "-"));
    check("lowercase:Uppercase", (hub, "library/lowercase", "Uppercase", "-"));
    check("gcr.io/library/busybox:latest", ("gcr.io", "library/busybox", "latest", "-"));
    let deep = ("docker.pkg.github.com", "crazy-max/ddns-route53/ddns-route53", "latest", "-");
    check("docker.pkg.github.com/crazy-max/ddns-route53/ddns-route53:latest", deep);
    let port = ("git.technotrade.ua:4567", "anatoliy/mysql-nafta", "0.0.1", "-");
    check("git.technotrade.ua:4567/anatoliy/mysql-nafta:0.0.1", port);
    check(&format!("redis@{DIGEST}"), (hub, "library/redis", "-", DIGEST));
    check(&format!("redis:7@{DIGEST}"), (hub, "library/redis", "7", DIGEST));
    check(&format!("[2001:db8::1]:5000/repo:tag@{DIGEST}"), ("[2001:db8::1]:5000", "repo", "tag", DIGEST));
    let longest = "a".repeat(255);
    check(&format!("example.com/{longest}:tag"), ("example.com", &longest, "tag", "-"));
    let tag = "t".repeat(128);
    check(&format!("nginx:{tag}"), (hub, "library/nginx", &tag, "-"));
}

#[test]
fn a_repository_is_the_same_however_it_is_spelt() {
    let check = |one: &str, other: &str, expected: bool| {
        let [one, other] = [one, other].map(|text| text.parse::<ImageReference>().unwrap());
        assert_eq!(one.is_of_same_repository(&other), expected, "{one} {other}");
        assert_eq!(other.is_of_same_repository(&one), expected, "{other} {one}");
    };
    check("nginx:1.27", "index.docker.io/library/nginx:1.28", true);
    check(&format!("nginx@{DIGEST}"), "nginx", true);
    check("nginx", "team/nginx", false);
    check("nginx", "example.com/library/nginx", false);
    check("example.com/app", "example.com:443/app", false);
}

#[test]
fn what_is_no_reference_is_refused_with_the_part_that_is_wrong() {
    let check = |text: &str, expected: ParseError| assert_eq!(text.parse::<ImageReference>(), Err(expected), "{text}");
    let part = |text: &str| ParseError::Repository(text.to_owned());
    let host = |text: &str| ParseError::Registry(text.to_owned());
    let upper = |text: &str| ParseError::UpperCase(text.to_owned());
    let tag = |text: &str| ParseError::Tag(text.to_owned());
    check("", ParseError::Empty);
    check(":justtag", part(""));
    check(&format!("@{DIGEST}"), part(""));
    check("https://github.com/docker/docker", ParseError::Url);
    check("docker://nginx", ParseError::Url);
    check(&"1a3f5e7d".repeat(8), ParseError::ImageId);
    check("Uppercase:tag", upper("Uppercase"));
    check("test:5000/Uppercase/lowercase:tag", upper("Uppercase/lowercase"));
    check("docker/Docker", upper("docker/Docker"));
    check("UPPERCASEISINVALID", upper("UPPERCASEISINVALID"));
    check("aa/asdf$$^/aa", part("asdf$$^"));
    check("-docker", part("-docker"));
    check("docker-/docker", part("docker-"));
    check("_docker/_docker", part("_docker"));
    check("____/____", part("____"));
    check("dock..er/docker", host("dock..er"));
    check("dock_.er/docker", host("dock_.er"));
    check("dock-.er/docker", host("dock-.er"));
    check("a/dock..er", part("dock..er"));
    check("a/dock_.er", part("dock_.er"));
    check("a/dock___er", part("dock___er"));
    check("a/dock-.er", part("dock-.er"));
    check("docker///docker", part(""));
    check("docker/", part(""));
    check("/docker", part(""));
    check("nginx ", part("nginx "));
    check("ngïnx", part("ngïnx"));
    check("-docker.io/docker/docker", host("-docker.io"));
    check("a..b/docker", host("a..b"));
    check("test:/repo", host("test:"));
    check("test:0/repo", host("test:0"));
    check("test:65536/repo", host("test:65536"));
    check("test:+80/repo", host("test:+80"));
    check("fc00::1:5000/debian", host("fc00::1:5000"));
    check("[fe80::1%eth0]:5000/debian", host("[fe80::1%eth0]:5000"));
    check("[2001:db8:3:4::192.0.2.33]:5000/debian", host("[2001:db8:3:4::192.0.2.33]:5000"));
    check("[]/debian", part("[]"));
    check("[fc00::1]", part("[fc00:"));
    check("[fc00::1]:5000", part("[fc00::1]"));
    check("nginx:", tag(""));
    check("nginx:.1", tag(".1"));
    check("nginx:-1", tag("-1"));
    check("nginx:1+2", tag("1+2"));
    check("nginx:1 ", tag("1 "));
    check(&format!("nginx:{}", "t".repeat(129)), tag(&"t".repeat(129)));
    check("nginx@", DigestError::Algorithm.into());
    check(&format!("nginx@{DIGEST}:tag"), DigestError::Length { algorithm: "sha256", digits: 68, expected: 64 }.into());
    check(
        &format!("nginx@{DIGEST}@{DIGEST}"),
        DigestError::Length { algorithm: "sha256", digits: 136, expected: 64 }.into(),
    );
    check("repo@sha256:ffff", DigestError::Length { algorithm: "sha256", digits: 4, expected: 64 }.into());
    check(&format!("example.com/{}", "a".repeat(256)), ParseError::TooLong(256));
    check(&"a".repeat(248), ParseError::TooLong(256));
}

#[test]
fn messages_say_what_to_write_instead() {
    let check = |text: &str, expected: &str| {
        assert_eq!(text.parse::<ImageReference>().unwrap_err().to_string(), expected);
    };
    check("Nginx:1", "the repository name \"Nginx\" has upper-case letters; write it in lower case");
    check("https://nginx", "it is a URL; leave out all up to and including \"://\"");
    check("nginx@sha256:00", "the sha256 digest has 2 digits instead of 64");
    let tag =
        "\"1+2\" is no tag; expected up to 128 letters, digits, '_', '.' and '-', the first of them no '.' or '-'";
    check("nginx:1+2", tag);
}

#[test]
fn another_tag_keeps_the_owners_spelling() {
    let check = |text: &str, tag: &str, expected: Result<&str, RetagError>| {
        let found = text.parse::<ImageReference>().unwrap().with_tag(tag);
        assert_eq!(found.clone().map(|reference| reference.to_string()), expected.map(str::to_owned), "{text} {tag}");
        if let Ok(found) = found {
            assert_eq!(found.to_string().parse(), Ok(found));
        }
    };
    check("nginx:1.27.0", "1.27.1", Ok("nginx:1.27.1"));
    check("nginx", "1.27.1", Ok("nginx:1.27.1"));
    check("docker.io/nginx:1", "2", Ok("docker.io/nginx:2"));
    check("index.docker.io/library/nginx:1", "2", Ok("index.docker.io/library/nginx:2"));
    check("[::1]:5000/repo:1", "2", Ok("[::1]:5000/repo:2"));
    check("test:5000/repo", "2", Ok("test:5000/repo:2"));
    check("nginx:1", "2 ", Err(RetagError::Tag("2 ".to_owned())));
    check("nginx:1", "", Err(RetagError::Tag(String::new())));
    let pinned = || Err(RetagError::Pinned(DIGEST.parse().unwrap()));
    check(&format!("nginx:1@{DIGEST}"), "2", pinned());
    check(&format!("nginx@{DIGEST}"), "2", pinned());
}

#[test]
fn another_tag_of_a_pinned_reference_comes_with_its_digest() {
    let new = DIGEST.replace("sha256:d", "sha256:e");
    let check = |text: &str, tag: &str, expected: Result<String, RetagError>| {
        let found = text.parse::<ImageReference>().unwrap().with_tag_and_digest(tag, new.parse().unwrap());
        assert_eq!(found.clone().map(|reference| reference.to_string()), expected, "{text} {tag}");
        if let Ok(found) = found {
            assert_eq!(found.to_string().parse(), Ok(found));
        }
    };
    check(&format!("nginx:1.27.0@{DIGEST}"), "1.27.1", Ok(format!("nginx:1.27.1@{new}")));
    check(&format!("docker.io/nginx:1@{DIGEST}"), "2", Ok(format!("docker.io/nginx:2@{new}")));
    check(&format!("[::1]:5000/repo:1@{DIGEST}"), "1", Ok(format!("[::1]:5000/repo:1@{new}")));
    check(&format!("nginx@{DIGEST}"), "1.27.1", Ok(format!("nginx:1.27.1@{new}")));
    check(&format!("nginx:1@{DIGEST}"), "1+2", Err(RetagError::Tag("1+2".to_owned())));
}

/// References in all forms.
fn any_reference() -> impl Strategy<Value = String> {
    let registry = "((docker\\.io|index\\.docker\\.io|localhost|[a-z]{1,5}(\\.[a-z0-9]{1,4}){1,2}|10\\.0\\.0\\.7|\\[::1\\])(:[1-9][0-9]{0,3})?/)?";
    let path = "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,3})?(/[a-z0-9]{1,6}){0,2}";
    let tag = "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?";
    let digest = "(@sha256:[0-9a-f]{64})?";
    (registry, path, tag, digest).prop_map(|(registry, path, tag, digest)| format!("{registry}{path}{tag}{digest}"))
}

proptest! {
    #[test]
    fn a_reference_prints_as_it_was_spelt(text in any_reference()) {
        let reference: ImageReference = text.parse().unwrap();
        prop_assert_eq!(reference.to_string(), text);
    }

    #[test]
    fn the_full_name_means_the_same(text in any_reference()) {
        let reference: ImageReference = text.parse().unwrap();
        let full: ImageReference = reference.name().parse().unwrap();
        prop_assert_eq!((full.registry(), full.repository()), (reference.registry(), reference.repository()));
        prop_assert_eq!(full.name(), reference.name());
    }

    #[test]
    fn no_text_is_changed_or_makes_a_panic(text in "[a-zA-Z:/@.\\[\\]_é -]{0,40}|.{0,40}") {
        if let Ok(reference) = text.parse::<ImageReference>() {
            prop_assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn another_tag_changes_the_tag_only(text in any_reference(), tag in "[0-9]{1,3}(\\.[0-9]){0,3}") {
        let reference: ImageReference = text.parse().unwrap();
        match reference.with_tag(&tag) {
            Ok(changed) => {
                prop_assert_eq!((changed.tag(), changed.name(), changed.digest()), (Some(tag.as_str()), reference.name(), None));
                let old = reference.tag().map_or(text.clone(), |old| text.strip_suffix(&format!(":{old}")).unwrap().to_owned());
                prop_assert_eq!(changed.to_string(), format!("{old}:{tag}"));
            }
            Err(err) => prop_assert_eq!(err, RetagError::Pinned(reference.digest().unwrap().clone())),
        }
    }
}
