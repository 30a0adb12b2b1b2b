//! Every metric: name, labels, unit. `docs/metrics.md` tells people what each is good for, and a test keeps the two together.
//!
//! Values of labels come from fixed sets ([`words`]): reasons are words of our own enums, never texts from outside. The two exceptions are the
//! names of plugins and the hosts of registries, of which only so many are told apart ([`names`]).

pub mod names;
pub mod words;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8supdater_egress::Exchange;
use k8supdater_runtime::{Call, CallEnd, CallError, CallObserver};
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use names::Names;

/// Upper bounds of the buckets for checks, in seconds: from what the API server takes to a conversation with a slow registry.
const CHECK_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0];
/// For requests, which are given up after 30 s.
const REQUEST_SECONDS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];
/// For calls of plugins, which have 50 ms by default and 5 s at most.
const CALL_SECONDS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 5.0];
/// For rollouts: seconds to hours.
const ROLLOUT_SECONDS: [f64; 11] = [1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 21_600.0];
/// From a tag that was seen to pods that run it: seconds to a month, for there are windows, minimum ages and people in between.
const LEAD_SECONDS: [f64; 13] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0, 2_592_000.0];

/// A label of which the value is a fixed word.
type Word = [(&'static str, &'static str); 1];
/// A label of which the value is one of so many names.
type Name = [(&'static str, Arc<str>); 1];
/// A histogram for each name.
type Histograms = Family<Name, Histogram, fn() -> Histogram>;

/// Counts what is cheaper to count when somebody looks.
type BeforeShown = Box<dyn Fn(&Metrics) + Send + Sync>;

/// The metrics of one process.
pub struct Metrics {
    registry: Registry,
    plugin_names: Names,
    hosts: Names,
    before_shown: OnceLock<BeforeShown>,

    checks: Worded<Counter>,
    check_failures: Worded<Counter>,
    check_duration: Histogram,
    checks_in_flight: Gauge,
    checks_due: Gauge,
    checks_overdue: Gauge,
    last_successful_check: Gauge<f64, AtomicU64>,
    decisions: Worded<Counter>,
    handlers: Worded<Gauge>,
    workloads: Worded<Gauge>,
    updates: Worded<Counter>,
    rollbacks: Worded<Counter>,
    rollouts_under_way: Gauge,
    rollouts_waiting: Gauge,
    rollout_duration: Histogram,
    update_lead_time: Histogram,
    events: Worded<Counter>,
    deliveries: Family<OfPlugin, Counter>,
    delivery_failures: Worded<Counter>,
    status_writes: Counter,
    plugins: Worded<Gauge>,
    plugin_loads: Counter,
    plugin_refusals: Worded<Counter>,
    plugin_calls: Family<OfPlugin, Counter>,
    plugin_call_duration: Histograms,
    requests: Family<OfHost, Counter>,
    request_duration: Histograms,
    request_budget_remaining: Shown<Family<Name, Gauge>>,
    request_budget_limit: Shown<Family<Name, Gauge>>,
    bot_presses: Worded<Counter>,
    bot_failures: Worded<Counter>,
    spans: Worded<Counter>,
    watch_failures: Worded<Counter>,
    panics: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPlugin {
    plugin: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfHost {
    host: Arc<str>,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// How many handlers are looked at, and how many are to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// At this moment.
    pub in_flight: usize,
    /// As soon as there is a place.
    pub due: usize,
    /// Of these, for more than a minute already.
    pub overdue: usize,
}

impl Default for Metrics {
    #[allow(clippy::too_many_lines, reason = "it is a table")]
    fn default() -> Self {
        let mut registry = Registry::with_prefix("k8supdater");
        let mut shelf = Shelf(&mut registry);
        let build: Family<Build, Gauge> =
            shelf.put("build_info", "The version that runs; the value is always 1", Family::default());
        build.get_or_create(&Build { version: env!("CARGO_PKG_VERSION") }).set(1);
        let metrics = Self {
            checks: shelf.count("checks", "Checks of handlers", "outcome", words::CHECKS),
            check_failures: shelf.count(
                "check_failures",
                "What stood in the way of checks; one check may meet several things",
                "reason",
                words::CHECK_FAILURES,
            ),
            check_duration: shelf.put(
                "check_duration_seconds",
                "Time that checks of handlers took, what is written included",
                Histogram::new(CHECK_SECONDS),
            ),
            checks_in_flight: shelf.put("checks_in_flight", "Handlers that are being looked at", Gauge::default()),
            checks_due: shelf.put(
                "checks_due",
                "Handlers that are to be looked at as soon as there is a place",
                Gauge::default(),
            ),
            checks_overdue: shelf.put(
                "checks_overdue",
                "Handlers that should have been looked at more than a minute ago",
                Gauge::default(),
            ),
            last_successful_check: shelf.put(
                "last_successful_check_timestamp_seconds",
                "When a check last succeeded, in seconds since the epoch; 0 before the first",
                Gauge::default(),
            ),
            decisions: shelf.count("decisions", "Decisions about containers", "decision", words::DECISIONS),
            handlers: shelf.gauge("handlers", "Handlers by their condition Ready", "ready", words::READY),
            workloads: shelf.gauge(
                "workloads",
                "Handlers of one workload by the reason of their condition UpToDate",
                "state",
                words::WORKLOADS,
            ),
            updates: shelf.count("updates", "Updates of containers by how far they came", "outcome", words::UPDATES),
            rollbacks: shelf.count(
                "rollbacks",
                "Rollbacks of containers by how far they came",
                "outcome",
                words::ROLLBACKS,
            ),
            rollouts_under_way: shelf.put(
                "rollouts_under_way",
                "Handlers whose workload is being rolled out, or about to be",
                Gauge::default(),
            ),
            rollouts_waiting: shelf.put(
                "rollouts_waiting",
                "Handlers whose update waits because of the limit on rollouts",
                Gauge::default(),
            ),
            rollout_duration: shelf.put(
                "rollout_duration_seconds",
                "Time from the decision for an update to the end of its rollout, of those that were finished",
                Histogram::new(ROLLOUT_SECONDS),
            ),
            update_lead_time: shelf.put(
                "update_lead_time_seconds",
                "Time from the first sight of a tag to the end of its rollout",
                Histogram::new(LEAD_SECONDS),
            ),
            events: shelf.count("events", "Events about handlers", "reason", words::EVENTS),
            deliveries: shelf.put("deliveries", "Notices sent, by notifier plugin", Family::default()),
            delivery_failures: shelf.count(
                "delivery_failures",
                "What stood in the way of notices",
                "reason",
                words::DELIVERY_FAILURES,
            ),
            status_writes: shelf.put(
                "status_writes",
                "Statuses of handlers written to the API server",
                Counter::default(),
            ),
            plugins: shelf.gauge("plugins", "Plugins by what of them serves", "state", words::PLUGINS),
            plugin_loads: shelf.put("plugin_loads", "Components that began to serve", Counter::default()),
            plugin_refusals: shelf.count(
                "plugin_refusals",
                "Plugins, or their newest bytes, that were refused",
                "reason",
                words::PLUGIN_REFUSALS,
            ),
            plugin_calls: shelf.put("plugin_calls", "Calls of plugins", Family::default()),
            plugin_call_duration: shelf.put(
                "plugin_call_duration_seconds",
                "Time that calls of plugins spent in the sandbox",
                Family::new_with_constructor(|| Histogram::new(CALL_SECONDS)),
            ),
            requests: shelf.put("requests", "Requests made for plugins, by host", Family::default()),
            request_duration: shelf.put(
                "request_duration_seconds",
                "Time that requests took, waiting for a place not included",
                Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            ),
            request_budget_remaining: shelf.put(
                "request_budget_remaining",
                "Requests that a host still allows, as its last answer said",
                Shown(Family::default()),
            ),
            request_budget_limit: shelf.put(
                "request_budget_limit",
                "Requests that a host allows in all, as its last answer said",
                Shown(Family::default()),
            ),
            bot_presses: shelf.count("bot_presses", "Buttons pressed in chats", "outcome", words::PRESSES),
            bot_failures: shelf.count(
                "bot_failures",
                "Requests of bots that came to nothing",
                "reason",
                words::BOT_FAILURES,
            ),
            spans: shelf.count("trace_spans", "Spans of traces by what became of them", "outcome", words::SPANS),
            watch_failures: shelf.count(
                "watch_failures",
                "Watches that were interrupted or could not be taken up again",
                "watch",
                words::WATCHES,
            ),
            panics: shelf.put("panics", "Panics: bugs of the operator", Counter::default()),
            plugin_names: Names::default(),
            hosts: Names::default(),
            before_shown: OnceLock::new(),
            registry,
        };
        metrics.begin_plugin(&metrics.plugin_names.other());
        metrics.begin_host(&metrics.hosts.other());
        metrics
    }
}

impl Metrics {
    /// A check found nothing in its way.
    pub fn check_succeeded(&self, took: Duration, now: Timestamp) {
        self.checks.of("succeeded").inc();
        self.check_duration.observe(took.as_secs_f64());
        self.last_successful_check.set(now.as_duration().as_secs_f64());
    }

    /// Something stood in the way of a check; what that was, [`obstructed`](Self::obstructed) counts.
    pub fn check_failed(&self, took: Duration) {
        self.checks.of("failed").inc();
        self.check_duration.observe(took.as_secs_f64());
    }

    /// What stands in the way of a check.
    pub fn obstructed(&self, reason: &str) {
        self.check_failures.of(reason).inc();
    }

    /// A check decided that about a container: a word of `status.containers[].decision`.
    pub fn decided(&self, decision: &str) {
        self.decisions.of(decision).inc();
    }

    /// How many handlers are looked at, and how many are to be.
    pub fn queue(&self, Queue { in_flight, due, overdue }: Queue) {
        self.checks_in_flight.set(count(in_flight));
        self.checks_due.set(count(due));
        self.checks_overdue.set(count(overdue));
    }

    /// So many handlers have a condition `Ready` of that status.
    pub fn handlers(&self, ready: &str, number: usize) {
        self.handlers.of(ready).set(count(number));
    }

    /// So many workloads are in that state.
    pub fn workloads(&self, state: &str, number: usize) {
        self.workloads.of(state).set(count(number));
    }

    /// An image of a workload was changed.
    pub fn update_applied(&self) {
        self.updates.of("applied").inc();
    }

    /// An update came to its end, and nothing more is to be done: the pods get the new image at another time.
    pub fn update_finished(&self) {
        self.updates.of("finished").inc();
    }

    /// An update was rolled out: so long after it was decided, and so long after its tag was seen, if that is known.
    pub fn update_rolled_out(&self, took: SignedDuration, since_seen: Option<SignedDuration>) {
        self.update_finished();
        self.rollout_duration.observe(seconds(took));
        if let Some(lead) = since_seen {
            self.update_lead_time.observe(seconds(lead));
        }
    }

    /// The rollout of an update failed.
    pub fn update_failed(&self) {
        self.updates.of("failed").inc();
    }

    /// An update, or a rollback, was overtaken by somebody else's change.
    pub fn update_overtaken(&self) {
        self.updates.of("overtaken").inc();
    }

    /// An image of a workload was put back.
    pub fn rollback_applied(&self) {
        self.rollbacks.of("applied").inc();
    }

    /// All pods run the image before again.
    pub fn rollback_finished(&self) {
        self.rollbacks.of("finished").inc();
    }

    /// They do not come up with it either.
    pub fn rollback_failed(&self) {
        self.rollbacks.of("failed").inc();
    }

    /// So many handlers have a rollout under way, and so many wait for one.
    pub fn rollouts(&self, under_way: usize, waiting: usize) {
        self.rollouts_under_way.set(count(under_way));
        self.rollouts_waiting.set(count(waiting));
    }

    /// An Event was published.
    pub fn event(&self, reason: &str) {
        self.events.of(reason).inc();
    }

    /// A notice was delivered by that plugin.
    pub fn delivered(&self, plugin: &str) {
        let plugin = self.plugin_names.find(plugin);
        self.deliveries.get_or_create(&OfPlugin { plugin, outcome: "delivered" }).inc();
    }

    /// A notice could not be delivered by that plugin.
    pub fn not_delivered(&self, plugin: &str, reason: &str) {
        // A handler may name a plugin that does not exist, in whatever words.
        let plugin = self.plugin_names.find(plugin);
        self.deliveries.get_or_create(&OfPlugin { plugin, outcome: "failed" }).inc();
        self.delivery_failures.of(reason).inc();
    }

    /// The status of a handler was written.
    pub fn status_written(&self) {
        self.status_writes.inc();
    }

    /// A component began to serve.
    pub fn plugin_loaded(&self) {
        self.plugin_loads.inc();
    }

    /// A plugin, or its newest bytes, were refused.
    pub fn plugin_refused(&self, reason: &str) {
        self.plugin_refusals.of(reason).inc();
    }

    /// So many plugins serve as their objects say, with something older because the newest is refused, or not at all.
    pub fn plugins(&self, ready: usize, outdated: usize, failed: usize) {
        for (state, number) in [("ready", ready), ("outdated", outdated), ("failed", failed)] {
            self.plugins.of(state).set(count(number));
        }
    }

    /// Counts the calls of the plugin that is called `name`.
    pub fn calls_of(&self, name: &str) -> CallObserver {
        let plugin = self.plugin_names.admit(name, |plugin| self.begin_plugin(plugin));
        let counter =
            |outcome| self.plugin_calls.get_or_create_owned(&OfPlugin { plugin: Arc::clone(&plugin), outcome });
        let duration = self.plugin_call_duration.get_or_create_owned(&[("plugin", Arc::clone(&plugin))]);
        let counters: Vec<(&'static str, Counter)> =
            words::CALLS.iter().map(|outcome| (*outcome, counter(*outcome))).collect();
        Arc::new(move |call: &Call<'_>| {
            duration.observe(call.elapsed.as_secs_f64());
            let outcome = outcome(call.end);
            if let Some((_, counter)) = counters.iter().find(|(word, _)| *word == outcome) {
                counter.inc();
            }
        })
    }

    /// A request was made for a plugin, or denied.
    pub fn request(&self, exchange: &Exchange) {
        let host = match &exchange.origin {
            Some(origin) => self.hosts.admit(&origin.authority(), |host| self.begin_host(host)),
            None => self.hosts.other(),
        };
        if let Some(budget) = exchange.budget {
            let host = [("host", Arc::clone(&host))];
            let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            self.request_budget_remaining.0.get_or_create(&host).set(number(budget.remaining));
            if let Some(limit) = budget.limit {
                self.request_budget_limit.0.get_or_create(&host).set(number(limit));
            }
        }
        if !exchange.elapsed.is_zero() {
            let seconds = exchange.elapsed.as_secs_f64();
            self.request_duration.get_or_create(&[("host", Arc::clone(&host))]).observe(seconds);
        }
        self.requests.get_or_create(&OfHost { host, outcome: exchange.outcome() }).inc();
    }

    /// Somebody pressed a button in a chat. The outcome is one of [`words::PRESSES`].
    pub fn bot_pressed(&self, outcome: &'static str) {
        self.bot_presses.of(outcome).inc();
    }

    /// A bot asked in vain.
    pub fn bot_failed(&self, reason: &str) {
        self.bot_failures.of(reason).inc();
    }

    /// A watch was interrupted, or could not be taken up again. What it watches is a word of the operator's own.
    pub fn watch_failed(&self, watch: &str) {
        self.watch_failures.of(watch).inc();
    }

    /// Something panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// So many spans were exported, or not: `exported`, `failed`, or `dropped` because too many waited.
    pub fn spans(&self, outcome: &str, count: usize) {
        self.spans.of(outcome).inc_by(count.try_into().unwrap_or(u64::MAX));
    }

    /// Has `count` called whenever the metrics are about to be shown, for what is cheaper to count then than to keep up to date. It can be
    /// said once.
    pub fn before_shown(&self, count: impl Fn(&Self) + Send + Sync + 'static) {
        // A second one would be a mistake of ours, and harmless.
        let _ = self.before_shown.set(Box::new(count));
    }

    /// All metrics in that format.
    ///
    /// # Errors
    /// Only if a label cannot be written, which fixed words and names exclude.
    pub fn text(&self, format: Format) -> Result<String, fmt::Error> {
        if let Some(count) = self.before_shown.get() {
            count(self);
        }
        let mut text = String::new();
        match format {
            Format::OpenMetrics => prometheus_client::encoding::text::encode(&mut text, &self.registry)?,
            Format::Text => prometheus_client::encoding::prometheus_text::encode(&mut text, &self.registry)?,
        }
        Ok(text)
    }

    /// Shows zeros for a plugin of which there is nothing to tell yet.
    fn begin_plugin(&self, plugin: &Arc<str>) {
        for outcome in words::CALLS {
            drop(self.plugin_calls.get_or_create(&OfPlugin { plugin: Arc::clone(plugin), outcome }));
        }
        for outcome in words::DELIVERIES {
            drop(self.deliveries.get_or_create(&OfPlugin { plugin: Arc::clone(plugin), outcome }));
        }
        drop(self.plugin_call_duration.get_or_create(&[("plugin", Arc::clone(plugin))]));
    }

    /// Shows zeros for a host of which there is nothing to tell yet. What it allows is not one of them.
    fn begin_host(&self, host: &Arc<str>) {
        for outcome in words::REQUESTS {
            drop(self.requests.get_or_create(&OfHost { host: Arc::clone(host), outcome }));
        }
        drop(self.request_duration.get_or_create(&[("host", Arc::clone(host))]));
    }
}

/// What a call came to.
fn outcome(end: CallEnd<'_>) -> &'static str {
    match end {
        CallEnd::Answered => "answered",
        CallEnd::Refused => "refused",
        CallEnd::Failed(err) => match err {
            CallError::Trapped { .. } | CallError::StackExceeded => "trapped",
            CallError::DeadlineExceeded { .. }
            | CallError::MemoryExceeded { .. }
            | CallError::TableExceeded
            | CallError::OutputTooLarge { .. } => "limited",
            CallError::ContractBroken { .. } | CallError::WrongKind { .. } => "wrong",
            CallError::NotInstantiable { .. }
            | CallError::TimedOut { .. }
            | CallError::Busy { .. }
            | CallError::Host { .. } => "not_run",
        },
    }
}

fn count(number: usize) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

/// A clock that was set back has let no time pass.
fn seconds(time: SignedDuration) -> f64 {
    time.as_secs_f64().max(0.0)
}

/// How metrics are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0 (<https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>).
    OpenMetrics,
    /// The older text format, 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
    Text,
}

impl Format {
    /// The one that a header `Accept` asks for: `OpenMetrics` for those who name it, as Prometheus does; else the older one, which everybody
    /// reads, and which browsers show.
    pub fn accepted(header: Option<&str>) -> Self {
        if header.is_some_and(|header| header.contains("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// How it is called in a header `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_client::encoding::prometheus_text::CONTENT_TYPE,
        }
    }
}

/// A metric for each of some fixed words.
#[derive(Clone, Debug)]
struct Worded<M> {
    label: &'static str,
    words: &'static [&'static str],
    family: Family<Word, M>,
}

impl<M: Clone + Default> Worded<M> {
    /// That for `word`. The lock of the family is not kept, so several may be had at a time.
    fn of(&self, word: &str) -> M {
        self.family.get_or_create_owned(&[(self.label, words::of(self.words, word))])
    }
}

/// A family that is announced to whoever reads the metrics even while nothing is in it.
#[derive(Clone, Debug)]
struct Shown<M>(M);

impl<M: EncodeMetric> EncodeMetric for Shown<M> {
    fn encode(&self, encoder: MetricEncoder) -> fmt::Result {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        self.0.metric_type()
    }
}

/// Where metrics are put, so that each is named once.
struct Shelf<'a>(&'a mut Registry);

impl Shelf<'_> {
    fn put<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }

    /// Counters for each of `words`, all zero.
    fn count(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        words: &'static [&'static str],
    ) -> Worded<Counter> {
        let family = self.put(name, help, Family::default());
        all_of(Worded { label, words, family })
    }

    /// Gauges for each of `words`, all zero.
    fn gauge(&mut self, name: &str, help: &str, label: &'static str, words: &'static [&'static str]) -> Worded<Gauge> {
        let family = self.put(name, help, Family::default());
        all_of(Worded { label, words, family })
    }
}

fn all_of<M: Clone + Default>(worded: Worded<M>) -> Worded<M> {
    for word in worded.words {
        worded.of(word);
    }
    worded
}

#[cfg(test)]
mod tests {
    use k8supdater_core::origin::Origin;
    use k8supdater_egress::{Budget, End};

    use super::*;

    fn lines(metrics: &Metrics) -> Vec<String> {
        metrics.text(Format::Text).unwrap().lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(metrics: &Metrics, expected: &[&str]) {
        let lines = lines(metrics);
        for expected in expected {
            assert!(lines.iter().any(|line| line == expected), "no {expected} in\n{}", lines.join("\n"));
        }
    }

    fn exchange(origin: &str, end: End) -> Exchange {
        let origin = Some(Origin::parse(origin).unwrap());
        Exchange { origin, end, elapsed: Duration::from_millis(20), budget: None }
    }

    #[test]
    fn what_has_not_happened_yet_is_zero() {
        check(
            &Metrics::default(),
            &[
                "k8supdater_checks_total{outcome=\"failed\"} 0",
                "k8supdater_check_failures_total{reason=\"RateLimited\"} 0",
                "k8supdater_updates_total{outcome=\"applied\"} 0",
                "k8supdater_requests_total{host=\"other\",outcome=\"2xx\"} 0",
                "k8supdater_plugin_calls_total{plugin=\"other\",outcome=\"trapped\"} 0",
                "k8supdater_update_lead_time_seconds_bucket{le=\"86400\"} 0",
                "k8supdater_last_successful_check_timestamp_seconds 0.0",
                "# TYPE k8supdater_request_budget_remaining gauge",
            ],
        );
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::default();
        metrics.check_failed(Duration::from_secs(2));
        metrics.obstructed("CredentialsRefused");
        metrics.check_succeeded(Duration::from_millis(7), Timestamp::from_second(1_700_000_000).unwrap());
        metrics.update_applied();
        metrics.rollouts(10, 3);
        metrics.update_rolled_out(SignedDuration::from_secs(40), Some(SignedDuration::from_hours(20)));
        metrics.update_rolled_out(SignedDuration::from_secs(-40), None);
        check(
            &metrics,
            &[
                "k8supdater_checks_total{outcome=\"failed\"} 1",
                "k8supdater_check_failures_total{reason=\"CredentialsRefused\"} 1",
                "k8supdater_check_duration_seconds_count 2",
                "k8supdater_last_successful_check_timestamp_seconds 1700000000.0",
                "k8supdater_updates_total{outcome=\"applied\"} 1",
                "k8supdater_updates_total{outcome=\"finished\"} 2",
                "k8supdater_rollouts_under_way 10",
                "k8supdater_rollouts_waiting 3",
                "k8supdater_rollout_duration_seconds_bucket{le=\"30\"} 1",
                "k8supdater_update_lead_time_seconds_bucket{le=\"86400\"} 1",
                "k8supdater_update_lead_time_seconds_bucket{le=\"43200\"} 0",
            ],
        );
    }

    #[test]
    fn requests_are_told_apart_by_host_and_what_it_allows_is_shown() {
        let metrics = Metrics::default();
        metrics.request(&exchange("https://registry-1.docker.io", End::Answered(200)));
        let budget = Some(Budget { remaining: 3, limit: Some(100) });
        metrics.request(&Exchange { budget, ..exchange("https://registry-1.docker.io", End::Answered(429)) });
        metrics.request(&exchange("http://10.0.0.7:5000", End::Revalidated));
        metrics.request(&Exchange {
            origin: None,
            elapsed: Duration::ZERO,
            ..exchange("https://x.example", End::Denied)
        });
        check(
            &metrics,
            &[
                "k8supdater_requests_total{host=\"registry-1.docker.io\",outcome=\"2xx\"} 1",
                "k8supdater_requests_total{host=\"registry-1.docker.io\",outcome=\"429\"} 1",
                "k8supdater_requests_total{host=\"registry-1.docker.io\",outcome=\"failed\"} 0",
                "k8supdater_requests_total{host=\"10.0.0.7:5000\",outcome=\"revalidated\"} 1",
                "k8supdater_requests_total{host=\"other\",outcome=\"denied\"} 1",
                "k8supdater_request_duration_seconds_count{host=\"registry-1.docker.io\"} 2",
                "k8supdater_request_duration_seconds_count{host=\"other\"} 0",
                "k8supdater_request_budget_remaining{host=\"registry-1.docker.io\"} 3",
                "k8supdater_request_budget_limit{host=\"registry-1.docker.io\"} 100",
            ],
        );
    }

    #[test]
    fn calls_are_told_apart_by_plugin_and_how_they_ended() {
        let metrics = Metrics::default();
        let tell = metrics.calls_of("oci");
        let trapped = CallError::Trapped { trap: "unreachable".to_owned() };
        let late = CallError::DeadlineExceeded { deadline: Duration::from_millis(50) };
        let elapsed = Duration::from_millis(2);
        for end in
            [CallEnd::Answered, CallEnd::Answered, CallEnd::Refused, CallEnd::Failed(&trapped), CallEnd::Failed(&late)]
        {
            tell(&Call { end, elapsed });
        }
        metrics.delivered("nobody");
        check(
            &metrics,
            &[
                "k8supdater_plugin_calls_total{plugin=\"oci\",outcome=\"answered\"} 2",
                "k8supdater_plugin_calls_total{plugin=\"oci\",outcome=\"refused\"} 1",
                "k8supdater_plugin_calls_total{plugin=\"oci\",outcome=\"trapped\"} 1",
                "k8supdater_plugin_calls_total{plugin=\"oci\",outcome=\"limited\"} 1",
                "k8supdater_plugin_call_duration_seconds_bucket{plugin=\"oci\",le=\"0.0025\"} 5",
                "k8supdater_deliveries_total{plugin=\"oci\",outcome=\"delivered\"} 0",
                "k8supdater_deliveries_total{plugin=\"other\",outcome=\"delivered\"} 1",
            ],
        );
    }

    #[test]
    fn neither_hosts_nor_plugins_nor_words_from_outside_make_series_without_end() {
        let metrics = Metrics::default();
        let fill = |from: usize, to: usize| {
            for number in from..to {
                let budget = Some(Budget { remaining: 1, limit: Some(1) });
                let host = format!("https://r{number}.example");
                metrics.request(&Exchange { budget, ..exchange(&host, End::Answered(200)) });
                metrics.calls_of(&format!("p{number}"))(&Call { end: CallEnd::Answered, elapsed: Duration::ZERO });
                metrics.not_delivered(&format!("p{number}"), &format!("Reason{number}"));
                metrics.obstructed(&format!("Reason{number}"));
                metrics.decided(&format!("Decision{number}"));
                metrics.event(&format!("Reason{number}"));
            }
        };
        fill(0, names::MOST_NAMES + 1);
        let before = lines(&metrics).len();
        fill(names::MOST_NAMES + 1, 700);
        let after = lines(&metrics);
        assert_eq!(after.len(), before);
        assert!(before < 2_800, "{before} lines");
        check(
            &metrics,
            &[
                "k8supdater_requests_total{host=\"r49.example\",outcome=\"2xx\"} 1",
                "k8supdater_requests_total{host=\"other\",outcome=\"2xx\"} 650",
                "k8supdater_plugin_calls_total{plugin=\"other\",outcome=\"answered\"} 650",
                "k8supdater_check_failures_total{reason=\"other\"} 700",
            ],
        );
    }

    #[test]
    fn prometheus_gets_the_format_that_it_asks_for_and_all_others_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for (header, expected) in
            [(Some(prometheus), Format::OpenMetrics), (Some("*/*"), Format::Text), (None, Format::Text)]
        {
            assert_eq!(Format::accepted(header), expected, "{header:?}");
        }
        let text = Metrics::default().text(Format::OpenMetrics).unwrap();
        assert!(text.contains("# TYPE k8supdater_checks counter\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
