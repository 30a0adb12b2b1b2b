use proptest::prelude::*;

use super::matching::tests::is_match;
use super::*;

fn image(text: &str) -> ImageReference {
    text.parse().unwrap()
}

/// The file's logins, each as its pattern, kind and texts.
fn shown(format: Format, file: &str) -> (Vec<String>, Vec<String>) {
    let contents = read(format, file.as_bytes()).unwrap();
    let entries = contents.entries.iter().map(|entry| {
        let login = match &entry.login {
            Login::Basic { username, password } => format!("basic {} {}", username.expose(), password.expose()),
            Login::IdentityToken(token) => format!("identity {}", token.expose()),
            Login::RegistryToken(token) => format!("registry {}", token.expose()),
        };
        format!("{} {login}", entry.pattern)
    });
    (entries.collect(), contents.problems.iter().map(ToString::to_string).collect())
}

mod reading {
    use super::*;

    /// What the one entry `value` is read as.
    fn check(value: &str, expected: &str) {
        let expected = if expected.is_empty() {
            (vec![], vec!["entry 1".to_owned()])
        } else {
            (vec![format!("a.example {expected}")], vec![])
        };
        let (entries, problems) = shown(Format::DockerCfg, &format!("{{\"a.example\": {value}}}"));
        let problems = problems.iter().map(|text| text.split(':').next().unwrap().to_owned()).collect();
        assert_eq!((entries, problems), expected, "{value}");
    }

    #[test]
    fn a_login_is_read_from_whichever_fields_have_it() {
        // base64("user:word") is dXNlcjp3b3Jk.
        check(r#"{"auth": "dXNlcjp3b3Jk"}"#, "basic user word");
        check(r#"{"username": "u", "password": "p"}"#, "basic u p");
        check(r#"{"username": "u", "password": "p", "email": 7, "auth": ""}"#, "basic u p");
        check(r#"{"username": "u", "password": "p", "auth": "dXNlcjp3b3Jk"}"#, "basic user word");
        check(r#"{"username": "u", "password": "p", "auth": null}"#, "basic u p");
        check(r#"{"Username": "u", "PASSWORD": "p"}"#, "basic u p");
        check(r#"{"username": "a", "username": "u", "password": "p"}"#, "basic u p");
        check(r#"{"username": "u", "password": "p:\"\u00fc\\"}"#, "basic u p:\"ü\\");
        check(r#"{"username": "u"}"#, "basic u ");
        check(r#"{"password": "p"}"#, "basic  p");
        check("{}", "");
        check(r#"{"email": "e@a.example"}"#, "");
        check(r#"{"username": "", "password": ""}"#, "");
    }

    #[test]
    fn auth_is_decoded_as_go_does_it() {
        check(r#"{"auth": "dTpw"}"#, "basic u p");
        check(r#"{"auth": "dTpwcA=="}"#, "basic u pp");
        check(r#"{"auth": "dTpwcA"}"#, "basic u pp");
        check(r#"{"auth": "dTpw\ncA==\r\n"}"#, "basic u pp");
        // The last two bits of the last B are left over.
        check(r#"{"auth": "dTpwcB=="}"#, "basic u pp");
        check(r#"{"auth": "dTpwOnA="}"#, "basic u p:p");
        check(r#"{"auth": "dTo="}"#, "basic u ");
        check(r#"{"auth": "OnA="}"#, "basic  p");
        check(r#"{"auth": "Og=="}"#, "");
    }

    #[test]
    fn tokens_count_where_there_is_no_password() {
        check(r#"{"identitytoken": "t"}"#, "identity t");
        check(r#"{"registrytoken": "t"}"#, "registry t");
        check(r#"{"identitytoken": "t", "registrytoken": "r"}"#, "registry r");
        // As docker login and az acr login write it.
        check(r#"{"auth": "dTo=", "identitytoken": "t"}"#, "identity t");
        check(r#"{"auth": "dTpw", "identitytoken": "t"}"#, "basic u p");
        check(r#"{"username": "u", "password": "p", "registrytoken": "t"}"#, "basic u p");
        check(r#"{"username": "u", "registrytoken": "t"}"#, "registry t");
        check(r#"{"identitytoken": "", "auth": "dTpw"}"#, "basic u p");
    }

    #[test]
    fn a_problem_says_where_and_what() {
        let check = |member: &str, expected: &str| {
            let file = format!("{{\"auths\": {{{member}, \"b.example\": {{\"auth\": \"dTpw\"}}}}}}");
            let (entries, problems) = shown(Format::DockerConfigJson, &file);
            assert_eq!(entries, ["b.example basic u p"], "{member}");
            assert_eq!(problems.len(), 1, "{member}");
            assert!(problems[0].starts_with(&format!("entry 1: {expected}")), "{member}: {problems:?}");
        };
        check(r#""": {"auth": "dTpw"}"#, "its key has no valid host");
        check(r#""oci://a.example": {"auth": "dTpw"}"#, "its key has a scheme");
        check(r#""a.example:http": {"auth": "dTpw"}"#, "the port in its key");
        check(r#""a.example\u0000": {"auth": "dTpw"}"#, "its key has control characters");
        check(r#""a.example\ud800": {"auth": "dTpw"}"#, "its key is not valid text");
        check(r#""a.example": "dTpw""#, "it is not a JSON object");
        check(r#""a.example": ["auth"]"#, "it is not a JSON object");
        check(r#""a.example": null"#, "it is not a JSON object");
        check(r#""a.example": {"auth": 7}"#, "its auth is not valid text");
        check(r#""a.example": {"auth": {}}"#, "its auth is not valid text");
        check(r#""a.example": {"username": "u", "password": 7}"#, "its password is not valid text");
        check(r#""a.example": {"username": "\udc00"}"#, "its username is not valid text");
        check(r#""a.example": {"identitytoken": true}"#, "its identitytoken is not valid text");
        check(r#""a.example": {"auth": "dXNlcjp3b3J_"}"#, "its auth is not base64");
        check(r#""a.example": {"auth": " dTpw"}"#, "its auth is not base64");
        check(r#""a.example": {"auth": "dXNlc"}"#, "its auth is not base64");
        check(r#""a.example": {"auth": "dXNlcg=="}"#, "its auth is base64 of something without a colon");
        check(r#""a.example": {"auth": "dTr/"}"#, "its auth is base64 of something that is not UTF-8");
        check(r#""a.example": {"auth": 7, "username": "u", "password": "p"}"#, "its auth is not valid text");
        check(r#""a.example": {}"#, "it has no login");
    }

    #[test]
    fn a_file_that_is_none_says_why() {
        use Format::{DockerCfg, DockerConfigJson};
        let check = |format: Format, file: &[u8], expected: ReadError| {
            assert_eq!(read(format, file), Err(expected), "{}", String::from_utf8_lossy(file));
        };
        check(DockerConfigJson, b"", ReadError::Syntax { line: 1, column: 0 });
        check(DockerConfigJson, b"{\"auths\":\n {]}", ReadError::Syntax { line: 2, column: 3 });
        check(DockerConfigJson, b"{\"auths\": {}} x", ReadError::Syntax { line: 1, column: 15 });
        check(DockerConfigJson, b"{\"auths\": \xff}", ReadError::Encoding { byte: 10 });
        check(DockerConfigJson, b"[]", ReadError::NotAnObject);
        check(DockerCfg, b"\"text\"", ReadError::NotAnObject);
        check(DockerConfigJson, b"null", ReadError::NotAnObject);
        check(DockerConfigJson, b"{}", ReadError::NoAuths);
        check(DockerConfigJson, b"{\"auths\": null}", ReadError::NoAuths);
        check(DockerConfigJson, b"{\"auths\": \"text\"}", ReadError::NoAuths);
        check(DockerConfigJson, b"{\"a.example\": {\"auth\": \"dTpw\"}}", ReadError::NoAuths);
        let deep = "[".repeat(MOST_BYTES);
        assert!(matches!(read(DockerCfg, deep.as_bytes()), Err(ReadError::Syntax { .. } | ReadError::NotAnObject)));
    }

    #[test]
    fn a_file_may_be_as_large_as_a_secret() {
        let check = |size: usize, expected: Result<usize, ReadError>| {
            let mut file = r#"{"auths": {"a.example": {"auth": "dTpw"}}}"#.to_owned();
            file.push_str(&" ".repeat(size - file.len()));
            assert_eq!(
                read(Format::DockerConfigJson, file.as_bytes()).map(|contents| contents.entries.len()),
                expected
            );
        };
        check(MOST_BYTES, Ok(1));
        check(MOST_BYTES + 1, Err(ReadError::TooLarge { size: MOST_BYTES + 1 }));
    }

    #[test]
    fn both_formats_keep_the_order_of_the_file() {
        let auths = r#"{"b": {"auth": "dTpw"}, "x": 1, "a": {"auth": "dTpw"}, "y": 2, "b": {"username": "u2"}}"#;
        let expected = (
            vec!["a basic u p".to_owned(), "b basic u2 ".to_owned()],
            ["entry 2", "entry 4"].map(|entry| format!("{entry}: it is not a JSON object")).to_vec(),
        );
        assert_eq!(shown(Format::DockerCfg, auths), expected);
        let config = format!(r#"{{"HttpHeaders": {{"a": "b"}}, "auths": {{}}, "credsStore": "x", "Auths": {auths}}}"#);
        assert_eq!(shown(Format::DockerConfigJson, &config), expected);
    }
}

mod selecting {
    use super::*;

    /// `patterns` are the entries, their user names their numbers; `expected` are the numbers in order.
    fn check(patterns: &[&str], text: &str, expected: &[usize]) {
        let entries: Vec<Entry> = patterns
            .iter()
            .enumerate()
            .map(|(number, pattern)| Entry {
                pattern: Pattern::parse(pattern).unwrap(),
                login: Login::RegistryToken(Secret::new(number.to_string())),
            })
            .collect();
        let selected: Vec<usize> = select(&entries, &image(text))
            .into_iter()
            .map(|selected| entries.iter().position(|entry| std::ptr::eq(entry, selected)).unwrap())
            .collect();
        assert_eq!(selected, expected, "{patterns:?} {text}");
    }

    #[test]
    fn the_most_specific_comes_first_and_equals_in_order() {
        check(&[], "ghcr.io/web", &[]);
        check(&["quay.io"], "ghcr.io/web", &[]);
        check(&["ghcr.io", "ghcr.io/team/web", "ghcr.io/team"], "ghcr.io/team/web:1", &[1, 2, 0]);
        check(&["ghcr.io", "ghcr.io/team/web", "ghcr.io/team"], "ghcr.io/other", &[0]);
        check(&["*.io", "ghcr.*", "ghcr.io", "*.io/team"], "ghcr.io/team/web", &[2, 1, 3, 0]);
        check(&["https://ghcr.io", "ghcr.io/", "http://ghcr.io/v2/"], "ghcr.io/web", &[0, 1, 2]);
        check(&["ghcr.io", "ghcr.io:5000"], "ghcr.io:5000/web", &[1]);
        check(&["[::1]:5000", "*:5000"], "[::1]:5000/web", &[0, 1]);
        check(&["localhost", "*"], "localhost/web", &[0, 1]);
    }

    #[test]
    fn docker_hub_has_a_key_of_its_own_for_what_else_has_none() {
        let login = "https://index.docker.io/v1/";
        for text in ["web", "team/web", "docker.io/web:1", "index.docker.io/team/web"] {
            check(&[login], text, &[0]);
            check(&["index.docker.io", login, "index.docker.io/"], text, &[0, 1, 2]);
            check(&[login, "docker.io"], text, &[1]);
            check(&[login, "*.io", "docker.io"], text, &[2, 1]);
            check(&["index.docker.io:443", "index.docker.io/team", "https://index.docker.io/v1"], text, &[]);
            check(&["registry-1.docker.io", "hub.docker.com", "*.docker.io"], text, &[]);
        }
        check(&["docker.io/library"], "web", &[0]);
        check(&["docker.io/web"], "web", &[]);
        check(&["docker.io/team", login], "other/web", &[1]);
        // Where the kubelet gives Docker Hub's password away.
        check(&[login], "localhost/web", &[]);
        check(&[login], "Host/web", &[]);
        check(&[login], "ghcr.io/web", &[]);
        check(&[login], "localhost:5000/web", &[]);
    }

    #[test]
    fn a_login_is_for_the_images_own_registry() {
        let check = |text: &str, registry: &str, realm: Option<&str>| {
            let recipients = recipients(&image(text)).unwrap();
            let expected = Recipients {
                registry: Origin::parse(registry).unwrap(),
                realm: realm.map(|realm| Origin::parse(realm).unwrap()),
            };
            assert_eq!(recipients, expected, "{text}");
        };
        check("web", "https://registry-1.docker.io", Some("https://auth.docker.io"));
        check("index.docker.io/web", "https://registry-1.docker.io", Some("https://auth.docker.io"));
        check("ghcr.io/web", "https://ghcr.io", None);
        check("GHCR.io/web", "https://ghcr.io", None);
        check("a.example:5000/web", "https://a.example:5000", None);
        check("auth.docker.io/web", "https://auth.docker.io", None);
        check("[::1]:5000/web", "https://[::1]:5000", None);
        assert!(recipients(&image("1.2.3.4.5/web")).is_err());
    }

    #[test]
    fn recipients_are_exact() {
        let check = |text: &str, origin: &str, expected: bool| {
            let recipients = recipients(&image(text)).unwrap();
            assert_eq!(recipients.contains(&Origin::parse(origin).unwrap()), expected, "{text} {origin}");
        };
        check("web", "https://registry-1.docker.io", true);
        check("web", "https://auth.docker.io:443", true);
        check("web", "https://docker.io", false);
        check("web", "https://index.docker.io", false);
        check("web", "http://auth.docker.io", false);
        check("ghcr.io/web", "https://ghcr.io", true);
        check("ghcr.io/web", "http://ghcr.io", false);
        check("ghcr.io/web", "https://ghcr.io:8443", false);
        check("ghcr.io/web", "https://a.ghcr.io", false);
        check("ghcr.io/web", "https://auth.docker.io", false);
    }
}

mod secrecy {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const CANARY: &str = "kanarienvogel";

    /// Everything that reading `file` may bring into a log.
    fn printed(file: &[u8]) -> String {
        [Format::DockerConfigJson, Format::DockerCfg]
            .map(|format| match read(format, file) {
                Err(err) => format!("{err} {err:?} {:?}", std::error::Error::source(&err)),
                Ok(contents) => {
                    let problems = contents
                        .problems
                        .iter()
                        .map(|problem| format!("{problem} {problem:?} {:?} ", std::error::Error::source(problem)));
                    let patterns = contents.entries.iter().map(|entry| format!("{} ", entry.pattern));
                    problems.chain(patterns).collect::<String>() + &format!("{contents:?}")
                }
            })
            .concat()
    }

    fn check(file: &str) {
        let printed = printed(file.as_bytes());
        for secret in [CANARY.to_owned(), STANDARD.encode(CANARY), STANDARD.encode(format!("u:{CANARY}"))] {
            assert!(!printed.contains(&secret), "{file}: {printed}");
        }
    }

    #[test]
    fn nothing_that_prints_has_a_secret_in_it() {
        let login = STANDARD.encode(format!("u:{CANARY}"));
        for value in [
            format!(r#"{{"auth": "{login}"}}"#),
            format!(r#"{{"auth": "{login}!"}}"#),
            format!(r#"{{"auth": "{CANARY}"}}"#),
            format!(r#"{{"auth": "{}"}}"#, STANDARD.encode(CANARY)),
            format!(r#"{{"auth": ["{CANARY}"]}}"#),
            format!(r#"{{"auth": {{"{CANARY}": "{CANARY}"}}}}"#),
            format!(r#"{{"username": "{CANARY}"}}"#),
            format!(r#"{{"username": "u", "password": "{CANARY}"}}"#),
            format!(r#"{{"username": "u", "password": "{CANARY}\ud800"}}"#),
            format!(r#"{{"identitytoken": "{CANARY}"}}"#),
            format!(r#"{{"registrytoken": "{CANARY}"}}"#),
            format!(r#"{{"{CANARY}": "{CANARY}"}}"#),
            format!(r#""{CANARY}""#),
            format!(r#"["{CANARY}"]"#),
            format!(r#"{{"password": "{CANARY}"#),
            format!(r#"{{"password": {CANARY}}}"#),
        ] {
            check(&value);
            check(&format!(r#"{{"auths": {value}}}"#));
            check(&format!(r#"{{"a.example": {value}}}"#));
            check(&format!(r#"{{"auths": {{"a.example": {value}}}}}"#));
        }
        for key in [
            format!("u:{CANARY}@a.example"),
            format!("https://{CANARY}@a.example/team"),
            format!("a.example?{CANARY}"),
            format!("a.example#{CANARY}"),
            format!("a.example:{CANARY}"),
            format!("{CANARY}://a.example"),
            format!("a.example/{CANARY}\\n"),
            format!("a.example/{CANARY}\\ud800"),
            format!("{CANARY} "),
        ] {
            check(&format!(r#"{{"{key}": {{"auth": "{login}"}}}}"#));
            check(&format!(r#"{{"auths": {{"{key}": {{"auth": "{login}"}}}}}}"#));
        }
        check(CANARY);
        check(&format!("\"{CANARY}\""));
    }

    #[test]
    fn a_secret_shows_that_it_is_one() {
        let basic = Login::Basic { username: Secret::new("u".to_owned()), password: Secret::new(CANARY.to_owned()) };
        assert_eq!(format!("{basic:?}"), "Basic { username: [redacted], password: [redacted] }");
        assert_eq!(format!("{:?}", Login::IdentityToken(Secret::new(CANARY.to_owned()))), "IdentityToken([redacted])");
        assert_eq!(Secret::new(CANARY.to_owned()).expose(), CANARY);
        assert_ne!(Secret::new(CANARY.to_owned()), Secret::new("other".to_owned()));
    }

    proptest! {
        #[test]
        fn cutting_a_file_short_shows_nothing(cut in 0_usize..120, junk in "[\"{}\\[\\],:\\\\ ]{0,3}") {
            let file = format!(
                r#"{{"auths": {{"a.example": {{"auth": "{}", "password": "{CANARY}"}}, "u:{CANARY}@b": "{CANARY}"}}}}"#,
                STANDARD.encode(format!("u:{CANARY}")),
            );
            let mut broken = file.clone();
            broken.truncate(cut.min(file.len()));
            broken.push_str(&junk);
            check(&broken);
            let mut broken = file;
            broken.insert_str(cut.min(broken.len()), &junk);
            check(&broken);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(Format::DockerConfigJson, &bytes);
        let _ = read(Format::DockerCfg, &bytes);
    }

    #[test]
    fn nothing_like_a_file_makes_a_panic(
        file in "(\\{|\\}|\\[|\\]|:|,|null|1|\"auths\"|\"auth\"|\"password\"|\"dTpw\"|\"a.example\"|\"\\\\ud800\"|\"(\\PC|\\\\u00e9){0,4}\"){0,12}",
        key in "\\PC{0,8}",
    ) {
        let key = serde_json::Value::from(key);
        for file in [file.clone(), format!("{{\"auths\": {file}}}"), format!("{{\"auths\": {{{key}: {file}}}}}")] {
            let _ = read(Format::DockerConfigJson, file.as_bytes());
            let _ = read(Format::DockerCfg, file.as_bytes());
        }
    }

    #[test]
    fn a_login_is_only_selected_if_its_host_is_the_images(
        keys in proptest::collection::vec(
            "(https?://)?([ab*]{1,2}\\.){0,2}[ab*]{1,2}(:[12])?(/[ab]{0,2}){0,2}|(https://)?(index\\.)?docker\\.io(/v1/)?",
            0..8,
        ),
        text in "(([ab]{1,2}\\.){1,2}[ab]{1,2}(:[12])?/)?[ab]{1,2}(/[ab]{1,2})?|localhost/a",
    ) {
        let auths: serde_json::Map<_, _> =
            keys.iter().map(|key| (key.clone(), serde_json::json!({"username": key, "password": "p"}))).collect();
        let contents = read(Format::DockerCfg, serde_json::Value::from(auths).to_string().as_bytes()).unwrap();
        prop_assert_eq!(&contents.problems, &[]);
        let image = image(&text);
        let selected = select(&contents.entries, &image);
        for entry in &selected {
            let shown = entry.pattern.to_string();
            let host = shown.split('/').next().unwrap();
            if host == "index.docker.io" {
                prop_assert_eq!(image.registry(), "docker.io");
            } else {
                // No label of the image has a dot or colon, so a `*` that reached beyond its label would not go unnoticed.
                prop_assert_eq!(host.split(['.', ':']).count(), image.registry().split(['.', ':']).count());
                for (glob, label) in host.split(['.', ':']).zip(image.registry().split(['.', ':'])) {
                    prop_assert!(is_match(glob.as_bytes(), label.as_bytes()), "{} {}", shown, text);
                }
            }
        }
        let order: Vec<String> = selected.iter().map(|entry| entry.pattern.to_string()).collect();
        prop_assert!(order.is_sorted_by(|a, b| a >= b), "{:?}", order);
    }
}
