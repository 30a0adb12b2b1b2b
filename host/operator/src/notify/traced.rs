//! What traces say of deliveries.

use k8supdater_core::notice::{Kind, Message};
use tracing::field::Empty;
use tracing::{Span, info_span};

use super::channel::Channel;
use crate::api::versioning_handler::VersioningHandler;
use crate::telemetry::traces::context;

/// The span of one attempt to deliver `message`, as a part of that trace, or a trace of its own.
pub(super) fn delivery(channel: &Channel, message: &Message, trace: Option<&str>) -> Span {
    let span = info_span!(
        "deliver notice",
        k8supdater.channel = channel.name,
        k8supdater.notice = message.kind.as_str(),
        k8supdater.handler = message.handler.name,
        k8s.namespace.name = message.handler.namespace,
        error.type = Empty,
        otel.status_code = Empty,
    );
    if let Some(trace) = trace {
        context::follow(&span, trace);
    }
    span
}

/// The trace of the update that `message` is about, if it is about the last one of a container. Pure.
pub(super) fn trace_of(handler: &VersioningHandler, message: &Message) -> Option<String> {
    let is_about_an_update = match message.kind {
        Kind::Updated
        | Kind::Restarted
        | Kind::RolloutFinished
        | Kind::RolloutFailed
        | Kind::RolledBack
        | Kind::RollbackFailed => true,
        Kind::HandlerCreated
        | Kind::HandlerResumed
        | Kind::HandlerChanged
        | Kind::HandlerDeleted
        | Kind::UpdateAvailable
        | Kind::TagMoved
        | Kind::CheckFailing
        | Kind::CheckRecovered
        | Kind::PluginFailing => false,
    };
    let container = message.container.as_deref().filter(|_| is_about_an_update)?;
    let update = handler.status.as_ref()?.container(container)?.update.as_ref()?;
    // An older one has left the status, with its trace.
    update.trace.clone().filter(|_| message.time.as_second() >= update.started.0.as_second())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8supdater_core::notice::{Handler, Notice};

    use super::*;
    use crate::api::versioning_handler::{ContainerStatus, UpdateStatus, VersioningHandlerStatus};

    #[test]
    fn a_notice_belongs_to_the_trace_of_the_update_that_it_is_about() {
        let second = |second: i64| Timestamp::from_second(second).unwrap();
        let update = UpdateStatus {
            trace: Some("trace".to_owned()),
            ..UpdateStatus::announced("app:1", "app:2", Time(second(100)))
        };
        let container = ContainerStatus { name: "app".to_owned(), update: Some(update), ..ContainerStatus::default() };
        let status = VersioningHandlerStatus { containers: vec![container], ..VersioningHandlerStatus::default() };
        let spec = serde_json::from_value(serde_json::json!({"deployment": "web", "containerregistry": "oci"}));
        let handler = VersioningHandler { status: Some(status), ..VersioningHandler::new("web", spec.unwrap()) };
        let about = Handler { namespace: "a".to_owned(), name: "web".to_owned(), uid: "u".to_owned() };
        let check = |kind: Kind, container: &str, at: i64, expected: Option<&str>| {
            let container = Some(container.to_owned());
            let notice = Notice { container, ..Notice::new(kind, about.clone(), second(at)) };
            let found = trace_of(&handler, &Message::of(&notice, String::new()));
            assert_eq!(found.as_deref(), expected, "{kind} {at}");
        };
        check(Kind::Updated, "app", 100, Some("trace"));
        check(Kind::RolledBack, "app", 200, Some("trace"));
        check(Kind::RolloutFinished, "app", 99, None);
        check(Kind::Updated, "other", 100, None);
        check(Kind::UpdateAvailable, "app", 100, None);
    }
}
