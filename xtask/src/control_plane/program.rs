//! Which programs make up a control plane or stand beside one in tests, where their source is, and how they tell their version.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::workspace;

/// One program of the control plane, or beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    /// The data store.
    Etcd,
    /// The API.
    KubeApiserver,
    /// Deployments become ReplicaSets, ReplicaSets become pods, and so on.
    KubeControllerManager,
    /// Pods get nodes.
    KubeScheduler,
    /// Simulates nodes and the pods on them.
    Kwok,
    /// The container registry of the CNCF distribution project.
    Registry,
    /// A mail server that shows what it got; for tests only.
    Mailpit,
    /// Installs charts; for tests and lints only.
    Helm,
    /// Reads metrics, alert rules and their tests as Prometheus does; for tests only.
    Promtool,
}

impl Program {
    /// Every program.
    pub const ALL: [Self; 9] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kwok,
        Self::Registry,
        Self::Mailpit,
        Self::Helm,
        Self::Promtool,
    ];

    /// Name of the executable.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kwok => "kwok",
            Self::Registry => "registry",
            Self::Mailpit => "mailpit",
            Self::Helm => "helm",
            Self::Promtool => "promtool",
        }
    }

    /// What makes it print its version and do nothing else.
    pub fn version_args(self) -> &'static [&'static str] {
        match self {
            Self::Etcd
            | Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::KubeScheduler
            | Self::Kwok
            | Self::Registry
            | Self::Promtool => &["--version"],
            // Else it asks its project's website for a newer one.
            Self::Mailpit => &["version", "--no-release-check"],
            Self::Helm => &["version", "--short"],
        }
    }

    /// The Go module that it is built from.
    pub fn module(self) -> Module {
        match self {
            Self::Etcd => Module::Etcd,
            Self::KubeApiserver | Self::KubeControllerManager | Self::KubeScheduler => Module::Kubernetes,
            Self::Kwok => Module::Kwok,
            Self::Registry => Module::Registry,
            Self::Mailpit => Module::Mailpit,
            Self::Helm => Module::Helm,
            Self::Promtool => Module::Prometheus,
        }
    }

    /// The Go package.
    pub fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::Registry => "github.com/distribution/distribution/v3/cmd/registry",
            Self::Mailpit => "github.com/axllent/mailpit",
            Self::Helm => "helm.sh/helm/v3/cmd/helm",
            Self::Promtool => "github.com/prometheus/prometheus/cmd/promtool",
        }
    }

    /// What `go build` calls the executable: the last part of the package path that is no major version.
    pub fn go_name(self) -> &'static str {
        let is_major = |part: &&str| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
        self.package().rsplit('/').find(|part| !is_major(part)).unwrap_or_else(|| self.name())
    }
}

/// A Go module under `xtask/control-plane`, with a `go.mod` that pins everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Module {
    /// etcd.
    Etcd,
    /// kube-apiserver, kube-controller-manager, kube-scheduler: most of their code is the same, and is compiled once.
    Kubernetes,
    /// kwok.
    Kwok,
    /// registry.
    Registry,
    /// mailpit.
    Mailpit,
    /// helm.
    Helm,
    /// promtool.
    Prometheus,
}

impl Module {
    /// Every module, small ones first, so that whoever watches the build sees it move.
    pub const ALL: [Self; 7] =
        [Self::Mailpit, Self::Etcd, Self::Helm, Self::Registry, Self::Kwok, Self::Prometheus, Self::Kubernetes];

    /// Those that a control plane with a registry is made of, small ones first.
    pub const CONTROL_PLANE: [Self; 4] = [Self::Etcd, Self::Registry, Self::Kwok, Self::Kubernetes];

    /// Name of the directory under `xtask/control-plane`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Kubernetes => "kubernetes",
            Self::Kwok => "kwok",
            Self::Registry => "registry",
            Self::Mailpit => "mailpit",
            Self::Helm => "helm",
            Self::Prometheus => "prometheus",
        }
    }

    /// The directory with `go.mod` and `go.sum`.
    pub fn directory(self) -> PathBuf {
        workspace::root().join("xtask/control-plane").join(self.name())
    }

    /// The programs that are built from it.
    pub fn programs(self) -> impl Iterator<Item = Program> {
        Program::ALL.into_iter().filter(move |program| program.module() == self)
    }

    /// The path of the module that holds the programs.
    fn path(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Kubernetes => "k8s.io/kubernetes",
            Self::Kwok => "sigs.k8s.io/kwok",
            Self::Registry => "github.com/distribution/distribution/v3",
            Self::Mailpit => "github.com/axllent/mailpit",
            Self::Helm => "helm.sh/helm/v3",
            Self::Prometheus => "github.com/prometheus/prometheus",
        }
    }

    /// The version that `go.mod` pins: `v1.36.3`.
    ///
    /// # Errors
    /// When `go.mod` cannot be read or does not require the module.
    pub fn version(self) -> Result<String> {
        let path = self.directory().join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        required(&text, self.path())
            .map(str::to_owned)
            .with_context(|| format!("{} does not require {}", path.display(), self.path()))
    }

    /// What a release of that `version` calls itself: Prometheus 3.15.1 is v0.315.1 as a module
    /// (<https://github.com/prometheus/prometheus#prometheus-code-base>).
    pub fn release(self, version: &str) -> String {
        match (self, read_version(version)) {
            (Self::Prometheus, Some([0, minor, patch])) => format!("v{}.{}.{patch}", minor / 100, minor % 100),
            _ => version.to_owned(),
        }
    }

    /// Build tags, as `go build -tags` takes them.
    pub fn tags(self) -> &'static str {
        match self {
            Self::Etcd | Self::Kubernetes | Self::Kwok | Self::Registry | Self::Mailpit | Self::Helm => "",
            // All the clouds in which Prometheus finds its targets, and promtool does not.
            Self::Prometheus => "remove_all_sd",
        }
    }

    /// The linker flags of a release of `version`.
    ///
    /// kubectl and clients refuse an API server that cannot tell its version; the others only look odd without.
    pub fn linker_flags(self, version: &str) -> String {
        let variables: Vec<String> = match self {
            Self::Etcd => Vec::new(),
            Self::Kubernetes => {
                let mut numbers = version.trim_start_matches('v').split('.');
                let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
                let values = [("gitVersion", version), ("gitMajor", major), ("gitMinor", minor)];
                ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
                    .iter()
                    .flat_map(|package| values.map(|(name, value)| format!("{package}.{name}={value}")))
                    .collect()
            }
            Self::Kwok => vec![format!("sigs.k8s.io/kwok/pkg/consts.Version={}", version.trim_start_matches('v'))],
            Self::Registry => vec![format!("github.com/distribution/distribution/v3/version.version={version}")],
            Self::Mailpit => vec![format!("github.com/axllent/mailpit/config.Version={version}")],
            Self::Helm => vec![format!("helm.sh/helm/v3/internal/version.version={version}")],
            Self::Prometheus => {
                let release = self.release(version);
                vec![format!("github.com/prometheus/common/version.Version={}", release.trim_start_matches('v'))]
            }
        };
        let flags = variables.iter().map(|variable| format!("-X {variable}"));
        std::iter::once("-s -w".to_owned()).chain(flags).collect::<Vec<_>>().join(" ")
    }
}

/// The version at which the text of a `go.mod` requires `module`.
fn required<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let line = line.trim().trim_start_matches("require ");
        let version = line.strip_prefix(module)?.strip_prefix(' ')?.split_whitespace().next()?;
        // `replace` and `tool` lines may begin with the module's path as well.
        version.starts_with('v').then_some(version)
    })
}

/// The first thing that looks like a version in what a program prints about itself: `Kubernetes v1.36.3` gives `[1, 36, 3]`.
pub fn read_version(printed: &str) -> Option<[u64; 3]> {
    printed.split([' ', '\n', '\t', ',']).find_map(|word| {
        let mut numbers = word.trim_start_matches('v').split(['.', '-', '+']);
        let mut next = || numbers.next()?.parse::<u64>().ok();
        Some([next()?, next()?, next()?])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_tell_their_version_in_their_own_ways() {
        // What each of them printed when it was asked.
        for (printed, expected) in [
            ("etcd Version: 3.6.8\nGit SHA: Not provided\nGo Version: go1.26.8\n", [3, 6, 8]),
            ("Kubernetes v1.36.3\n", [1, 36, 3]),
            ("kwok version 0.8.0 go1.26.8 (linux/amd64)\n", [0, 8, 0]),
            ("registry github.com/distribution/distribution/v3 v3.0.0\n", [3, 0, 0]),
            ("registry github.com/docker/distribution 2.8.2+ds1\n", [2, 8, 2]),
            ("/usr/bin/mailpit v1.33.1 compiled with go1.26.8 on linux/amd64\n", [1, 33, 1]),
            ("v3.22.0\n", [3, 22, 0]),
            ("promtool, version 3.15.1 (branch: , revision: unknown)\n", [3, 15, 1]),
        ] {
            assert_eq!(read_version(printed), Some(expected), "{printed}");
        }
        assert_eq!(read_version("unknown flag: --version"), None);
    }

    #[test]
    fn go_mod_is_the_only_place_that_knows_a_version() {
        let text =
            "module m\n\nrequire (\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n\ntool k8s.io/kubernetes/cmd/x\n";
        assert_eq!(required(text, "k8s.io/kubernetes"), Some("v1.36.3"));
        assert_eq!(required(text, "k8s.io/kube"), None);
        for module in Module::ALL {
            assert!(read_version(&module.version().unwrap()).is_some(), "{module:?}");
        }
    }

    #[test]
    fn every_tool_line_of_a_module_is_a_program_and_the_other_way_round() {
        for module in Module::ALL {
            let text = fs::read_to_string(module.directory().join("go.mod")).unwrap();
            let mut is_block = false;
            let mut tools: Vec<&str> = Vec::new();
            for line in text.lines().map(str::trim) {
                match line {
                    "tool (" => is_block = true,
                    ")" => is_block = false,
                    _ if is_block => tools.push(line),
                    _ => tools.extend(line.strip_prefix("tool ")),
                }
            }
            let packages: Vec<&str> = module.programs().map(Program::package).collect();
            assert_eq!(tools, packages, "{module:?}");
        }
    }

    #[test]
    fn go_names_an_executable_after_the_last_part_that_is_no_major_version() {
        assert_eq!(Program::Etcd.go_name(), "server");
        assert_eq!(Program::KubeApiserver.go_name(), "kube-apiserver");
        assert_eq!(Program::Registry.go_name(), "registry");
        assert_eq!(Program::Mailpit.go_name(), "mailpit");
        assert_eq!(Program::Promtool.go_name(), "promtool");
    }

    #[test]
    fn prometheus_has_two_numbers_for_one_release() {
        for (module, release) in [("v0.315.1", "v3.15.1"), ("v0.305.0", "v3.5.0"), ("v3.15.1", "v3.15.1")] {
            assert_eq!(Module::Prometheus.release(module), release);
        }
        assert_eq!(Module::Kwok.release("v0.8.0"), "v0.8.0");
    }

    #[test]
    fn an_api_server_tells_its_version_to_kubectl() {
        let flags = Module::Kubernetes.linker_flags("v1.36.3");
        assert!(flags.contains(" -X k8s.io/component-base/version.gitVersion=v1.36.3 "), "{flags}");
        assert!(flags.contains(" -X k8s.io/component-base/version.gitMinor=36"), "{flags}");
    }
}
