//! Where traces go: the standard variables of OpenTelemetry
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>), as far as they make sense here.
//!
//! They are read here and nowhere else: what the SDK would read by itself is overwritten with what is found here. Where the standard has a
//! wrong value ignored, it stops the start, as that of any other variable does.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use k8supdater_core::pull_secret::Secret;
use percent_encoding::percent_decode_str;
use url::Url;

use super::given::Given;
use super::{ConfigError, path, secret, set_path};

/// Longest time that one export may take.
const LONGEST_EXPORT: u64 = 600_000;
/// Most spans that may wait: at about a kilobyte each, 64 MiB.
const MOST_WAITING: usize = 65_536;

/// The flags and variables for traces, as given.
#[derive(Args, Clone, Debug, Default)]
pub struct TraceFlags {
    /// `true` turns traces off, whatever else is set [default: false].
    #[arg(long, env = "OTEL_SDK_DISABLED", value_name = "BOOL")]
    pub otel_sdk_disabled: Option<String>,

    /// `none` turns traces off, `otlp` has them exported if there is an endpoint [default: otlp].
    #[arg(long, env = "OTEL_TRACES_EXPORTER", value_name = "EXPORTER")]
    pub otel_traces_exporter: Option<String>,

    /// Collector that takes OTLP over HTTP, such as <http://collector.observability:4318>; /v1/traces is appended [default: traces are not
    /// exported].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// The same for traces only, with its whole path. It comes before the other one.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", hide_env_values = true, value_name = "URL")]
    pub otel_exporter_otlp_traces_endpoint: Option<String>,

    /// How the collector is spoken to: `http/protobuf`, which is all there is.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_PROTOCOL", value_name = "PROTOCOL")]
    pub otel_exporter_otlp_protocol: Option<String>,

    /// The same for traces only.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", value_name = "PROTOCOL")]
    pub otel_exporter_otlp_traces_protocol: Option<String>,

    /// Headers for the collector, `name=value` separated by commas, percent-encoded: `Authorization=Basic%20…`. Set the variable rather than
    /// the flag, which others on the machine can see.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_HEADERS", hide_env_values = true, value_name = "HEADERS", value_parser = secret)]
    pub otel_exporter_otlp_headers: Option<Secret>,

    /// The same for traces only; then the others are not sent.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        hide_env_values = true,
        value_name = "HEADERS",
        value_parser = secret
    )]
    pub otel_exporter_otlp_traces_headers: Option<Secret>,

    /// How long one export may take, attempts that fail included, in milliseconds; 1 to 600000 [default: 10000].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TIMEOUT", value_name = "MS")]
    pub otel_exporter_otlp_timeout: Option<String>,

    /// The same for traces only.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", value_name = "MS")]
    pub otel_exporter_otlp_traces_timeout: Option<String>,

    /// PEM file with certificate authorities that are trusted for the collector, beside the public ones and those
    /// of --ca-file.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_CERTIFICATE", value_name = "FILE", value_parser = path())]
    pub otel_exporter_otlp_certificate: Option<PathBuf>,

    /// The same for traces only.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", value_name = "FILE", value_parser = path())]
    pub otel_exporter_otlp_traces_certificate: Option<PathBuf>,

    /// How what is exported is compressed: `gzip` or `none` [default: none].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_COMPRESSION", value_name = "COMPRESSION")]
    pub otel_exporter_otlp_compression: Option<String>,

    /// The same for traces only.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", value_name = "COMPRESSION")]
    pub otel_exporter_otlp_traces_compression: Option<String>,

    /// Name of the operator in traces [default: k8supdater].
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,

    /// What else is said of the operator in traces: `name=value` separated by commas, percent-encoded.
    #[arg(long, env = "OTEL_RESOURCE_ATTRIBUTES", value_name = "ATTRIBUTES")]
    pub otel_resource_attributes: Option<String>,

    /// Which traces are exported: `always_on`, `always_off`, `traceidratio`, or one of these after `parentbased_`
    /// [default: `parentbased_always_on`].
    #[arg(long, env = "OTEL_TRACES_SAMPLER", value_name = "SAMPLER")]
    pub otel_traces_sampler: Option<String>,

    /// Which part of them it is with `traceidratio`; 0 to 1 [default: 1].
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO")]
    pub otel_traces_sampler_arg: Option<String>,

    /// How long spans wait to be exported together, in milliseconds; 1 to 3600000 [default: 5000].
    #[arg(long, env = "OTEL_BSP_SCHEDULE_DELAY", value_name = "MS")]
    pub otel_bsp_schedule_delay: Option<String>,

    /// How long one export may take; the shorter time of this and --otel-exporter-otlp-timeout counts. In milliseconds; 1 to
    /// 600000 [default: 30000].
    #[arg(long, env = "OTEL_BSP_EXPORT_TIMEOUT", value_name = "MS")]
    pub otel_bsp_export_timeout: Option<String>,

    /// How many spans may wait; what comes when there are as many is dropped and counted. 1 to 65536 [default: 2048].
    #[arg(long, env = "OTEL_BSP_MAX_QUEUE_SIZE", value_name = "N")]
    pub otel_bsp_max_queue_size: Option<String>,

    /// How many spans are exported together; 1 to --otel-bsp-max-queue-size [default: 512, or the size of the queue if that is less].
    #[arg(long, env = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", value_name = "N")]
    pub otel_bsp_max_export_batch_size: Option<String>,
}

/// Where traces go, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// Where they are posted to. It may hold a secret in its query.
    pub endpoint: Url,
    /// Headers that go along.
    pub headers: Vec<(String, Secret)>,
    /// How long one export may take, all attempts together.
    pub timeout: Duration,
    /// Further certificate authorities for the collector.
    pub authorities: Option<PathBuf>,
    /// Whether what is posted is compressed.
    pub is_compressed: bool,
    /// What this process is called, and whatever else is said of it.
    pub service: String,
    /// Attributes of this process, in the order in which they were given.
    pub attributes: Vec<(String, String)>,
    /// Which traces are exported.
    pub sampling: Sampling,
    /// How long spans wait.
    pub delay: Duration,
    /// How many spans may wait.
    pub queue: usize,
    /// How many are exported together.
    pub batch: usize,
}

/// Which traces are exported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Whether the follow-up of a trace is exported if, and only if, its beginning was.
    pub follows_parent: bool,
    /// Which part of the others is, from 0 to 1.
    pub ratio: f64,
}

impl TraceFlags {
    /// Where traces go, if they go anywhere. Values are checked even if they do not.
    pub(super) fn check(mut self) -> Result<Option<Traces>, ConfigError> {
        let is_wanted = self.is_wanted()?;
        self.check_protocols()?;
        let endpoint = self.endpoint()?;
        let headers = self.headers()?;
        let timeout = self.timeout()?;
        let is_compressed = self.is_compressed()?;
        let (service, attributes) = self.service()?;
        let sampling = self.sampling()?;
        let delay = Given::of(self.otel_bsp_schedule_delay, "OTEL_BSP_SCHEDULE_DELAY", "--otel-bsp-schedule-delay")
            .read("whole milliseconds from 1 to 3600000", |text| milliseconds(text, 3_600_000))?
            .unwrap_or(Duration::from_secs(5));
        let count = |text: &str, most: usize| text.parse().ok().filter(|count| (1..=most).contains(count));
        let queue = Given::of(self.otel_bsp_max_queue_size, "OTEL_BSP_MAX_QUEUE_SIZE", "--otel-bsp-max-queue-size")
            .read("a whole number from 1 to 65536", |text| count(text, MOST_WAITING))?
            .unwrap_or(2_048);
        let (variable, flag) = ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "--otel-bsp-max-export-batch-size");
        let batch = Given::of(self.otel_bsp_max_export_batch_size, variable, flag)
            .read("a whole number from 1 to OTEL_BSP_MAX_QUEUE_SIZE", |text| count(text, queue))?
            .unwrap_or(queue.min(512));
        let authorities = set_path(self.otel_exporter_otlp_traces_certificate)
            .or_else(|| set_path(self.otel_exporter_otlp_certificate));
        Ok(endpoint.filter(|_| is_wanted).map(|endpoint| Traces {
            endpoint,
            headers,
            timeout,
            authorities,
            is_compressed,
            service,
            attributes,
            sampling,
            delay,
            queue,
            batch,
        }))
    }

    fn is_wanted(&mut self) -> Result<bool, ConfigError> {
        let disabled = Given::of(self.otel_sdk_disabled.take(), "OTEL_SDK_DISABLED", "--otel-sdk-disabled");
        let is_disabled = disabled.read("true or false", |text| match text.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        })?;
        let exporter = Given::of(self.otel_traces_exporter.take(), "OTEL_TRACES_EXPORTER", "--otel-traces-exporter");
        let is_exported = exporter.read("otlp or none", |text| match text {
            "otlp" => Some(true),
            "none" => Some(false),
            _ => None,
        })?;
        Ok(!is_disabled.unwrap_or(false) && is_exported.unwrap_or(true))
    }

    fn check_protocols(&mut self) -> Result<(), ConfigError> {
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "--otel-exporter-otlp-traces-protocol");
        let of_traces = Given::of(self.otel_exporter_otlp_traces_protocol.take(), variable, flag);
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "--otel-exporter-otlp-protocol");
        let of_all = Given::of(self.otel_exporter_otlp_protocol.take(), variable, flag);
        for protocol in [of_traces, of_all] {
            protocol.read("http/protobuf, the one protocol that traces are exported by", |text| {
                (text == "http/protobuf").then_some(())
            })?;
        }
        Ok(())
    }

    fn endpoint(&mut self) -> Result<Option<Url>, ConfigError> {
        // A query or a user is where people put keys.
        let is_telling = |text: &str| text.contains(['?', '@']);
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "--otel-exporter-otlp-endpoint");
        let of_all = Given::of(self.otel_exporter_otlp_endpoint.take(), variable, flag).read_guarded(
            "a URL such as http://collector:4318, without user or query; a login goes into OTEL_EXPORTER_OTLP_HEADERS",
            is_telling,
            |text| {
                let mut url = place(text).filter(|url| url.query().is_none())?;
                url.path_segments_mut().ok()?.pop_if_empty().extend(["v1", "traces"]);
                Some(url)
            },
        )?;
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "--otel-exporter-otlp-traces-endpoint");
        let of_traces = Given::of(self.otel_exporter_otlp_traces_endpoint.take(), variable, flag).read_guarded(
            "a URL such as http://collector:4318/v1/traces, without user; a login goes into OTEL_EXPORTER_OTLP_HEADERS",
            is_telling,
            place,
        )?;
        Ok(of_traces.or(of_all))
    }

    fn headers(&mut self) -> Result<Vec<(String, Secret)>, ConfigError> {
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "--otel-exporter-otlp-traces-headers");
        let of_traces = Given::of_secret(self.otel_exporter_otlp_traces_headers.take(), variable, flag);
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_HEADERS", "--otel-exporter-otlp-headers");
        let of_all = Given::of_secret(self.otel_exporter_otlp_headers.take(), variable, flag);
        let headers = first([of_traces, of_all], |given| {
            given.read_secret("headers such as Authorization=Basic%20dXNlcjpwYXNz, separated by commas", |text| {
                read_headers(text).is_some()
            })
        })?;
        Ok(headers.and_then(|headers| read_headers(headers.expose())).unwrap_or_default())
    }

    fn timeout(&mut self) -> Result<Duration, ConfigError> {
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "--otel-exporter-otlp-traces-timeout");
        let of_traces = Given::of(self.otel_exporter_otlp_traces_timeout.take(), variable, flag);
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_TIMEOUT", "--otel-exporter-otlp-timeout");
        let of_all = Given::of(self.otel_exporter_otlp_timeout.take(), variable, flag);
        let (variable, flag) = ("OTEL_BSP_EXPORT_TIMEOUT", "--otel-bsp-export-timeout");
        let of_batch = Given::of(self.otel_bsp_export_timeout.take(), variable, flag);
        let read =
            |given: Given| given.read("whole milliseconds from 1 to 600000", |text| milliseconds(text, LONGEST_EXPORT));
        let of_exporter = first([of_traces, of_all], read)?.unwrap_or(Duration::from_secs(10));
        Ok(of_exporter.min(read(of_batch)?.unwrap_or(Duration::from_secs(30))))
    }

    fn is_compressed(&mut self) -> Result<bool, ConfigError> {
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "--otel-exporter-otlp-traces-compression");
        let of_traces = Given::of(self.otel_exporter_otlp_traces_compression.take(), variable, flag);
        let (variable, flag) = ("OTEL_EXPORTER_OTLP_COMPRESSION", "--otel-exporter-otlp-compression");
        let of_all = Given::of(self.otel_exporter_otlp_compression.take(), variable, flag);
        let is_compressed = first([of_traces, of_all], |given| {
            given.read("gzip or none", |text| match text {
                "gzip" => Some(true),
                "none" => Some(false),
                _ => None,
            })
        })?;
        Ok(is_compressed.unwrap_or(false))
    }

    /// What the process is called, and the other attributes.
    fn service(&mut self) -> Result<(String, Vec<(String, String)>), ConfigError> {
        let name = Given::of(self.otel_service_name.take(), "OTEL_SERVICE_NAME", "--otel-service-name");
        let (variable, flag) = ("OTEL_RESOURCE_ATTRIBUTES", "--otel-resource-attributes");
        let mut attributes = Given::of(self.otel_resource_attributes.take(), variable, flag)
            .read("attributes such as deployment.environment.name=prod,team=web", pairs)?
            .unwrap_or_default();
        // The name of its own comes before that among the attributes, as the standard has it.
        let named = attributes.iter().rev().find(|(name, _)| name == SERVICE_NAME).map(|(_, value)| value.clone());
        let service = name.read("a name", |text| Some(text.to_owned()))?.or(named);
        attributes.retain(|(name, _)| name != SERVICE_NAME);
        Ok((service.unwrap_or_else(|| "k8supdater".to_owned()), attributes))
    }

    fn sampling(&mut self) -> Result<Sampling, ConfigError> {
        let (variable, flag) = ("OTEL_TRACES_SAMPLER_ARG", "--otel-traces-sampler-arg");
        let ratio = Given::of(self.otel_traces_sampler_arg.take(), variable, flag)
            .read("a number from 0 to 1", |text| text.parse().ok().filter(|it| (0.0..=1.0).contains(it)))?
            .unwrap_or(1.0);
        let sampler = Given::of(self.otel_traces_sampler.take(), "OTEL_TRACES_SAMPLER", "--otel-traces-sampler");
        let sampling = sampler.read(
            "always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio",
            |text| sampling(text, ratio),
        )?;
        Ok(sampling.unwrap_or(Sampling { follows_parent: true, ratio: 1.0 }))
    }
}

/// The attribute that `OTEL_SERVICE_NAME` sets.
const SERVICE_NAME: &str = "service.name";

/// What is given for traces, or else what is given for all, if both are right.
fn first<G, T>(
    given: [Given<G>; 2],
    read: impl Fn(Given<G>) -> Result<Option<T>, ConfigError>,
) -> Result<Option<T>, ConfigError> {
    let [of_traces, of_all] = given;
    let (of_traces, of_all) = (read(of_traces)?, read(of_all)?);
    Ok(of_traces.or(of_all))
}

/// A URL that can be posted to.
fn place(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    (is_plain && matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

fn milliseconds(text: &str, most: u64) -> Option<Duration> {
    text.parse().ok().filter(|count| (1..=most).contains(count)).map(Duration::from_millis)
}

fn sampling(text: &str, ratio: f64) -> Option<Sampling> {
    let (follows_parent, rest) = match text.strip_prefix("parentbased_") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let ratio = match rest {
        "always_on" => 1.0,
        "always_off" => 0.0,
        "traceidratio" => ratio,
        _ => return None,
    };
    Some(Sampling { follows_parent, ratio })
}

/// `name=value,name=value` with percent-encoded values, as W3C Baggage has it (<https://www.w3.org/TR/baggage/#header-content>).
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        let (name, value) = (name.trim(), percent_decode_str(value.trim()).decode_utf8().ok()?);
        (!name.is_empty()).then(|| (name.to_owned(), value.into_owned()))
    };
    text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(pair).collect()
}

/// The same as headers: names and values that HTTP has a place for.
fn read_headers(text: &str) -> Option<Vec<(String, Secret)>> {
    let is_name =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    let is_value = |value: &str| value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let pairs = pairs(text)?;
    let are_good = pairs.iter().all(|(name, value)| is_name(name) && is_value(value));
    are_good.then(|| pairs.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
}

#[cfg(test)]
mod tests;
