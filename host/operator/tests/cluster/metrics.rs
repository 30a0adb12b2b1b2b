use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8supdater::api::VersioningHandler;
use k8supdater_testkit::metrics::{Family, differences, documented, read};
use k8supdater_testkit::{FakeHub, FakeRegistry, HubFault, Stage, Surroundings, objects};
use kube::api::ListParams;
use serde_json::json;

use crate::scene::{bare, condition, equal, image, more_checks, prepared};

/// What the page says.
fn page() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    std::fs::read_to_string(root.join("docs/metrics.md")).unwrap()
}

/// What promtool has to say about metrics in the text format; it is asked as a shell would, through its standard input.
fn promtool(text: &str) -> (bool, String) {
    let mut child = Command::new(Surroundings::promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Has Prometheus's own parser of `OpenMetrics` read `text`: promtool makes a database of it, for which every sample needs a time.
fn keep(text: &str) -> Result<(), String> {
    let mut timed = String::new();
    for line in text.lines() {
        let time = if line.starts_with('#') { "" } else { " 1700000000" };
        writeln!(timed, "{line}{time}").unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("metrics.txt");
    std::fs::write(&file, timed).unwrap();
    let mut promtool = Command::new(Surroundings::promtool());
    promtool.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(file).arg(directory.path().join("data"));
    let output = promtool.output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The metrics, after Prometheus's own parser has read them and they were compared with the page.
async fn metrics(stage: &mut Stage) -> BTreeMap<String, Family> {
    let text = stage.operator.metrics().await;
    let (is_good, says) = promtool(&text);
    assert!(is_good && says.trim().is_empty(), "{says}");
    let shown = read(&text);
    assert_eq!(differences(&documented(&page()), &shown), Vec::<String>::new());
    shown
}

#[tokio::test]
async fn an_update_from_tag_to_rollout_is_told_to_prometheus_as_the_page_says() {
    assert!(!promtool("k8supdater_x{ 1\n").0, "promtool knows what is no metric");
    let registry = FakeRegistry::start().await;
    let mut stage = prepared("metrics", &[registry.origin()]).await;
    stage.operator.start().await;
    metrics(&mut stage).await;
    registry.push("web", &["1.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    registry.push("web", &["1.0.1", "2.0.0"]);
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    stage.handle("lost", &json!({"deployment": "nowhere"})).await;
    condition(&stage, "lost", "Ready", "False", "WorkloadNotFound").await;
    more_checks(&mut stage, 2).await;

    let shown = metrics(&mut stage).await;
    let host = registry.origin().trim_start_matches("http://").to_owned();
    let one = [
        "k8supdater_updates_total{outcome=\"applied\"}",
        "k8supdater_updates_total{outcome=\"finished\"}",
        "k8supdater_update_lead_time_seconds_count",
        "k8supdater_rollout_duration_seconds_count",
        "k8supdater_workloads{state=\"UpdateAvailable\"}",
        "k8supdater_workloads{state=\"Unknown\"}",
        "k8supdater_handlers{ready=\"True\"}",
        "k8supdater_handlers{ready=\"False\"}",
    ];
    for metric in one {
        assert_eq!(stage.operator.metric(metric).await, 1, "{metric}");
    }
    // A check whose status was refused, because another loop wrote at the same moment, says again what it has to say.
    assert!(stage.operator.metric("k8supdater_events_total{reason=\"UpdateAvailable\"}").await >= 1);
    assert_eq!(stage.operator.metric("k8supdater_plugins{state=\"ready\"}").await, 2);
    for zero in
        ["k8supdater_updates_total{outcome=\"failed\"}", "k8supdater_checks_overdue", "k8supdater_rollbacks_total"]
    {
        assert_eq!(stage.operator.metric(zero).await, 0, "{zero}");
    }
    let some = [
        "k8supdater_checks_total{outcome=\"succeeded\"}".to_owned(),
        "k8supdater_checks_total{outcome=\"failed\"}".to_owned(),
        "k8supdater_check_failures_total{reason=\"WorkloadNotFound\"}".to_owned(),
        "k8supdater_check_duration_seconds_count".to_owned(),
        "k8supdater_last_successful_check_timestamp_seconds".to_owned(),
        "k8supdater_decisions_total{decision=\"Notify\"}".to_owned(),
        "k8supdater_plugin_calls_total{plugin=\"oci\",outcome=\"answered\"}".to_owned(),
        "k8supdater_plugin_calls_total{plugin=\"pep440\",outcome=\"answered\"}".to_owned(),
        "k8supdater_plugin_call_duration_seconds_count{plugin=\"oci\"}".to_owned(),
        "k8supdater_plugin_loads_total".to_owned(),
        "k8supdater_status_writes_total".to_owned(),
        format!("k8supdater_requests_total{{host=\"{host}\",outcome=\"2xx\"}}"),
        format!("k8supdater_request_duration_seconds_count{{host=\"{host}\"}}"),
    ];
    for metric in some {
        assert!(stage.operator.metric(&metric).await > 0, "{metric} in {shown:?}");
    }
    let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    let (format, text) = stage.operator.metrics_in(accept).await;
    assert!(format.starts_with("application/openmetrics-text"), "{format}");
    let says = keep(&text);
    assert_eq!(says, Ok(()), "{text}");
    assert!(keep(&text.replace("# EOF\n", "")).is_err(), "promtool knows what is no OpenMetrics");
}

#[tokio::test]
async fn what_a_registry_still_allows_and_that_it_refuses_is_told_by_host() {
    let hub = FakeHub::start().await;
    hub.push("library/nginx", &["1.25.1"]);
    let mut stage = bare("metrics-budget").await;
    let spec = json!({"settings": {"baseUrl": hub.origin()}, "grants": {"origins": [hub.origin()]}});
    stage.plug("dockerhub", "registry-dockerhub", &spec).await;
    stage.plug("pep440", "version-pep440", &json!({})).await;
    stage.operator.start().await;
    stage.create(&objects::deployment("web", &[("app", "nginx:1.25.1")])).await;
    stage.handle("web", &json!({"containerregistry": "dockerhub"})).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let shown = metrics(&mut stage).await;
    let host = hub.origin().trim_start_matches("http://").to_owned();
    let of = |metric: &str| format!("k8supdater_request_budget_{metric}{{host=\"{host}\"}}");
    assert_eq!(stage.operator.metric(&of("limit")).await, 180, "{shown:?}");
    assert!((1..180).contains(&stage.operator.metric(&of("remaining")).await));
    hub.fail(&HubFault::AbuseLimited);
    condition(&stage, "web", "Ready", "False", "RateLimited").await;
    metrics(&mut stage).await;
    let refused = format!("k8supdater_requests_total{{host=\"{host}\",outcome=\"429\"}}");
    assert!(stage.operator.metric(&refused).await > 0);
    assert!(stage.operator.metric("k8supdater_check_failures_total{reason=\"RateLimited\"}").await > 0);
}

#[tokio::test]
async fn a_hundred_and_fifty_handlers_of_as_many_registries_have_no_more_series_than_fifty() {
    let mut stage = bare("metrics-many").await;
    stage.plug("oci", "registry-oci", &json!({"grants": {"origins": ["$registry"]}})).await;
    stage.plug("pep440", "version-pep440", &json!({})).await;
    stage.operator.start().await;
    // None of these exists; each is asked for all the same, because its image says so.
    let names: Vec<String> = (0..150).map(|number| format!("web-{number}")).collect();
    for name in &names {
        let image = format!("{name}.registry.invalid/app:1.0.0");
        let mut deployment = objects::deployment(name, &[("app", &image)]);
        deployment.spec.as_mut().unwrap().replicas = Some(0);
        stage.create(&deployment).await;
        stage.handle(name, &json!({"deployment": name, "interval": "1h"})).await;
    }
    let handlers = stage.api::<VersioningHandler>();
    let tried = async || {
        let list = handlers.list(&ListParams::default()).await.map_err(|err| err.to_string())?;
        let conditions = list.items.iter().filter_map(|handler| Some(&handler.status.as_ref()?.conditions));
        let has_failed =
            |conditions: &&Vec<Condition>| conditions.iter().any(|it| it.type_ == "Ready" && it.status == "False");
        equal(&conditions.filter(has_failed).count(), &names.len())
    };
    stage.within(Duration::from_mins(5), "every handler was looked at", tried).await;
    let shown = metrics(&mut stage).await;
    let hosts: BTreeSet<_> =
        shown["k8supdater_requests_total"].samples.iter().map(|sample| sample.labels["host"].clone()).collect();
    assert_eq!(hosts.len(), 51, "{hosts:?}");
    let series: usize = shown.values().map(|family| family.samples.len()).sum();
    assert!(series < 2_600, "{series} series");
    assert!(stage.operator.metric("k8supdater_requests_total{host=\"other\"}").await >= 100);
}
