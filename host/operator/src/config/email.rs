//! The mail server that notices go out by, and who gets them: k8sUpdater's variables, and two of ours.

use std::net::{IpAddr, Ipv6Addr};

use clap::Args;
use k8supdater_core::pull_secret::Secret;
use k8supdater_egress::{MailAddress, MailLogin, MailTls};
use url::Host;

use super::ConfigError;
use super::given::{Given, is_group_given};

/// Most recipients of one mail, as plugins are promised.
const MOST_RECIPIENTS: usize = 50;
/// Where mail servers take mails from those who have a login, and offer STARTTLS (RFC 6409).
const SUBMISSION: u16 = 587;
/// Where they do so over TLS from the beginning (RFC 8314).
const SUBMISSIONS: u16 = 465;

/// The flags and variables for mails, as given.
#[derive(Args, Clone, Debug, Default)]
pub struct EmailFlags {
    /// Mail server that notices go out by, as a name or an address [default: no mails]. Needs --email-sender and --email-recipient.
    #[arg(long, env = "EMAIL_HOST", value_name = "HOST")]
    pub email_host: Option<String>,

    /// Port of the mail server [default: 587].
    #[arg(long, env = "EMAIL_PORT", value_name = "PORT")]
    pub email_port: Option<String>,

    /// Address that mails are from.
    #[arg(long, env = "EMAIL_SENDER", value_name = "ADDRESS")]
    pub email_sender: Option<String>,

    /// Addresses that mails go to, 1 to 50, separated by commas. The Plugin `email` has them as its setting `recipients`.
    #[arg(long, env = "EMAIL_RECIPIENT", value_name = "ADDRESSES")]
    pub email_recipient: Option<String>,

    /// User name for the mail server [default: the sender's address]. Of no use without a password.
    #[arg(long, env = "EMAIL_USERNAME", value_name = "NAME")]
    pub email_username: Option<String>,

    /// Password for the mail server [default: no login]. Set the variable rather than the flag, which others on the machine can see.
    #[arg(long, env = "EMAIL_PASSWORD", hide_env_values = true, value_name = "PASSWORD", value_parser = password)]
    pub email_password: Option<Secret>,

    /// How the connection to the mail server is protected: `implicit` begins with TLS; `starttls` begins TLS after the greeting, or sends
    /// nothing; `none` sends mails and the password in the open [default: implicit at port 465, else starttls].
    #[arg(long, env = "EMAIL_TLS", value_name = "HOW")]
    pub email_tls: Option<String>,
}

/// The mail server, and who gets mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// See [`EmailFlags::email_host`]; an IPv6 address has no brackets.
    pub host: String,
    /// See [`EmailFlags::email_port`].
    pub port: u16,
    /// See [`EmailFlags::email_sender`].
    pub sender: MailAddress,
    /// See [`EmailFlags::email_recipient`]; at least one.
    pub recipients: Vec<MailAddress>,
    /// See [`EmailFlags::email_username`] and [`EmailFlags::email_password`].
    pub login: Option<MailLogin>,
    /// See [`EmailFlags::email_tls`].
    pub tls: MailTls,
}

impl EmailFlags {
    /// The mail server, if there is one.
    pub(super) fn check(self) -> Result<Option<Email>, ConfigError> {
        let host = Given::of(self.email_host, "EMAIL_HOST", "--email-host");
        let port = Given::of(self.email_port, "EMAIL_PORT", "--email-port");
        let sender = Given::of(self.email_sender, "EMAIL_SENDER", "--email-sender");
        let recipient = Given::of(self.email_recipient, "EMAIL_RECIPIENT", "--email-recipient");
        let username = Given::of(self.email_username, "EMAIL_USERNAME", "--email-username");
        let password = Given::of_secret(self.email_password, "EMAIL_PASSWORD", "--email-password");
        let tls = Given::of(self.email_tls, "EMAIL_TLS", "--email-tls");

        let needed = [host.presence(), sender.presence(), recipient.presence()];
        let others = [port.presence(), username.presence(), password.presence(), tls.presence()];
        is_group_given(&needed, &others, "mails need a server, a sender and somebody to go to")?;
        is_group_given(&[password.presence()], &[username.presence()], "a login is a user name and a password")?;

        // A login in front of the host would be shown in full otherwise.
        let host = host.read_guarded(
            "the name or address of a mail server, such as mail.example.com, without a port",
            |text| text.contains('@'),
            read_host,
        )?;
        let port = port
            .read("a port from 1 to 65535", |text| text.parse().ok().filter(|port| *port != 0))?
            .unwrap_or(SUBMISSION);
        let sender = sender.read("a plain address such as k8supdater@example.com", MailAddress::parse)?;
        let recipients =
            recipient.read("1 to 50 plain addresses such as ops@example.com, separated by commas", addresses)?;
        let username = username
            .read("a user name without control characters", |text| is_printable(text).then(|| text.to_owned()))?;
        let password = password.read_secret("a password without control characters", is_printable)?;
        let tls = tls.read("none, starttls or implicit", read_tls)?;

        // All three are there, or none of them.
        let (Some(host), Some(sender), Some(recipients)) = (host, sender, recipients) else { return Ok(None) };
        let login =
            password.map(|password| MailLogin { username: username.unwrap_or_else(|| sender.to_string()), password });
        let usual = if port == SUBMISSIONS { MailTls::Implicit } else { MailTls::StartTls };
        Ok(Some(Email { host, port, sender, recipients, login, tls: tls.unwrap_or(usual) }))
    }
}

fn read_host(text: &str) -> Option<String> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Some(IpAddr::V6(ip).to_string());
    }
    Some(match Host::parse(text).ok()? {
        Host::Domain(name) => name,
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    })
}

fn read_tls(text: &str) -> Option<MailTls> {
    match text.to_ascii_lowercase().as_str() {
        "none" => Some(MailTls::None),
        "starttls" => Some(MailTls::StartTls),
        "implicit" => Some(MailTls::Implicit),
        _ => None,
    }
}

fn addresses(text: &str) -> Option<Vec<MailAddress>> {
    let mut addresses = Vec::new();
    for address in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let address = MailAddress::parse(address)?;
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    (1..=MOST_RECIPIENTS).contains(&addresses.len()).then_some(addresses)
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

/// Without the line end that files have, but with the blanks that a password may begin or end with.
#[allow(clippy::unnecessary_wraps, reason = "clap wants a parser that may fail")]
fn password(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field = fn(&mut EmailFlags) -> &mut Option<String>;

    const FLAGS: [(&str, Field); 6] = [
        ("EMAIL_HOST", |flags| &mut flags.email_host),
        ("EMAIL_PORT", |flags| &mut flags.email_port),
        ("EMAIL_SENDER", |flags| &mut flags.email_sender),
        ("EMAIL_RECIPIENT", |flags| &mut flags.email_recipient),
        ("EMAIL_USERNAME", |flags| &mut flags.email_username),
        ("EMAIL_TLS", |flags| &mut flags.email_tls),
    ];

    /// What comes of these variables.
    fn read(variables: &[(&str, &str)]) -> Result<Option<Email>, String> {
        let mut flags = EmailFlags::default();
        for (variable, value) in variables {
            if *variable == "EMAIL_PASSWORD" {
                flags.email_password = password(value).ok();
                continue;
            }
            let (_, field) = FLAGS.iter().find(|(name, _)| name == variable).unwrap();
            *field(&mut flags) = Some((*value).to_owned());
        }
        flags.check().map_err(|err| err.to_string())
    }

    /// The smallest set that is one, with `variables` laid over it.
    fn with(variables: &[(&str, &str)]) -> Result<Email, String> {
        let least = [
            ("EMAIL_HOST", "mail.example.com"),
            ("EMAIL_SENDER", "k8s@example.com"),
            ("EMAIL_RECIPIENT", "o@example.com"),
        ];
        read(&[&least, variables].concat()).map(Option::unwrap)
    }

    #[test]
    fn the_least_set_gives_a_server_with_starttls_and_without_a_login() {
        let email = with(&[]).unwrap();
        assert_eq!((email.host.as_str(), email.port, email.tls), ("mail.example.com", 587, MailTls::StartTls));
        assert_eq!((email.sender.to_string().as_str(), email.login), ("k8s@example.com", None));
        assert_eq!(email.recipients, [MailAddress::parse("o@example.com").unwrap()]);
    }

    #[test]
    fn right_values_are_taken() {
        let check = |variable: &str, value: &str, is_taken: fn(&Email) -> bool| {
            let email = with(&[(variable, value)]).unwrap();
            assert!(is_taken(&email), "{variable}={value}: {email:?}");
        };
        check("EMAIL_HOST", "10.0.0.7", |email| email.host == "10.0.0.7");
        check("EMAIL_HOST", "::1", |email| email.host == "::1");
        check("EMAIL_HOST", "[2001:db8::1]", |email| email.host == "2001:db8::1");
        check("EMAIL_HOST", "Mail.Tools.svc", |email| email.host == "mail.tools.svc");
        check("EMAIL_PORT", "25", |email| (email.port, email.tls) == (25, MailTls::StartTls));
        check("EMAIL_PORT", "465", |email| (email.port, email.tls) == (465, MailTls::Implicit));
        check("EMAIL_TLS", "None", |email| email.tls == MailTls::None);
        check("EMAIL_TLS", "implicit", |email| email.tls == MailTls::Implicit);
        check("EMAIL_RECIPIENT", "b@example.com, a@example.com,,b@example.com", |email| {
            email.recipients.iter().map(MailAddress::domain).eq(["example.com"; 2])
        });
        let starttls = with(&[("EMAIL_PORT", "465"), ("EMAIL_TLS", "starttls")]).unwrap();
        assert_eq!(starttls.tls, MailTls::StartTls);
    }

    #[test]
    fn a_password_makes_a_login_whose_user_is_the_sender_unless_another_is_named() {
        let check = |variables: &[(&str, &str)], username: &str, password: &str| {
            let login = with(variables).unwrap().login.unwrap();
            assert_eq!((login.username.as_str(), login.password.expose()), (username, password));
            assert!(!format!("{login:?}").contains(password));
        };
        check(&[("EMAIL_PASSWORD", " canary \n")], "k8s@example.com", " canary ");
        check(&[("EMAIL_PASSWORD", "canary"), ("EMAIL_USERNAME", "apikey")], "apikey", "canary");
    }

    #[test]
    fn a_wrong_value_is_shown_with_what_is_allowed() {
        let check = |variable: &str, flag: &str, value: &str, expected: &str| {
            let message = with(&[(variable, value)]).unwrap_err();
            assert_eq!(message, format!("{variable} (or {flag}) is {value:?}, expected {expected}"));
        };
        for value in ["mail.example.com:25", "mail example", "https://mail.example.com", "mail/x"] {
            let expected = "the name or address of a mail server, such as mail.example.com, without a port";
            check("EMAIL_HOST", "--email-host", value, expected);
        }
        for value in ["0", "65536", "-1", "smtp"] {
            check("EMAIL_PORT", "--email-port", value, "a port from 1 to 65535");
        }
        for value in ["k8s", "K8s <k8s@example.com>", "a@example.com,b@example.com"] {
            check("EMAIL_SENDER", "--email-sender", value, "a plain address such as k8supdater@example.com");
        }
        let many: Vec<String> = (0..51).map(|i| format!("o{i}@example.com")).collect();
        for value in [",", "ops", "a@example.com;b@example.com", "a@example.com\nb@example.com", &many.join(",")] {
            let expected = "1 to 50 plain addresses such as ops@example.com, separated by commas";
            check("EMAIL_RECIPIENT", "--email-recipient", value, expected);
        }
        for value in ["tls", "ssl", "true"] {
            check("EMAIL_TLS", "--email-tls", value, "none, starttls or implicit");
        }
        let message = with(&[("EMAIL_PASSWORD", "x"), ("EMAIL_USERNAME", "a\tb")]).unwrap_err();
        assert!(message.starts_with("EMAIL_USERNAME (or --email-username) is \"a\\tb\", expected"), "{message}");
    }

    #[test]
    fn a_wrong_value_that_may_be_secret_is_not_shown() {
        let check = |variable: &str, value: &str| {
            let message = with(&[(variable, value)]).unwrap_err();
            assert!(message.starts_with(variable) && message.contains("; expected "), "{message}");
            assert!(!message.contains("canary"), "{message}");
        };
        check("EMAIL_PASSWORD", "can\tary canary");
        check("EMAIL_HOST", "me:canary@mail.example.com");
        check("EMAIL_HOST", "smtp://me:canary@mail.example.com");
    }

    #[test]
    fn half_a_set_names_what_is_there_and_what_is_missing() {
        let check = |variables: &[(&str, &str)], expected: &str| {
            let message = read(variables).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
            assert!(!message.contains("canary"), "{message}");
        };
        let host = ("EMAIL_HOST", "mail.example.com");
        let sender = ("EMAIL_SENDER", "k8s@example.com");
        let recipient = ("EMAIL_RECIPIENT", "o@example.com");
        check(
            &[host],
            "EMAIL_HOST is set, but EMAIL_SENDER and EMAIL_RECIPIENT are not; set what is missing, or none of them: ",
        );
        check(&[host, sender], "EMAIL_HOST and EMAIL_SENDER are set, but EMAIL_RECIPIENT is not; ");
        check(
            &[sender, recipient, ("EMAIL_HOST", " ")],
            "EMAIL_SENDER and EMAIL_RECIPIENT are set, but EMAIL_HOST is not; ",
        );
        check(
            &[("EMAIL_PASSWORD", "canary")],
            "EMAIL_PASSWORD is set, but EMAIL_HOST, EMAIL_SENDER and EMAIL_RECIPIENT are not; ",
        );
        check(
            &[("EMAIL_PORT", "25"), recipient],
            "EMAIL_RECIPIENT and EMAIL_PORT are set, but EMAIL_HOST and EMAIL_SENDER are not",
        );
        check(&[("EMAIL_TLS", "what?")], "EMAIL_TLS is set, but EMAIL_HOST, EMAIL_SENDER and EMAIL_RECIPIENT are not");
        check(
            &[host, sender, recipient, ("EMAIL_USERNAME", "me")],
            "EMAIL_USERNAME is set, but EMAIL_PASSWORD is not; ",
        );
    }

    #[test]
    fn empty_means_unset() {
        let empty = FLAGS.map(|(variable, _)| (variable, " "));
        assert_eq!(read(&[&empty[..], &[("EMAIL_PASSWORD", "\n")]].concat()), Ok(None));
        assert_eq!(read(&[]), Ok(None));
        let defaults = [("EMAIL_PORT", ""), ("EMAIL_TLS", ""), ("EMAIL_USERNAME", ""), ("EMAIL_PASSWORD", "")];
        assert_eq!(with(&defaults), with(&[]));
    }
}
