//! How answers are spelt. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, Answers, BY, Choice, MOST_ANSWERS, Misunderstood, SNOOZE_BOUNDS, SNOOZE_TIME, SOMEBODY};

/// Most characters of a name that somebody gives.
const LONGEST_NAME: usize = 100;
/// Most characters of something malformed that a message repeats.
const LONGEST_VALUE: usize = 100;

/// Units of a duration, with their seconds, the longest first.
const UNITS: [(char, u64); 4] = [('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

/// Reads the answers in the annotations of a handler; other annotations do not matter.
///
/// What is malformed takes nothing else down with it. The same answer twice is one.
pub fn parse(annotations: &BTreeMap<String, String>) -> Answers {
    let mut answers = Answers::default();
    let annotated = [Answer::Approve, Answer::Skip, Answer::Snooze(SNOOZE_TIME), Answer::RollBack];
    for (name, default) in annotated.map(|answer| (answer.annotation(), answer)) {
        let Some(value) = annotations.get(name) else { continue };
        answers.annotations.insert(name);
        let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
        for (index, part) in parts.enumerate() {
            let wrong =
                |remedy: String| Misunderstood { annotation: name, value: one_line(part, LONGEST_VALUE), remedy };
            if index == MOST_ANSWERS {
                let remedy = format!(
                    "an annotation holds at most {MOST_ANSWERS} answers; give the others when these are taken up"
                );
                answers.misunderstood.push(wrong(remedy));
                break;
            }
            match choice(part, default) {
                Ok(choice) if answers.choices.contains(&choice) => {}
                Ok(choice) => answers.choices.push(choice),
                Err(remedy) => answers.misunderstood.push(wrong(remedy)),
            }
        }
        if value.trim().is_empty() {
            let remedy = "it is empty; expected [CONTAINER=]TAG, such as app=1.4.3".to_owned();
            answers.misunderstood.push(Misunderstood { annotation: name, value: String::new(), remedy });
        }
    }
    if answers.annotations.is_empty() {
        return answers;
    }
    if annotations.contains_key(BY) {
        answers.annotations.insert(BY);
    }
    let by = annotations.get(BY).map(|by| one_line(by, LONGEST_NAME)).filter(|by| !by.is_empty());
    answers.by = by.unwrap_or_else(|| SOMEBODY.to_owned());
    answers
}

/// One part of an annotation that says `answer` unless it says for how long; or what to do about it.
fn choice(part: &str, answer: Answer) -> Result<Choice, String> {
    let (offer, answer) = match (answer, part.split_once(char::is_whitespace)) {
        (Answer::Snooze(_), Some((offer, time))) => (offer, Answer::Snooze(duration(time.trim())?)),
        _ => (part, answer),
    };
    Choice::new(offer, answer).map_err(|err| err.to_string())
}

/// Reads how long a snooze is: a whole number and a unit, `90s`, `30m`, `24h` or `3d`; from one second to 365 days.
///
/// # Errors
/// With what is expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || {
        format!(
            "{:?} is no time to snooze, expected one from 1s to 365d, such as 24h or 3d",
            one_line(text, LONGEST_VALUE)
        )
    };
    let read = || {
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
        let number = text.strip_suffix(*unit)?;
        // A sign would be taken by `parse`.
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let number: u64 = number.parse().ok().filter(|_| is_number)?;
        let time = Duration::from_secs(number.checked_mul(*seconds)?);
        let (shortest, longest) = SNOOZE_BOUNDS;
        (shortest..=longest).contains(&time).then_some(time)
    };
    read().ok_or_else(expected)
}

/// `time` as [`duration`] reads it, in whole seconds; days only from two on, because people say 24 hours.
pub fn as_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let fits = |(unit, length): &&(char, u64)| {
        seconds.is_multiple_of(*length) && seconds >= *length && (*unit != 'd' || seconds > *length)
    };
    match UNITS.iter().find(fits) {
        Some((unit, length)) => format!("{}{unit}", seconds / length),
        None => format!("{seconds}s"),
    }
}

/// `text` as one line of at most `longest` characters: each run of white space and of characters that do not show, or that turn the
/// direction of writing, is one space, and where it was cut there is an ellipsis.
pub fn one_line(text: &str, longest: usize) -> String {
    let is_gap = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let line = text.split(is_gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if line.chars().count() <= longest {
        return line;
    }
    let kept: String = line.chars().take(longest.saturating_sub(1)).collect();
    kept + "…"
}
