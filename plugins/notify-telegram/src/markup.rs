//! Text with a few styles, how the Bot API wants it written, and how it is cut into messages.
//!
//! See <https://core.telegram.org/bots/api#html-style>. A message has at most 4,096 characters, counted in UTF-16 code units after its
//! tags and entities have been read. So what people see is cut first, and tags are put around the pieces: none can break.

use std::ops::Range;

/// Most UTF-16 code units of one message.
pub(crate) const LONGEST: usize = 4096;

/// Text in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) style: Style,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Bold,
    /// Within a line, in a font of fixed width; a tap copies it.
    Code,
    /// A box of its own, in a font of fixed width.
    Box,
    /// Leads to this URL.
    Link(String),
}

/// The messages that `spans` need, as HTML; each with something to see in it.
pub(crate) fn messages(spans: &[Span]) -> Vec<String> {
    let visible: String = spans.iter().map(|span| span.text.as_str()).collect();
    cut(&visible, LONGEST).into_iter().map(|range| html(spans, &range)).collect()
}

/// The part of `spans` whose text is in `range` of their whole text.
fn html(spans: &[Span], range: &Range<usize>) -> String {
    let mut html = String::new();
    let mut start = 0;
    for Span { text, style } in spans {
        let end = start + text.len();
        let piece = text.get(range.start.max(start) - start..range.end.min(end).saturating_sub(start));
        start = end;
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else { continue };
        let piece = escape(piece);
        let piece = match style {
            Style::Plain => piece,
            Style::Bold => format!("<b>{piece}</b>"),
            Style::Code => format!("<code>{piece}</code>"),
            Style::Box => format!("<pre>{piece}</pre>"),
            Style::Link(url) => format!(r#"<a href="{}">{piece}</a>"#, escape(url)),
        };
        html.push_str(&piece);
    }
    html
}

/// Fit to stand between tags, and between double quotes in one. These are the only named entities that the Bot API knows.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// `text` in pieces of at most `limit` UTF-16 code units, without the white space at their ends, and none of them empty.
///
/// It is cut at the end of a paragraph, of a line, or of a word, whichever comes first in this order and leaves at least half of a piece
/// full; if there is none, anywhere between two characters.
fn cut(text: &str, limit: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..) {
        start += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let length = length_of_piece(rest, limit);
        let piece = rest.get(..length).unwrap_or_default().trim_end();
        pieces.push(start..start + piece.len());
        start += length;
    }
    pieces
}

/// Bytes of the first piece of `text`, which is not empty. At least one character, so that there is an end.
fn length_of_piece(text: &str, limit: usize) -> usize {
    let mut units = 0;
    // Behind the last character that fits, and behind the one in the middle.
    let (mut fits, mut half) = (0, 0);
    for (start, character) in text.char_indices() {
        units += character.len_utf16();
        if units > limit {
            break;
        }
        fits = start + character.len_utf8();
        if units <= limit / 2 {
            half = fits;
        }
    }
    if fits == text.len() {
        return fits;
    }
    let window = text.get(..fits).unwrap_or_default();
    let ends = ["\n\n", "\n", " "].into_iter().find_map(|end| window.rfind(end).filter(|place| *place > half));
    let first = text.chars().next().map_or(1, char::len_utf8);
    ends.unwrap_or(fits).max(first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, limit: usize, expected: &[&str]) {
        let pieces: Vec<&str> = cut(text, limit).into_iter().map(|range| &text[range]).collect();
        assert_eq!(pieces, expected, "for {text:?} and {limit}");
    }

    #[test]
    fn text_is_cut_where_it_hurts_least() {
        check("", 10, &[]);
        check(" \n ", 10, &[]);
        check("short", 10, &["short"]);
        check("one two\n\nthree", 14, &["one two\n\nthree"]);
        check("one two\n\nthree", 12, &["one two", "three"]);
        check("one two\nthree", 12, &["one two", "three"]);
        check("one two three", 12, &["one two", "three"]);
        check("onetwothree", 4, &["onet", "woth", "ree"]);
        // A paragraph that ends too early is not worth a message.
        check("a\n\nbbb ccc ddd", 10, &["a\n\nbbb", "ccc ddd"]);
        // A pair of surrogates is one character.
        check("👍👍👍", 3, &["👍", "👍", "👍"]);
        check("👍👍👍", 4, &["👍👍", "👍"]);
        check("ab", 0, &["a", "b"]);
    }

    #[test]
    fn tags_stand_around_each_piece() {
        let span = |text: &str, style| Span { text: text.to_owned(), style };
        let spans = [
            span("a<b", Style::Bold),
            span("\n\n", Style::Plain),
            span("x & y", Style::Code),
            span(" ", Style::Plain),
            span(&"z".repeat(LONGEST), Style::Box),
            span("more", Style::Link("https://e.example/?a=1&b=\"2\"".to_owned())),
        ];
        let messages = messages(&spans);
        // What comes before the box is 11 units long.
        let first = format!("<b>a&lt;b</b>\n\n<code>x &amp; y</code> <pre>{}</pre>", "z".repeat(LONGEST - 11));
        let link = r#"<a href="https://e.example/?a=1&amp;b=&quot;2&quot;">more</a>"#;
        assert_eq!(messages, [first, format!("<pre>{}</pre>{link}", "z".repeat(11))]);
    }

    proptest! {
        #[test]
        fn pieces_are_short_and_lose_nothing_but_space(text in r"([a-c👍ä]|\n| |\n\n){0,80}", limit in 2_usize..20) {
            let ranges = cut(&text, limit);
            prop_assert!(ranges.is_sorted_by(|one, next| one.end <= next.start));
            let pieces: Vec<&str> = ranges.into_iter().map(|range| &text[range]).collect();
            for piece in &pieces {
                prop_assert!(!piece.is_empty() && piece.trim() == *piece);
                prop_assert!(piece.encode_utf16().count() <= limit);
            }
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(solid(&pieces.concat()), solid(&text));
        }
    }
}
