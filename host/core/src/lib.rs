//! What k8supdater decides, as plain functions over plain data.
//!
//! Nothing in here has heard of Kubernetes, HTTP, WebAssembly, the clock or the environment: what a decision depends on is an argument of
//! it, and a test is a table. In reading order:
//!
//! - [`version`] says which of two versions is newer and where they differ; [`policy`] makes an update, a notice or nothing of it.
//! - [`image`] reads and writes image references, without changing how their owner spells them.
//! - [`pull_secret`] reads logins for registries, and says which of them an image gets and who may see it.
//! - [`notice`] says what people are told, on which channel, and how they are told once only.
//! - [`origin`] says who may be called by the name, [`address`] by the address; [`backoff`] when to try again.

#![forbid(unsafe_code)]

pub mod version;

pub mod policy;

pub mod image;

pub mod pull_secret;

pub mod notice;

pub mod address;
pub mod backoff;
pub mod origin;
