use std::process::Command;

use crate::plugin;

/// Exit success, standard output, standard error of `k8supdater ARGS` with `variables` set.
pub(crate) fn run(args: &[&str], variables: &[(&str, &str)]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_k8supdater"))
        .args(args)
        .env_remove("KUBECONFIG")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[track_caller]
pub(crate) fn check_failure(args: &[&str], variables: &[(&str, &str)], expected: &str) {
    let (success, _, stderr) = run(args, variables);
    assert!(!success, "{args:?} {variables:?} succeeded");
    assert!(stderr.contains(expected), "{args:?} {variables:?} said:\n{stderr}");
}

#[test]
fn a_wrong_setting_stops_the_start_and_names_variable_value_and_bounds() {
    check_failure(
        &[],
        &[("VERSIONS_FRONTIER", "two")],
        "VERSIONS_FRONTIER (or --frontier) is \"two\", expected a whole number up to 16",
    );
    check_failure(
        &["--interval", "0"],
        &[],
        "REFRESH_FREQUENCY_IN_SECONDS (or --interval) is \"0\", expected whole seconds from 1 to 2592000, or a duration from 1s to 720h such as 10m",
    );
    check_failure(
        &["--kubeconfig", "/does/not/exist"],
        &[],
        "cannot find out how to reach the API server; give --kubeconfig, or run in a pod with a ServiceAccount: ",
    );
}

/// Secrets as people give them, each in its own variable.
const SECRETS: [(&str, &str); 3] =
    [("GITLAB_TOKEN", "glpat-canary"), ("EMAIL_PASSWORD", "canary-word"), ("TELEGRAM_TOKEN", "123456:canary")];

#[test]
fn a_wrong_value_or_half_a_set_stops_the_start_without_telling_a_secret() {
    let whole = [
        ("EMAIL_HOST", "mail.example.com"),
        ("EMAIL_SENDER", "k8s@example.com"),
        ("EMAIL_RECIPIENT", "ops@example.com"),
        ("TELEGRAM_CHAT_ID", "42"),
    ];
    let check = |variables: &[(&str, &str)], expected: &str| {
        let variables = [&SECRETS, &whole[..], variables].concat();
        let (success, stdout, stderr) = run(&["--kubeconfig", "/does/not/exist"], &variables);
        assert!(!success && stderr.contains(expected), "{variables:?} said:\n{stderr}");
        assert!(!stdout.contains("canary") && !stderr.contains("canary"), "{stdout}{stderr}");
    };
    // All of it is right, so that it is the kubeconfig that stops it.
    check(&[], "cannot find out how to reach the API server");
    check(
        &[("REFRESH_FREQUENCY_IN_SECONDS", "soon")],
        "REFRESH_FREQUENCY_IN_SECONDS (or --interval) is \"soon\", expected",
    );
    check(&[("VERSIONS_FRONTIER", "two")], "VERSIONS_FRONTIER (or --frontier) is \"two\", expected");
    check(&[("LATEST_PREFERENCE", "maybe")], "LATEST_PREFERENCE (or --latest) is \"maybe\", expected");
    check(&[("K8SUPDATER_MINIMUM_AGE", "3d")], "K8SUPDATER_MINIMUM_AGE (or --minimum-age) is \"3d\", expected");
    check(
        &[("K8SUPDATER_DELAY_BETWEEN_UPDATES", "8761h")],
        "K8SUPDATER_DELAY_BETWEEN_UPDATES (or --delay-between-updates) is \"8761h\", expected a duration from 0s to 8760h",
    );
    check(&[("K8SUPDATER_ROLLBACK", "yes")], "K8SUPDATER_ROLLBACK (or --rollback) is \"yes\", expected OnFailure");
    check(
        &[("GITLAB_BASE_URL", "https://me:canary@git/api/v4")],
        "is \"https://[redacted]@git/api/v4\", expected a URL",
    );
    check(&[("GITLAB_PROJECT_ID", "a//b")], "GITLAB_PROJECT_ID (or --gitlab-project) is \"a//b\", expected");
    check(&[("EMAIL_PORT", "smtp")], "EMAIL_PORT (or --email-port) is \"smtp\", expected a port from 1 to 65535");
    check(&[("EMAIL_SENDER", "k8s")], "EMAIL_SENDER (or --email-sender) is \"k8s\", expected a plain address");
    check(&[("EMAIL_RECIPIENT", "ops")], "EMAIL_RECIPIENT (or --email-recipient) is \"ops\", expected 1 to 50");
    check(&[("EMAIL_TLS", "yes")], "EMAIL_TLS (or --email-tls) is \"yes\", expected none, starttls or implicit");
    check(&[("EMAIL_HOST", "me:canary@mail")], "EMAIL_HOST (or --email-host) has a value that is not shown");
    check(&[("EMAIL_PASSWORD", "canary\tword")], "EMAIL_PASSWORD (or --email-password) has a value that is not shown");
    check(&[("TELEGRAM_TOKEN", "canary")], "TELEGRAM_TOKEN (or --telegram-token) has a value that is not shown");
    check(&[("TELEGRAM_CHAT_ID", "shop")], "TELEGRAM_CHAT_ID (or --telegram-chat-id) is \"shop\", expected");
    check(&[("TELEGRAM_API_URL", "telegram")], "TELEGRAM_API_URL (or --telegram-api-url) is \"telegram\", expected");
    let half = "EMAIL_SENDER, EMAIL_RECIPIENT and EMAIL_PASSWORD are set, but EMAIL_HOST is not; set what is missing";
    check(&[("EMAIL_HOST", "")], half);
    check(&[("EMAIL_USERNAME", "me"), ("EMAIL_PASSWORD", "")], "EMAIL_USERNAME is set, but EMAIL_PASSWORD is not");
    check(&[("TELEGRAM_CHAT_ID", " ")], "TELEGRAM_TOKEN is set, but TELEGRAM_CHAT_ID is not; set what is missing");
    check(&[("TELEGRAM_TOKEN", "")], "TELEGRAM_CHAT_ID is set, but TELEGRAM_TOKEN is not; set what is missing");
}

#[test]
fn every_variable_may_be_empty_and_is_unset_then() {
    for tool in [&["--kubeconfig", "/does/not/exist"][..], &["check", "--help"]] {
        let (_, help, _) = run(&[tool, &["--help"]].concat(), &[]);
        let names = help.split("[env:").skip(1).filter_map(|rest| rest.trim_start().split(['=', ']']).next());
        let empty: Vec<(&str, &str)> = names.map(|name| (name, "")).collect();
        assert!(empty.len() > 5, "{help}");
        let (success, _, stderr) = run(tool, &empty);
        assert!(success || stderr.contains("cannot find out how to reach the API server"), "{empty:?} said:\n{stderr}");
    }
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    let secrets =
        [&SECRETS[..], &[("TELEGRAM_API_URL", "https://a/bot1:canary"), ("K8SUPDATER_PROXY", "http://me:canary@p")]];
    let (success, stdout, stderr) = run(&["--help"], &secrets.concat());
    assert!(success && stdout.contains("EMAIL_PASSWORD") && stdout.contains("TELEGRAM_TOKEN"), "{stderr}");
    assert!(!stdout.contains("canary"), "{stdout}");
}

#[test]
fn inspect_says_what_a_plugin_is_and_that_it_imports_nothing() {
    let path = plugin("registry-oci");
    let path = path.to_str().unwrap();
    let (success, text, stderr) = run(&["plugin", "inspect", path], &[]);
    assert!(success, "{stderr}");
    for expected in [
        "registry-oci",
        "(registry)",
        "imports    no function",
        "asks for   $registry: ",
        "credential registry (oci-token)",
        "sha256:",
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    let (success, json, _) = run(&["plugin", "inspect", "--json", path], &[]);
    assert!(success);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["kind"].as_str(), &json["functionImports"]), (Some("registry"), &serde_json::json!([])));
    let (success, wit, _) = run(&["plugin", "inspect", "--wit", path], &[]);
    assert!(success);
    assert!(wit.contains("export k8supdater:plugin/registry@0.1.0;"), "{wit}");
    // Types only: an import of anything with a function would have been refused.
    for line in wit.lines().filter(|line| line.trim_start().starts_with("import ")) {
        assert_eq!(line.trim(), "import k8supdater:plugin/exchange@0.1.0;");
    }
}

#[test]
fn inspect_says_which_setting_decides_whom_a_plugin_calls() {
    let path = plugin("registry-gitlab");
    let path = path.to_str().unwrap();
    let (success, text, stderr) = run(&["plugin", "inspect", path], &[]);
    assert!(success, "{stderr}");
    assert!(text.contains("asks for   origin of the setting baseUrl, https://gitlab.com now: "), "{text}");
    let (success, json, _) = run(&["plugin", "inspect", "--json", path], &[]);
    assert!(success);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let origin = &json["origins"][0];
    assert_eq!((origin["setting"].as_str(), origin["origin"].as_str()), (Some("baseUrl"), Some("https://gitlab.com")));
}

#[test]
fn what_is_no_plugin_is_refused_with_the_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let module = write("module.wasm", b"\0asm\x01\0\0\0");
    check_failure(
        &["plugin", "inspect", &module],
        &[],
        "is a core module, not a component; run \"k8supdater plugin pack\" on it",
    );
    let noise = write("noise.wasm", b"this is not WebAssembly");
    check_failure(&["plugin", "inspect", &noise], &[], "noise.wasm");
    check_failure(&["plugin", "inspect", "nowhere.wasm"], &[], "cannot read nowhere.wasm: ");
}

#[test]
fn pack_writes_objects_that_grant_what_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let component = plugin("registry-oci");
    let args =
        ["plugin", "pack", component.to_str().unwrap(), "-o", &at("out.wasm.gz"), "--config-map", &at("out.yaml")];
    let (success, stdout, stderr) = run(&args, &[]);
    assert!(success, "{stderr}");
    assert!(stdout.contains("sha256:") && stdout.contains("kubectl apply --server-side -f"), "{stdout}");
    let yaml = std::fs::read_to_string(at("out.yaml")).unwrap();
    for expected in ["kind: ConfigMap", "plugin.wasm.gz:", "kind: Plugin", "- $registry"] {
        assert!(yaml.contains(expected), "no {expected:?} in the objects");
    }
    // An origin that a setting decides is that of the setting's default, as long as nobody sets it.
    let gitlab = plugin("registry-gitlab");
    let args =
        ["plugin", "pack", gitlab.to_str().unwrap(), "-o", &at("gitlab.wasm"), "--config-map", &at("gitlab.yaml")];
    assert!(run(&args, &[]).0);
    assert!(std::fs::read_to_string(at("gitlab.yaml")).unwrap().contains("    - https://gitlab.com\n"));
    // Packing what is packed changes nothing, so that a digest says which code it is.
    let (success, _, stderr) = run(&["plugin", "pack", component.to_str().unwrap(), "-o", &at("again.wasm")], &[]);
    assert!(success, "{stderr}");
    assert_eq!(std::fs::read(at("again.wasm")).unwrap(), std::fs::read(&component).unwrap());
}

#[test]
fn crd_prints_both_kinds() {
    let (success, yaml, _) = run(&["crd"], &[]);
    assert!(success);
    assert!(yaml.contains("name: versioninghandlers.k8supdater.dev") && yaml.contains("name: plugins.k8supdater.dev"));
}
