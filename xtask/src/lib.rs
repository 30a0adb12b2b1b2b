//! `cargo xtask`: everything that building, testing and showing the project takes, beyond Cargo itself.
//!
//! Start with [`cli`], which lists the commands. Each command is a room of its own:
//!
//! 1. [`plugins`] builds and packs the WebAssembly plugins, with a compiler that [`wasm_toolchain`] finds or installs;
//! 2. [`control_plane`] starts a real Kubernetes control plane and a real registry on this machine, without containers;
//! 3. [`lint`], [`manifests`], [`mod@reference`], [`mod@test`] and [`mod@bench`] are what CI and committers run; [`pages`] knows what people
//!    read;
//! 4. [`release`] checks and prepares a release;
//! 5. [`demo`] shows the main job from a pushed tag to a finished rollout;
//! 6. [`install`], a part of the tests, installs, upgrades and removes the operator in each way that the docs name;
//! 7. [`rights`], another part, compares what the operator may do with what it did in the tests.
//!
//! They share [`operator`] (the operator, installed, as a local process), [`kubelet`] (how its pods say that it is started) and [`image`]
//! (images that hold nothing).
//!
//! Below them: [`stop`] (Ctrl-C and SIGTERM), [`command`] (programs that are run to their end), [`process`] (programs that are kept
//! running, and never outlive us), [`kubectl`], [`helm`], [`step`] (headings and times), [`cache`] and [`workspace`] (where things are), [`tool`]
//! (programs that are built once), [`hex`].

pub mod bench;
pub mod cache;
pub mod cli;
pub mod command;
pub mod control_plane;
pub mod demo;
pub mod helm;
pub mod hex;
pub mod image;
pub mod install;
pub mod kubectl;
pub mod kubelet;
pub mod lint;
pub mod manifests;
pub mod operator;
pub mod pages;
pub mod plugins;
pub mod process;
pub mod reference;
pub mod release;
pub mod rights;
pub mod step;
pub mod stop;
pub mod test;
pub mod tool;
pub mod wasm_toolchain;
pub mod workspace;
