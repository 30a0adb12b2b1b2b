//! A mail as it goes over the wire.
//!
//! Pure, apart from the boundary between the parts, which is random. Nothing that a plugin says can end up as another header, another
//! recipient or another mail.

use std::fmt::Write as _;
use std::time::SystemTime;

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue, MessageId, To};
use lettre::message::{Mailbox, Mailboxes, Message, MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use super::{Mail, MailAddress};
use crate::failure::Failure;

/// Most recipients of one mail, as the WIT has it.
const MOST_RECIPIENTS: usize = 50;
/// Most bytes of a subject: what fits into one line (RFC 5322 section 2.1.1).
const MOST_SUBJECT_BYTES: usize = 998;
/// Most bytes of both parts together; the same as for the body of a request.
const MOST_BODY_BYTES: usize = 1024 * 1024;
/// Most characters of a wrong value that an error repeats.
const MOST_SHOWN: usize = 80;

/// Who is told to whom it goes, and its bytes, which are ASCII and of which every line ends in CR LF.
///
/// # Errors
/// [`Failure::Denied`] with the first thing that is wrong.
pub(super) fn compose(sender: &MailAddress, mail: &Mail, now: SystemTime) -> Result<(Envelope, Vec<u8>), Failure> {
    let recipients = check_recipients(&mail.to)?;
    check_subject(&mail.subject)?;
    if mail.text.len() + mail.html.as_ref().map_or(0, String::len) > MOST_BODY_BYTES {
        return Err(Failure::Denied(format!("the mail has more than {MOST_BODY_BYTES} bytes of text")));
    }
    let from = sender.as_lettre().clone();
    let to: Mailboxes = recipients.iter().map(|to| Mailbox::new(None, to.as_lettre().clone())).collect();
    let builder = Message::builder()
        .from(Mailbox::new(None, from.clone()))
        .mailbox(To::from(to))
        .subject(mail.subject.as_str())
        .date(now)
        .header(MessageId::from(message_id(&mail.key, sender)))
        // No auto-reply, please (RFC 3834 section 5).
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    let text = SinglePart::plain(printable(&mail.text));
    let built = match &mail.html {
        // The best comes last (RFC 2046 section 5.1.4).
        Some(html) => {
            builder.multipart(MultiPart::alternative().singlepart(text).singlepart(SinglePart::html(printable(html))))
        }
        None => builder.singlepart(text),
    };
    let unusable = |err: lettre::error::Error| Failure::Denied(format!("the mail cannot be composed: {err}"));
    let message = built.map_err(unusable)?.formatted();
    let to = recipients.into_iter().map(|to| to.as_lettre().clone()).collect();
    Ok((Envelope::new(Some(from), to).map_err(unusable)?, message))
}

fn check_recipients(to: &[String]) -> Result<Vec<MailAddress>, Failure> {
    if to.is_empty() || to.len() > MOST_RECIPIENTS {
        return Err(Failure::Denied(format!("the mail has {} recipients, expected 1 to {MOST_RECIPIENTS}", to.len())));
    }
    let parse = |text: &String| {
        let refuse = || Failure::Denied(format!("{:?} is not a plain address such as ops@example.com", shown(text)));
        MailAddress::parse(text).ok_or_else(refuse)
    };
    to.iter().map(parse).collect()
}

fn check_subject(subject: &str) -> Result<(), Failure> {
    if subject.chars().any(char::is_control) {
        return Err(Failure::Denied(format!("the subject {:?} has control characters in it", shown(subject))));
    }
    if subject.len() > MOST_SUBJECT_BYTES {
        return Err(Failure::Denied(format!("the subject has more than {MOST_SUBJECT_BYTES} bytes")));
    }
    Ok(())
}

fn shown(text: &str) -> String {
    text.chars().take(MOST_SHOWN).collect()
}

/// `text` with one kind of line end, and without other control characters than tabs.
///
/// Servers disagree on what a lone CR or LF means, and a mail that one takes for one and the next for two is a way to forge mails.
/// lettre makes CR LF of each LF.
fn printable(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
}

/// The same for the same key and sender. A digest, because a key may hold what no header can.
fn message_id(key: &str, sender: &MailAddress) -> String {
    let mut id = "<".to_owned();
    for byte in Sha256::digest(key).into_iter().take(16) {
        write!(id, "{byte:02x}").expect("a String takes all that is written");
    }
    id + "@" + sender.domain() + ">"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mail() -> Mail {
        Mail {
            to: vec!["ops@example.com".to_owned()],
            subject: "nginx 1.27.1".to_owned(),
            text: "Hello".to_owned(),
            html: None,
            key: "k".to_owned(),
        }
    }

    fn composed(mail: &Mail) -> Result<String, Failure> {
        let sender = MailAddress::parse("k8s@example.com").unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_705_312_801);
        compose(&sender, mail, now).map(|(_, message)| String::from_utf8(message).unwrap())
    }

    #[test]
    fn a_mail_has_the_headers_that_it_should_have() {
        let several = Mail { to: vec!["a@example.com".to_owned(), "b@example.com".to_owned()], ..mail() };
        let message = composed(&several).unwrap();
        for line in [
            "From: k8s@example.com",
            "To: a@example.com, b@example.com",
            "Subject: nginx 1.27.1",
            "Date: Mon, 15 Jan 2024 10:00:01 +0000",
            "Auto-Submitted: auto-generated",
            "Content-Type: text/plain; charset=utf-8",
            "MIME-Version: 1.0",
        ] {
            assert!(message.split("\r\n").any(|found| found == line), "{line:?} in {message}");
        }
    }

    #[test]
    fn the_same_key_gives_the_same_message_id_and_another_one_another() {
        let id = |key: &str| {
            let message = composed(&Mail { key: key.to_owned(), ..mail() }).unwrap();
            message.split("\r\n").find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().to_owned()
        };
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
        let odd = id("> \r\nBcc: eve@example.com");
        assert!(odd.starts_with('<') && odd.ends_with("@example.com>") && odd.len() == 46, "{odd}");
    }

    #[test]
    fn html_comes_beside_the_text_and_behind_it() {
        let message = composed(&Mail { html: Some("<p>Grüße</p>".to_owned()), ..mail() }).unwrap();
        let place = |part: &str| message.find(part).unwrap_or_else(|| unreachable!("{part} in {message}"));
        assert!(place("multipart/alternative") < place("text/plain"));
        assert!(place("text/plain") < place("text/html"));
        assert!(message.is_ascii());
    }

    #[test]
    fn nothing_that_a_plugin_says_ends_a_line_early() {
        let hostile = "a\r.\r\nMAIL FROM:<eve@example.com>\n.\nb\n\r.\rc\u{0}\u{8}\u{85}ü".to_owned();
        let message = composed(&Mail { text: hostile.clone(), html: Some(hostile), ..mail() }).unwrap();
        for line in message.split("\r\n") {
            assert!(!line.contains(['\r', '\n', '\0', '\u{8}']), "{line:?}");
            assert!(line.len() <= 998, "{line:?}");
        }
    }

    #[test]
    fn a_malformed_mail_is_denied() {
        let check = |mail: Mail, expected: &str| match composed(&mail) {
            Err(Failure::Denied(why)) => {
                assert!(why.contains(expected) && !why.contains(['\r', '\n']) && why.len() < 300, "{why}");
            }
            other => unreachable!("expected a denial with {expected:?}, got {other:?}"),
        };
        let to = |addresses: &[&str]| addresses.iter().map(|to| (*to).to_owned()).collect::<Vec<_>>();
        check(Mail { to: to(&[]), ..mail() }, "0 recipients, expected 1 to 50");
        check(Mail { to: to(&["a@example.com"; 51]), ..mail() }, "51 recipients");
        check(Mail { to: to(&["a@example.com\r\nBcc: eve@example.com"]), ..mail() }, "is not a plain address");
        check(Mail { to: to(&["a@example.com> RCPT TO:<eve@example.com"]), ..mail() }, "is not a plain address");
        check(Mail { to: to(&["a@example.com", &"x".repeat(10_000)]), ..mail() }, "is not a plain address");
        check(Mail { subject: "hi\r\nBcc: eve@example.com".to_owned(), ..mail() }, "has control characters");
        check(Mail { subject: "hi\nthere".to_owned(), ..mail() }, "has control characters");
        check(Mail { subject: "hi\u{85}there".to_owned(), ..mail() }, "has control characters");
        check(Mail { subject: "x".repeat(999), ..mail() }, "more than 998 bytes");
        check(Mail { text: "x".repeat(MOST_BODY_BYTES + 1), ..mail() }, "more than 1048576 bytes");
    }

    #[test]
    fn a_subject_of_any_script_fits_into_ascii_lines() {
        let message = composed(&Mail { subject: "Größe – 更新 ".repeat(20), ..mail() }).unwrap();
        assert!(message.is_ascii() && message.contains("Subject: =?utf-8?b?"), "{message}");
    }
}
