//! Image references: registry / repository : tag @ digest, parsed once.
//!
//! Two things that must not be mixed up: what a reference *means* (`nginx` is `docker.io/library/nginx`) and how its owner *spells* it.
//! The registry is asked by the meaning; a workload gets its owner's spelling back. Start reading at [`ImageReference`].

pub mod digest;
pub mod reference;

pub use digest::Digest;
pub use reference::{ImageReference, ParseError, RetagError, is_tag};
