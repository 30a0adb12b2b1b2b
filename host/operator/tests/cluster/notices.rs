use k8supdater_testkit::{Part, Source, Stage};
use serde_json::json;

use crate::scene::{condition, container, equal, image, more_checks, status, with_fake_registry};

#[tokio::test]
async fn tag_left_of_the_frontier_is_reported_once_and_not_applied() {
    let (mut stage, registry) = with_fake_registry("notice").await;
    registry.push("web", &["1.0.0", "1.1.0", "2.0.0"]);
    let current = registry.image("web", "1.0.0");
    stage.deploy("web", &[("app", &current)]).await;
    stage.handle("web", &json!({})).await;
    let message = condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    assert!(message.contains("2.0.0"), "{message}");
    more_checks(&mut stage, 3).await;

    let found = container(&stage, "web", "app").await.unwrap();
    assert_eq!((found.decision.as_str(), found.newest.as_deref()), ("Notify", Some("2.0.0")));
    assert_eq!(found.newest_applicable.as_deref(), Some("1.0.0"));
    assert_eq!(status(&stage, "web").await.available.as_deref(), Some("2.0.0"));
    assert_eq!(stage.image("web", "app").await, current);
    let events = stage.events("web").await;
    let [(reason, note)] = events.as_slice() else { panic!("one Event for one piece of news, not {events:?}") };
    assert_eq!(reason, "UpdateAvailable");
    assert!(note.contains("1.0.0 → 2.0.0") && note.contains("frontier 2"), "{note}");

    registry.push("web", &["2.1.0"]);
    stage
        .eventually("the newer tag is reported too", async || match status(&stage, "web").await.available.as_deref() {
            Some("2.1.0") => Ok(()),
            other => Err(format!("{other:?} is")),
        })
        .await;
    assert_eq!(stage.count_events("web", "UpdateAvailable").await, 2);

    stage.set_image("web", "app", &registry.image("web", "2.1.0")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    assert_eq!(status(&stage, "web").await.available, None, "a human has taken it");
}

#[tokio::test]
async fn update_and_notice_come_from_one_check() {
    let (mut stage, registry) = with_fake_registry("both").await;
    registry.push("web", &["1.0.0", "1.0.1", "2.0.0"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.0.0"))]).await;
    // A long interval: whatever happens, happens in the first check or because of what it did.
    stage.handle("web", &json!({"interval": "1h"})).await;
    image(&stage, "web", "app", &registry.image("web", "1.0.1")).await;
    condition(&stage, "web", "UpToDate", "False", "UpdateAvailable").await;
    condition(&stage, "web", "RolloutHealthy", "True", "RolloutFinished").await;
    assert_eq!(status(&stage, "web").await.available.as_deref(), Some("2.0.0"));
    for reason in ["UpdateAvailable", "Updating", "Updated"] {
        assert_eq!(stage.count_events("web", reason).await, 1, "{reason}");
    }
    assert_eq!(registry.count(Part::Tags), 1, "all of it from one listing");
    assert_eq!(stage.operator.metric("k8supdater_updates_total{outcome=\"applied\"}").await, 1);
}

#[tokio::test]
async fn frontier_moves_what_is_applied_and_what_is_reported() {
    let (stage, registry) = with_fake_registry("frontier").await;
    registry.push("web", &["1.0.0", "1.0.1", "1.1.0", "2.0.0"]);
    // Expected image, and what is reported.
    let table = [
        (0, "2.0.0", None),
        (1, "1.1.0", Some("2.0.0")),
        (2, "1.0.1", Some("2.0.0")),
        (3, "1.0.0", Some("2.0.0")),
        (16, "1.0.0", Some("2.0.0")),
    ];
    for (frontier, _, _) in table {
        let name = format!("web-{frontier}");
        stage.deploy(&name, &[("app", &registry.image("web", "1.0.0"))]).await;
        stage.handle(&name, &json!({"frontier": frontier})).await;
    }
    for (frontier, applied, reported) in table {
        let name = format!("web-{frontier}");
        condition(&stage, &name, "RolloutHealthy", "True", "RolloutFinished").await;
        let (met, reason) = if reported.is_some() { ("False", "UpdateAvailable") } else { ("True", "UpToDate") };
        condition(&stage, &name, "UpToDate", met, reason).await;
        assert_eq!(stage.image(&name, "app").await, registry.image("web", applied), "frontier {frontier}");
        assert_eq!(status(&stage, &name).await.available.as_deref(), reported, "frontier {frontier}");
    }
}

/// What a handler's only container is linked to.
async fn link(stage: &Stage, handler: &str) -> Option<String> {
    container(stage, handler, "app").await.and_then(|container| container.link)
}

#[tokio::test]
async fn what_is_offered_is_linked_to_the_source_that_its_image_names() {
    let (mut stage, registry) = with_fake_registry("link").await;
    let (home, other) = ("https://git.example.com/team/app", "https://git.example.com/team/other");
    let table = [
        ("annotated", "2.0.0", Some(Source::Annotation(home)), Some(home)),
        ("labelled", "2.0.0", Some(Source::Label(home)), Some(home)),
        ("silent", "2.0.0", None, None),
        ("plain", "2.0.0", Some(Source::Annotation("http://git.example.com/team/app")), None),
        ("script", "2.0.0", Some(Source::Label("javascript:alert(1)")), None),
        ("updated", "1.0.1", Some(Source::Annotation(home)), Some(home)),
    ];
    for (name, newer, source, _) in table {
        registry.push(name, &["1.0.0"]);
        match source {
            Some(source) => registry.push_from(name, newer, source),
            None => registry.push(name, &[newer]),
        }
        stage.deploy(name, &[("app", &registry.image(name, "1.0.0"))]).await;
        stage.handle(name, &json!({})).await;
    }
    for (name, newer, _, expected) in table {
        let (met, reason) = if newer == "2.0.0" { ("False", "UpdateAvailable") } else { ("True", "UpToDate") };
        condition(&stage, name, "UpToDate", met, reason).await;
        assert_eq!(link(&stage, name).await.as_deref(), expected, "{name}");
    }

    // It stays, and nobody looks again.
    registry.forget();
    more_checks(&mut stage, 12).await;
    let looks: Vec<_> = registry.seen().into_iter().filter(|seen| seen.part != Part::Tags).collect();
    assert_eq!(looks, []);
    for name in ["annotated", "updated"] {
        assert_eq!(link(&stage, name).await.as_deref(), Some(home), "{name}");
    }

    // Another tag has a link of its own, or none.
    registry.push_from("annotated", "2.1.0", Source::Label(other));
    registry.push("labelled", &["2.1.0"]);
    for (name, expected) in [("annotated", Some(other)), ("labelled", None)] {
        let is_reported = async || equal(&status(&stage, name).await.available.as_deref(), &Some("2.1.0"));
        stage.eventually("the newer tag is reported", is_reported).await;
        assert_eq!(link(&stage, name).await.as_deref(), expected, "{name}");
    }
}
