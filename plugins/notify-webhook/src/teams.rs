//! The body for a workflow of Microsoft Teams that begins "When a Teams webhook request is received": a message around an Adaptive Card
//! (<https://adaptivecards.io/explorer/AdaptiveCard.html>).
//!
//! All text stands in text runs, which have no Markdown, so that nothing has to be escaped.

use k8supdater_plugin::text::{within, without_controls};
use k8supdater_plugin::{Level, Notice};
use serde_json::{Value, json};

use crate::body::line;

/// Longest text as JSON, in bytes, and most lines of it. A message has at most 28 KB
/// (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using>).
const LONGEST_TEXT: usize = 8 * 1024;
const MOST_LINES: usize = 50;
/// Longest of all others as JSON, in bytes.
const LONGEST_LINE: usize = 600;

/// The notice as a card in a message.
pub(crate) fn of(notice: &Notice) -> Value {
    let heading = line(notice.heading());
    let color = match notice.level() {
        Level::Debug | Level::Info => "Default",
        Level::Warning => "Warning",
        Level::Error | Level::Critical => "Attention",
    };
    let title = short(&format!("{} {heading}", notice.level().sign()));
    let mut body = vec![block(&[json!({
        "type": "TextRun", "text": title.trim_start(), "size": "Medium", "weight": "Bolder", "color": color
    })])];
    let text = without_controls(&notice.text);
    if text.trim() != heading {
        let text = within(text.trim(), LONGEST_TEXT, json_bytes);
        let lines = text.lines().filter(|line| !line.trim().is_empty()).take(MOST_LINES);
        body.extend(lines.map(|line| block(&[run(line)])));
    }
    for (label, value) in notice.facts() {
        let label = json!({"type": "TextRun", "text": format!("{label}: "), "isSubtle": true});
        body.push(block(&[label, run(&short(&line(&value)))]));
    }
    let command = line(&notice.command);
    if !command.is_empty() {
        body.push(block(&[run("Next step:")]));
        body.push(block(&[json!({"type": "TextRun", "text": short(&command), "fontType": "Monospace"})]));
    }
    let mut actions = Vec::new();
    if notice.link.starts_with("https://") && notice.link.len() <= 1024 && !notice.link.contains(char::is_control) {
        actions.push(json!({"type": "Action.OpenUrl", "title": "More", "url": notice.link}));
    }
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": body,
                "actions": actions,
            },
        }],
    })
}

fn block(runs: &[Value]) -> Value {
    json!({"type": "RichTextBlock", "inlines": runs})
}

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn short(text: &str) -> String {
    within(text, LONGEST_LINE, json_bytes)
}

/// What a character takes in a JSON string.
fn json_bytes(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\t' => 2,
        other => other.len_utf8(),
    }
}
