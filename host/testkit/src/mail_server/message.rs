//! A mail as the server shows it.

use std::collections::BTreeMap;

use serde_json::Value;

/// A mail that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailMessage {
    /// The address in `From`.
    pub from: String,
    /// The addresses in `To`.
    pub to: Vec<String>,
    /// Recipients that the server was told, but who do not stand in the mail.
    pub bcc: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// The plain text part; lines end in LF.
    pub text: String,
    /// The HTML part; empty if there is none.
    pub html: String,
    /// Who was logged in.
    pub username: String,
    /// By their names as they were written, such as `Message-Id`, which the server spells in its own way.
    headers: BTreeMap<String, Vec<String>>,
}

impl MailMessage {
    /// Reads what the server says about a mail and about its headers.
    pub(super) fn read(message: &Value, headers: Value) -> Self {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let address = |value: &Value| value["Address"].as_str().unwrap_or_default().to_owned();
        let addresses = |name: &str| message[name].as_array().into_iter().flatten().map(address).collect();
        Self {
            from: address(&message["From"]),
            to: addresses("To"),
            bcc: addresses("Bcc"),
            subject: text("Subject"),
            text: text("Text").replace("\r\n", "\n"),
            html: text("HTML"),
            username: text("Username"),
            headers: serde_json::from_value(headers).expect("headers are names with lists of values"),
        }
    }

    /// The first value of this header, however its name is spelled.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, values) = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        values.first().map(String::as_str)
    }
}
