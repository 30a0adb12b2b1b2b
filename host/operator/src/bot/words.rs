//! What people are told. Pure.

use jiff::Timestamp;
use k8supdater_egress::telegram::Person;

use super::{Answer, Outcome};

/// Most characters of a person's name; Telegram allows more than anybody wants to read.
const LONGEST_NAME: usize = 64;
/// Most characters of why something did not work.
const LONGEST_REASON: usize = 500;

/// To whoever may not answer.
pub const STRANGER: &str = "You may not answer this";
/// To whoever comes too late, and below the message.
pub const GONE: &str = "This needs no answer any more: it was dealt with, or a newer version has come";
/// When the decision could not be written down.
pub const FAILED: &str = "This could not be written down. Please press again in a moment";
/// When nobody understands what Telegram says about the press.
pub const UNREADABLE: &str = "This could not be understood. Please use kubectl, or \"k8supdater approve\"";

/// Who answers, as others are told and as it is written down. The number is the only part that a person cannot choose.
pub fn by(person: &Person) -> String {
    let name: String = person.name.chars().filter(|character| !is_trick(*character)).take(LONGEST_NAME).collect();
    let name = name.trim();
    if name.is_empty() {
        format!("Telegram user {}", person.id)
    } else {
        format!("{name}, Telegram user {}", person.id)
    }
}

/// Breaks the line, or turns the direction of what follows.
fn is_trick(character: char) -> bool {
    let turns = ['\u{200e}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}', '\u{2028}'..='\u{2029}'];
    character.is_control() || turns.iter().any(|range| range.contains(&character))
}

/// What is shown for a moment to whoever has decided.
pub fn thanks(answer: Answer) -> &'static str {
    match answer {
        Answer::Approve => "Approved: the update is on its way",
        Answer::Skip => "Skipped",
        Answer::Snooze => "Snoozed",
    }
}

/// To whoever was not the first.
pub fn already(answer: Answer, by: &str) -> String {
    format!("{} already, by {by}", participle(answer))
}

/// Stands below the message from now on. No time if it is not known: somebody decided elsewhere.
pub fn decided(answer: Answer, by: &str, at: Option<Timestamp>) -> String {
    let sign = match answer {
        Answer::Approve => "✅",
        Answer::Skip => "⏭",
        Answer::Snooze => "💤",
    };
    let time = at.map(|at| at.strftime(", %Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    format!("{sign} {} by {by}{time}", participle(answer))
}

/// Stands below that when something has come of it.
pub fn outcome(outcome: &Outcome) -> String {
    let why = |why: &str| -> String {
        let line = why.chars().map(|character| if character.is_control() { ' ' } else { character });
        line.take(LONGEST_REASON).collect()
    };
    match outcome {
        Outcome::Waits { why: text } => format!("🕑 It waits: {}", why(text)),
        Outcome::RolledOut => "🟢 Rolled out".to_owned(),
        Outcome::Failed { why: text } => format!("🔴 The rollout failed: {}", why(text)),
        Outcome::NotApplied { why: text } => format!("🟠 Not applied: {}", why(text)),
    }
}

fn participle(answer: Answer) -> &'static str {
    match answer {
        Answer::Approve => "Approved",
        Answer::Skip => "Skipped",
        Answer::Snooze => "Snoozed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_it_was_cannot_be_disguised() {
        let check = |name: &str, expected: &str| {
            assert_eq!(by(&Person { id: 11, name: name.to_owned() }), expected, "for {name:?}");
        };
        check("Ann Lee (@ann)", "Ann Lee (@ann), Telegram user 11");
        check("Ann\nApproved by Bob", "AnnApproved by Bob, Telegram user 11");
        check("\u{202e}nnA", "nnA, Telegram user 11");
        check(" \u{2066} ", "Telegram user 11");
        check(&"x".repeat(100), &format!("{}, Telegram user 11", "x".repeat(LONGEST_NAME)));
    }

    #[test]
    fn a_decision_says_who_decided_what_and_when() {
        let at = Timestamp::from_second(1_705_312_800).unwrap();
        assert_eq!(decided(Answer::Approve, "Ann", Some(at)), "✅ Approved by Ann, 2024-01-15 10:00 UTC");
        assert_eq!(decided(Answer::Skip, "Ann", None), "⏭ Skipped by Ann");
        assert_eq!(already(Answer::Snooze, "Ann"), "Snoozed already, by Ann");
        let failed = Outcome::Failed { why: "image\ncannot be pulled".to_owned() };
        assert_eq!(outcome(&failed), "🔴 The rollout failed: image cannot be pulled");
        let waits = Outcome::Waits { why: "until 02:00".to_owned() };
        assert_eq!((outcome(&waits).as_str(), waits.is_final()), ("🕑 It waits: until 02:00", false));
        assert_eq!(outcome(&Outcome::NotApplied { why: "x".repeat(1000) }).chars().count(), LONGEST_REASON + 15);
    }

    #[test]
    fn what_is_shown_for_a_moment_fits() {
        let by = by(&Person { id: u64::MAX, name: "x".repeat(1000) });
        for text in [STRANGER, GONE, FAILED, UNREADABLE, thanks(Answer::Approve), &already(Answer::Approve, &by)] {
            assert!(text.encode_utf16().count() <= 200, "{text}");
        }
    }
}
