//! HTML as bots may write it, and what Telegram makes of it.
//!
//! <https://core.telegram.org/bots/api#html-style> says which tags there are; the complaints are worded as Telegram words them.

use super::message::TelegramEntity;

/// A tag that was not closed yet.
struct Open {
    tag: String,
    /// Where its text begins, in UTF-16 code units.
    offset: usize,
    /// Target of a link, or class of code.
    argument: Option<String>,
    /// What ends it now.
    kind: &'static str,
}

/// What was read so far.
#[derive(Default)]
struct Read {
    text: String,
    /// Length of the text, in UTF-16 code units.
    units: usize,
    open: Vec<Open>,
    entities: Vec<TelegramEntity>,
}

/// The text that people see, and its entities: without white space around it, those that begin first coming first.
///
/// # Errors
/// With what is wrong with it.
pub(super) fn read(html: &str) -> Result<(String, Vec<TelegramEntity>), String> {
    let mut read = Read::default();
    let mut rest = html;
    while let Some(first) = rest.chars().next() {
        let at = html.len() - rest.len();
        rest = match first {
            '&' => read.reference(rest),
            '<' if rest.starts_with("</") => read.end(rest, at)?,
            '<' => read.start(rest, at)?,
            other => {
                read.push(other);
                &rest[other.len_utf8()..]
            }
        };
    }
    match read.open.pop() {
        Some(open) => Err(format!("Can't find end tag corresponding to start tag \"{}\"", open.tag)),
        None => Ok(trimmed(&read.text, read.entities)),
    }
}

impl Read {
    fn push(&mut self, character: char) {
        self.text.push(character);
        self.units += character.len_utf16();
    }

    /// A character by its name or number; what is neither stands for itself.
    fn reference<'a>(&mut self, rest: &'a str) -> &'a str {
        let body = rest.get(1..).unwrap_or_default();
        let found = body.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        let (character, after) = found.unwrap_or(('&', body));
        self.push(character);
        after
    }

    fn start<'a>(&mut self, rest: &'a str, at: usize) -> Result<&'a str, String> {
        let body = &rest[1..];
        let end = body.find(|character: char| character.is_ascii_whitespace() || character == '>');
        let (name, after) = body.split_at(end.unwrap_or(body.len()));
        let tag = name.to_ascii_lowercase();
        let Some(kind) = kind(&tag) else { return Err(format!("Unsupported start tag \"{tag}\" at byte offset {at}")) };
        let (attributes, after) = attributes(after).ok_or_else(|| format!("Unclosed start tag at byte offset {at}"))?;
        let attribute =
            |wanted: &str| attributes.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
        let argument = match tag.as_str() {
            "a" => attribute("href"),
            "code" => attribute("class"),
            "span" if attribute("class").as_deref() != Some("tg-spoiler") => {
                return Err(format!("Tag \"span\" must have class \"tg-spoiler\" at byte offset {at}"));
            }
            _ => None,
        };
        let kind =
            if tag == "blockquote" && attribute("expandable").is_some() { "expandable_blockquote" } else { kind };
        self.open.push(Open { tag, offset: self.units, argument, kind });
        Ok(after)
    }

    fn end<'a>(&mut self, rest: &'a str, at: usize) -> Result<&'a str, String> {
        let (name, after) = rest[2..].split_once('>').ok_or_else(|| format!("Unclosed end tag at byte offset {at}"))?;
        let name = name.trim().to_ascii_lowercase();
        let Some(open) = self.open.pop() else { return Err(format!("Unexpected end tag at byte offset {at}")) };
        if name != open.tag {
            let expected = &open.tag;
            return Err(format!(
                "Unmatched end tag at byte offset {at}, expected \"</{expected}>\", found \"</{name}>\""
            ));
        }
        self.close(open);
        Ok(after)
    }

    fn close(&mut self, open: Open) {
        let length = self.units - open.offset;
        let parent = self.open.last_mut();
        if let Some(parent) = parent
            && open.tag == "code"
            && parent.tag == "pre"
        {
            // Code in a box is the box, and may say its language.
            parent.argument = open.argument;
            return;
        }
        let language = open.argument.as_deref().and_then(|class| class.strip_prefix("language-"));
        let language = language.filter(|_| open.tag == "pre").map(str::to_owned);
        let url = if open.tag == "a" { open.argument.as_deref().and_then(target) } else { None };
        // A link that leads nowhere is text.
        if length > 0 && (open.tag != "a" || url.is_some()) {
            self.entities.push(TelegramEntity {
                kind: open.kind.to_owned(),
                offset: open.offset,
                length,
                url,
                language,
            });
        }
    }
}

/// What a tag makes of its text.
fn kind(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "b" | "strong" => "bold",
        "i" | "em" => "italic",
        "u" | "ins" => "underline",
        "s" | "strike" | "del" => "strikethrough",
        "span" | "tg-spoiler" => "spoiler",
        "tg-emoji" => "custom_emoji",
        "a" => "text_link",
        "code" => "code",
        "pre" => "pre",
        "blockquote" => "blockquote",
        _ => return None,
    })
}

/// The attributes of a tag, and what comes after its `>`; none if that is missing.
fn attributes(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix('>') {
            return Some((found, after));
        }
        let end = rest.find(|character: char| character.is_ascii_whitespace() || "=>".contains(character))?;
        let (name, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            found.push((name.to_ascii_lowercase(), String::new()));
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|first| ['"', '\''].contains(first));
        let (value, after) = match quote {
            Some(quote) => value[1..].split_once(quote)?,
            None => value.split_at(value.find(|character: char| character.is_ascii_whitespace() || character == '>')?),
        };
        let mut read = Read::default();
        let mut left = value;
        while let Some(first) = left.chars().next() {
            left = if first == '&' {
                read.reference(left)
            } else {
                read.push(first);
                &left[first.len_utf8()..]
            };
        }
        found.push((name.to_ascii_lowercase(), read.text));
        rest = after;
    }
}

/// The only named ones are these four.
fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?).filter(|&character| character != '\0')
        }
    }
}

/// Where a link leads, as Telegram writes it.
fn target(href: &str) -> Option<String> {
    let url = url::Url::parse(href).ok()?;
    ["http", "https", "tg", "mailto", "tel"].contains(&url.scheme()).then(|| url.to_string())
}

fn trimmed(text: &str, entities: Vec<TelegramEntity>) -> (String, Vec<TelegramEntity>) {
    let units = |text: &str| text.encode_utf16().count();
    let before = units(text) - units(text.trim_start());
    let text = text.trim();
    let length = units(text);
    let mut entities: Vec<TelegramEntity> = entities
        .into_iter()
        .filter_map(|entity| {
            let end = (entity.offset + entity.length).saturating_sub(before).min(length);
            let offset = entity.offset.saturating_sub(before);
            (offset < end).then(|| TelegramEntity { offset, length: end - offset, ..entity })
        })
        .collect();
    entities.sort_by_key(|entity| (entity.offset, usize::MAX - entity.length));
    (text.to_owned(), entities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_entities() {
        let check = |html: &str, text: &str, expected: &[(&str, usize, usize, Option<&str>)]| {
            let (got, entities) = read(html).unwrap();
            let entities: Vec<_> = entities
                .iter()
                .map(|entity| {
                    let argument = entity.url.as_deref().or(entity.language.as_deref());
                    (entity.kind.as_str(), entity.offset, entity.length, argument)
                })
                .collect();
            assert_eq!((got.as_str(), entities.as_slice()), (text, expected), "for {html}");
        };
        check("plain", "plain", &[]);
        check("<b>a&lt;b</b> &amp; &quot;&#39;&#x41;", "a<b & \"'A", &[("bold", 0, 3, None)]);
        check("&nbsp; &", "&nbsp; &", &[]);
        check("👍 <STRONG>x</STRONG>", "👍 x", &[("bold", 3, 1, None)]);
        check("<b>a<i>b</i></b>", "ab", &[("bold", 0, 2, None), ("italic", 1, 1, None)]);
        let link = "<a href=\"https://e.example/?a=1&amp;b=2\">more</a>";
        check(link, "more", &[("text_link", 0, 4, Some("https://e.example/?a=1&b=2"))]);
        check("<a href='nowhere'>more</a>", "more", &[]);
        check("<pre>x</pre>", "x", &[("pre", 0, 1, None)]);
        check("<pre><code class=\"language-sh\">x</code></pre>", "x", &[("pre", 0, 1, Some("sh"))]);
        check("<blockquote expandable>x</blockquote>", "x", &[("expandable_blockquote", 0, 1, None)]);
        check("<span class=\"tg-spoiler\">x</span>", "x", &[("spoiler", 0, 1, None)]);
        check(" \n<b> a </b>\n", "a", &[("bold", 0, 1, None)]);
        check("<b></b>x", "x", &[]);
    }

    #[test]
    fn what_is_wrong_is_said_as_telegram_says_it() {
        let check = |html: &str, expected: &str| assert_eq!(read(html).unwrap_err(), expected, "for {html}");
        check("<b>x", "Can't find end tag corresponding to start tag \"b\"");
        check("a</b>", "Unexpected end tag at byte offset 1");
        check("<b>x</i>", "Unmatched end tag at byte offset 4, expected \"</b>\", found \"</i>\"");
        check("ä<br/>", "Unsupported start tag \"br/\" at byte offset 2");
        check("1 < 2", "Unsupported start tag \"\" at byte offset 2");
        check("<b", "Unclosed start tag at byte offset 0");
        check("<a href=\"x>y</a>", "Unclosed start tag at byte offset 0");
        check("<b>x</b", "Unclosed end tag at byte offset 4");
        check("<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at byte offset 0");
    }
}
