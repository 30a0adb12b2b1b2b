//! A message as the interface `notifier` has it. Pure.

use k8supdater_core::notice::{Fingerprint, Message};
use k8supdater_runtime::wit::notifier::{Answer, Notice};

/// The message, with the answers that may be offered where the channel can hand them back.
pub(super) fn notice(message: &Message, can_answer: bool) -> Notice {
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
        answers: message.offer.filter(|_| can_answer).map(answers).unwrap_or_default(),
        time: u64::try_from(message.time.as_second()).unwrap_or(0),
        key: message.key.clone(),
    }
}

/// What people can answer to an offer, and how a button says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Button {
    /// Do it.
    Approve,
    /// Not this version.
    Skip,
    /// Not now.
    Snooze,
}

impl Button {
    const ALL: [Self; 3] = [Self::Approve, Self::Skip, Self::Snooze];

    /// What stands on it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Approve => "Update",
            Self::Skip => "Skip this version",
            Self::Snooze => "Snooze",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Approve => 'a',
            Self::Skip => 's',
            Self::Snooze => 'z',
        }
    }

    /// What it hands back for an offer.
    fn value(self, offer: Fingerprint) -> String {
        format!("{}:{offer}", self.letter())
    }

    /// The button and the fingerprint of the offer, as text, that `value` stands for; none if it is none of ours.
    pub fn read(value: &str) -> Option<(Self, &str)> {
        let (letter, fingerprint) = value.split_once(':')?;
        let button = Self::ALL.into_iter().find(|button| letter.chars().eq([button.letter()]))?;
        Some((button, fingerprint))
    }
}

fn answers(offer: Fingerprint) -> Vec<Answer> {
    let answer = |button: Button| Answer { label: button.label().to_owned(), value: button.value(offer) };
    Button::ALL.map(answer).into()
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
        let found = notice(&message(true), true);
        assert_eq!((found.workload.as_str(), found.time, found.key.as_str()), ("Deployment/web", 7, "key"));
        let labels: Vec<&str> = found.answers.iter().map(|answer| answer.label.as_str()).collect();
        assert_eq!(labels, ["Update", "Skip this version", "Snooze"]);
        let offer = message(true).offer.unwrap().to_string();
        for (answer, button) in found.answers.iter().zip(Button::ALL) {
            assert!((1..=64).contains(&answer.value.len()), "{}", answer.value);
            assert_eq!(Button::read(&answer.value), Some((button, offer.as_str())));
        }
        assert!(notice(&message(true), false).answers.is_empty(), "the channel cannot hand them back");
        assert!(notice(&message(false), true).answers.is_empty(), "nobody would act on them");
    }

    #[test]
    fn other_values_mean_nothing() {
        for value in ["", "a", "x:1", "approve:1", ":", "aa:1"] {
            assert_eq!(Button::read(value), None, "{value}");
        }
    }
}
