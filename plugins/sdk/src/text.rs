//! Text from elsewhere, made to fit: into an error message, as one line without control characters; into the limit of a channel.

/// `text` on one line of at most `limit` characters, the last of which is `…` if something was cut off.
///
/// Runs of white space and control characters become a single space, so that no answer of a registry can forge log lines
/// or colour a terminal.
///
/// ```
/// use k8supdater_plugin::text::one_line;
///
/// assert_eq!(one_line("denied:\r\n  \u{1b}[31mno", 200), "denied: [31mno");
/// assert_eq!(one_line("abcdef", 4), "abc…");
/// ```
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    for character in text.chars() {
        if character.is_whitespace() || character.is_control() {
            gap = length > 0;
            continue;
        }
        let needed = 1 + usize::from(gap);
        if length + needed > limit {
            while length + 1 > limit && line.pop().is_some() {
                length -= 1;
            }
            line.truncate(line.trim_end().len());
            if limit > 0 {
                line.push('…');
            }
            return line;
        }
        if std::mem::take(&mut gap) {
            line.push(' ');
        }
        line.push(character);
        length += needed;
    }
    line
}

/// Line ends as `\n`, and no other control characters but tabs: what can stand in text of several lines for people.
///
/// ```
/// use k8supdater_plugin::text::without_controls;
///
/// assert_eq!(without_controls("a\r\nb\rc\td\0\u{1b}[31m"), "a\nb\nc\td[31m");
/// ```
pub fn without_controls(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

/// `text`, or as much from its beginning as has a width of at most `limit` together with a `…` at the end.
///
/// `width` is what one character costs: 1, its length in bytes or UTF-16, or that of what it will be escaped to.
///
/// ```
/// use k8supdater_plugin::text::within;
///
/// assert_eq!(within("abcdef", 4, |_| 1), "abc…");
/// assert_eq!(within("abc def", 5, |_| 1), "abc…");
/// assert_eq!(within("👍👍", 4, char::len_utf16), "👍👍");
/// assert_eq!(within("👍👍", 3, char::len_utf16), "👍…");
/// ```
pub fn within(text: &str, limit: usize, width: impl Fn(char) -> usize) -> String {
    let total = text.chars().fold(0_usize, |sum, character| sum.saturating_add(width(character)));
    if total <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(width('…')) else { return String::new() };
    let mut used = 0_usize;
    let fits = |(_, character): &(usize, char)| {
        used = used.saturating_add(width(*character));
        used <= room
    };
    let end = text.char_indices().take_while(fits).last().map_or(0, |(start, last)| start + last.len_utf8());
    format!("{}…", text.get(..end).unwrap_or_default().trim_end())
}

#[cfg(test)]
mod tests {
    use super::{one_line, within};

    #[test]
    fn what_is_too_wide_is_cut_with_a_mark() {
        let check = |text: &str, limit: usize, expected: &str| {
            assert_eq!(within(text, limit, |character| if character == '&' { 5 } else { 1 }), expected, "{text:?}");
        };
        check("", 0, "");
        check("a", 0, "");
        check("a", 1, "a");
        check("ab", 1, "…");
        check("a&b", 7, "a&b");
        check("a&bc", 7, "a&…");
        check("a&bc", 6, "a…");
        check("&", 4, "…");
        check("line\n\nnext", 7, "line…");
    }

    #[track_caller]
    fn check(text: &str, limit: usize, expected: &str) {
        assert_eq!(one_line(text, limit), expected, "for {text:?} within {limit}");
    }

    #[test]
    fn text_becomes_one_bounded_line() {
        check("", 10, "");
        check("  plain \n", 10, "plain");
        check("a\n\n\tb", 10, "a b");
        check("a\0b\u{7f}c", 10, "a b c");
        check("abc", 3, "abc");
        check("abcd", 3, "ab…");
        check("ab cd", 3, "ab…");
        check("ab cd", 4, "ab…");
        check("äöü€", 4, "äöü€");
        check("äöü€!", 4, "äöü…");
        check("abc", 1, "…");
        check("abc", 0, "");
    }
}
