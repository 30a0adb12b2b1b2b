//! The HTML part of a mail.
//!
//! Mail clients are not browsers: tables lay it out, styles stand at their elements, nothing is loaded from anywhere, and the
//! colours are legible also where a client turns them around for the night.

use std::fmt::Write;

use k8supdater_plugin::text::without_controls;
use k8supdater_plugin::{Level, Notice};

use crate::text::one_line;

/// The fonts that the systems bring along.
const SANS: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const MONO: &str = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'Courier New',monospace";

/// The notice as an HTML document.
pub(crate) fn of(notice: &Notice) -> String {
    let title = escape(notice.heading());
    let mut rows = String::new();
    let level = notice.level();
    if level >= Level::Warning {
        row(&mut rows, "24px 24px 0", &label(level));
    }
    let heading = format!(r#"<h1 style="margin:0;{SANS};font-size:20px;line-height:28px;color:#111827">{title}</h1>"#);
    row(&mut rows, "16px 24px 0", &heading);
    for paragraph in paragraphs(&notice.text).filter(|paragraph| *paragraph != title) {
        let style = format!("margin:0;{SANS};font-size:15px;line-height:22px;color:#374151");
        row(&mut rows, "12px 24px 0", &format!(r#"<p style="{style}">{paragraph}</p>"#));
    }
    let facts = facts(notice);
    if !facts.is_empty() {
        row(&mut rows, "16px 24px 0", &facts);
    }
    if !notice.command.is_empty() {
        row(&mut rows, "16px 24px 0", &command(&notice.command));
    }
    if !notice.link.is_empty() {
        row(&mut rows, "16px 24px 0", &link(&notice.link));
    }
    let footer =
        format!(r#"<p style="margin:0;{SANS};font-size:12px;line-height:18px;color:#6b7280">Sent by k8supdater</p>"#);
    row(&mut rows, "20px 24px 24px", &footer);
    let color = level.color();
    let table = r#"role="presentation" cellpadding="0" cellspacing="0" border="0""#;
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:0;background-color:#f3f4f6\">\n\
         <table {table} width=\"100%\" style=\"background-color:#f3f4f6\"><tr><td align=\"center\" style=\"padding:24px 12px\">\n\
         <table {table} width=\"600\" style=\"width:100%;max-width:600px;background-color:#ffffff;border-top:4px solid #{color:06x}\">\n\
         {rows}</table>\n\
         </td></tr></table>\n\
         </body>\n\
         </html>\n"
    )
}

fn row(rows: &mut String, padding: &str, content: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(rows, r#"<tr><td style="padding:{padding}">{content}</td></tr>"#);
}

/// The level in its colour.
fn label(level: Level) -> String {
    let name = match level {
        Level::Critical => "Critical",
        Level::Error => "Error",
        Level::Debug | Level::Info | Level::Warning => "Warning",
    };
    let style = format!("{SANS};font-size:13px;line-height:18px;font-weight:bold;color:#{:06x}", level.color());
    format!(r#"<span style="{style}">{name}</span>"#)
}

/// Each paragraph, escaped, with its line ends kept.
fn paragraphs(text: &str) -> impl Iterator<Item = String> {
    let text = without_controls(text);
    let paragraphs: Vec<String> =
        text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).map(escape).collect();
    paragraphs.into_iter().map(|paragraph| paragraph.replace('\n', "<br>\n"))
}

fn facts(notice: &Notice) -> String {
    let style = format!("{SANS};font-size:14px;line-height:20px;vertical-align:top;border-bottom:1px solid #e5e7eb");
    let row = |(label, value): &(&str, String)| {
        let value = escape(&one_line(value));
        format!(
            "\n<tr><td style=\"{style};padding:6px 16px 6px 0;color:#6b7280;white-space:nowrap\">{label}</td>\
             <td style=\"{style};padding:6px 0;color:#111827;word-break:break-word\">{value}</td></tr>"
        )
    };
    let rows = notice.facts().iter().map(row).collect::<Vec<_>>().concat();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        r#"<table cellpadding="0" cellspacing="0" border="0" width="100%" style="border-collapse:collapse">{rows}</table>"#
    )
}

fn command(command: &str) -> String {
    let command = escape(&one_line(command));
    format!(
        r#"<p style="margin:0 0 6px;{SANS};font-size:14px;line-height:20px;color:#374151">Next step:</p>
<pre style="margin:0;padding:12px;background-color:#f3f4f6;border:1px solid #d1d5db;{MONO};font-size:13px;line-height:18px;color:#111827;white-space:pre-wrap;word-break:break-all">{command}</pre>"#
    )
}

/// A link where it is one for browsers, otherwise its text.
fn link(link: &str) -> String {
    let text = escape(&one_line(link));
    let is_link = link.starts_with("https://") || link.starts_with("http://");
    let content = if is_link {
        format!(r#"<a href="{text}" style="color:#1d4ed8;word-break:break-all">{text}</a>"#)
    } else {
        text
    };
    format!(r#"<p style="margin:0;{SANS};font-size:14px;line-height:20px;color:#374151">More: {content}</p>"#)
}

/// Fit to stand between tags, and between double quotes in one.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in without_controls(text).chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
