//! The egress client against real servers on the loopback interface. Only the name look-ups are made up.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, helpers of tests too")]

/// Who may be called: grants, addresses, names.
mod addresses;
/// What is refused before anything is sent.
mod checks;
/// Traces, and how they get to their collector.
mod collector;
/// Secrets and where they go.
mod credentials;
/// Limits on answers, time and concurrency.
mod limits;
/// Logins at an API.
mod logins;
/// Mails, and what mail servers may not get away with.
mod mail;
/// Proxies, and that the environment brings none.
mod proxy;
/// Conditional requests and kept answers.
mod revalidation;
/// No secret in any error, log line or `Debug` output.
mod secrecy;
/// The servers, and builders for requests and scopes.
mod server;
/// A mail server that follows a script.
mod smtp;
/// The bot: what it asks for, and what it makes of answers.
mod telegram;
/// Certificates.
mod tls;
/// Tokens of OCI registries.
mod tokens;
