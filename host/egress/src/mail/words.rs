//! What a mail server says, made fit for people.
//!
//! Pure. A refusal without the server's words is a riddle, but the words are the server's: they may hold what was sent to it, such as the
//! password, and run to any length. So they are bounded, brought into one line, and left out where the password is in them.

use std::error::Error as StdError;
use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::transport::smtp::Error as SmtpError;
use zeroize::Zeroizing;

use super::socket::TooMuch;
use super::{MailAddress, MailLogin};
use crate::failure::{self, Failure};

/// Most characters of a server's words that are shown.
const MOST_SHOWN: usize = 300;
/// So many characters of a secret are too many. Servers cut commands off that they repeat, so that the end may be missing.
const TELLING: usize = 8;

/// What a server has refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused<'a> {
    /// To talk to us at all.
    Connection,
    /// To begin TLS, although it offers that.
    StartTls,
    /// User name and password.
    Login,
    /// Whom the mail is from.
    Sender(&'a MailAddress),
    /// One of those whom it is for.
    Recipient(&'a str),
    /// The mail itself.
    Mail,
}

/// The words of one server.
pub(super) struct Words<'a> {
    place: &'a str,
    /// The beginnings of everything in which the password is sent, as [`fold`] leaves them.
    telltales: Vec<Zeroizing<String>>,
}

impl<'a> Words<'a> {
    /// Those of the server at `place`, which may be sent `login`.
    pub(super) fn new(place: &'a str, login: Option<&MailLogin>) -> Self {
        let telltales = login.map(telltales).unwrap_or_default();
        Self { place, telltales }
    }

    /// Why `refused` came of it.
    pub(super) fn explain(&self, refused: Refused<'_>, err: &SmtpError) -> Failure {
        let place = self.place;
        let Some(code) = err.status() else {
            return match err.source() {
                // lettre's words for an end in the middle are only there as text.
                Some(cause) if cause.to_string() == "incomplete response" => {
                    Failure::Connect(format!("{place} closed the connection before the mail was accepted"))
                }
                // The words of lettre's parser repeat what the server said.
                _ if err.is_response() => nonsense(place),
                _ => broken(place, err),
            };
        };
        let what = match refused {
            Refused::Connection => "to talk".to_owned(),
            Refused::StartTls => "to begin TLS".to_owned(),
            Refused::Login => "the login".to_owned(),
            Refused::Sender(sender) => format!("the sender {sender}"),
            Refused::Recipient(recipient) => format!("the recipient {recipient}"),
            Refused::Mail => "the mail".to_owned(),
        };
        let for_now = if err.is_transient() { " for now" } else { "" };
        let words = err.source().map(|words| self.fit(&words.to_string())).unwrap_or_default();
        let text = format!("{place} refuses {what}{for_now}: {code} {words}");
        let text = text.trim_end().to_owned();
        match refused {
            Refused::StartTls => Failure::Tls(text),
            Refused::Connection | Refused::Login | Refused::Sender(_) | Refused::Recipient(_) | Refused::Mail => {
                Failure::Mail(text)
            }
        }
    }

    /// There is no way to make the connection safe.
    pub(super) fn no_starttls(&self) -> Failure {
        let place = self.place;
        Failure::Tls(format!("{place} does not offer STARTTLS, so nothing was sent to it"))
    }

    /// There is no way to show the password.
    pub(super) fn no_login(&self) -> Failure {
        let place = self.place;
        Failure::Mail(format!("{place} offers neither AUTH PLAIN nor AUTH LOGIN, so the password was not sent to it"))
    }

    /// `words` in one line, without the password.
    fn fit(&self, words: &str) -> String {
        let folded = Zeroizing::new(fold(words));
        if self.telltales.iter().any(|telltale| folded.contains(telltale.as_str())) {
            return "(its words are left out, because they repeat the login)".to_owned();
        }
        let words: String = words.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
        let mut words: String = words.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((end, _)) = words.char_indices().nth(MOST_SHOWN) {
            words.truncate(end);
            words.push('…');
        }
        words
    }
}

/// Nobody can say what the server means.
pub(super) fn nonsense(place: &str) -> Failure {
    Failure::Other(format!("{place} answered something that is not SMTP"))
}

/// What went wrong below SMTP, as far as the chain of `err` says.
pub(super) fn broken(place: &str, err: &(dyn StdError + 'static)) -> Failure {
    let chain = || std::iter::once(err).chain(failure::causes(err));
    for cause in chain() {
        if cause.downcast_ref::<TooMuch>().is_some() {
            return Failure::TooLarge;
        }
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Failure::of_tls(&place, tls);
        }
    }
    let kind = chain().find_map(|cause| failure::describe_io(cause.downcast_ref::<io::Error>()?.kind()));
    if let Some(kind) = kind {
        return Failure::Connect(format!("{place} {kind}"));
    }
    let last = chain().last().map(ToString::to_string).unwrap_or_default();
    Failure::Other(format!("no mail could be sent to {place}: {last}"))
}

fn telltales(login: &MailLogin) -> Vec<Zeroizing<String>> {
    let MailLogin { username, password } = login;
    let plain = Zeroizing::new(format!("\0{username}\0{}", password.expose()));
    let forms = [
        Zeroizing::new(password.expose().to_owned()),
        Zeroizing::new(BASE64_STANDARD.encode(password.expose())),
        Zeroizing::new(BASE64_STANDARD.encode(plain.as_str())),
    ];
    let beginning = |form: &Zeroizing<String>| {
        let folded = Zeroizing::new(fold(form));
        let beginning: String = folded.trim_end_matches('=').chars().take(TELLING).collect();
        Zeroizing::new(beginning)
    };
    forms.iter().map(beginning).filter(|beginning| !beginning.is_empty()).collect()
}

/// `text` in lower case and without white space and control characters: all that a server may have made of what it repeats.
fn fold(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace() && !char.is_control()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use k8supdater_core::pull_secret::Secret;

    use super::*;

    fn login() -> MailLogin {
        MailLogin { username: "alice".to_owned(), password: Secret::new("Corr ect=horse-battery".to_owned()) }
    }

    #[test]
    fn words_are_one_bounded_line() {
        let words = Words::new("mail:25", None);
        let check = |given: &str, expected: &str| assert_eq!(words.fit(given), expected);
        check("5.7.8 bad  credentials", "5.7.8 bad credentials");
        check("a\r\n\tb\u{0}c\u{1b}[31m", "a b c [31m");
        check("", "");
        check(&"ü".repeat(400), &format!("{}…", "ü".repeat(300)));
    }

    #[test]
    fn words_that_repeat_the_password_are_left_out() {
        let login = login();
        let words = Words::new("mail:25", Some(&login));
        let check = |given: &str, is_shown: bool| assert_eq!(words.fit(given) == given, is_shown, "{given}");
        let plain = BASE64_STANDARD.encode("\0alice\0Corr ect=horse-battery");
        check("no such user alice", true);
        check("Correct me if I am wrong", true);
        check("what is Corr ect=horse-battery?", false);
        check("CORR ECT=HORSE-BATTERY", false);
        check("Corr ect=ho", false);
        check(&format!("unknown command AUTH PLAIN {plain}"), false);
        check(&format!("unknown command AUTH PLAIN {}...", &plain[..20]), false);
        check(&format!("unknown command {}", BASE64_STANDARD.encode("Corr ect=horse-battery")), false);
    }

    #[test]
    fn a_short_password_is_a_password_too() {
        let login = MailLogin { username: "a".to_owned(), password: Secret::new("pw".to_owned()) };
        let words = Words::new("mail:25", Some(&login));
        assert!(!words.fit("the password is pw").contains("pw"));
    }
}
