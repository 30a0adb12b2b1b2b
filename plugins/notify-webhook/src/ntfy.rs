//! The body for ntfy (<https://docs.ntfy.sh/publish/#publish-as-json>), which is posted to the server itself: the topic stands in the body.

use k8supdater_plugin::text::{within, without_controls};
use k8supdater_plugin::{Level, Notice};
use serde_json::{Value, json};

use crate::body::line;

/// Longest message, in bytes: ntfy makes an attachment of what has more than 4,096 (<https://docs.ntfy.sh/publish/#limitations>).
const LONGEST: usize = 4096;
/// Longest title. Ours: more does not fit on a telephone.
const LONGEST_TITLE: usize = 250;
/// Longest command or value in the table.
const LONGEST_VALUE: usize = 200;

/// The notice as a message to `topic`.
pub(crate) fn of(notice: &Notice, topic: &str) -> Value {
    let heading = line(notice.heading());
    // Of five, of which three is the usual one (<https://docs.ntfy.sh/publish/#message-priority>), and tags that are shown as signs.
    let (priority, sign) = match notice.level() {
        Level::Debug => (2, None),
        Level::Info => (3, None),
        Level::Warning => (4, Some("warning")),
        Level::Error => (4, Some("x")),
        Level::Critical => (5, Some("rotating_light")),
    };
    let kind = Some(line(&notice.kind)).filter(|kind| !kind.is_empty());
    let tags: Vec<String> = sign.map(str::to_owned).into_iter().chain(kind).collect();
    let mut message = json!({
        "topic": topic,
        "title": within(&heading, LONGEST_TITLE, |_| 1),
        "message": text(notice, &heading),
        "priority": priority,
        "tags": tags,
    });
    if notice.link.starts_with("https://") {
        message["click"] = notice.link.clone().into();
    }
    message
}

fn text(notice: &Notice, heading: &str) -> String {
    let short = |value: &str| within(&line(value), LONGEST_VALUE, char::len_utf8);
    let row = |(label, value): (&str, String)| format!("{label}: {}", short(&value));
    let mut rest = vec![notice.facts().into_iter().map(row).collect::<Vec<_>>().join("\n")];
    if !notice.command.is_empty() {
        rest.push(format!("Next step:\n{}", short(&notice.command)));
    }
    rest.retain(|block| !block.is_empty());
    let rest = rest.join("\n\n");
    let text = without_controls(&notice.text);
    let text = Some(text.trim()).filter(|text| *text != heading).unwrap_or_default();
    let text = within(text, LONGEST.saturating_sub(rest.len() + 2), char::len_utf8);
    let blocks: Vec<&str> = [text.as_str(), rest.as_str()].into_iter().filter(|block| !block.is_empty()).collect();
    // ntfy makes "triggered" of an empty message.
    if blocks.is_empty() { within(heading, LONGEST, char::len_utf8) } else { blocks.join("\n\n") }
}
