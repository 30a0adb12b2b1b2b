/// Logins, tokens, and what is said where they are refused.
mod accounts;
/// Pinned images, platforms, flavors, and handlers that contradict each other.
mod decisions;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use k8supdater_testkit::{FakeRegistry, Fault, Part};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::plugin;

/// What a password looks like that must not be seen anywhere.
const CANARY: &str = "canary-7f3a";

/// A registry, a directory to work in, and what came of a run.
struct Scene {
    registry: FakeRegistry,
    directory: TempDir,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Scene {
    async fn new() -> Self {
        let scene = Self { registry: FakeRegistry::start().await, directory: tempfile::tempdir().unwrap() };
        scene
            .registry
            .push("team/web", &["1.2.2", "1.2.3", "1.2.4", "1.3.0", "2.0.0", "2.1.0-rc1", "edge", "1.2.5-alpine"]);
        scene.registry.push("team/db", &["16.1", "16.1.1", "16.2"]);
        scene
    }

    /// Host and port.
    fn host(&self) -> String {
        self.registry.origin().trim_start_matches("http://").to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file, with `HOST` replaced, and gives its path.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text.replace("HOST", &self.host())).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// `k8supdater check ARGS` in the directory, without what the environment says otherwise.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_k8supdater"));
        command.arg("check").args(args).current_dir(self.directory.path()).stdin(Stdio::null());
        for variable in [
            "VERSIONS_FRONTIER",
            "LATEST_PREFERENCE",
            "GITLAB_BASE_URL",
            "GITLAB_TOKEN",
            "GITLAB_PROJECT_ID",
            "K8SUPDATER_LOG",
            "K8SUPDATER_PROXY",
            "K8SUPDATER_CA_FILE",
            "RUST_LOG",
        ] {
            command.env_remove(variable);
        }
        command.env("K8SUPDATER_PLUGINS", plugin("registry-oci").parent().unwrap());
        command.env("DOCKER_CONFIG", self.path(".docker"));
        // Compiling takes longer than everything else.
        command.env("K8SUPDATER_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/compiled-for-check"));
        command
    }

    async fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args)).await
    }

    /// The same, with the registry granted.
    async fn check(&self, args: &[&str]) -> Ran {
        let origin = self.registry.origin();
        self.run(&[&["--grant", origin.as_str()], args].concat()).await
    }

    async fn json(&self, args: &[&str]) -> Value {
        let ran = self.check(&[args, &["--output", "json"]].concat()).await;
        serde_json::from_str(&ran.stdout).unwrap_or_else(|err| panic!("{err}: {}{}", ran.stdout, ran.stderr))
    }
}

async fn ran(command: &mut Command) -> Ran {
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    #[track_caller]
    fn has(&self, code: i32, expected: &[&str]) -> &Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, code, "{all}");
        for expected in expected {
            assert!(all.contains(expected), "no {expected:?} in:\n{all}");
        }
        self
    }
}

#[tokio::test]
async fn a_table_says_what_the_operator_would_do() {
    let scene = Scene::new().await;
    let host = scene.host();
    let image = |rest: &str| format!("{host}/{rest}");
    let ran = scene
        .check(&[
            "--frontier",
            "2",
            &image("team/web:1.2.3"),
            &image("team/db:16.2"),
            &image("team/web"),
            &image("team/web:edge"),
        ])
        .await;
    ran.has(0, &[]);
    let width = host.len() + "/team/web".len();
    let expected = format!(
        "{:width$}  CURRENT  UPDATE TO  AVAILABLE  NOTE\n\
         {host}/team/web  1.2.3    1.2.4      2.0.0      2.0.0: it differs from 1.2.3 in level 1, and frontier 2 leaves all up to level 2 to a human\n\
         {:width$}  16.2     -          -\n\
         {host}/team/web  -        -          -          it has no tag, which means latest; only a cluster knows what runs\n\
         {host}/team/web  edge     -          -          plugin pep440 does not read edge as a version; if it moves, only a cluster knows what runs\n",
        "IMAGE",
        format!("{host}/team/db"),
    );
    assert_eq!(ran.stdout, expected);
    assert_eq!(ran.stderr, "");
}

#[tokio::test]
async fn all_shows_every_tag_with_its_rule() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    let ran = scene.check(&[&image, "--all"]).await;
    ran.has(
        0,
        &[&format!("\n{image} with frontier 1\nTAG "), "OtherFlavor", "NoVersion", "Prerelease", "BeyondFrontier"],
    );
    let tags: Vec<&str> =
        ran.stdout.split("RULE\n").nth(1).unwrap().lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(tags, ["2.1.0-rc1", "2.0.0", "1.3.0", "1.2.5-alpine", "1.2.4", "1.2.3", "1.2.2", "edge"]);
}

#[tokio::test]
async fn json_has_the_documented_fields() {
    let scene = Scene::new().await;
    let image = |tag: &str| scene.registry.image("team/web", tag);
    let found =
        scene.json(&["--frontier", "2", &image("1.2.3"), &image("2.0.0"), &image("latest"), "Nonsense:1"]).await;
    assert_eq!(
        found["images"][0],
        json!({
            "image": image("1.2.3"), "status": "updateAndAvailable", "current": "1.2.3",
            "update": {"tag": "1.2.4", "image": image("1.2.4"), "written": false},
            "available": {
                "tag": "2.0.0",
                "why": "it differs from 1.2.3 in level 1, and frontier 2 leaves all up to level 2 to a human",
            },
        })
    );
    assert_eq!(found["images"][1], json!({"image": image("2.0.0"), "status": "current", "current": "2.0.0"}));
    assert_eq!(found["images"][2]["status"], "moving");
    assert_eq!(
        (found["images"][3]["status"].as_str(), found["images"][3]["error"]["reason"].as_str()),
        (Some("failed"), Some("InvalidImage"))
    );
    assert_eq!(found["unreadable"], json!([]));
    let found = scene.json(&["--all", &image("1.2.3")]).await;
    assert_eq!(
        found["images"][0]["candidates"][1],
        json!({
            "tag": "2.0.0", "version": "2.0.0", "verdict": "BeyondFrontier",
            "rule": "it differs from 1.2.3 in level 1, and frontier 1 leaves all up to level 1 to a human",
        })
    );
}

#[tokio::test]
async fn a_repository_is_listed_once_however_many_images_name_it() {
    let scene = Scene::new().await;
    let images: Vec<String> = ["1.2.2", "1.2.3", "2.0.0"].map(|tag| scene.registry.image("team/web", tag)).to_vec();
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    scene.check(&images).await.has(0, &["1.3.0"]);
    assert_eq!(scene.registry.count(Part::Tags), 1);
}

#[tokio::test]
async fn flags_say_which_tags_are_candidates() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    let check = async |flags: &[&str], expected: Option<&str>| {
        let found = scene.json(&[flags, &[image.as_str(), "--frontier=0"]].concat()).await;
        assert_eq!(found["images"][0]["update"]["tag"].as_str(), expected, "{flags:?}");
    };
    check(&[], Some("2.0.0")).await;
    check(&["--prereleases"], Some("2.1.0-rc1")).await;
    check(&["--exclude", "2\\..*"], Some("1.3.0")).await;
    check(&["--include", "1\\.2\\.[0-9]"], Some("1.2.4")).await;
    check(&["--registry", "registry-oci", "--registry-settings", r#"{"pageSize": 2}"#], Some("2.0.0")).await;
    check(&["--parser", "version-semver"], Some("2.0.0")).await;
    scene
        .check(&[&image, "--registry-settings", r#"{"pageSize": 0}"#])
        .await
        .has(1, &["the settings for plugin oci are refused"]);
    scene.check(&[&image, "--parser-settings", "[]"]).await.has(1, &["it is no JSON object"]);
    scene.check(&[&image, "--include", "("]).await.has(1, &["it is no regular expression"]);
    let variable = ran(scene.command(&[&image]).env("VERSIONS_FRONTIER", "two")).await;
    variable.has(1, &["VERSIONS_FRONTIER (or --frontier) is \"two\", expected a whole number up to 16"]);
}

#[tokio::test]
async fn exit_codes_tell_newer_from_broken() {
    let scene = Scene::new().await;
    let (old, new) = (scene.registry.image("team/db", "16.1"), scene.registry.image("team/db", "16.2"));
    let missing = scene.registry.image("team/none", "1");
    scene.check(&[&old]).await.has(0, &["16.2"]);
    scene.check(&[&old, "--exit-code"]).await.has(2, &["16.2"]);
    scene.check(&[&new, "--exit-code"]).await.has(0, &[]);
    scene.check(&[&old, &missing, "--exit-code"]).await.has(1, &["16.2", "the repository does not exist"]);
    scene.check(&[]).await.has(1, &["<IMAGE|--file <PATH>...>"]);
    scene.check(&["--no-such-flag", &old]).await.has(1, &["unexpected argument"]);
    scene.registry.fail_at(Part::Tags, Fault::ServerError);
    scene.check(&[&old]).await.has(1, &["the registry is not available"]);
}

#[tokio::test]
async fn what_is_not_granted_is_not_called_and_the_remedy_is_named() {
    let scene = Scene::new().await;
    let (image, origin) = (scene.registry.image("team/web", "1.2.3"), scene.registry.origin());
    scene.run(&[&image]).await.has(1, &["a registry at a private address needs", &format!("--grant {origin}")]);
    assert_eq!(scene.registry.seen(), []);
    scene.run(&[&image, "--grant", "127.0.0.1"]).await.has(1, &["is no origin"]);
}

#[tokio::test]
async fn plugins_are_named_where_they_are_missing() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    let ran_with = scene.check(&[&image, "--registry", "nexus"]).await;
    ran_with.has(1, &["there is no registry plugin \"nexus\" in ", "expected one of: ", "oci"]);
    scene.check(&[&image, "--parser", "oci"]).await.has(1, &["there is no version-parser plugin \"oci\"", "pep440"]);
    let empty = scene.path("empty");
    fs::create_dir(&empty).unwrap();
    let empty = empty.to_str().unwrap();
    scene
        .check(&[&image, "--plugins", empty])
        .await
        .has(1, &[&format!("found no plugins (*.wasm or *.wasm.gz) in {empty};")]);
    scene.file("empty/registry-oci.wasm", "noise");
    scene.check(&[&image, "--plugins", empty]).await.has(1, &["cannot load the plugin", "registry-oci.wasm: "]);
    // Packed and compressed, as in deploy/plugins.
    let packed = scene.path("packed");
    fs::create_dir(&packed).unwrap();
    for name in ["registry-oci", "version-pep440"] {
        let bytes = k8supdater_runtime::pack::compress(&fs::read(plugin(name)).unwrap());
        fs::write(packed.join(format!("{name}.wasm.gz")), bytes).unwrap();
    }
    scene.check(&[&image, "--plugins", packed.to_str().unwrap()]).await.has(0, &["1.3.0"]);
}

/// A Docker configuration with one login.
fn login(password: &str) -> String {
    json!({"auths": {"HOST": {"username": "robot", "password": password}}}).to_string()
}

#[tokio::test]
async fn logins_come_from_the_docker_configuration() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    scene.registry.require_login("robot", CANARY);
    scene.check(&[&image]).await.has(1, &["the registry wants a login, and there is no Docker configuration"]);
    let file = scene.file(".docker/config.json", &login(CANARY));
    scene.check(&[&image]).await.has(0, &["1.3.0"]);
    let wrong = scene.file("wrong.json", &login("canary-wrong"));
    let expected = format!("the registry refused the login for {} from {wrong}; log in again with", scene.host());
    scene.check(&[&image, "--docker-config", &wrong]).await.has(1, &[&expected]);
    // An old and a new password: the longer path is tried first.
    let both = json!({"auths": {
        "HOST/team": {"username": "robot", "password": "canary-old"}, "HOST": {"username": "robot", "password": CANARY},
    }});
    let both = scene.file("both.json", &both.to_string());
    scene.check(&[&image, "--docker-config", &both]).await.has(0, &["1.3.0"]);
    let token = scene.file("token.json", &json!({"auths": {"HOST": {"identitytoken": CANARY}}}).to_string());
    scene
        .check(&[&image, "--docker-config", &token])
        .await
        .has(1, &["is an identity token, which cannot be used here"]);
    scene
        .check(&[&image, "--docker-config", "none.json"])
        .await
        .has(1, &["cannot read the Docker configuration none.json: "]);
    let noise = scene.file("noise.json", CANARY);
    scene.check(&[&image, "--docker-config", &noise]).await.has(1, &["cannot be used: it is not JSON"]);
    assert!(fs::read_to_string(file).unwrap().contains(CANARY), "the file is read only");
}

/// All that is said, but for what the compiler says, which takes it minutes.
const LOUD: &str =
    "trace,cranelift_codegen=off,cranelift_frontend=off,regalloc2=off,wasmtime=off,wasmtime_internal_cranelift=off";

/// Makes a credential helper whose answer to `get` is what `script` prints.
fn helper(scene: &Scene, name: &str, script: &str) {
    let path = PathBuf::from(scene.file(&format!("bin/docker-credential-{name}"), &format!("#!/bin/sh\n{script}\n")));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn credential_helpers_are_asked_as_the_docker_cli_asks_them() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    scene.registry.require_login("robot", CANARY);
    let answer = json!({"ServerURL": "HOST", "Username": "robot", "Secret": CANARY});
    helper(
        &scene,
        "good",
        &format!("echo called >> calls\n[ \"$1\" = get ] && [ \"$(cat)\" = HOST ] && echo '{answer}'"),
    );
    helper(&scene, "bad", &format!("echo {CANARY}; echo {CANARY} >&2; exit 3"));
    helper(&scene, "chatty", &format!("echo {CANARY}"));
    helper(&scene, "empty", "echo 'credentials not found in native keychain'; exit 1");
    let check = async |config: Value, code: i32, expected: &[&str]| {
        let config = scene.file("config.json", &config.to_string());
        let path = format!("{}:{}", scene.path("bin").display(), std::env::var("PATH").unwrap());
        let origin = scene.registry.origin();
        let two = [
            image.as_str(),
            &image.replace("web:1.2.3", "db:16.1"),
            "-v",
            "--grant",
            &origin,
            "--docker-config",
            &config,
        ];
        let ran = ran(scene.command(&two).env("PATH", path)).await;
        ran.has(code, expected);
        assert!(!ran.stdout.contains(CANARY) && !ran.stderr.contains(CANARY), "{}{}", ran.stdout, ran.stderr);
    };
    check(json!({"credsStore": "good"}), 0, &["1.3.0"]).await;
    assert_eq!(fs::read_to_string(scene.path("calls")).unwrap(), "called\n", "one question for one registry");
    check(json!({"credHelpers": {"HOST": "good"}, "credsStore": "bad"}), 0, &["1.3.0"]).await;
    check(
        json!({"credsStore": "bad"}),
        1,
        &["docker-credential-bad gave no login for ", "it failed with exit status: 3"],
    )
    .await;
    check(json!({"credsStore": "chatty"}), 1, &["it printed something else than a login"]).await;
    check(json!({"credsStore": "nobody"}), 1, &["docker-credential-nobody gave no login for ", "it cannot be run"])
        .await;
    check(json!({"credsStore": "empty"}), 1, &["the registry wants a login"]).await;
    let mut both: Value = serde_json::from_str(&login(CANARY)).unwrap();
    both["credsStore"] = json!("empty");
    check(both, 0, &["1.3.0"]).await;
}

#[tokio::test]
async fn no_output_holds_a_secret_however_much_is_logged() {
    let scene = Scene::new().await;
    let image = scene.registry.image("team/web", "1.2.3");
    scene.registry.require_login("robot", CANARY);
    let good = scene.file("good.json", &login(CANARY));
    let wrong = scene.file("wrong.json", &login("canary-wrong"));
    let origin = scene.registry.origin();
    for (config, code) in [(&good, 0), (&wrong, 1)] {
        for flags in [vec![], vec!["-v"], vec!["--all", "--output", "json"]] {
            let args = [&[image.as_str(), "--grant", &origin, "--docker-config", config], flags.as_slice()].concat();
            let mut command = scene.command(&args);
            command.env("RUST_LOG", "trace").env("K8SUPDATER_LOG", LOUD);
            let ran = ran(&mut command).await;
            ran.has(code, &["TRACE"]);
            for secret in ["canary", "token-", "cm9ib3Q6"] {
                assert!(
                    !ran.stdout.contains(secret) && !ran.stderr.contains(secret),
                    "{secret}: {}{}",
                    ran.stdout,
                    ran.stderr
                );
            }
        }
    }
}

/// Everything that makes YAML hard, with images to be updated at `HOST/team/web:1.2.3`.
const NASTY: &str = r#"# image: HOST/team/web:1.2.3 in a comment	with a tab
apiVersion: v1
kind: Pod
metadata:
  name: "nästy 🐳" # ünïcödé before the image
  annotations: {image: "HOST/team/web:1.2.3", text: 'it''s'}
spec:
  initContainers:
  - {name: flow, image: HOST/team/web:1.2.3, args: ["image: HOST/team/web:1.2.3"]} # flow
  containers:
    - name: plain
      image: HOST/team/web:1.2.3   # why it is pinned:	tab
      env: [{name: IMAGE, value: HOST/team/web:1.2.3}]
    -   image:    'HOST/team/web:1.2.3'
        name:     single
    - image: "HOST/team/web:1.2.3"
      name: double
      command:
        - sh
        - -c
        - |
          # image: HOST/team/web:1.2.3
          echo "image: HOST/team/web:1.2.3"
    - name: anchor
      image: &web HOST/team/web:1.2.3
    - {name: alias, image: *web}
    - name: block
      image: >-
        HOST/team/web:1.2.3
    - name: moving
      image: HOST/team/web:latest
    - name: newest
      image: HOST/team/web:2.0.0
---

--- # nothing above
apiVersion: v1
kind: List
items:
- apiVersion: batch/v1
  kind: CronJob
  metadata: {name: job}
  spec: {jobTemplate: {spec: {template: {spec: {containers: [{image: "HOST/team/db:16.1", name: c}]}}}}}
...
---
kind: ConfigMap
apiVersion: v1
data: {image: "HOST/team/web:1.2.3"}"#;

/// The lines of `before` that differ in `after`, which has as many.
fn changed_lines(before: &str, after: &str) -> Vec<(String, String)> {
    assert_eq!(before.split('\n').count(), after.split('\n').count());
    let pairs = before.split('\n').zip(after.split('\n'));
    pairs.filter(|(one, two)| one != two).map(|(one, two)| (one.to_owned(), two.to_owned())).collect()
}

#[tokio::test]
async fn writing_changes_images_and_nothing_else() {
    let scene = Scene::new().await;
    for (name, text) in [
        ("unix.yaml", NASTY.to_owned()),
        ("windows.yaml", NASTY.replace('\n', "\r\n")),
        ("bom.yaml", format!("\u{feff}{NASTY}\n\n")),
    ] {
        let path = scene.file(name, &text);
        let before = fs::read_to_string(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let ran = scene.check(&["-f", &path, "--write", "--frontier", "2"]).await;
        ran.has(0, &["not written: it is not written as one piece of text on one line"]);
        let after = fs::read_to_string(&path).unwrap();
        let changed = changed_lines(&before, &after);
        assert_eq!(changed.len(), 6, "{name}: {changed:?}");
        for (one, two) in &changed {
            let expected = match one.find("image: \"HOST") {
                _ if one.contains("db:16.1") => one.replace("db:16.1", "db:16.1.1"),
                _ => one.replacen("web:1.2.3", "web:1.2.4", 1),
            };
            assert_eq!(two, &expected, "{name}");
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        let again = scene.check(&["-f", &path, "--write", "--frontier", "2"]).await;
        assert!(!again.stdout.contains("  written"), "{}", again.stdout);
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }
}

#[tokio::test]
async fn without_write_files_are_only_read_and_places_are_told() {
    let scene = Scene::new().await;
    let path = scene.file("k8s/nasty.yaml", NASTY);
    let before = fs::read_to_string(&path).unwrap();
    let found = scene.json(&["-f", "k8s", "--frontier", "2"]).await;
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    let of = |container: &str| {
        let images = found["images"].as_array().unwrap();
        images.iter().find(|image| image["place"]["container"] == container).unwrap_or(&Value::Null)
    };
    assert_eq!(
        of("plain")["place"],
        json!({"file": "k8s/nasty.yaml", "line": 12, "kind": "Pod", "name": "nästy 🐳", "container": "plain"})
    );
    assert_eq!((of("c")["place"]["line"].as_u64(), of("moving")["status"].as_str()), (Some(43), Some("moving")));
    assert_eq!(of("alias")["place"]["line"], 26);
    scene.check(&["-f", "k8s"]).await.has(0, &["k8s/nasty.yaml:12  "]);
}

#[tokio::test]
async fn json_manifests_and_standard_input_are_read_too() {
    let scene = Scene::new().await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "HOST/team/db:16.1"}]}});
    let path = scene.file("pod.json", &format!("{pod:#}\n"));
    scene.check(&["-f", &path, "--write"]).await.has(0, &["16.2", "written"]);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{pod:#}\n").replace("HOST", &scene.host()).replace("16.1", "16.2")
    );
    let origin = scene.registry.origin();
    let mut child = scene
        .command(&["-f", "-", "--grant", &origin])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let text = pod.to_string().replace("HOST", &scene.host());
    child.stdin.take().unwrap().write_all(text.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && stdout.contains("standard input:1") && stdout.contains("16.2"), "{stdout}");
    scene.check(&["-f", "-", "--write"]).await.has(1, &["--write cannot change standard input"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let scene = Scene::new().await;
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: 'HOST/team/db:16.1'}, {name: t, image: \"{{ .Values.image }}\"}]}\n";
    scene.file("k8s/pod.yaml", pod);
    scene.file("k8s/helm.yaml", "{{- if .Values.on }}\nkind: Pod\n{{- end }}\n");
    scene.file("k8s/values.yaml", "image: {repository: x, tag: 1}\n");
    let expected = [
        "16.2",
        "k8s/helm.yaml: it is no YAML: line 1",
        "k8s/pod.yaml: line 3: the image \"{{ .Values.image }}\" is a template",
    ];
    scene.check(&["-f", "k8s"]).await.has(1, &expected);
    scene.check(&["-f", "k8s", "--skip-unreadable"]).await.has(0, &expected);
    let found = scene.json(&["-f", "k8s"]).await;
    assert_eq!(found["unreadable"].as_array().unwrap().len(), 2);
    assert_eq!(found["unreadable"][0]["file"], "k8s/helm.yaml");
    scene.check(&["-f", "nowhere"]).await.has(1, &["nowhere: No such file"]);
    scene.check(&["-f", "k8s/values.yaml"]).await.has(0, &["no workload with an image in the files"]);
}

#[tokio::test]
async fn a_versioning_handler_among_the_files_rules_over_its_deployment() {
    let scene = Scene::new().await;
    let deployment = |name: &str| {
        format!(
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  template:\n    spec:\n      containers:\n      - {{name: web, image: 'HOST/team/web:1.2.3'}}\n      - {{name: db, image: 'HOST/team/db:16.1'}}\n"
        )
    };
    let mut text = String::new();
    write!(text, "{}{}", deployment("web"), deployment("other")).unwrap();
    scene.file("k8s/deployments.yaml", &text);
    let handler = "apiVersion: k8supdater.dev/v1\nkind: VersioningHandler\nmetadata: {name: h}\nspec:\n  deployment: web\n  containerregistry: oci\n  frontier: 2\n  tags: {exclude: '2\\..*'}\n  containers: [{name: db, ignore: true}]\n";
    scene.file("k8s/handler.yaml", handler);
    let found = scene.json(&["-f", "k8s"]).await;
    let update =
        |index: usize| (found["images"][index]["update"]["tag"].as_str(), found["images"][index]["status"].as_str());
    assert_eq!(update(0), (Some("1.2.4"), Some("updateAndAvailable")));
    assert_eq!(found["images"][0]["available"]["tag"], "1.3.0");
    assert_eq!(update(1), (None, Some("ignored")));
    assert_eq!(update(2), (Some("1.3.0"), Some("updateAndAvailable")));
    assert_eq!(update(3), (Some("16.2"), Some("update")));
    assert_eq!(scene.registry.count(Part::Tags), 2, "the same settings make the same listing");
    // A plugin that only the cluster has concerns its Deployment only.
    scene.file("k8s/handler.yaml", &handler.replace("oci", "ours"));
    let found = scene.json(&["-f", "k8s"]).await;
    assert_eq!(found["images"][0]["error"]["reason"], "PluginNotFound");
    assert_eq!(found["images"][3]["update"]["tag"], "16.2");
    scene.file("k8s/handler.yaml", &handler.replace("frontier: 2", "frontier: 99"));
    scene
        .check(&["-f", "k8s"])
        .await
        .has(1, &["spec.frontier of VersioningHandler /h is 99, expected a number from 0 to 16"]);
}

#[tokio::test]
async fn a_link_is_followed_and_goes_on_being_one() {
    let scene = Scene::new().await;
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: c, image: 'HOST/team/db:16.1'}]}\n";
    let path = scene.file("pod.yaml", pod);
    let link: &Path = &scene.path("link.yaml");
    std::os::unix::fs::symlink("pod.yaml", link).unwrap();
    scene.check(&["-f", "link.yaml", "--write"]).await.has(0, &["written"]);
    assert!(link.is_symlink());
    assert!(fs::read_to_string(path).unwrap().contains("16.2"));
}
