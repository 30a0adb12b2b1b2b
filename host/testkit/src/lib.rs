//! What tests share: a registry that can be told to fail, builders for objects, and the operator on a real control plane.
//!
//! Development only. Whatever goes wrong in here is the failure of a test, so functions panic with a sentence that says what to do
//! instead of returning errors. In reading order:
//!
//! - [`Stage`] is what one test plays on: namespaces of its own, the operator's shipped rights, plugins, waiting with an account of
//!   what happened instead. It stands on [`Cluster`], which is the control plane that [`Surroundings`] names.
//! - [`Operator`] is the shipped binary as a process that can be killed, stopped and started again; [`ApiProxy`] says at which of its
//!   writes.
//! - [`Registry`] pushes images to a real registry; [`PrivateRegistry`] starts one that wants a login, with a [`TokenService`] if need be.
//! - [`MailServer`] is a real mail server, in each of its three kinds of protection, which shows the mails that it got.
//! - [`FakeRegistry`], [`FakeHub`] and [`FakeGitlab`] speak the wire formats of registries, of Docker Hub's API and of GitLab's, remember
//!   what they were asked, and fail on demand. [`FakeTelegram`] does the same for bots, with people who press buttons, and
//!   [`FakeWebhook`] for whatever is posted. [`FakeCollector`] takes traces.
//! - [`metrics`] reads what the operator shows of itself, and compares it with the page about that.
//! - [`objects`] builds workloads, handlers, plugins, ConfigMaps and Secrets.

#![allow(clippy::panic, clippy::unwrap_used, reason = "this package serves tests only, and a test fails by panicking")]

pub mod metrics;
pub mod objects;

mod api_proxy;
mod cluster;
mod eventually;
mod fake_collector;
mod fake_gitlab;
mod fake_hub;
mod fake_registry;
mod fake_telegram;
mod fake_webhook;
mod htpasswd;
mod image;
mod mail_server;
mod operator;
mod private_registry;
mod process;
mod rbac;
mod registry;
mod server;
mod stage;
mod surroundings;

pub use api_proxy::{ApiProxy, CrashPoint, Write};
pub use cluster::Cluster;
pub use eventually::{PATIENCE, eventually};
pub use fake_collector::{CollectedRequest, CollectedSpan, CollectorFault, FakeCollector};
pub use fake_gitlab::{FakeGitlab, GitlabFault, GitlabPart};
pub use fake_hub::{FakeHub, HubFault, HubPart};
pub use fake_registry::{FakeRegistry, Fault, Part};
pub use fake_telegram::{
    FakeTelegram, TelegramAnswer, TelegramButton, TelegramEntity, TelegramFault, TelegramMessage, TelegramPart,
    TelegramUser,
};
pub use fake_webhook::{FakeWebhook, WebhookFault, WebhookPart, hmac_sha256};
pub use image::Source;
pub use mail_server::{MailMessage, MailMode, MailPart, MailServer};
pub use operator::{Exit, Operator};
pub use private_registry::{PrivateRegistry, TokenService};
pub use rbac::rights_of_installer;
pub use registry::{IndexDigests, Registry};
pub use server::Seen;
pub use stage::Stage;
pub use surroundings::Surroundings;

/// An HTTP client that trusts nobody, goes straight to the loopback interface, and follows no redirect.
fn http_client() -> reqwest::Client {
    install_crypto();
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client without certificates can always be built")
}

/// rustls wants to know once which implementation of cryptography it uses.
fn install_crypto() {
    // An error says that it is known already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
