//! Loads plugins, which are WebAssembly components that import nothing, and calls them under limits.
//!
//! The only room that knows wasmtime. Nothing in here has heard of Kubernetes or of a network: bytes come in, a [`Component`] comes out,
//! and what it computes is data ([`wit`]). In reading order:
//!
//! - [`Engine`] is made once per process. [`Engine::load`] turns bytes into a component: [`load`] tells the steps, [`validate`] what is
//!   refused before anything is compiled, [`compile`] how compiled code is kept, and [`trial`] how the plugin's own examples are run.
//! - [`Component`] is what was loaded; [`call`] says how it is called and what can go wrong, [`store`] how much one call may use.
//! - [`manifest`] is what a plugin says about itself, and [`settings`] what it is told; the bytes that carry the manifest are the affair of
//!   [`section`].
//! - [`pack`] makes a plugin out of what a compiler wrote, and [`inspect`] shows one to people; both run no code.

mod digest;

mod engine;

mod load;
mod validate;

mod compile;
mod trial;

mod component;

mod call;
mod store;

pub mod manifest;
mod section;
mod settings;

pub mod inspect;
pub mod pack;

pub mod wit;

#[cfg(test)]
mod testing;

pub use call::{Call, CallEnd, CallError, CallObserver};
pub use compile::{CacheState, CacheStatistics};
pub use component::Component;
pub use digest::Digest;
pub use engine::{Allocator, Engine, EngineError, EngineOptions};
pub use load::{LARGEST_COMPONENT, LoadError};
pub use settings::{SettingsError, Violation};
pub use store::Limits;
