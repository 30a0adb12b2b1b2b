//! `cargo xtask`: everything that building, testing and showing the project takes, beyond Cargo itself.
//!
//! Start with [`cli`], which lists the commands. Each command is a room of its own:
//!
//! 1. [`plugins`] builds and packs the WebAssembly plugins, with a compiler that [`wasm_toolchain`] finds or installs;
//! 2. [`control_plane`] starts a real Kubernetes control plane and a real registry on this machine, without containers;
//! 3. [`lint`], [`crd`], [`mod@test`] and [`mod@bench`] are what CI and committers run;
//! 4. [`release`] checks and prepares a release;
//! 5. [`demo`] shows the main job from a pushed tag to a finished rollout.
//!
//! They share [`operator`] (the operator as a local process) and [`image`] (images that hold nothing).
//!
//! Below them: [`stop`] (Ctrl-C and SIGTERM), [`command`] (programs that are run to their end), [`process`] (programs that are kept
//! running, and never outlive us), [`kubectl`], [`step`] (headings and times), [`cache`] and [`workspace`] (where things are), [`hex`].

pub mod bench;
pub mod cache;
pub mod cli;
pub mod command;
pub mod control_plane;
pub mod crd;
pub mod demo;
pub mod hex;
pub mod image;
pub mod kubectl;
pub mod lint;
pub mod operator;
pub mod plugins;
pub mod process;
pub mod release;
pub mod step;
pub mod stop;
pub mod test;
pub mod wasm_toolchain;
pub mod workspace;
