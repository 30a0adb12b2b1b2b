//! What tools for people at a terminal or in a pipeline read from the environment, beside their own flags.
//!
//! Variables that the operator knows as well mean the same here and have the same bounds: they are checked by [`RawConfig::check`].

use std::path::PathBuf;

use clap::Args;
use k8supdater_core::policy::moving::LatestPreference;
use k8supdater_core::pull_secret::Secret;

use super::{Config, ConfigError, Given, RawConfig, path, secret, set_path};

/// Where the operator's image has the shipped plugins, wherever the program itself is.
const IN_THE_IMAGE: &str = "/usr/share/k8supdater/plugins";

/// Flags and variables of tools that call registries.
#[derive(Args, Clone, Debug, Default)]
pub struct TerminalFlags {
    /// How many levels, counted from the left, must stay as they are; 0 to 16 [default: 1].
    #[arg(long, env = "VERSIONS_FRONTIER", value_name = "LEVELS", allow_negative_numbers = true)]
    pub frontier: Option<String>,

    /// What to do when the tag of an image that is pinned to a digest, such as `latest@sha256:…`, points at another digest: `update` to
    /// that, or `notify`, which reports it [default: notify]. The variable may also say true or false, as for the operator.
    #[arg(long, env = "LATEST_PREFERENCE", value_name = "update|notify")]
    pub latest: Option<String>,

    /// Where the GitLab of the plugin `gitlab` is, without /api/v4; it may have a path [default: <https://gitlab.com>].
    #[arg(long, env = "GITLAB_BASE_URL", value_name = "URL")]
    pub gitlab_base_url: Option<String>,

    /// Access token for that GitLab, with the scope `read_api`. It is sent there and nowhere else. Set the variable rather than the flag,
    /// which others on the machine can see.
    #[arg(long, env = "GITLAB_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    pub gitlab_token: Option<Secret>,

    /// Project of the images in that GitLab, as a number or a full path [default: found along the path of the image].
    #[arg(long, env = "GITLAB_PROJECT_ID", value_name = "PROJECT")]
    pub gitlab_project: Option<String>,

    /// Directory with packed plugins, *.wasm or *.wasm.gz [default: ../share/k8supdater/plugins beside the program].
    #[arg(long, env = "K8SUPDATER_PLUGINS", value_name = "DIR", value_parser = path())]
    pub plugins: Option<PathBuf>,

    /// Docker configuration with logins [default: config.json in the directory that `DOCKER_CONFIG` names, or in ~/.docker].
    #[arg(long, value_name = "FILE")]
    pub docker_config: Option<PathBuf>,

    #[arg(hide = true, long = "docker-config-dir", env = "DOCKER_CONFIG", value_name = "DIR", hide_env = true, value_parser = path())]
    docker_config_dir: Option<PathBuf>,

    /// PEM file with certificate authorities that are trusted beside the public ones.
    #[arg(long, env = "K8SUPDATER_CA_FILE", value_name = "FILE", value_parser = path())]
    pub ca_file: Option<PathBuf>,

    /// HTTP proxy for all calls. The proxy then resolves names, and the addresses behind them are not checked here.
    #[arg(long, env = "K8SUPDATER_PROXY", value_name = "URL", hide_env_values = true)]
    pub proxy: Option<String>,

    /// Directory for compiled plugins, so that the next run does not compile them again. It must belong to you and be writable by nobody
    /// else.
    #[arg(long, env = "K8SUPDATER_CACHE_DIR", value_name = "DIR", value_parser = path())]
    pub cache_dir: Option<PathBuf>,

    /// Says on standard error what is going on.
    #[arg(long, short)]
    pub verbose: bool,

    #[arg(hide = true, long = "log", env = "K8SUPDATER_LOG", value_name = "FILTER", hide_env = true)]
    log: Option<String>,
}

/// What such a tool works with.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// The operator's configuration as far as it can be given here; what cannot is the default.
    pub config: Config,
    /// Where plugins are looked for, the first place that has some first.
    pub plugin_places: Vec<PathBuf>,
    /// The Docker configuration.
    pub docker_config: DockerConfigFile,
}

/// Where logins are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DockerConfigFile {
    /// There; somebody said so.
    Given(PathBuf),
    /// There, if there are any.
    Usual(PathBuf),
    /// Nowhere: this user has no home.
    Nowhere,
}

impl TerminalFlags {
    /// Checks every value.
    ///
    /// # Errors
    /// As [`RawConfig::check`].
    pub fn check(self) -> Result<Terminal, ConfigError> {
        let plugin_places = match set_path(self.plugins) {
            Some(directory) => vec![directory],
            None => usual_plugin_places(),
        };
        let docker_config = match (set_path(self.docker_config), set_path(self.docker_config_dir)) {
            (Some(file), _) => DockerConfigFile::Given(file),
            (None, Some(directory)) => DockerConfigFile::Usual(directory.join("config.json")),
            (None, None) => std::env::home_dir()
                .map_or(DockerConfigFile::Nowhere, |home| DockerConfigFile::Usual(home.join(".docker/config.json"))),
        };
        let is_set = self.log.as_ref().is_some_and(|log| !log.trim().is_empty());
        let usual_log = if self.verbose { "warn,k8supdater=debug,k8supdater_egress=debug" } else { "error" };
        let latest = Given::of(self.latest, "LATEST_PREFERENCE", "--latest");
        let latest = latest.read("update or true, or notify or false", preference)?;
        let raw = RawConfig {
            frontier: self.frontier,
            gitlab_base_url: self.gitlab_base_url,
            gitlab_token: self.gitlab_token,
            gitlab_project: self.gitlab_project,
            ca_file: self.ca_file,
            proxy: self.proxy,
            cache_dir: self.cache_dir,
            log: if is_set { self.log } else { Some(usual_log.to_owned()) },
            ..RawConfig::default()
        };
        let mut config = raw.check()?;
        config.latest = latest.unwrap_or(config.latest);
        Ok(Terminal { config, plugin_places, docker_config })
    }
}

/// In the words of handlers, or in those of the operator's variable.
fn preference(text: &str) -> Option<LatestPreference> {
    match text.to_ascii_lowercase().as_str() {
        "update" | "true" => Some(LatestPreference::Update),
        "notify" | "false" => Some(LatestPreference::Notify),
        _ => None,
    }
}

/// Where an installation has its plugins, where the operator's image has them, and where the source tree has them from which the program was
/// built.
pub(super) fn usual_plugin_places() -> Vec<PathBuf> {
    let program = std::env::current_exe().and_then(|program| program.canonicalize());
    let Ok(program) = program else { return vec![IN_THE_IMAGE.into()] };
    let beside = program.parent().and_then(|bin| bin.parent()).map(|prefix| prefix.join("share/k8supdater/plugins"));
    // target/debug/k8supdater
    let in_the_tree = program.ancestors().nth(3).map(|root| root.join("deploy/plugins"));
    let mut places: Vec<PathBuf> = beside.into_iter().chain([IN_THE_IMAGE.into()]).chain(in_the_tree).collect();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_logins_counts_more_than_a_directory_with_one() {
        let check = |file: Option<&str>, directory: Option<&str>, expected: &DockerConfigFile| {
            let flags = TerminalFlags {
                docker_config: file.map(PathBuf::from),
                docker_config_dir: directory.map(PathBuf::from),
                ..TerminalFlags::default()
            };
            assert_eq!(&flags.check().unwrap().docker_config, expected, "{file:?} {directory:?}");
        };
        check(Some("a.json"), Some("b"), &DockerConfigFile::Given("a.json".into()));
        check(None, Some("b"), &DockerConfigFile::Usual("b/config.json".into()));
        check(Some(""), Some("b"), &DockerConfigFile::Usual("b/config.json".into()));
    }

    #[test]
    fn what_the_operator_knows_too_has_the_same_bounds() {
        let flags = TerminalFlags { frontier: Some("17".to_owned()), ..TerminalFlags::default() };
        let message = flags.check().unwrap_err().to_string();
        assert_eq!(message, "VERSIONS_FRONTIER (or --frontier) is \"17\", expected a whole number up to 16");
    }

    #[test]
    fn latest_is_said_in_the_words_of_handlers_or_of_the_operators_variable() {
        let check = |given: &str, expected: Result<LatestPreference, &str>| {
            let flags = TerminalFlags { latest: Some(given.to_owned()), ..TerminalFlags::default() };
            let found = flags.check().map(|terminal| terminal.config.latest).map_err(|err| err.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{given}");
        };
        check("update", Ok(LatestPreference::Update));
        check("Notify", Ok(LatestPreference::Notify));
        check("TRUE", Ok(LatestPreference::Update));
        check("false", Ok(LatestPreference::Notify));
        check(" ", Ok(LatestPreference::Notify));
        let wrong = "LATEST_PREFERENCE (or --latest) is \"yes\", expected update or true, or notify or false";
        check("yes", Err(wrong));
    }

    #[test]
    fn plugins_are_looked_for_where_somebody_says_or_beside_the_program() {
        let flags = TerminalFlags { plugins: Some("here".into()), ..TerminalFlags::default() };
        assert_eq!(flags.check().unwrap().plugin_places, [PathBuf::from("here")]);
        let places = TerminalFlags::default().check().unwrap().plugin_places;
        assert!(places.iter().any(|place| place.ends_with("share/k8supdater/plugins")), "{places:?}");
        assert!(places.iter().any(|place| place.ends_with("deploy/plugins")), "{places:?}");
    }
}
