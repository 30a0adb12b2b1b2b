//! What is wrong with a spec.

use k8supdater_core::policy::{PatternError, WindowError};
use kube::core::error_boundary::InvalidObject;
use thiserror::Error;

use super::HandlerRef;

/// A spec that cannot be followed. The API server refuses most of these; an object may be older than its schema.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum Invalid {
    /// The object is not what the schema says.
    #[error("VersioningHandler {namespace}/{name} is not valid: {message}")]
    Malformed {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the parser said.
        message: String,
    },
    /// A field is out of its bounds.
    #[error("spec.{field} of VersioningHandler {namespace}/{name} is {value}, expected {expected}")]
    OutOfBounds {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
        /// What it holds.
        value: String,
        /// What it may hold.
        expected: &'static str,
    },
    /// No workload is named, or two.
    #[error(
        "VersioningHandler {namespace}/{name} names no workload, or two; expected either spec.deployment or spec.workload"
    )]
    Workload {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A field should be a regular expression.
    #[error("spec.{field} of VersioningHandler {namespace}/{name} is no usable regular expression")]
    Pattern {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        source: Box<PatternError>,
    },
    /// A field should be a maintenance window.
    #[error("spec.{field} of VersioningHandler {namespace}/{name} is no usable maintenance window")]
    Window {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
        /// What is wrong with it.
        source: Box<WindowError>,
    },
    /// A handler is to follow itself.
    #[error(
        "spec.{field} of VersioningHandler {namespace}/{name} names that handler itself, which would wait for ever; name one whose \
         workload goes first, or take the entry out"
    )]
    AfterItself {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The field.
        field: String,
    },
}

impl Invalid {
    /// For an object that could not be read at all.
    pub fn malformed(invalid: &InvalidObject) -> Self {
        Self::Malformed {
            namespace: invalid.metadata.namespace.clone().unwrap_or_default(),
            name: invalid.metadata.name.clone().unwrap_or_default(),
            message: invalid.error.clone(),
        }
    }

    pub(super) fn out_of_bounds(
        handler: &HandlerRef,
        field: impl Into<String>,
        value: &impl ToString,
        expected: &'static str,
    ) -> Self {
        let (namespace, name) = (handler.namespace.clone(), handler.name.clone());
        Self::OutOfBounds { namespace, name, field: field.into(), value: value.to_string(), expected }
    }

    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        "InvalidSpec"
    }
}
