//! Every metric: name, labels, unit. Label values come from fixed sets: reasons are words of our own enums, never texts from outside.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters and gauges of one process.
pub struct Metrics {
    registry: Registry,
    checks: Family<Outcome, Counter>,
    check_failures: Family<Reason, Counter>,
    updates: Counter,
    rollbacks: Counter,
    rollouts_under_way: Gauge,
    rollouts_waiting: Gauge,
    notices: Family<Reason, Counter>,
    deliveries: Family<Outcome, Counter>,
    delivery_failures: Family<Reason, Counter>,
    status_writes: Counter,
    plugin_loads: Counter,
    plugin_refusals: Family<Reason, Counter>,
    requests: Family<RequestOutcome, Counter>,
    bot_presses: Family<Outcome, Counter>,
    bot_failures: Family<Reason, Counter>,
    watch_failures: Family<Watch, Counter>,
    panics: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Watch {
    watch: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestOutcome {
    outcome: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("k8supdater"),
            checks: Family::default(),
            check_failures: Family::default(),
            updates: Counter::default(),
            rollbacks: Counter::default(),
            rollouts_under_way: Gauge::default(),
            rollouts_waiting: Gauge::default(),
            notices: Family::default(),
            deliveries: Family::default(),
            delivery_failures: Family::default(),
            status_writes: Counter::default(),
            plugin_loads: Counter::default(),
            plugin_refusals: Family::default(),
            requests: Family::default(),
            bot_presses: Family::default(),
            bot_failures: Family::default(),
            watch_failures: Family::default(),
            panics: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("checks", "Checks of handlers, by outcome: succeeded, failed", self.checks.clone());
        registry.register("check_failures", "What stood in the way of checks, by reason", self.check_failures.clone());
        registry.register("updates", "Images changed in workloads", self.updates.clone());
        registry.register("rollbacks", "Images put back in workloads", self.rollbacks.clone());
        registry.register(
            "rollouts_under_way",
            "Handlers whose workload is being rolled out, or about to be",
            self.rollouts_under_way.clone(),
        );
        registry.register(
            "rollouts_waiting",
            "Handlers whose update waits because of the limit on rollouts",
            self.rollouts_waiting.clone(),
        );
        registry.register("notices", "Events about handlers, by reason", self.notices.clone());
        registry.register(
            "deliveries",
            "Notices sent on channels, by outcome: delivered, failed",
            self.deliveries.clone(),
        );
        registry.register(
            "delivery_failures",
            "What stood in the way of notices, by reason",
            self.delivery_failures.clone(),
        );
        registry.register(
            "status_writes",
            "Statuses of handlers written to the API server",
            self.status_writes.clone(),
        );
        registry.register("plugin_loads", "Components that began to serve", self.plugin_loads.clone());
        registry.register("plugin_refusals", "Plugins refused, by reason", self.plugin_refusals.clone());
        registry.register(
            "requests",
            "Requests made for plugins, by outcome: 2xx, 3xx, 4xx, 5xx, revalidated, denied, failed",
            self.requests.clone(),
        );
        registry.register(
            "bot_presses",
            "Buttons pressed in chats, by outcome: decided, repeated, refused, gone, failed, unreadable",
            self.bot_presses.clone(),
        );
        registry.register(
            "bot_failures",
            "Requests of bots that came to nothing, by reason",
            self.bot_failures.clone(),
        );
        registry.register(
            "watch_failures",
            "Watches that were interrupted or could not be taken up again, by what they watch",
            self.watch_failures.clone(),
        );
        registry.register("panics", "Panics: bugs of the operator", self.panics.clone());
    }

    /// A check found nothing in its way.
    pub fn check_succeeded(&self) {
        self.checks.get_or_create(&Outcome { outcome: "succeeded" }).inc();
    }

    /// Something stood in the way of a check.
    pub fn check_failed(&self, reason: &'static str) {
        self.checks.get_or_create(&Outcome { outcome: "failed" }).inc();
        self.check_failures.get_or_create(&Reason { reason }).inc();
    }

    /// An image of a workload was changed.
    pub fn update_applied(&self) {
        self.updates.inc();
    }

    /// An image of a workload was put back.
    pub fn rolled_back(&self) {
        self.rollbacks.inc();
    }

    /// So many handlers have a rollout under way, and so many wait for one.
    pub fn rollouts(&self, under_way: usize, waiting: usize) {
        self.rollouts_under_way.set(under_way.try_into().unwrap_or(i64::MAX));
        self.rollouts_waiting.set(waiting.try_into().unwrap_or(i64::MAX));
    }

    /// An Event was published.
    pub fn notice(&self, reason: &'static str) {
        self.notices.get_or_create(&Reason { reason }).inc();
    }

    /// A notice was delivered on a channel.
    pub fn delivered(&self) {
        self.deliveries.get_or_create(&Outcome { outcome: "delivered" }).inc();
    }

    /// A notice could not be delivered on a channel.
    pub fn not_delivered(&self, reason: &'static str) {
        self.deliveries.get_or_create(&Outcome { outcome: "failed" }).inc();
        self.delivery_failures.get_or_create(&Reason { reason }).inc();
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
    pub fn plugin_refused(&self, reason: &'static str) {
        self.plugin_refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A request was made for a plugin, or denied.
    pub fn request(&self, outcome: &'static str) {
        self.requests.get_or_create(&RequestOutcome { outcome }).inc();
    }

    /// Somebody pressed a button in a chat. The outcome is a word that [`Metrics::register`] names.
    pub fn bot_pressed(&self, outcome: &'static str) {
        self.bot_presses.get_or_create(&Outcome { outcome }).inc();
    }

    /// A bot asked in vain.
    pub fn bot_failed(&self, reason: &'static str) {
        self.bot_failures.get_or_create(&Reason { reason }).inc();
    }

    /// A watch was interrupted, or could not be taken up again. What it watches is a word of the operator's own.
    pub fn watch_failed(&self, watch: &'static str) {
        self.watch_failures.get_or_create(&Watch { watch }).inc();
    }

    /// Something panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// All metrics in the `OpenMetrics` text format, which Prometheus reads.
    ///
    /// # Errors
    /// Only if a label cannot be written, which fixed words exclude.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_prefix_suffix_and_label() {
        let metrics = Metrics::default();
        metrics.check_failed("Unauthorized");
        metrics.update_applied();
        metrics.rollouts(10, 3);
        let text = metrics.text().unwrap();
        assert!(text.contains("k8supdater_check_failures_total{reason=\"Unauthorized\"} 1"), "{text}");
        assert!(text.contains("k8supdater_checks_total{outcome=\"failed\"} 1"), "{text}");
        assert!(text.contains("k8supdater_updates_total 1"), "{text}");
        assert!(text.contains("k8supdater_rollouts_under_way 10"), "{text}");
        assert!(text.contains("k8supdater_rollouts_waiting 3"), "{text}");
    }
}
