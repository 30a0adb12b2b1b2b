//! What the status keeps of an outbox, and back. Pure.
//!
//! People can edit a status. What cannot be read of it is left out, which at worst tells something again.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8supdater_core::notice::outbox::{Pending, Sent, Tries};
use k8supdater_core::notice::{Handler, Link, Notice, Outbox, Workload};

use crate::api::notices::{ChannelFailure, ChannelStatus, NoticeStatus, PendingStatus, SentStatus};

/// The outbox of a channel of `handler`.
pub(super) fn outbox(status: &ChannelStatus, handler: &Handler) -> Outbox {
    let sent = |sent: &SentStatus| Sent {
        notice: notice(&sent.notice, handler),
        serial: from_number(sent.serial),
        at: sent.at.0,
        reminders: sent.reminders,
        tries: Tries { failures: sent.failures, not_before: sent.not_before.as_ref().map(|time| time.0) },
    };
    let pending = |pending: &PendingStatus| Pending {
        notice: notice(&pending.notice, handler),
        serial: from_number(pending.serial),
        since: pending.since.0,
        is_begun: pending.begun,
        tries: Tries { failures: pending.failures, not_before: pending.not_before.as_ref().map(|time| time.0) },
    };
    Outbox {
        sent: status.sent.iter().map(sent).collect(),
        pending: status.pending.iter().map(pending).collect(),
        next_serial: from_number(status.next_serial),
        last_sent: status.last_sent.as_ref().map(|time| time.0),
        paused_until: status.paused_until.as_ref().map(|time| time.0),
        given_up: status.given_up,
    }
}

/// What the status keeps of `outbox`.
pub(super) fn status(outbox: &Outbox, since: &Time, failure: Option<ChannelFailure>) -> ChannelStatus {
    let sent = |sent: &Sent| SentStatus {
        notice: notice_status(&sent.notice),
        serial: to_number(sent.serial),
        at: time(sent.at),
        reminders: sent.reminders,
        failures: sent.tries.failures,
        not_before: sent.tries.not_before.map(time),
    };
    let pending = |pending: &Pending| PendingStatus {
        notice: notice_status(&pending.notice),
        serial: to_number(pending.serial),
        since: time(pending.since),
        begun: pending.is_begun,
        failures: pending.tries.failures,
        not_before: pending.tries.not_before.map(time),
    };
    ChannelStatus {
        since: since.clone(),
        sent: outbox.sent.iter().map(sent).collect(),
        pending: outbox.pending.iter().map(pending).collect(),
        next_serial: to_number(outbox.next_serial),
        last_sent: outbox.last_sent.map(time),
        paused_until: outbox.paused_until.map(time),
        given_up: outbox.given_up,
        failure,
    }
}

fn notice(status: &NoticeStatus, handler: &Handler) -> Notice {
    let workload = status.workload.as_ref().and_then(|text| text.split_once('/'));
    Notice {
        level: status.level.into(),
        workload: workload.map(|(kind, name)| Workload { kind: kind.to_owned(), name: name.to_owned() }),
        container: status.container.clone(),
        image: status.image.clone(),
        from: status.from.clone(),
        to: status.to.clone(),
        newest: status.newest.clone(),
        plugin: status.plugin.clone(),
        error_class: status.error_class.clone(),
        detail: status.detail.clone(),
        is_for_later: status.for_later,
        is_approvable: status.approvable,
        link: status.link.as_deref().and_then(Link::parse),
        ..Notice::new(status.kind.into(), handler.clone(), status.time.0)
    }
}

fn notice_status(notice: &Notice) -> NoticeStatus {
    NoticeStatus {
        kind: notice.kind.into(),
        level: notice.level.into(),
        workload: notice.workload.as_ref().map(|workload| format!("{}/{}", workload.kind, workload.name)),
        container: notice.container.clone(),
        image: notice.image.clone(),
        from: notice.from.clone(),
        to: notice.to.clone(),
        newest: notice.newest.clone(),
        plugin: notice.plugin.clone(),
        error_class: notice.error_class.clone(),
        detail: notice.detail.clone(),
        for_later: notice.is_for_later,
        approvable: notice.is_approvable,
        link: notice.link.as_ref().map(ToString::to_string),
        time: time(notice.time),
    }
}

/// Whole seconds, which is what the API keeps; with more, what was read would differ from what was written.
pub(super) fn time(time: Timestamp) -> Time {
    Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
}

/// Serials are counted, and never get near the end of either type.
fn to_number(serial: u64) -> i64 {
    i64::try_from(serial).unwrap_or(i64::MAX)
}

fn from_number(serial: i64) -> u64 {
    u64::try_from(serial).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use k8supdater_core::notice::outbox::{Mode, Policy, Retry};
    use k8supdater_core::notice::{Filter, Kind};

    use super::*;

    #[test]
    fn an_outbox_comes_back_from_the_status_as_it_was() {
        let handler = Handler { namespace: "a".to_owned(), name: "web".to_owned(), uid: "u".to_owned() };
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let some = |text: &str| Some(text.to_owned());
        let offer = Notice {
            workload: Some(Workload { kind: "Deployment".to_owned(), name: "web".to_owned() }),
            container: some("app"),
            image: some("docker.io/library/nginx"),
            from: some("1.0"),
            to: some("2.0"),
            newest: some("3.0"),
            detail: some("why"),
            is_for_later: true,
            is_approvable: true,
            link: Link::parse("https://hub.docker.com/_/nginx"),
            ..Notice::new(Kind::UpdateAvailable, handler.clone(), at(5))
        };
        let failing = Notice {
            error_class: some("NotReachable"),
            plugin: some("oci"),
            ..Notice::new(Kind::PluginFailing, handler.clone(), at(6))
        };
        let mut outbox = Outbox { given_up: 2, ..Outbox::default() };
        let policy = Policy { mode: Mode::Immediate, remind_after: None };
        outbox.enqueue([offer, failing], &Filter::default(), at(10));
        let due = outbox.due(at(11), &policy);
        due.dispatches.iter().for_each(|dispatch| outbox.begin(dispatch));
        outbox.sent(&due.dispatches[0], at(12));
        outbox.failed(&due.dispatches[1], Retry::BackOff { random: 1.0 }, at(13));
        outbox.failed(&due.dispatches[1], Retry::After(std::time::Duration::from_secs(30)), at(13));
        let written = status(&outbox, &time(at(1)), None);
        let json = serde_json::to_value(&written).unwrap();
        let read: ChannelStatus = serde_json::from_value(json).unwrap();
        assert_eq!(super::outbox(&read, &handler), outbox);
        assert_eq!(read, written);
    }
}
