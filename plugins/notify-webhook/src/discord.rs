//! The body of a webhook of Discord (<https://discord.com/developers/docs/resources/webhook#execute-webhook>): a message that mentions nobody.

use k8supdater_plugin::Notice;
use k8supdater_plugin::text::{within, without_controls};
use serde_json::{Value, json};

use crate::body::line;

/// Most characters of a message. Counted in UTF-16 code units here, which are never fewer.
const LONGEST: usize = 2000;
/// Longest title, with its escapes.
const LONGEST_TITLE: usize = 250;
/// Longest value in the table, of which there are at most eight.
const LONGEST_VALUE: usize = 90;
/// Longest command, and longest link; what is longer is left out, since half of it is of no use.
const LONGEST_COMMAND: usize = 300;
/// What the Markdown of Discord gives a meaning to. A backslash before any punctuation takes it.
const MARKUP: &str = "\\*_~`|>[]#-<@:";

/// The notice as a message.
pub(crate) fn of(notice: &Notice) -> Value {
    let heading = line(notice.heading());
    let sign = notice.level().sign();
    let title = format!("{sign} **{}**", escape(&heading, LONGEST_TITLE)).trim_start().to_owned();
    let row = |(label, value): (&str, String)| format!("{label}: {}", code(&value, LONGEST_VALUE));
    let mut rest = vec![notice.facts().into_iter().map(row).collect::<Vec<_>>().join("\n")];
    let command = code(&notice.command, usize::MAX);
    // With a backtick in it, it could not be copied as it is.
    if !notice.command.is_empty() && !notice.command.contains('`') && units(&command) <= LONGEST_COMMAND {
        rest.push(format!("Next step:\n``{command}``"));
    }
    // The angle brackets keep Discord from showing a preview.
    if notice.link.starts_with("https://")
        && units(&notice.link) <= LONGEST_COMMAND
        && !notice.link.contains(['<', '>', ' '])
    {
        rest.push(format!("<{}>", line(&notice.link)));
    }
    rest.retain(|block| !block.is_empty());
    let rest = rest.join("\n\n");
    let mut blocks = vec![title];
    let text = without_controls(&notice.text);
    // Two gaps.
    let room = LONGEST.saturating_sub(units(&blocks[0]) + units(&rest) + 4);
    if !text.trim().is_empty() && text.trim() != heading {
        blocks.push(escape(text.trim(), room));
    }
    blocks.push(rest);
    blocks.retain(|block| !block.is_empty());
    json!({"content": blocks.join("\n\n"), "allowed_mentions": {"parse": []}})
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// In a font of fixed width, in which nothing has a meaning but what would end it.
fn code(text: &str, limit: usize) -> String {
    format!("`{}`", within(&line(text).replace('`', "'"), limit, char::len_utf16))
}

/// At most `limit` UTF-16 code units, with a backslash before whatever has a meaning.
fn escape(text: &str, limit: usize) -> String {
    let has_meaning = |character: char| MARKUP.contains(character);
    let text = within(text, limit, |character| character.len_utf16() + usize::from(has_meaning(character)));
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if has_meaning(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_become_markup() {
        assert_eq!(escape("**a** <@1> :x: @here", 100), r"\*\*a\*\* \<\@1\> \:x\: \@here");
        assert_eq!(escape("**", 4), r"\*\*");
        assert_eq!(escape("***", 5), r"\*\*…");
        assert_eq!(code("a`b", 10), "`a'b`");
    }
}
