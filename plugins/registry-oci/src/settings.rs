//! The settings; `plugin.json` holds their schema.

use serde::Deserialize;

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// How many tags to ask for at once, 1 to 1000; a registry may give fewer. Amazon ECR refuses more than 1000.
    pub page_size: u16,
    /// Speaks http instead of https. The administrator has to grant the http origin of that registry.
    pub plain_http: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { page_size: 1000, plain_http: false }
    }
}
