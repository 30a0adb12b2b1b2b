use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8supdater::lease;
use k8supdater_testkit::{Fault, Part, Stage};
use kube::api::{Api, DeleteParams, PostParams};
use kube::core::ObjectMeta;
use serde_json::json;
use tokio::net::TcpListener;

use crate::channels::told;
use crate::scene::{bare, condition, equal, prepared, with_fake_registry};

/// The page of its health server, if it has this status.
async fn page(stage: &mut Stage, path: &str, status: u16) -> Result<String, String> {
    match stage.operator.get(path).await {
        Some((found, text)) if found == status => Ok(text),
        other => Err(format!("{path} says {other:?}")),
    }
}

#[track_caller]
fn check_lines(page: &str, expected: &[&str]) {
    for line in expected {
        assert!(page.lines().any(|found| found == *line), "no line {line:?} in\n{page}");
    }
}

#[tokio::test]
async fn pages_name_every_part() {
    let mut stage = prepared("health", &[]).await;
    stage.plug("broken", "version-pep440", &json!({"settings": {"unknown": true}})).await;
    stage.operator.start().await;
    assert_eq!(page(&mut stage, "/readyz", 200).await.unwrap(), "ok\n");
    assert_eq!(page(&mut stage, "/livez", 200).await.unwrap(), "ok\n");
    let ready = page(&mut stage, "/readyz?verbose", 200).await.unwrap();
    let namespace = stage.namespace.clone();
    let watches = ["handlers", "deployments", "stateful-sets", "daemon-sets", "cron-jobs"];
    let watches = watches.map(|objects| format!("[+]watch-{objects}/{namespace} ok"));
    check_lines(&ready, &watches.each_ref().map(String::as_str));
    check_lines(
        &ready,
        &[
            "[+]shutdown ok",
            "[+]start ok",
            "[+]watch-plugins ok",
            "[+]watch-config-maps ok",
            "[+]watch-secrets ok",
            "[+]plugins ok: 2 serve; refused: broken",
            "[+]bot-lease ok: not wanted, there is no bot",
            "readyz check passed",
        ],
    );
    let live = page(&mut stage, "/livez?verbose", 200).await.unwrap();
    let handlers = format!("[+]loop-handlers/{namespace} ok");
    check_lines(&live, &["[+]ping ok", "[+]loop-plugins ok", &handlers, "[+]loop-bots ok", "livez check passed"]);
}

#[tokio::test]
async fn while_it_stops_it_is_live_and_not_ready_and_a_second_sigterm_changes_nothing() {
    let (mut stage, registry) = with_fake_registry("stopping").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    registry.fail_at(Part::Manifest, Fault::Slow(Duration::from_secs(3)));
    stage.handle("web", &json!({})).await;
    stage.eventually("an update is under way", async || equal(&(registry.count(Part::Manifest) > 0), &true)).await;
    stage.operator.ask_to_end();
    let mut ready = page(&mut stage, "/readyz", 503).await;
    for _ in 0..100 {
        if ready.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        ready = page(&mut stage, "/readyz", 503).await;
    }
    let shutdown = "[-]shutdown: stopping: what is under way is finished, and nothing is begun any more";
    check_lines(&ready.unwrap(), &[shutdown, "readyz check failed"]);
    page(&mut stage, "/livez", 200).await.unwrap();
    let exit = stage.operator.terminate(Duration::from_secs(25)).await;
    assert!(exit.status.success(), "{exit:?}");
    assert_eq!(stage.image("web", "app").await, registry.image("web", "1.0.1"), "what was under way is finished");
}

#[tokio::test]
async fn a_check_that_does_not_end_is_dropped_after_the_grace() {
    let (mut stage, registry) = with_fake_registry("endless").await;
    let tags: Vec<String> = (0..10).map(|number| format!("1.0.{number}")).collect();
    registry.push("web", &tags.iter().map(String::as_str).collect::<Vec<_>>());
    registry.set_page_size(1);
    // Each page within the time that there is for one, and all together far beyond the grace.
    registry.fail_at(Part::Tags, Fault::Slow(Duration::from_secs(6)));
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    stage.eventually("a listing is under way", async || equal(&(registry.count(Part::Tags) > 0), &true)).await;
    let exit = stage.operator.terminate(Duration::from_secs(28)).await;
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.took >= Duration::from_secs(19), "{exit:?}");
    assert!(stage.operator.log().contains("did not finish in time and is dropped"), "{}", stage.operator.log());
}

#[tokio::test]
async fn it_can_be_stopped_before_the_api_server_has_answered() {
    let mut stage = bare("silent").await;
    // It takes connections, and that is all.
    let silent = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", silent.local_addr().unwrap())}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    });
    let path = stage.directory().join("kubeconfig-of-nobody");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    stage.operator.set_flag("--kubeconfig", &path.display().to_string());
    stage.operator.spawn();
    let _connection = tokio::time::timeout(Duration::from_secs(20), silent.accept()).await.unwrap().unwrap();
    check_lines(&page(&mut stage, "/readyz", 503).await.unwrap(), &["[+]shutdown ok", "readyz check failed"]);
    page(&mut stage, "/livez", 200).await.unwrap();
    let exit = stage.operator.terminate(Duration::from_secs(5)).await;
    assert!(exit.status.success(), "{exit:?}");
}

#[tokio::test]
async fn the_lease_of_the_bot_is_shown_and_given_back_at_the_end() {
    let (mut stage, _registry, _telegram) = told("lease-shown", &json!({})).await;
    let mut shown = String::new();
    for _ in 0..300 {
        shown = page(&mut stage, "/readyz?verbose", 200).await.unwrap();
        if shown.contains("[+]bot-lease ok: held\n") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    check_lines(&shown, &["[+]bot-lease ok: held"]);
    let holder = async |stage: &Stage| {
        let lease: Lease = stage.own_api().get(lease::BOT).await.unwrap();
        lease.spec.unwrap_or_default().holder_identity.unwrap_or_default()
    };
    assert_ne!(holder(&stage).await, "");
    let exit = stage.operator.terminate(Duration::from_secs(25)).await;
    assert!(exit.status.success(), "{exit:?}");
    assert_eq!(holder(&stage).await, "");
}

/// Takes a right away as an administrator does, and has the watches asked again for it: the API server asks at their start only.
#[tokio::test]
async fn a_right_that_is_taken_away_makes_it_unready_and_never_dead_and_it_recovers_by_itself() {
    let registry = k8supdater_testkit::FakeRegistry::start().await;
    let mut stage = prepared("forbidden", &[registry.origin()]).await;
    let proxy = stage.through_proxy().await;
    stage.operator.start().await;
    let bindings: Api<RoleBinding> = stage.api();
    let binding = bindings.get("k8supdater-workloads").await.unwrap();
    bindings.delete("k8supdater-workloads", &DeleteParams::default()).await.unwrap();
    proxy.cut();
    proxy.heal().await;

    let line = format!("[-]watch-handlers/{}: failing for ", stage.namespace);
    let mut shown = String::new();
    for _ in 0..900 {
        if let Some((503, text)) = stage.operator.get("/readyz").await {
            shown = text;
            if shown.contains(&line) {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let shown = shown.lines().find(|found| found.starts_with(&line)).unwrap_or_else(|| panic!("no {line} in\n{shown}"));
    assert!(shown.contains("is forbidden"), "{shown}");
    page(&mut stage, "/livez", 200).await.unwrap();
    assert!(stage.operator.metric("k8supdater_watch_failures_total{watch=\"handlers\"}").await >= 3);
    let told =
        stage.operator.log().lines().filter(|line| line.contains("watch fails") && line.contains("handlers")).count();
    assert!((1..=4).contains(&told), "told {told} times\n{}", stage.operator.log());

    let metadata = ObjectMeta { name: binding.metadata.name.clone(), ..ObjectMeta::default() };
    let again = RoleBinding { metadata, ..binding };
    bindings.create(&PostParams::default(), &again).await.unwrap();
    registry.push("web", &["1.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    stage.handle("web", &json!({})).await;
    // The next try of the watch is up to half a minute away.
    let ready = async || {
        let status = stage.handlers().get_status("web").await.map_err(|err| err.to_string())?;
        let conditions = &status.data["status"]["conditions"];
        conditions.is_array().then_some(()).ok_or_else(|| status.data.to_string())
    };
    stage.within(Duration::from_secs(90), "the handler is looked after again", ready).await;
    condition(&stage, "web", "Ready", "True", "Checked").await;
    let shown = stage.operator.get("/readyz?verbose").await.unwrap().1;
    check_lines(&shown, &[&format!("[+]watch-handlers/{} ok", stage.namespace)]);
}
