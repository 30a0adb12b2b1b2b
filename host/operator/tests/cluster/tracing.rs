use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use k8supdater::api::versioning_handler::{UpdatePhase, UpdateStatus};
use k8supdater_testkit::{CollectedSpan, CollectorFault, FakeCollector, FakeRegistry, FakeWebhook, Stage, objects};
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::scene::{condition, container, equal, plugin_condition, prepared};

/// A stage whose operator exports traces to the collector, and is not started.
async fn traced(name: &str) -> (Stage, FakeRegistry, FakeCollector) {
    let (registry, collector) = (FakeRegistry::start().await, FakeCollector::start().await);
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.operator.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.origin());
    stage.operator.env("OTEL_BSP_SCHEDULE_DELAY", "100");
    (stage, registry, collector)
}

/// A Deployment of version 1.0.0 whose rollouts have failed when they make no progress for two seconds.
async fn deploy(stage: &Stage, registry: &FakeRegistry) {
    let first = registry.image("web", "1.0.0");
    let deployment = objects::deployment_with("web", &[("app", &first)], &json!({"progressDeadlineSeconds": 2}));
    stage.deploy_as(&deployment).await;
}

/// Has everything that happens to `web` posted to `hook`.
async fn tell(stage: &Stage, hook: &FakeWebhook, path: &str, more: &Value) {
    let mut channel = json!({
        "settings": {"url": format!("{}{path}", hook.origin())},
        "notices": {"kinds": ["updated", "rollout-finished"]},
        "grants": {"origins": [hook.origin()]},
    });
    for (name, value) in more.as_object().unwrap() {
        channel["grants"][name] = value.clone();
    }
    stage.plug("webhook", "notify-webhook", &channel).await;
}

/// Waits until the last update of `web` has come that far.
async fn phase(stage: &Stage, expected: UpdatePhase) -> UpdateStatus {
    let probe = async || {
        let update = container(stage, "web", "app").await.and_then(|container| container.update);
        equal(&update.as_ref().map(|update| update.phase), &Some(expected)).map(|()| update)
    };
    stage.eventually(&format!("the update is {expected:?}"), probe).await.unwrap()
}

/// Trace and span of a `traceparent`.
fn ids(update: &UpdateStatus) -> (String, String) {
    let text = update.trace.as_deref().unwrap();
    let parts: Vec<&str> = text.split('-').collect();
    let [_, trace, span, "01"] = parts[..] else { panic!("{text} is not sampled") };
    (trace.to_owned(), span.to_owned())
}

/// The spans of a trace, as soon as those are among them.
async fn spans(stage: &Stage, collector: &FakeCollector, trace: &str, wanted: &[&str]) -> Vec<CollectedSpan> {
    let probe = async || {
        let spans: Vec<_> = collector.spans().into_iter().filter(|span| span.trace == trace).collect();
        let missing = wanted.iter().find(|name| !spans.iter().any(|span| span.name == **name));
        missing.map_or(Ok(spans), |name| Err(format!("there is no {name} in\n{}", collector.show(trace))))
    };
    stage.eventually("the spans have arrived", probe).await
}

/// The first span of that name below `parent`, directly.
#[track_caller]
fn below<'a>(spans: &'a [CollectedSpan], parent: &str, name: &str) -> &'a CollectedSpan {
    let is_it = |span: &&CollectedSpan| span.name == name && span.parent.as_deref() == Some(parent);
    spans.iter().find(is_it).unwrap_or_else(|| panic!("there is no {name} below {parent} in {spans:#?}"))
}

/// Follows `path` down from `parent`, and gives the last span.
#[track_caller]
fn descend<'a>(spans: &'a [CollectedSpan], parent: &'a CollectedSpan, path: &[&str]) -> &'a CollectedSpan {
    path.iter().fold(parent, |parent, name| below(spans, &parent.id, name))
}

/// The check that began the trace, once every span of it has its place below that.
async fn root(stage: &Stage, collector: &FakeCollector, trace: &str, span: &str) -> CollectedSpan {
    let probe = async || {
        let spans: Vec<_> = collector.spans().into_iter().filter(|span| span.trace == trace).collect();
        let is_there = |id: &String| spans.iter().any(|span| span.id == *id);
        match spans.iter().find(|span| !span.parent.as_ref().is_none_or(&is_there)) {
            Some(lost) => Err(format!("the parent of {} has not arrived:\n{}", lost.name, collector.show(trace))),
            None => spans.iter().find(|found| found.id == span).cloned().ok_or_else(|| "there is no root".to_owned()),
        }
    };
    let root = stage.eventually("the trace is whole", probe).await;
    assert_eq!((root.name.as_str(), &root.parent), ("check", &None));
    root
}

#[tokio::test]
async fn an_update_is_one_trace_from_its_trigger_to_the_end_of_its_rollout() {
    let (mut stage, registry, collector) = traced("traced").await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    let hook = FakeWebhook::start().await;
    tell(&stage, &hook, "/notices", &json!({})).await;
    stage.operator.env("OTEL_SERVICE_NAME", "updater");
    stage.operator.env("OTEL_RESOURCE_ATTRIBUTES", "team=web");
    stage.operator.start().await;
    plugin_condition(&stage, "webhook", "Ready", "True", "Serving").await;
    deploy(&stage, &registry).await;
    // Long enough that nothing but events has it looked at.
    stage.handle("web", &json!({"interval": "1h"})).await;
    let (trace, span) = ids(&phase(&stage, UpdatePhase::Finished).await);

    let found = spans(&stage, &collector, &trace, &["rollout", "deliver notice", "check"]).await;
    let root = root(&stage, &collector, &trace, &span).await;
    assert_eq!(root.attribute("k8supdater.trigger"), "handler");
    assert_eq!(root.attribute("k8s.namespace.name"), stage.namespace);
    assert_eq!(root.attribute("k8supdater.handler"), "web");
    assert_eq!(root.attribute("k8supdater.result"), "changed");
    descend(&found, &root, &["validate"]);
    descend(&found, &root, &["announce"]);
    descend(&found, &root, &["report"]);
    let decided = descend(&found, &root, &["decide"]);
    assert_eq!(decided.attribute("k8supdater.updates"), "1");
    assert_eq!(decided.attribute("k8supdater.verdicts.Update"), "1");
    assert_eq!(decided.attribute("k8supdater.verdicts.BeyondFrontier"), "1");
    let looked = descend(&found, &root, &["observe", "look at container"]);
    assert_eq!(looked.attribute("k8s.container.name"), "app");
    let listed = below(&found, &looked.id, "list tags");
    assert_eq!((listed.attribute("k8supdater.asked"), listed.attribute("k8supdater.plugin.name")), ("true", "oci"));
    let call = below(&found, &listed.id, "call plugin");
    assert_eq!(call.attribute("code.function.name"), "next");
    assert!(call.attribute("k8supdater.plugin.digest").starts_with("sha256:"), "{call:?}");
    assert_eq!(below(&found, &looked.id, "call plugin").attribute("code.function.name"), "parse");
    let request = below(&found, &listed.id, "request");
    assert_eq!(request.attribute("url.path"), "/v2/web/tags/list");
    let sent = below(&found, &request.id, "GET");
    assert_eq!((sent.attribute("server.address"), sent.attribute("http.response.status_code")), ("127.0.0.1", "200"));
    let patch = descend(&found, &root, &["act", "patch"]);
    let (from, to) = (registry.image("web", "1.0.0"), registry.image("web", "1.0.1"));
    assert_eq!((patch.attribute("k8supdater.from"), patch.attribute("k8supdater.to")), (&*from, &*to));

    // What follows, of which there is at least the check that finds the rollout finished.
    let followed = below(&found, &root.id, "check");
    assert!(["workload", "handler", "interval"].contains(&followed.attribute("k8supdater.trigger")), "{followed:?}");
    let rollout = below(&found, &root.id, "rollout");
    assert_eq!((rollout.attribute("k8supdater.result"), rollout.attribute("k8supdater.to")), ("Finished", &*to));
    assert!(!rollout.is_error && rollout.times.1 >= patch.times.1, "{rollout:?}");
    let delivery = below(&found, &root.id, "deliver notice");
    assert_eq!(delivery.attribute("k8supdater.channel"), "webhook");
    descend(&found, delivery, &["request", "POST"]);

    let request = &collector.requests()[0];
    assert_eq!(request.path, "/v1/traces");
    let resource = |name: &str| request.resource.get(name).map_or("", String::as_str);
    assert_eq!((resource("service.name"), resource("team")), ("updater", "web"));
    assert_eq!(resource("service.version"), env!("CARGO_PKG_VERSION"));
    let log = stage.operator.log();
    let line = log.lines().find(|line| line.contains("image updated")).unwrap();
    assert!(line.contains(&format!("trace_id={trace} span_id=")), "{line}");
    assert!(stage.operator.metric("k8supdater_trace_spans_total{outcome=\"exported\"}").await > 0);

    // A check without anything to do belongs to no update.
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    crate::scene::annotate(&stage, "web", &[("skip", "app=2.0.0")]).await;
    let answered = stage.eventually("the answer has a trace", async || {
        let spans = collector.spans();
        let answered = spans.iter().find(|span| span.attribute("k8supdater.trigger") == "answer");
        answered.cloned().ok_or_else(|| "there is none".to_owned())
    });
    let answered = answered.await;
    assert!(answered.trace != trace && answered.parent.is_none(), "{answered:?}");
}

#[tokio::test]
async fn another_process_goes_on_with_the_trace_of_an_update() {
    let (mut stage, registry, collector) = traced("trace-killed").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.operator.start().await;
    deploy(&stage, &registry).await;
    stage.handle("web", &json!({"interval": "1h", "rollout": {"stableFor": "6s"}})).await;
    let (trace, span) = ids(&phase(&stage, UpdatePhase::RollingOut).await);
    // What a process that is killed has not exported is lost.
    spans(&stage, &collector, &trace, &["patch", "report"]).await;
    root(&stage, &collector, &trace, &span).await;
    stage.operator.kill();
    let before = collector.spans().len();
    stage.operator.start().await;
    let update = phase(&stage, UpdatePhase::Finished).await;
    assert_eq!(ids(&update), (trace.clone(), span.clone()), "it stays what it was");
    spans(&stage, &collector, &trace, &["rollout"]).await;
    let after: Vec<_> = collector.spans().into_iter().skip(before).filter(|found| found.trace == trace).collect();
    let check = below(&after, &span, "check");
    assert!(check.times.0 > 0 && check.attribute("k8supdater.handler") == "web", "{check:?}");
    let rollout = below(&after, &span, "rollout");
    let took = Duration::from_nanos(rollout.times.1 - rollout.times.0);
    assert!(took >= Duration::from_secs(6), "it began in the other process: {took:?}");
    let patches = collector.spans().into_iter().filter(|span| span.trace == trace && span.name == "patch").count();
    assert_eq!(patches, 1);
}

#[tokio::test]
async fn an_update_that_is_taken_back_ends_its_trace_with_that() {
    let (mut stage, registry, collector) = traced("trace-back").await;
    registry.push("web", &["1.0.0", "1.0.1-crash"]);
    stage.operator.start().await;
    deploy(&stage, &registry).await;
    stage.handle("web", &json!({"rollback": "OnFailure", "tags": {"flavor": ".*"}, "interval": "1s"})).await;
    let (trace, span) = ids(&phase(&stage, UpdatePhase::RolledBack).await);
    let found = spans(&stage, &collector, &trace, &["rollback"]).await;
    root(&stage, &collector, &trace, &span).await;
    let rollout = below(&found, &span, "rollout");
    assert_eq!((rollout.attribute("k8supdater.result"), rollout.is_error), ("RollingBack", true));
    let rollback = below(&found, &span, "rollback");
    assert_eq!((rollback.attribute("k8supdater.result"), rollback.is_error), ("RolledBack", false));
    let patches: Vec<&str> =
        found.iter().filter(|span| span.name == "patch").map(|patch| patch.attribute("k8supdater.to")).collect();
    assert_eq!(patches, [registry.image("web", "1.0.1-crash"), registry.image("web", "1.0.0")]);

    // Somebody who takes an update back later begins a trace that refers to nothing that is long over.
    registry.push("web", &["1.0.2"]);
    let update = phase(&stage, UpdatePhase::Finished).await;
    let (later, _) = ids(&update);
    assert_ne!(later, trace);
    crate::scene::annotate(&stage, "web", &[("rollback", "app=1.0.2")]).await;
    let (back, _) = ids(&phase(&stage, UpdatePhase::RolledBack).await);
    assert!(back != later && back != trace, "{back}");
    let found = spans(&stage, &collector, &back, &["rollback", "patch"]).await;
    assert!(found.iter().all(|span| span.name != "rollout"), "{found:#?}");
}

#[tokio::test]
async fn no_secret_gets_into_a_trace() {
    let canary = || format!("{:032x}", rand::random::<u128>());
    let (mut stage, registry, collector) = traced("trace-secret").await;
    let (password, token, login) = (canary(), canary(), canary());
    registry.push("web", &["1.0.0", "1.0.1"]);
    registry.require_login("robot", &password);
    let hook = FakeWebhook::start().await;
    let secrets = stage.own_api::<Secret>();
    secrets.create(&PostParams::default(), &objects::secret("hook", &[("token", &token)])).await.unwrap();
    stage.create(&objects::secret("registry", &[("username", "robot"), ("password", &password)])).await;
    let grant = json!({"secrets": [{"slot": "secret", "origin": hook.origin(), "secretName": "hook"}]});
    tell(&stage, &hook, "/hooks/{slot:secret}", &grant).await;
    stage.operator.env("OTEL_EXPORTER_OTLP_HEADERS", format!("authorization=Basic%20{login}"));
    stage.operator.start().await;
    plugin_condition(&stage, "webhook", "Ready", "True", "Serving").await;
    deploy(&stage, &registry).await;
    stage.handle("web", &json!({"registry": {"secretRef": {"name": "registry"}}, "interval": "1h"})).await;
    let (trace, _) = ids(&phase(&stage, UpdatePhase::Finished).await);
    spans(&stage, &collector, &trace, &["rollout", "deliver notice"]).await;

    // Each was used.
    assert!(registry.seen().iter().any(|seen| seen.holds(&password)));
    stage
        .eventually("people are told", async || equal(&hook.seen().iter().any(|seen| seen.holds(&token)), &true))
        .await;
    let authorization = format!("Basic {login}");
    assert!(collector.requests().iter().all(|request| request.headers.get("authorization") == Some(&authorization)));
    stage.operator.terminate(Duration::from_secs(25)).await;
    for secret in [&password, &token, &login] {
        assert!(!collector.holds(secret));
        assert!(!stage.operator.log().contains(secret));
    }
}

#[tokio::test]
async fn a_dead_collector_keeps_no_update_from_being_made() {
    let (mut stage, registry, collector) = traced("trace-dead").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    collector.fail(CollectorFault::Cut);
    stage.operator.env("OTEL_EXPORTER_OTLP_TIMEOUT", "300");
    stage.operator.start().await;
    deploy(&stage, &registry).await;
    stage.handle("web", &json!({"interval": "1s"})).await;
    phase(&stage, UpdatePhase::Finished).await;
    let failed = "k8supdater_trace_spans_total{outcome=\"failed\"}";
    let mut lost = 0;
    for _ in 0..300 {
        // Over several batches.
        if lost >= 60 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        lost = stage.operator.metric(failed).await;
    }
    assert!(lost >= 60, "{lost} spans were lost");
    let warnings = |log: String| log.matches("traces are not taken").count();
    assert_eq!(warnings(stage.operator.log()), 1, "once for each outage");

    collector.recover();
    registry.push("web", &["1.0.2"]);
    let probe = async || {
        let update = container(&stage, "web", "app").await.and_then(|container| container.update);
        let update = update.filter(|it| it.to.ends_with(":1.0.2") && it.phase == UpdatePhase::Finished);
        update.ok_or_else(|| "not yet".to_owned())
    };
    let update = stage.eventually("the next update is finished", probe).await;
    let (trace, span) = ids(&update);
    spans(&stage, &collector, &trace, &["rollout"]).await;
    root(&stage, &collector, &trace, &span).await;
    assert_eq!(stage.operator.log().matches("traces are taken again").count(), 1);

    collector.fail(CollectorFault::Slow(Duration::from_mins(1)));
    let exit = stage.operator.terminate(Duration::from_secs(20)).await;
    assert!(exit.status.success(), "{exit:?}");
}

#[tokio::test]
async fn what_is_not_sampled_is_not_exported_and_what_is_turned_off_leaves_no_trace() {
    let (mut stage, registry, collector) = traced("trace-off").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.operator.env("OTEL_TRACES_SAMPLER", "always_off");
    stage.operator.start().await;
    deploy(&stage, &registry).await;
    stage.handle("web", &json!({"interval": "1s"})).await;
    let update = phase(&stage, UpdatePhase::Finished).await;
    assert!(update.trace.as_ref().is_some_and(|trace| trace.ends_with("-00")), "{update:?}");
    stage.operator.terminate(Duration::from_secs(25)).await;
    assert!(collector.requests().is_empty());
    assert!(!stage.operator.log().contains("trace_id"));

    stage.operator.env("OTEL_TRACES_SAMPLER", "");
    stage.operator.env("OTEL_SDK_DISABLED", "true");
    registry.push("web", &["1.0.2"]);
    stage.operator.start().await;
    let probe = async || {
        let update = container(&stage, "web", "app").await.and_then(|container| container.update);
        let update = update.filter(|it| it.to.ends_with(":1.0.2") && it.phase == UpdatePhase::Finished);
        update.ok_or_else(|| "not yet".to_owned())
    };
    let update = stage.eventually("the next update is finished", probe).await;
    assert_eq!(update.trace, None);
    assert!(collector.requests().is_empty());
}
