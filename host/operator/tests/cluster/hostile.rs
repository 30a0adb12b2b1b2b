use k8supdater_testkit::{FakeRegistry, Stage};
use serde_json::json;

use crate::scene::{condition, image, prepared};

/// A handler of the plugin under test, what its plugin does, and what its `Ready` condition then says.
type Case = (&'static str, &'static str, &'static str);

/// A stage with a healthy handler, and a hostile one for each case, all on the same repository.
async fn stage(name: &str, registry: &FakeRegistry, plugin: &str, cases: &[Case]) -> Stage {
    registry.push("web", &["1.0.0"]);
    let mut stage = prepared(name, &[registry.origin()]).await;
    stage.plug("hostile", plugin, &json!({"grants": {"origins": ["$registry"]}, "limits": null})).await;
    stage.operator.start().await;
    let image = registry.image("web", "1.0.0");
    for (behaviour, ..) in cases {
        stage.deploy(behaviour, &[("app", &image)]).await;
        let settings = json!({"behaviour": behaviour});
        let spec = match plugin {
            "hostile-parser" => json!({"versionParser": {"plugin": "hostile", "settings": settings}}),
            _ => json!({"containerregistry": "hostile", "registry": {"settings": settings}}),
        };
        stage.handle(behaviour, &spec).await;
    }
    stage.deploy("healthy", &[("app", &image)]).await;
    stage.handle("healthy", &json!({})).await;
    stage
}

/// Every hostile handler has its condition, and the healthy one is updated while they go on.
async fn check(mut stage: Stage, registry: &FakeRegistry, cases: &[Case]) {
    for (behaviour, reason, words) in cases {
        let message = condition(&stage, behaviour, "Ready", "False", reason).await;
        assert!(message.contains(words), "{behaviour}: {words:?} in {message}");
    }
    for tag in ["1.0.1", "1.0.2"] {
        registry.push("web", &[tag]);
        image(&stage, "healthy", "app", &registry.image("web", tag)).await;
    }
    condition(&stage, "healthy", "Ready", "True", "Checked").await;
    for (behaviour, ..) in cases {
        assert_eq!(stage.image(behaviour, "app").await, registry.image("web", "1.0.0"), "{behaviour}");
    }
    assert_eq!(stage.operator.get("/readyz").await.map(|(status, _)| status), Some(200));
    // The limits hold for the process as well: nobody got the gigabyte that `flood` hands over, nor memory without end.
    let peak = stage.operator.peak_memory();
    assert!(peak < 256 * 1024 * 1024, "the operator has held {peak} bytes");
    let exit = stage.operator.terminate(std::time::Duration::from_secs(20)).await;
    assert!(exit.status.success(), "{exit:?}");
}

/// What both misbehaving plugins can do: the behaviour, and the reason and a part of the message that its users get to see.
const CASES: [(&str, &str, &str); 5] = [
    ("loop", "DeadlineExceeded", "did not answer within 50 ms"),
    ("eat-memory", "MemoryExceeded", "KiB of memory"),
    ("trap", "Trapped", "it crashed"),
    ("flood", "OutputTooLarge", "its answer takes more than"),
    ("wrong-length", "ContractBroken", "it broke its contract"),
];

#[tokio::test]
async fn version_parsers_that_misbehave_harm_only_those_who_use_them() {
    let registry = FakeRegistry::start().await;
    check(stage("parsers", &registry, "hostile-parser", &CASES).await, &registry, &CASES).await;
}

#[tokio::test]
async fn registry_plugins_that_misbehave_harm_only_those_who_use_them() {
    let registry = FakeRegistry::start().await;
    let own = [
        ("endless-steps", "ListingTooLong", "not finished after 1000 steps"),
        ("ask-elsewhere", "RegistryFailed", "https://elsewhere.invalid may not be called"),
    ];
    let cases = [CASES.as_slice(), &own].concat();
    check(stage("registries", &registry, "hostile-registry", &cases).await, &registry, &cases).await;
    assert!(registry.seen().iter().all(|seen| seen.path.starts_with("/v2/web/")), "none of theirs came through");
}
