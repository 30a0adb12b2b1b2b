//! The body of an incoming webhook of Slack (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>), of blocks.
//!
//! Slack takes `&`, `<` and `>` for markup, `<!channel>` for one, and knows these three entities
//! (<https://docs.slack.dev/messaging/formatting-message-text/#escaping>). `verbatim` keeps it from taking `@here` for a mention.

use k8supdater_plugin::Notice;
use k8supdater_plugin::text::{within, without_controls};
use serde_json::{Value, json};

use crate::body::line;

/// Longest header, in characters (<https://docs.slack.dev/reference/block-kit/blocks/header-block/>).
const LONGEST_HEADER: usize = 150;
/// Longest text of a section (<https://docs.slack.dev/reference/block-kit/blocks/section-block/>).
const LONGEST_TEXT: usize = 3000;
/// Longest of up to ten fields of a section: 2,000, of which no value of ours makes use.
const LONGEST_FIELD: usize = 500;

/// The notice as blocks.
pub(crate) fn of(notice: &Notice) -> Value {
    let heading = line(notice.heading());
    let title = format!("{} {heading}", notice.level().sign());
    let title = within(title.trim(), LONGEST_HEADER, char::len_utf16);
    // No markup is read here, and so nothing has to be escaped.
    let mut blocks = vec![json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}})];
    let text = without_controls(&notice.text);
    if !text.trim().is_empty() && text.trim() != heading {
        blocks.push(section(&escape(text.trim(), LONGEST_TEXT)));
    }
    let field = |(label, value): (&str, String)| mrkdwn(&format!("*{label}*\n{}", code(&value, LONGEST_FIELD)));
    let fields: Vec<Value> = notice.facts().into_iter().map(field).collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    // With a backtick in it, it could not be copied as it is.
    if !notice.command.is_empty() && !notice.command.contains('`') {
        // A box has three backticks at either side.
        let command = code(&notice.command, LONGEST_TEXT - 100);
        blocks.push(section(&format!("Next step:\n``{command}``")));
    }
    if notice.link.starts_with("https://") && !notice.link.contains(['|', ' ']) && notice.link.len() < LONGEST_TEXT / 5
    {
        blocks.push(section(&format!("<{}|More>", escape(&line(&notice.link), LONGEST_TEXT))));
    }
    // What a telephone shows, and clients that know no blocks.
    json!({"text": escape(&title, LONGEST_TEXT), "blocks": blocks})
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": mrkdwn(text)})
}

fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// In a font of fixed width, in which no other markup counts; with other quotes in place of those that would end it.
fn code(text: &str, limit: usize) -> String {
    format!("`{}`", escape(&line(text).replace('`', "'"), limit - 2))
}

/// At most `limit` UTF-16 code units, with everything escaped that Slack would take for markup.
fn escape(text: &str, limit: usize) -> String {
    let text = within(text, limit, |character| match character {
        '&' => "&amp;".len(),
        '<' | '>' => "&lt;".len(),
        other => other.len_utf16(),
    });
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_become_a_mention_or_a_link() {
        assert_eq!(
            escape("<!channel> & <https://e.example|x>", 100),
            "&lt;!channel&gt; &amp; &lt;https://e.example|x&gt;"
        );
        assert_eq!(escape("&&", 10), "&amp;&amp;");
        assert_eq!(escape("&&&", 11), "&amp;&amp;…");
        assert_eq!(code("a`b", 100), "`a'b`");
    }
}
