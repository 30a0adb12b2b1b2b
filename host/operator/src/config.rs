//! Every flag, environment variable, default, unit and bound, in one struct. Nobody else reads the environment.
//!
//! [`RawConfig`] is what clap reads, all text; [`Config`] is what the rest of the operator gets, and cannot hold a bad value. An empty
//! value means unset, as in k8sUpdater, whose variables keep their names.

mod email;
mod foreign;
mod given;
pub mod shipped;
mod telegram;
pub mod terminal;
mod traces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use k8supdater_core::origin::Origin;
use k8supdater_core::policy::Frontier;
use k8supdater_core::policy::moving::LatestPreference;
use k8supdater_core::pull_secret::Secret;

use crate::api::pace::Rollback;

pub use email::{Email, EmailFlags};
use given::Given;
pub use given::{ConfigError, Names};
pub use telegram::{Chat, Telegram, TelegramFlags};
pub use traces::{Sampling, TraceFlags, Traces};

/// Shortest time between two checks of one handler. Registries count requests; a listing is shared by all handlers that ask for it.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
/// Longest time between two checks: 30 days.
pub const LONGEST_INTERVAL: Duration = Duration::from_hours(720);

/// Longest time that an update may be made to wait: a year.
pub const LONGEST_PATIENCE: Duration = Duration::from_hours(8_760);

/// Longest time that checks may fail without anybody being told.
const LONGEST_FAILING_AFTER: Duration = Duration::from_hours(24);

/// The command line and environment of the operator, as given.
#[derive(Args, Clone, Debug, Default)]
pub struct RawConfig {
    /// Kubeconfig file. Without it the file that KUBECONFIG names, ~/.kube/config, or the pod's own ServiceAccount is used.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Namespace of the operator itself: only Plugins, ConfigMaps and Secrets in it count [default: k8supdater].
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,

    /// Namespaces whose VersioningHandlers are looked after, separated by commas [default: all].
    #[arg(long, env = "WATCH_NAMESPACES", value_name = "NAMES")]
    pub watch_namespaces: Option<String>,

    /// Time between two checks of a handler that sets none: whole seconds, or a duration such as 10m; 1s to 720h [default: 10m].
    #[arg(long, env = "REFRESH_FREQUENCY_IN_SECONDS", value_name = "TIME")]
    pub interval: Option<String>,

    /// Frontier of a handler that sets none: how many levels, from the left, must stay as they are; 0 to 16, a negative number counts
    /// as 0 [default: 1].
    #[arg(long, env = "VERSIONS_FRONTIER", value_name = "LEVELS", allow_negative_numbers = true)]
    pub frontier: Option<String>,

    /// What happens when the tag `latest` points at another image than the pods run, for handlers that do not say: `true` restarts the
    /// workload, `false` reports it [default: false].
    #[arg(long, env = "LATEST_PREFERENCE", value_name = "BOOL")]
    pub latest: Option<String>,

    /// How old a version must be before it is applied by itself, for handlers that do not say, such as 72h; 0s to 8760h [default: 0s].
    #[arg(long, env = "K8SUPDATER_MINIMUM_AGE", value_name = "TIME")]
    pub minimum_age: Option<String>,

    /// The least time from one update of a workload to the next, for handlers that do not say, such as 24h; 0s to 8760h [default: 0s].
    #[arg(long, env = "K8SUPDATER_DELAY_BETWEEN_UPDATES", value_name = "TIME")]
    pub delay_between_updates: Option<String>,

    /// What happens when the rollout of an update fails, for handlers that do not say: `OnFailure` puts the image before back and holds the
    /// version until there is a better one, `Never` leaves the workload as it is [default: Never].
    #[arg(long, env = "K8SUPDATER_ROLLBACK", value_name = "WHEN")]
    pub rollback: Option<String>,

    /// Where the GitLab of the Plugin `gitlab` is, without /api/v4; it may have a path [default: <https://gitlab.com>]. Its origin counts
    /// as granted to that Plugin.
    #[arg(long, env = "GITLAB_BASE_URL", value_name = "URL")]
    pub gitlab_base_url: Option<String>,

    /// Access token for that GitLab, with the scope `read_api`. It is sent there and nowhere else. A Secret that a handler or the Plugin
    /// names comes before it. Set the variable rather than the flag, which others on the machine can see.
    #[arg(long, env = "GITLAB_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    pub gitlab_token: Option<Secret>,

    /// Project of images for which a handler names none, as a number or a full path [default: found along the path of the image].
    #[arg(long, env = "GITLAB_PROJECT_ID", value_name = "PROJECT")]
    pub gitlab_project: Option<String>,

    /// Where mails go out.
    #[command(flatten)]
    pub email: EmailFlags,

    /// Where messages to Telegram go.
    #[command(flatten)]
    pub telegram: TelegramFlags,

    /// How long the checks of a handler must have failed before people are told: what passes by itself is no news; 0s to 24h [default: 5m].
    #[arg(long, env = "K8SUPDATER_FAILING_AFTER", value_name = "TIME")]
    pub failing_after: Option<String>,

    /// How many handlers are reconciled at the same time; 1 to 1000 [default: 32].
    #[arg(long, env = "K8SUPDATER_CONCURRENCY", value_name = "N")]
    pub concurrency: Option<String>,

    /// How many rollouts may be under way at the same time, over all handlers; further updates wait until one of them ends. Rollbacks
    /// and CronJobs do not count; 1 to 10000 [default: 10].
    #[arg(long, env = "K8SUPDATER_MAX_ROLLOUTS", value_name = "N")]
    pub max_rollouts: Option<String>,

    /// Where /livez, /readyz and /metrics are served [default: 0.0.0.0:8080].
    #[arg(long, env = "K8SUPDATER_HEALTH_ADDRESS", value_name = "ADDRESS:PORT")]
    pub health_address: Option<String>,

    /// Directory for compiled plugins, so that a restart does not compile them again. It must belong to the operator's user and be
    /// writable by nobody else. Without it compiled code is kept in memory only.
    #[arg(long, env = "K8SUPDATER_CACHE_DIR", value_name = "DIR", value_parser = path())]
    pub cache_dir: Option<PathBuf>,

    /// File with the key that authenticates compiled plugins [default: a random key inside the cache directory].
    #[arg(long, env = "K8SUPDATER_CACHE_KEY_FILE", value_name = "FILE", value_parser = path())]
    pub cache_key_file: Option<PathBuf>,

    /// PEM file with certificate authorities that are trusted beside the public ones when registries and mail servers are called.
    #[arg(long, env = "K8SUPDATER_CA_FILE", value_name = "FILE", value_parser = path())]
    pub ca_file: Option<PathBuf>,

    /// HTTP proxy for all calls that plugins ask for, mails excepted. The proxy then resolves names, so the operator can no longer check the addresses
    /// behind them: the proxy must.
    #[arg(long, env = "K8SUPDATER_PROXY", value_name = "URL", hide_env_values = true)]
    pub proxy: Option<String>,

    /// What is logged: a level (error, warn, info, debug, trace), or directives such as `info,k8supdater=debug` [default: info].
    #[arg(long, env = "K8SUPDATER_LOG", value_name = "FILTER")]
    pub log: Option<String>,

    /// How it is logged: `text` or `json` [default: text].
    #[arg(long, env = "K8SUPDATER_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<String>,

    /// Where traces go.
    #[command(flatten)]
    pub traces: TraceFlags,

    /// Name under which this process reports Events [default: k8supdater].
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub instance: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// See [`RawConfig::kubeconfig`].
    pub kubeconfig: Option<PathBuf>,
    /// See [`RawConfig::namespace`].
    pub namespace: String,
    /// See [`RawConfig::watch_namespaces`]; empty for all.
    pub watch_namespaces: Vec<String>,
    /// See [`RawConfig::interval`].
    pub interval: Duration,
    /// See [`RawConfig::frontier`].
    pub frontier: Frontier,
    /// See [`RawConfig::latest`].
    pub latest: LatestPreference,
    /// See [`RawConfig::minimum_age`].
    pub minimum_age: Duration,
    /// See [`RawConfig::delay_between_updates`].
    pub delay_between_updates: Duration,
    /// See [`RawConfig::rollback`].
    pub rollback: Rollback,
    /// The GitLab of the Plugin `gitlab`.
    pub gitlab: GitLab,
    /// The mail server, and whom the Plugin `email` writes to; none if no mails are wanted.
    pub email: Option<Email>,
    /// The bot, and the chat that the Plugin `telegram` writes to; none if no messages are wanted.
    pub telegram: Option<Telegram>,
    /// See [`RawConfig::failing_after`].
    pub failing_after: Duration,
    /// See [`RawConfig::concurrency`].
    pub concurrency: u16,
    /// See [`RawConfig::max_rollouts`].
    pub max_rollouts: usize,
    /// See [`RawConfig::health_address`].
    pub health_address: SocketAddr,
    /// See [`RawConfig::cache_dir`].
    pub cache_dir: Option<PathBuf>,
    /// See [`RawConfig::cache_key_file`].
    pub cache_key_file: Option<PathBuf>,
    /// See [`RawConfig::ca_file`].
    pub ca_file: Option<PathBuf>,
    /// See [`RawConfig::proxy`].
    pub proxy: Option<String>,
    /// See [`RawConfig::log`].
    pub log: String,
    /// See [`RawConfig::log_format`].
    pub log_format: LogFormat,
    /// Where traces go; none if they are not exported.
    pub traces: Option<Traces>,
    /// See [`RawConfig::instance`].
    pub instance: String,
}

/// The GitLab of handlers that say nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitLab {
    /// See [`RawConfig::gitlab_base_url`], with its origin.
    pub base_url: Option<(String, Origin)>,
    /// See [`RawConfig::gitlab_token`].
    pub token: Option<Secret>,
    /// See [`RawConfig::gitlab_project`].
    pub project: Option<String>,
}

impl RawConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// For the first value that is out of bounds or malformed, or lacks another one that it needs; the message names variable, value and
    /// what is allowed, but no secret.
    pub fn check(self) -> Result<Config, ConfigError> {
        let namespace = Given::of(self.namespace, "POD_NAMESPACE", "--namespace");
        let watch = Given::of(self.watch_namespaces, "WATCH_NAMESPACES", "--watch-namespaces");
        let interval = Given::of(self.interval, "REFRESH_FREQUENCY_IN_SECONDS", "--interval");
        let frontier = Given::of(self.frontier, "VERSIONS_FRONTIER", "--frontier");
        let latest = Given::of(self.latest, "LATEST_PREFERENCE", "--latest");
        let minimum_age = Given::of(self.minimum_age, "K8SUPDATER_MINIMUM_AGE", "--minimum-age");
        let delay =
            Given::of(self.delay_between_updates, "K8SUPDATER_DELAY_BETWEEN_UPDATES", "--delay-between-updates");
        let rollback = Given::of(self.rollback, "K8SUPDATER_ROLLBACK", "--rollback");
        let base_url = Given::of(self.gitlab_base_url, "GITLAB_BASE_URL", "--gitlab-base-url");
        let project = Given::of(self.gitlab_project, "GITLAB_PROJECT_ID", "--gitlab-project");
        let failing_after = Given::of(self.failing_after, "K8SUPDATER_FAILING_AFTER", "--failing-after");
        let concurrency = Given::of(self.concurrency, "K8SUPDATER_CONCURRENCY", "--concurrency");
        let max_rollouts = Given::of(self.max_rollouts, "K8SUPDATER_MAX_ROLLOUTS", "--max-rollouts");
        let health = Given::of(self.health_address, "K8SUPDATER_HEALTH_ADDRESS", "--health-address");
        let proxy = Given::of(self.proxy, "K8SUPDATER_PROXY", "--proxy");
        let format = Given::of(self.log_format, "K8SUPDATER_LOG_FORMAT", "--log-format");
        let log = Given::of(self.log, "K8SUPDATER_LOG", "--log");
        Ok(Config {
            kubeconfig: set_path(self.kubeconfig),
            namespace: namespace
                .read("the name of a namespace", |text| is_dns_label(text).then(|| text.to_owned()))?
                .unwrap_or_else(|| "k8supdater".to_owned()),
            watch_namespaces: watch.read("names of namespaces, separated by commas", namespaces)?.unwrap_or_default(),
            interval: interval
                .read("whole seconds from 1 to 2592000, or a duration from 1s to 720h such as 10m", duration)?
                .unwrap_or(Duration::from_mins(10)),
            frontier: frontier
                .read("a whole number up to 16", levels)?
                .unwrap_or(Frontier::new(1).expect("1 is within the frontier's bounds")),
            latest: latest
                .read("true, which restarts, or false, which reports", |text| {
                    match text.to_ascii_lowercase().as_str() {
                        "true" => Some(LatestPreference::Update),
                        "false" => Some(LatestPreference::Notify),
                        _ => None,
                    }
                })?
                .unwrap_or(LatestPreference::Notify),
            minimum_age: minimum_age
                .read("a duration from 0s to 8760h, such as 72h", |text| duration_up_to(LONGEST_PATIENCE, text))?
                .unwrap_or(Duration::ZERO),
            delay_between_updates: delay
                .read("a duration from 0s to 8760h, such as 24h", |text| duration_up_to(LONGEST_PATIENCE, text))?
                .unwrap_or(Duration::ZERO),
            rollback: rollback
                .read("OnFailure, which puts the image before back, or Never, which does not", |text| match text {
                    "OnFailure" => Some(Rollback::OnFailure),
                    "Never" => Some(Rollback::Never),
                    _ => None,
                })?
                .unwrap_or(Rollback::Never),
            gitlab: GitLab {
                base_url: base_url
                    .read("a URL such as https://gitlab.example.com, without user, query or /api/v4", gitlab)?,
                token: self.gitlab_token.filter(|token| !token.expose().trim().is_empty()),
                project: project.read("a project's number, or its path such as group/project", |text| {
                    text.split('/').all(|part| !matches!(part, "" | "." | "..")).then(|| text.to_owned())
                })?,
            },
            email: self.email.check()?,
            telegram: self.telegram.check()?,
            failing_after: failing_after
                .read("a duration from 0s to 24h, such as 5m", |text| duration_up_to(LONGEST_FAILING_AFTER, text))?
                .unwrap_or(Duration::from_mins(5)),
            concurrency: concurrency
                .read("a whole number from 1 to 1000", |text| text.parse().ok().filter(|n| (1..=1000).contains(n)))?
                .unwrap_or(32),
            max_rollouts: max_rollouts
                .read("a whole number from 1 to 10000", |text| text.parse().ok().filter(|n| (1..=10_000).contains(n)))?
                .unwrap_or(10),
            health_address: health
                .read("an address and a port, such as 0.0.0.0:8080", |text| text.parse().ok())?
                .unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8080))),
            cache_dir: set_path(self.cache_dir),
            cache_key_file: set_path(self.cache_key_file),
            ca_file: set_path(self.ca_file),
            proxy: proxy.read("a URL such as http://proxy.example.com:3128", |text| {
                (text.starts_with("http://") || text.starts_with("https://")).then(|| text.to_owned())
            })?,
            log: log
                .read("a level or filter directives, such as info or info,k8supdater=debug", |text| {
                    text.parse::<tracing_subscriber::filter::EnvFilter>().is_ok().then(|| text.to_owned())
                })?
                .unwrap_or_else(|| "info".to_owned()),
            log_format: format
                .read("text or json", |text| match text {
                    "text" => Some(LogFormat::Text),
                    "json" => Some(LogFormat::Json),
                    _ => None,
                })?
                .unwrap_or(LogFormat::Text),
            traces: self.traces.check()?,
            instance: self.instance.filter(|name| !name.is_empty()).unwrap_or_else(|| "k8supdater".to_owned()),
        })
    }
}

/// Reads a path, which may be empty: clap's own parser refuses that, and then a variable that is set to nothing stops the start.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

fn set_path(path: Option<PathBuf>) -> Option<PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

/// Names of namespaces, separated by commas: sorted, each once.
pub(crate) fn namespaces(text: &str) -> Option<Vec<String>> {
    let mut names: Vec<String> =
        text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names.iter().all(|name| is_dns_label(name)).then_some(names)
}

/// Whether `text` is a DNS label as in RFC 1123, which is what namespaces are called.
pub(crate) fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn duration(text: &str) -> Option<Duration> {
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => duration_up_to(LONGEST_INTERVAL, text)?,
    };
    (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&duration).then_some(duration)
}

/// A duration as Kubernetes writes them, whose sign has to be looked at separately.
fn duration_up_to(longest: Duration, text: &str) -> Option<Duration> {
    let parsed = text.parse::<kube::core::Duration>().ok().filter(|parsed| !parsed.is_negative())?;
    Some(Duration::from(parsed)).filter(|parsed| *parsed <= longest)
}

/// A GitLab's address and its origin. The plugin looks at the path more closely.
fn gitlab(text: &str) -> Option<(String, Origin)> {
    base_url(text).filter(|(url, _)| !url.ends_with("/api/v4"))
}

/// A URL that paths can be appended to, without slashes at its end, and its origin.
fn base_url(text: &str) -> Option<(String, Origin)> {
    let url = url::Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_base = url.query().is_none() && url.fragment().is_none();
    let origin = Origin::of(&url)?;
    (is_plain && is_base).then(|| (text.trim_end_matches('/').to_owned(), origin))
}

#[allow(clippy::unnecessary_wraps, reason = "clap wants a parser that may fail")]
fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.trim().to_owned()))
}

fn levels(text: &str) -> Option<Frontier> {
    let number: i64 = text.parse().ok()?;
    Frontier::new(u32::try_from(number.max(0)).ok()?)
}

#[cfg(test)]
mod tests;
