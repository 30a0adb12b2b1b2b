//! What stands in a message.

use k8supdater_plugin::Notice;
use k8supdater_plugin::text::{within, without_controls};

use crate::markup::{LONGEST, Span, Style};
use crate::request::is_sendable;

/// Longest text, in UTF-16 code units: four messages. Nobody reads more in a chat.
const LONGEST_TEXT: usize = 4 * LONGEST;
/// Longest other field.
const LONGEST_FIELD: usize = 1024;
/// Longest URL that is made a link: twice what browsers and servers commonly bear.
const LONGEST_LINK: usize = 4096;

/// The notice in styled text: title, text, table, command, link.
pub(crate) fn of(notice: &Notice) -> Vec<Span> {
    let heading = field(notice.heading());
    let title = format!("{} {heading}", notice.level().sign());
    let mut blocks = vec![vec![bold(title.trim_start())]];
    let text = within(without_controls(&notice.text).trim(), LONGEST_TEXT, char::len_utf16);
    if !text.is_empty() && text != heading {
        blocks.push(vec![plain(&text)]);
    }
    let facts = facts(notice);
    if !facts.is_empty() {
        blocks.push(facts);
    }
    // Where there are buttons, they do it.
    if !notice.command.is_empty() && !notice.answers.iter().any(is_sendable) {
        blocks.push(vec![plain("Next step:\n"), Span { text: field(&notice.command), style: Style::Box }]);
    }
    if notice.link.starts_with("https://") && notice.link.len() <= LONGEST_LINK {
        blocks.push(vec![Span { text: "More".to_owned(), style: Style::Link(field(&notice.link)) }]);
    }
    blocks.join(&plain("\n\n"))
}

fn facts(notice: &Notice) -> Vec<Span> {
    let row = |(label, value): (&'static str, String)| {
        vec![plain(&format!("{label}: ")), Span { text: field(&value), style: Style::Code }]
    };
    let rows: Vec<Vec<Span>> = notice.facts().into_iter().map(row).collect();
    rows.join(&plain("\n"))
}

fn plain(text: &str) -> Span {
    Span { text: text.to_owned(), style: Style::Plain }
}

fn bold(text: &str) -> Span {
    Span { text: text.to_owned(), style: Style::Bold }
}

/// One line of bounded length.
fn field(text: &str) -> String {
    within(without_controls(text).replace(['\n', '\t'], " ").trim(), LONGEST_FIELD, char::len_utf16)
}
