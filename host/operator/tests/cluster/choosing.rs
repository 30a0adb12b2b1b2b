use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::scene::{condition, container, image, with_fake_registry};

#[tokio::test]
async fn patterns_and_precision_say_which_tags_count_and_the_status_says_what_they_refused() {
    let (stage, registry) = with_fake_registry("patterns").await;
    registry.push("web", &["1.4.2", "1.4.3", "1.4.4", "1.4.5", "1.4.6.1", "1.4.9.1"]);
    stage.deploy("web", &[("app", &registry.image("web", "1.4.2"))]).await;
    let tags = json!({"include": "1\\.4\\.[0-5](\\.1)?", "exclude": ".*\\.5"});
    stage.handle("web", &json!({"frontier": 2, "tags": tags, "precision": "Same"})).await;
    image(&stage, "web", "app", &registry.image("web", "1.4.4")).await;
    condition(&stage, "web", "UpToDate", "True", "UpToDate").await;
    let refused = container(&stage, "web", "app").await.unwrap().refused;
    let reason = |tag: &str| refused.iter().find(|refused| refused.tag == tag).map(|refused| refused.reason.as_str());
    assert_eq!(reason("1.4.5"), Some("Excluded"), "{refused:?}");
    assert_eq!(reason("1.4.9.1"), Some("NotIncluded"), "{refused:?}");
}

#[tokio::test]
async fn a_pattern_that_is_none_stops_its_handler_with_the_place_of_the_fault_and_nothing_else() {
    let (stage, registry) = with_fake_registry("pattern").await;
    registry.push("web", &["1.0.0", "1.0.1"]);
    for name in ["broken", "healthy"] {
        stage.deploy(name, &[("app", &registry.image("web", "1.0.0"))]).await;
    }
    stage.handle("broken", &json!({"frontier": 1, "tags": {"include": "1\\.(0|"}})).await;
    stage.handle("healthy", &json!({"frontier": 1})).await;
    let message = condition(&stage, "broken", "Ready", "False", "InvalidSpec").await;
    assert!(message.contains("spec.tags.include") && message.contains("at character"), "{message}");
    image(&stage, "healthy", "app", &registry.image("web", "1.0.1")).await;
    assert_eq!(stage.image("broken", "app").await, registry.image("web", "1.0.0"));

    let mended = json!({"spec": {"tags": {"include": "1\\.(0|1)\\.[0-9]+"}}});
    stage.handlers().patch("broken", &PatchParams::default(), &Patch::Merge(&mended)).await.unwrap();
    image(&stage, "broken", "app", &registry.image("web", "1.0.1")).await;
}
