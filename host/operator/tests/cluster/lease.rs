use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8supdater::lease::{self, Claim};
use k8supdater_testkit::{PATIENCE, Stage, eventually};
use kube::Client;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::scene;

/// Somebody who wants the lease.
struct Replica {
    is_held: watch::Receiver<bool>,
    stopping: CancellationToken,
    task: JoinHandle<()>,
}

impl Replica {
    fn start(client: &Client, stage: &Stage, identity: &str) -> Self {
        let claim = Claim {
            namespace: stage.own_namespace.clone(),
            name: lease::BOT.to_owned(),
            identity: identity.to_owned(),
        };
        let (holds, is_held) = watch::channel(false);
        let stopping = CancellationToken::new();
        let task = tokio::spawn(lease::keep(client.clone(), claim, holds, stopping.clone()));
        Self { is_held, stopping, task }
    }

    async fn holds(&mut self) {
        let held = tokio::time::timeout(PATIENCE, self.is_held.wait_for(|is_held| *is_held)).await;
        assert!(held.is_ok_and(|held| held.is_ok()), "the lease cannot be had");
    }
}

async fn spec(stage: &Stage) -> LeaseSpec {
    let lease: Lease = stage.own_api().get(lease::BOT).await.unwrap();
    lease.spec.unwrap()
}

#[tokio::test]
async fn a_lease_goes_from_one_to_the_next_when_it_is_given_back_and_when_it_runs_out() {
    let stage = scene::bare("lease").await;
    // With the shipped rights, and no others.
    let client = stage.operator_client().await;
    let mut first = Replica::start(&client, &stage, "first");
    first.holds().await;
    let created = spec(&stage).await;
    assert_eq!((created.holder_identity.as_deref(), created.lease_transitions), (Some("first"), Some(0)));
    let mut second = Replica::start(&client, &stage, "second");
    let renewed = async || {
        let renewed = spec(&stage).await;
        if renewed.renew_time > created.renew_time { Ok(renewed) } else { Err(format!("{renewed:?}")) }
    };
    let renewed = eventually(PATIENCE, renewed).await.unwrap();
    assert_eq!((&renewed.holder_identity, renewed.acquire_time), (&created.holder_identity, created.acquire_time));
    assert!(*first.is_held.borrow() && !*second.is_held.borrow());

    first.stopping.cancel();
    first.task.await.unwrap();
    assert!(!*first.is_held.borrow());
    second.holds().await;
    assert_eq!(spec(&stage).await.holder_identity.as_deref(), Some("second"));

    // Killed: nobody gives it back, so it has to run out.
    second.task.abort();
    let mut third = Replica::start(&client, &stage, "third");
    third.holds().await;
    let taken = spec(&stage).await;
    assert_eq!((taken.holder_identity.as_deref(), taken.lease_transitions), (Some("third"), Some(2)));
    // The same pod again, after its container has crashed: it need not wait for itself.
    third.task.abort();
    let mut again = Replica::start(&client, &stage, "third");
    again.holds().await;
    assert_eq!(spec(&stage).await.lease_transitions, Some(2));
    again.stopping.cancel();
    again.task.await.unwrap();
    assert_eq!(spec(&stage).await.holder_identity.as_deref(), Some(""));
}
