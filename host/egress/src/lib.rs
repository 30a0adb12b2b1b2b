//! The one way out of k8supdater.
//!
//! Plugins make no requests; they say which ones they want. Every one of them is made here, by one client, under the same rules:
//!
//! 1. [`Client::send`] takes a [`Request`] and the [`Scope`] of the conversation that it belongs to.
//! 2. [`request::check`] looks at every part of it: method, URL, origin against the grants, headers, body.
//! 3. [`revalidate::Kept`] may hold the last answer; then the request is made conditional, and a 304 costs no transfer.
//! 4. [`credential::BoundCredential::proof`] says how the secret is shown, if one is bound to the slot *and* to the origin.
//! 5. [`token::Tokens::exchange`] buys a token where a registry asks for one, from whom [`challenge::check_realm`] allows;
//!    [`login::Logins::exchange`] logs in where an API wants that, at the origin that the request goes to.
//! 6. [`wire::Wire::exchange`] waits for a place, sends, and reads the answer within its [`Limits`];
//!    [`resolve::CheckedResolver`] lets connections go to judged addresses only, and [`body::Body`] decodes.
//! 7. What went wrong becomes a [`Failure`], whose text is made for people and holds no secret.
//!
//! Mails go out through [`Mailer::send`], to the one server that an administrator configured. There is nothing to grant: a plugin chooses
//! recipients and text, and sees neither the server nor the login.
//!
//! The operator's own bot speaks by the same client: [`telegram`]. Traces go to the one [`collector`] that is configured.
//!
//! # What is defended against
//!
//! | attempt | what stops it |
//! |---|---|
//! | a plugin calls an origin that nobody granted | exact origins, compared after parsing |
//! | a granted name resolves to a private or metadata address, at once or later | each address is judged, and exactly that one is connected to |
//! | an address in disguise: `0x7f.1`, `[::ffff:10.0.0.1]` | the URL parser and [`k8supdater_core::address`] know one form of each |
//! | one plugin uses a connection that only another may make | connections for named origins and for others are kept apart |
//! | a redirect to somewhere else | is an answer; following it is a new request, checked as the first |
//! | a registry sends us to its "token service" for the password | [`challenge::check_realm`] |
//! | a plugin manifest has the login sent elsewhere | it says only a path, on the origin that the secret is bound to; no redirect is followed |
//! | a plugin reads a secret that it only names | secrets are attached last; errors never hold URLs; `location` is given back with the placeholder |
//! | a second request smuggled in headers | framing headers are refused, and control characters in every value |
//! | a decompression bomb, a body without end, a trickle | limits on wire and decoded bytes, on silence and on total time |
//! | a mail server asks for the password in the open, or somebody on the way makes it seem so | STARTTLS is required, and what was said before it is forgotten |
//! | a second header, recipient or mail in a subject, an address or a text | addresses are plain, control characters are refused or left out, line ends are of one kind |
//! | a mail server repeats the password when it refuses, or never stops talking | [`mail`] leaves such words out, and bounds what is read |
//! | one tenant sees what another was answered | the secret's identity is part of every cache key |
//!
//! What is not: a granted origin can repeat in its body what it was sent, a secret included. Grant secrets to origins that you trust.

#![forbid(unsafe_code)]

pub mod client;
pub mod collector;
pub mod credential;
pub mod failure;
pub mod mail;
pub mod request;
pub mod resolve;
pub mod scope;
pub mod telegram;
pub mod wire;

mod body;
mod budget;
mod challenge;
mod login;
mod places;
mod revalidate;
mod tls;
mod token;

pub use budget::Budget;
pub use client::{BuildError, Client, Options, Response};
pub use collector::{Collector, CollectorError, CollectorOptions};
pub use credential::{BoundCredential, Credential, Identity, LoginForm, Scheme};
pub use failure::Failure;
pub use mail::{Mail, MailAddress, MailLogin, MailOptions, MailTls, Mailer};
pub use request::Request;
pub use resolve::Resolver;
pub use scope::{Limits, RealmBinding, Scope};
pub use wire::{End, Exchange, Observer};
