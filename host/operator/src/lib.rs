//! The k8supdater operator, as a map.
//!
//! # One tag, from the registry's reply to the patch
//!
//! 1. [`operator`] runs a controller over VersioningHandlers; an event, or the passing of an interval, arrives at
//!    [`reconcile::reconcile`].
//! 2. [`reconcile::validate::validate`] turns the spec into a [`Target`](reconcile::validate::Target).
//! 3. [`reconcile::observe::observe`] reads the workload; for each container, [`credentials::Wallet::credentials`] finds the logins that its
//!    registry may see.
//! 4. [`registry::Registries::list_tags`] takes an [`Inquiry`](registry::Inquiry), which is a repository, the plugin that asks about it and
//!    these logins, and gives the listing that is known, or has one made: one for all who ask the same.
//! 5. [`exchange::ask`] lets the registry plugin say which requests it wants, makes them through [`k8supdater_egress::Client::send`],
//!    and hands it the replies, until it has all tags.
//! 6. [`registry::Listing::versions`] has the tags read by the version parser, [`k8supdater_runtime::Component::parse`].
//! 7. [`reconcile::decide::decide`] puts each container's tags before [`k8supdater_core::policy::decide`], where the frontier rules; a tag that
//!    moves goes before [`k8supdater_core::policy::moving::decide_moving`].
//! 8. [`reconcile::announce::announce`] writes the update into the handler's status.
//! 9. [`reconcile::act::act`] asks for the tag once more and changes the image by [`workload::Workloads::patch`], a patch that first tests
//!    the old one.
//! 10. [`reconcile::report`] shows what came of it: conditions, Events, the next check.
//! 11. [`notify::reconcile`], which has a loop of its own, reads in the status what people should hear, and has it sent by notifier plugins.
//!
//! What is not applied by itself is offered to people; what they say to that comes back as [`answer`]s, which [`decide`](reconcile::decide)
//! follows. A handler that looks after many workloads is a [`fleet`]: it has a handler of the usual kind made for each of them.
//!
//! # The rooms, in reading order
//!
//! What people answer in a chat comes in through [`bot`], in the one replica that holds the [`lease`].
//!
//! The pure rules live in [`k8supdater_core`], the sandbox in [`k8supdater_runtime`], the way out in [`k8supdater_egress`]. Plugins have
//! a loop of their own, which reads like the first: [`plugin`].

pub mod api;
pub mod config;
pub mod reconcile;

pub mod fleet;

pub mod answer;

pub mod credentials;
pub mod exchange;
pub mod login;
pub mod nodes;
pub mod plugin;
pub mod registry;
pub mod workload;

pub mod notify;

pub mod bot;
pub mod lease;

pub mod failure;
pub mod interrupted;
pub mod telemetry;

pub mod connections;

pub mod cli;
pub mod operator;
