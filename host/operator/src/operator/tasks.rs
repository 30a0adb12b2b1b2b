//! The tasks that run until the operator stops, and how they are stopped.

use std::time::Duration;

use tokio::task::JoinSet;
use tracing::{error, warn};

use crate::telemetry::health::Health;
use crate::telemetry::health::task::End;

/// The tasks. Those that still run are dropped with it.
pub(super) struct Tasks {
    running: JoinSet<()>,
    health: Health,
}

impl Tasks {
    /// None yet; `health` hears of each.
    pub(super) fn new(health: Health) -> Self {
        Self { running: JoinSet::new(), health }
    }

    /// What hears of them.
    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Begins one, which looks after a namespace or after all of them. If it ends before the operator stops, the operator goes on without,
    /// and [is not live](Health::live) any more.
    pub(super) fn spawn(
        &mut self,
        name: &'static str,
        namespace: Option<&str>,
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.health.task(name, namespace);
        let (health, namespace) = (self.health.clone(), namespace.map(str::to_owned));
        self.running.spawn(async move {
            let end = task.run(work).await;
            // One that panics while the operator stops is a bug all the same.
            if end == End::Panicked || !health.is_stopping() {
                error!(
                    name,
                    namespace,
                    ?end,
                    "a loop has ended by itself: what it does is not done any more, until a restart"
                );
            }
        });
    }

    /// Waits until all have ended, at most for `grace`. Whether they have.
    pub(super) async fn finish(mut self, grace: Duration) -> bool {
        let have_ended = tokio::time::timeout(grace, async { while self.running.join_next().await.is_some() {} }).await;
        if have_ended.is_err() {
            warn!(
                "what is under way did not finish in time and is dropped; the next start takes it up from the API server"
            );
        }
        have_ended.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;

    fn failed(health: &Health) -> Vec<String> {
        let lines = health.live(Instant::now()).into_iter();
        lines.filter(|line| !line.verdict.has_passed()).map(|line| line.name).collect()
    }

    #[tokio::test]
    async fn a_task_that_panics_shows_and_the_others_go_on() {
        let health = Health::new(Arc::default());
        let mut tasks = Tasks::new(health.clone());
        tasks.spawn("plugins", None, pending());
        tasks.spawn("handlers", Some("team-a"), async { panic!("for a test") });
        while failed(&health).is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(failed(&health), ["loop-handlers/team-a"]);
    }

    #[tokio::test]
    async fn what_does_not_end_in_time_is_dropped() {
        let health = Health::new(Arc::default());
        let mut tasks = Tasks::new(health.clone());
        tasks.spawn("plugins", None, async {});
        health.stopping();
        assert!(tasks.finish(Duration::from_mins(1)).await);
        let mut tasks = Tasks::new(health.clone());
        let (is_alive, mut is_dropped) = tokio::sync::oneshot::channel::<()>();
        tasks.spawn("handlers", None, async move {
            let _is_alive = is_alive;
            pending::<()>().await;
        });
        assert!(!tasks.finish(Duration::from_millis(10)).await);
        assert!((&mut is_dropped).await.is_err());
        assert_eq!(failed(&health), Vec::<String>::new());
    }
}
