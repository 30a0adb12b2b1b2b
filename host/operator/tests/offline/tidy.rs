use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// Every Rust file below `directory`, with its text up to the unit tests.
fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), code));
            }
        }
    }
    assert!(!found.is_empty(), "{directory} holds no Rust file");
    found
}

/// The files below `host` whose code, comments apart, holds `pattern`, and that are not below one of `allowed`.
fn offenders(pattern: &str, allowed: &[&str]) -> Vec<PathBuf> {
    let holds = |text: &str| {
        text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(pattern))
    };
    ["core", "runtime", "egress", "operator"]
        .iter()
        .flat_map(|package| sources(&format!("host/{package}/src")))
        .filter(|(path, text)| holds(text) && !allowed.iter().any(|allowed| path.starts_with(allowed)))
        .map(|(path, _)| path)
        .collect()
}

#[track_caller]
fn check(pattern: &str, allowed: &[&str]) {
    assert_eq!(offenders(pattern, allowed), Vec::<PathBuf>::new(), "`{pattern}` is only for {allowed:?}");
}

#[test]
fn the_pure_package_knows_nothing_of_the_world() {
    let manifest = fs::read_to_string(root().join("host/core/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap().split('[').next().unwrap();
    for stranger in ["kube", "k8s-openapi", "tokio", "reqwest", "wasmtime", "tracing", "rand", "futures"] {
        assert!(!dependencies.contains(stranger), "host/core depends on {stranger}");
    }
    for (path, text) in sources("host/core/src") {
        let clocks = ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"];
        // Time zones of the system are files.
        let files = ["std::fs", "TimeZone::get", "TimeZone::system", "tz::db()"];
        for impurity in clocks.into_iter().chain(files).chain(["std::env", "async fn"]) {
            assert!(!text.contains(impurity), "{} uses {impurity}", path.display());
        }
    }
}

#[test]
fn each_kind_of_work_stays_in_its_room() {
    check("wasmtime::", &["host/runtime"]);
    check("reqwest::", &["host/egress"]);
    check("lettre::", &["host/egress/src/mail.rs", "host/egress/src/mail"]);
    check("teloxide::", &["host/egress/src/telegram.rs", "host/egress/src/telegram"]);
    check("std::env", &["host/operator/src/config/terminal.rs"]);
    check("env = \"", &["host/operator/src/config.rs", "host/operator/src/config"]);
    check("Store::new(engine", &["host/runtime/src/store.rs"]);
    check("unsafe {", &["host/runtime/src/compile.rs"]);
}

#[test]
fn arrows_between_rooms_point_down() {
    check("crate::operator::", &[]);
    check("crate::cli::", &["host/operator/src/cli"]);
    // A check without a cluster reads a handler's spec as a reconcile does, and an explanation is a reconcile that stops in the middle.
    let rooms = ["operator.rs", "operator", "reconcile", "cli/check.rs", "cli/check", "cli/explain.rs", "cli/explain"]
        .map(|room| format!("host/operator/src/{room}"));
    check("crate::reconcile", &rooms.each_ref().map(String::as_str));
    check(
        "crate::telemetry::health",
        &["host/operator/src/operator.rs", "host/operator/src/operator", "host/operator/src/telemetry/health.rs"],
    );
    // No check and no update knows of those who are told of it.
    check(
        "crate::notify",
        &["host/operator/src/operator.rs", "host/operator/src/notify.rs", "host/operator/src/notify"],
    );
}

#[test]
fn no_file_is_called_mod_rs() {
    for directory in ["host", "plugins", "xtask"] {
        for (path, _) in sources(directory) {
            assert_ne!(path.file_name(), Some("mod.rs".as_ref()), "{}", Path::new(&path).display());
        }
    }
}
