//! Text from elsewhere, made fit for an error message: one line, bounded, without control characters.

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

#[cfg(test)]
mod tests {
    use super::one_line;

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
