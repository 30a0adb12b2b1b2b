//! The subject of a mail.

use k8supdater_plugin::text::one_line;
use k8supdater_plugin::{Level, Notice};

/// Longest subject, in characters. Lists of mails show less than a hundred, and a line of a header has at most 998 bytes
/// (RFC 5322 section 2.1.1), before which the host has to fold it.
const LONGEST: usize = 200;

/// The prefix, the level where somebody has to be alarmed, and the title: one line.
pub(crate) fn of(notice: &Notice, prefix: &str) -> String {
    let level = match notice.level() {
        Level::Debug | Level::Info | Level::Warning => "",
        Level::Error => "Error: ",
        Level::Critical => "Critical: ",
    };
    one_line(&format!("{prefix}{level}{}", notice.heading()), LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line_of_bounded_length() {
        let check = |prefix: &str, level: &str, title: &str, expected: &str| {
            let own = str::to_owned;
            let notice = Notice { level: own(level), title: own(title), kind: own("updated"), ..Notice::default() };
            assert_eq!(of(&notice, prefix), expected);
        };
        check("[k8supdater] ", "info", "web was updated", "[k8supdater] web was updated");
        check("", "critical", "web is down", "Critical: web is down");
        check("[p] ", "error", "web", "[p] Error: web");
        check("[p] ", "info", "", "[p] updated");
        check("[p]\r\nBcc: x@y\r\n", "info", "a\rBcc: z", "[p] Bcc: x@y a Bcc: z");
        check("", "info", &"ä".repeat(300), &format!("{}…", "ä".repeat(199)));
    }
}
