//! The settings; `plugin.json` holds their schema.

use k8supdater_plugin::Error;
use serde::Deserialize;

/// Longest address (RFC 5321 section 4.5.3.1.3, without the angle brackets), in bytes.
const LONGEST_ADDRESS: usize = 254;

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Who gets the mail, 1 to 50 addresses. All of them stand in its head, and see each other.
    pub recipients: Vec<String>,
    /// What every subject begins with, as it stands: it has to bring its own space.
    #[serde(default = "subject_prefix")]
    pub subject_prefix: String,
}

fn subject_prefix() -> String {
    "[k8supdater] ".to_owned()
}

impl Settings {
    /// The recipients, each once.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSettings`] for what is no plain address; the first of them.
    pub(crate) fn recipients(&self) -> Result<Vec<String>, Error> {
        let mut recipients: Vec<String> = Vec::new();
        for address in &self.recipients {
            check_address(address).map_err(|why| {
                Error::InvalidSettings(format!(
                    "recipients: {address:?} {why}; write plain addresses such as ops@example.com"
                ))
            })?;
            if !recipients.contains(address) {
                recipients.push(address.clone());
            }
        }
        if recipients.is_empty() {
            return Err(Error::InvalidSettings("recipients: there is none".to_owned()));
        }
        Ok(recipients)
    }
}

/// What is wrong with an address. Only what could make two addresses or a header of it: the rest is for the mail server to say.
fn check_address(address: &str) -> Result<(), &'static str> {
    if address.len() > LONGEST_ADDRESS {
        return Err("is longer than an address can be");
    }
    if address
        .chars()
        .any(|character| character.is_control() || character.is_whitespace() || ",;<>()\"".contains(character))
    {
        return Err("has a character that separates addresses or belongs around them");
    }
    match address.rsplit_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !local.contains('@') => Ok(()),
        _ => Err("is no address"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_are_plain_addresses_each_once() {
        let check = |recipients: &[&str], expected: Result<&[&str], &str>| {
            let recipients = recipients.iter().map(|address| (*address).to_owned()).collect();
            let got = Settings { recipients, subject_prefix: String::new() }.recipients();
            match (&got, expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(Error::InvalidSettings(why)), Err(text)) if why.contains(text) => {}
                (_, expected) => panic!("{got:?}, expected {expected:?}"),
            }
        };
        check(&["a@b"], Ok(&["a@b"]));
        check(&["a@b", "c@example.com", "a@b"], Ok(&["a@b", "c@example.com"]));
        check(&["ops+web@[192.0.2.1]", "jürgen@bücher.example"], Ok(&["ops+web@[192.0.2.1]", "jürgen@bücher.example"]));
        check(&[], Err("there is none"));
        check(&["a@b", "c"], Err("recipients: \"c\" is no address; write plain addresses such as ops@example.com"));
        for wrong in ["", "@b", "a@", "a@b@c"] {
            check(&[wrong], Err("is no address"));
        }
        for wrong in ["a@b\r\nBcc: c@d", "a@b,c@d", "Ops <a@b>", "a@b c@d", "a@b\0", "a@b;c@d"] {
            check(&[wrong], Err("has a character"));
        }
        check(&[&format!("{}@b", "a".repeat(253))], Err("longer than an address can be"));
    }
}
