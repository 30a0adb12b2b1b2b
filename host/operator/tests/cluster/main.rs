//! The operator, as a process with its shipped rights, on a real control plane.
//!
//! The API server, the Deployment controller and the registry are the released ones; only kubelets are simulated. `cargo xtask test`
//! starts them and runs this; `cargo xtask control-plane` keeps them running and prints what to export for
//! `cargo test -p k8supdater --test cluster`. Without them every test fails and says so.
//!
//! Each test has namespaces and an operator of its own, so they run side by side, and what one does to its operator no other notices.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, helpers of tests too")]

/// What people say to what is offered: by annotations, by the command line, twice, too late, and while the operator is killed.
mod answers;
/// Channels: who is told what, how often, and what becomes of it if they do not listen.
mod channels;
/// Tags that the spec lets count, and those that it does not.
mod choosing;
/// Several handlers on one container: the older one acts.
mod claims;
/// Images that somebody else changes while the operator is about to.
mod concurrency;
/// Deployments with several containers, and exceptions for some of them.
mod containers;
/// What people press in a chat, and what comes of it.
mod conversation;
/// Operators that lose the API server at one of their writes, at each of them in turn, and are killed.
mod crash_points;
/// Logins: whose they are, in which order they are tried, who gets to see them, and what is said when they are of no use.
mod credentials;
/// Docker Hub's own API: long listings, and as few requests as can be.
mod docker_hub;
/// What is wrong with an installation, told at a terminal with the command that mends it, which is then run.
mod doctor;
/// What is not done: no write and no request without need, and nothing after the end.
mod economy;
/// Mails, by a real mail server.
mod email;
/// What a handler would do, told at a terminal.
mod explain;
/// Handlers that look after every workload that a selector matches.
mod fleet;
/// What the health server says, and how the operator stops.
mod health;
/// Plugins that loop, eat, crash and flood, beside healthy ones.
mod hostile;
/// The installer of the shipped plugins: what it writes, what it leaves alone, what it waits for, and that it needs each of its rights.
mod installer;
/// Workloads other than Deployments: StatefulSets, DaemonSets and CronJobs.
mod kinds;
/// Tags that move, such as `latest`, and images that are pinned to a digest.
mod latest;
/// One replica at a time: a Lease that is kept, given back and taken over.
mod lease;
/// What an operator that has worked tells Prometheus.
mod metrics;
/// What is left of the frontier: reported, and reported once.
mod notices;
/// When and in which order updates are made: windows, ages, distances, modes, owners, predecessors, and tags that were pushed again.
mod patience;
/// Images for other machines than those that the cluster has.
mod platforms;
/// Plugin objects: hot reload, grants, settings, and what handlers hear of them.
mod plugins;
/// Registries that refuse, limit, lie or are gone.
mod registry_faults;
/// Operators that are killed or stopped and started again.
mod restarts;
/// Updates that fail, die or are not wanted, and are taken back.
mod rollback;
/// The stage of most tests, and looks at it through the operator's own types.
mod scene;
/// Secrets of channels: random ones, looked for everywhere after everything has failed that can fail.
mod secrecy;
/// The limit on rollouts that are under way at the same time.
mod slots;
/// Updates that somebody takes back at a terminal.
mod taken_back;
/// Traces: what belongs together, also over a restart, and what happens without a collector.
mod tracing;
/// What is right of the frontier: applied, and followed until its rollout is finished, or has failed.
mod updates;
/// What the API server refuses, and in which words; and what the operator does about what got in all the same.
mod validation;
/// Volumes whose content is an image.
mod volumes;
/// Webhooks: what is posted, and how it is signed.
mod webhook;
/// Deployments that come and go.
mod workloads;
