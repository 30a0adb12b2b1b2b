//! A message as the interface `notifier` has it. Pure.

use k8supdater_core::notice::{Fingerprint, Message};
use k8supdater_runtime::wit::notifier::{Answer as WitAnswer, Notice};
use sha2::{Digest, Sha256};

use crate::bot::Answer;

/// The message; with the answers that may be given to it, if `answered_on` names the channel that hands them back.
pub(super) fn notice(message: &Message, answered_on: Option<&str>) -> Notice {
    let word = |text: &Option<String>| text.clone().unwrap_or_default();
    Notice {
        kind: message.kind.to_string(),
        level: message.level.to_string(),
        handler: message.handler.name.clone(),
        namespace: message.handler.namespace.clone(),
        workload: message.workload.as_ref().map(|it| format!("{}/{}", it.kind, it.name)).unwrap_or_default(),
        container: word(&message.container),
        image: word(&message.image),
        from: word(&message.from),
        to: word(&message.to),
        newest: word(&message.newest),
        link: message.link.as_ref().map(ToString::to_string).unwrap_or_default(),
        title: message.title.clone(),
        text: message.text.clone(),
        command: message.command.clone(),
        answers: message.offer.zip(answered_on).map(|(offer, channel)| answers(offer, channel)).unwrap_or_default(),
        time: u64::try_from(message.time.as_second()).unwrap_or(0),
        key: message.key.clone(),
    }
}

/// What each button says, and the letter that stands for it.
const BUTTONS: [(Answer, &str, char); 3] =
    [(Answer::Approve, "Update", 'a'), (Answer::Skip, "Skip this version", 's'), (Answer::Snooze, "Snooze", 'z')];

fn answers(offer: Fingerprint, channel: &str) -> Vec<WitAnswer> {
    let answer = |(_, label, letter): (Answer, &str, char)| WitAnswer {
        label: label.to_owned(),
        value: format!("{letter}:{offer}:{}", mark(channel)),
    };
    BUTTONS.map(answer).into()
}

/// What a button hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pressed<'a> {
    pub(super) answer: Answer,
    pub(super) label: &'static str,
    offer: &'a str,
    channel: &'a str,
}

impl<'a> Pressed<'a> {
    /// Reads it; none if it is none of ours.
    pub(super) fn read(value: &'a str) -> Option<Self> {
        let (letter, rest) = value.split_once(':')?;
        let (offer, channel) = rest.split_once(':')?;
        let (answer, label, _) = BUTTONS.into_iter().find(|(_, _, known)| letter.chars().eq([*known]))?;
        Some(Self { answer, label, offer, channel })
    }

    /// Whether it is about that offer.
    pub(super) fn is_about(&self, offer: Fingerprint) -> bool {
        offer.to_string() == self.offer
    }

    /// Whether it stands below a message of that channel.
    pub(super) fn is_on(&self, channel: &str) -> bool {
        mark(channel) == self.channel
    }
}

/// Stands for a channel in eight characters: what a button hands back is bounded more narrowly than names are.
fn mark(channel: &str) -> String {
    let digest = Sha256::digest(channel.as_bytes()).0;
    let first = digest.first_chunk().copied().map_or(0, u32::from_be_bytes);
    format!("{first:08x}")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8supdater_core::notice::{Handler, Kind, Notice as CoreNotice, Workload};

    use super::*;

    fn message(is_approvable: bool) -> Message {
        let handler = Handler { namespace: "team-a".to_owned(), name: "web".to_owned(), uid: "u".to_owned() };
        let notice = CoreNotice {
            workload: Some(Workload { kind: "Deployment".to_owned(), name: "web".to_owned() }),
            to: Some("2.0".to_owned()),
            is_approvable,
            ..CoreNotice::new(Kind::UpdateAvailable, handler, Timestamp::from_second(7).unwrap())
        };
        Message::of(&notice, "key".to_owned())
    }

    #[test]
    fn buttons_are_offered_where_they_lead_somewhere() {
        let found = notice(&message(true), Some("telegram"));
        assert_eq!((found.workload.as_str(), found.time, found.key.as_str()), ("Deployment/web", 7, "key"));
        let labels: Vec<&str> = found.answers.iter().map(|answer| answer.label.as_str()).collect();
        assert_eq!(labels, ["Update", "Skip this version", "Snooze"]);
        let offer = message(true).offer.unwrap();
        for (answer, (expected, _, _)) in found.answers.iter().zip(BUTTONS) {
            assert!((1..=64).contains(&answer.value.len()), "{}", answer.value);
            let pressed = Pressed::read(&answer.value).unwrap();
            assert_eq!((pressed.answer, pressed.label), (expected, answer.label.as_str()));
            assert!(pressed.is_about(offer) && pressed.is_on("telegram") && !pressed.is_on("telegram-2"));
        }
        assert!(notice(&message(true), None).answers.is_empty(), "the channel cannot hand them back");
        assert!(notice(&message(false), Some("telegram")).answers.is_empty(), "nobody would act on them");
    }

    #[test]
    fn other_values_mean_nothing() {
        for value in ["", "a", "a:1", "x:1:2", "approve:1:2", "::", "aa:1:2"] {
            assert_eq!(Pressed::read(value), None, "{value}");
        }
    }
}
