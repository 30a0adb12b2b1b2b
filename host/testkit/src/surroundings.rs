//! Where the tests find a control plane, a registry, its program and that of a mail server, and the packed plugins.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What `cargo xtask test` starts and builds, as the environment names it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Kubeconfig of a user who may do everything.
    pub kubeconfig: PathBuf,
    /// Host and port of a registry that speaks plain http without authentication.
    pub registry: String,
    /// Directory with the packed components.
    pub plugins: PathBuf,
}

impl Surroundings {
    /// Reads the environment.
    ///
    /// # Panics
    /// When something is missing; the message says how to get it.
    pub fn find() -> Self {
        Self {
            kubeconfig: found("K8SUPDATER_TEST_KUBECONFIG").into(),
            registry: found("K8SUPDATER_TEST_REGISTRY").into_string().expect("a host and a port are ASCII"),
            plugins: found("K8SUPDATER_TEST_PLUGINS").into(),
        }
    }

    /// The program of the CNCF registry, for tests that start one with a configuration of their own; they need nothing else.
    ///
    /// # Panics
    /// When the environment does not name it; the message says how to get it.
    pub fn registry_program() -> PathBuf {
        found("K8SUPDATER_TEST_REGISTRY_PROGRAM").into()
    }

    /// The program of the mail server, mailpit, for tests that need nothing else.
    ///
    /// # Panics
    /// When the environment does not name it; the message says how to get it.
    pub fn mail_program() -> PathBuf {
        found("K8SUPDATER_TEST_MAIL_PROGRAM").into()
    }

    /// The program with which Prometheus checks metrics, promtool, for tests that need nothing else.
    ///
    /// # Panics
    /// When the environment does not name it; the message says how to get it.
    pub fn promtool() -> PathBuf {
        found("K8SUPDATER_TEST_PROMTOOL").into()
    }

    /// Bytes of a packed component: `registry-oci`, `version-pep440` …
    ///
    /// # Panics
    /// When there is no such file.
    pub fn component(&self, name: &str) -> Vec<u8> {
        let path = self.plugins.join(format!("{name}.wasm"));
        std::fs::read(&path)
            .unwrap_or_else(|err| panic!("cannot read {}: {err}; `cargo xtask plugins` builds it", path.display()))
    }
}

fn found(name: &str) -> OsString {
    read(name, std::env::var_os(name)).unwrap_or_else(|message| panic!("{message}"))
}

fn read(name: &str, value: Option<OsString>) -> Result<OsString, String> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| {
        format!(
            "{name} is not set: these tests need a control plane, a registry, a mail server, promtool and packed plugins. `cargo xtask test` brings \
             them all and runs the tests; `cargo xtask control-plane` keeps a control plane running and prints what to export"
        )
    })
}

/// The root of the repository, for what is shipped in it.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this package is two levels below the root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_a_remedy() {
        for value in [None, Some(OsString::new())] {
            let message = read("K8SUPDATER_TEST_REGISTRY", value).unwrap_err();
            assert!(message.starts_with("K8SUPDATER_TEST_REGISTRY is not set"), "{message}");
            assert!(message.contains("`cargo xtask test`"), "{message}");
        }
        assert_eq!(read("X", Some("y".into())).unwrap(), "y");
    }
}
