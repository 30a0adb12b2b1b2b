//! The plain text part of a mail.

use k8supdater_plugin::Notice;
use k8supdater_plugin::text::without_controls;

/// The notice as plain text.
pub(crate) fn of(notice: &Notice) -> String {
    let mut parts = vec![without_controls(notice.heading())];
    let body = without_controls(&notice.text).trim().to_owned();
    if !body.is_empty() && body != parts[0] {
        parts.push(body);
    }
    let facts = notice.facts();
    // One more for the colon.
    let width = facts.iter().map(|(label, _)| label.len() + 1).max().unwrap_or_default();
    let row = |(label, value): &(&str, String)| format!("{:width$} {}", format!("{label}:"), one_line(value));
    if !facts.is_empty() {
        parts.push(facts.iter().map(row).collect::<Vec<_>>().join("\n"));
    }
    if !notice.command.is_empty() {
        parts.push(format!("Next step:\n\n    {}", one_line(&notice.command)));
    }
    if !notice.link.is_empty() {
        parts.push(format!("More: {}", one_line(&notice.link)));
    }
    // The line that begins a signature (RFC 3676 section 4.3) has a space at its end.
    parts.push("-- \nSent by k8supdater\n".to_owned());
    parts.join("\n\n")
}

/// What has to stay on its line.
pub(crate) fn one_line(text: &str) -> String {
    without_controls(text).replace(['\n', '\t'], " ")
}
