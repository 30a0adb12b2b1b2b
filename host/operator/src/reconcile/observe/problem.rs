//! Why a container cannot be judged.

use thiserror::Error;

use crate::api::workload::WorkloadRef;
use crate::credentials::CredentialError;
use crate::failure::Retry;
use crate::plugin::{NotServing, SettingsError};
use crate::registry::{ListError, ParseError};
use crate::workload::WorkloadError;

/// Why a container cannot be judged now.
#[derive(Debug, Error)]
pub enum Problem {
    /// Another handler was there first.
    #[error(
        "the {workload} is looked after by the older VersioningHandler {handler}; delete one of both, or have one of them ignore the \
         container in spec.containers"
    )]
    Claimed {
        /// Whose container it is.
        workload: WorkloadRef,
        /// Namespace and name of the other handler.
        handler: String,
    },
    /// Its image is not an image reference.
    #[error("the image {image:?} is no image reference")]
    Image {
        /// As in the spec.
        image: String,
        /// What is wrong with it.
        #[source]
        cause: k8supdater_core::image::ParseError,
    },
    /// Its image has no tag that could be compared.
    #[error(
        "the image {image} {why}; give it a tag that is a version, such as 1.2.3, say in spec.latest what to do when a tag like this one \
         moves, or ignore the container in spec.containers"
    )]
    NoVersion {
        /// As in the spec.
        image: String,
        /// What it has instead.
        why: String,
    },
    /// A plugin that is needed does not serve.
    #[error(transparent)]
    Plugin(#[from] NotServing),
    /// The Secret that the handler names is of no use.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The registry's tags are not known.
    #[error(transparent)]
    List(#[from] ListError),
    /// What the pods run is not known.
    #[error("cannot see what the pods run")]
    Pods(#[source] WorkloadError),
    /// The version parser failed.
    #[error("cannot read tags as versions with plugin {plugin}")]
    Parse {
        /// Its name.
        plugin: String,
        /// Why.
        #[source]
        cause: ParseError,
    },
    /// A plugin's settings are not what its schema allows.
    #[error("the settings for plugin {plugin} are refused")]
    Settings {
        /// Its name.
        plugin: String,
        /// Which one and why.
        #[source]
        cause: SettingsError,
    },
}

impl Problem {
    pub(crate) fn settings(plugin: &str, cause: SettingsError) -> Self {
        Self::Settings { plugin: plugin.to_owned(), cause }
    }

    /// A fixed CamelCase word for conditions, Events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "ClaimedByOther",
            Self::Image { .. } => "InvalidImage",
            Self::NoVersion { .. } => "NoVersion",
            Self::Plugin(err) => err.reason(),
            Self::Credentials(err) => err.reason(),
            Self::List(err) => err.reason(),
            Self::Pods(err) => err.reason(),
            Self::Parse { cause: ParseError::Call(err), .. } => err.reason(),
            Self::Parse { cause: ParseError::Settings(_), .. } | Self::Settings { .. } => "InvalidSettings",
        }
    }

    /// When trying again makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::List(err) => err.retry(),
            Self::Pods(err) => err.retry(),
            Self::Credentials(err) => err.retry(),
            Self::Parse { cause: ParseError::Call(_), .. } => Retry::BackOff,
            Self::Claimed { .. }
            | Self::Image { .. }
            | Self::NoVersion { .. }
            | Self::Plugin(_)
            | Self::Parse { cause: ParseError::Settings(_), .. }
            | Self::Settings { .. } => Retry::OnChange,
        }
    }

    /// Name of the plugin that does not do its work; none if something else is wrong, such as its settings.
    pub fn failing_plugin(&self) -> Option<&str> {
        match self {
            Self::Plugin(err) => Some(err.plugin()),
            Self::List(err) => err.failing_plugin(),
            Self::Parse { plugin, cause: ParseError::Call(_) } => Some(plugin),
            Self::Parse { cause: ParseError::Settings(_), .. }
            | Self::Claimed { .. }
            | Self::Image { .. }
            | Self::NoVersion { .. }
            | Self::Credentials(_)
            | Self::Pods(_)
            | Self::Settings { .. } => None,
        }
    }

    /// Whether the registry, rather than the user or a version parser, stands in the way.
    pub fn is_about_the_registry(&self) -> bool {
        matches!(self, Self::List(_))
    }
}
