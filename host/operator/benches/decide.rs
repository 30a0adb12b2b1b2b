//! Question: how long does it take to decide about one handler whose repository has 1,000 tags?
//!
//! Input: one container on 1.4.2 with frontier 2; 1,000 tags, half of them with another flavor. Unit: time per decision, statuses and
//! reasons included.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use k8supdater::api::VersioningHandler;
use k8supdater::config::RawConfig;
use k8supdater::reconcile::decide::decide;
use k8supdater::reconcile::observe::{Choice, Observed, ObservedContainer, Tags};
use k8supdater::reconcile::validate::validate;
use k8supdater::workload::containers::{Container, List};
use k8supdater::workload::patch::Template;
use k8supdater::workload::rollout::Rollout;
use k8supdater_core::policy::Tagged;
use k8supdater_core::policy::moving::PullPolicy;
use k8supdater_core::version::Version;
use serde_json::json;

fn tagged(major: u64, minor: u64, patch: u64, flavor: &str) -> Tagged {
    let version = Version { levels: vec![major, minor, patch], flavor: flavor.to_owned(), ..Version::default() };
    Tagged::new(format!("{major}.{minor}.{patch}{flavor}"), Some(version))
}

fn bench(criterion: &mut Criterion) {
    let handler: VersioningHandler = serde_json::from_value(json!({
        "apiVersion": "k8supdater.dev/v1", "kind": "VersioningHandler",
        "metadata": {"name": "web", "namespace": "team-a"},
        "spec": {"deployment": "web", "containerregistry": "oci", "frontier": 2},
    }))
    .expect("the handler is valid");
    let config = RawConfig::default().check().expect("the defaults are valid");
    let target = validate(&handler, &config).expect("the handler is valid");
    let image = "registry.example.com/team/web:1.4.2";
    let candidates: Vec<Tagged> = (0..1_000)
        .map(|n| tagged(1 + n / 400, n / 40 % 10, n / 2 % 20, if n % 2 == 0 { "" } else { "-alpine" }))
        .collect();
    let candidates: std::sync::Arc<[Tagged]> = candidates.into();
    let observed = || Observed {
        target: target.clone(),
        rollout: Rollout::Finished,
        containers: vec![ObservedContainer {
            container: Container {
                list: List::Containers,
                index: 0,
                name: "web".to_owned(),
                image: image.to_owned(),
                pull_policy: PullPolicy::IfNotPresent,
                restarted_for: None,
                rolled_back: None,
            },
            answers: Vec::new(),
            state: Ok(Choice::Tags(Box::new(Tags {
                image: image.parse().expect("the image is valid"),
                policy: target.plan.policy.clone(),
                current: tagged(1, 4, 2, ""),
                candidates: candidates.clone(),
                first_seen: Vec::new(),
                approved: None,
                after: None,
            }))),
            link_facts: None,
        }],
        template: Template::default(),
        owner: None,
        complaint: None,
        inquiries: BTreeMap::new(),
    };
    let now = Timestamp::UNIX_EPOCH;
    criterion.bench_function("decide/1000_tags", |bencher| {
        bencher.iter_batched(observed, |observed| black_box(decide(observed, now)), BatchSize::SmallInput);
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
