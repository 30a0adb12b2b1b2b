//! The settings; `plugin.json` holds their schema.

use serde::Deserialize;

/// What can be set. The defaults are those of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Settings {
    /// How many tags to ask for at once, 1 to 100, which is the most that Docker Hub gives.
    pub page_size: u8,
}

impl Default for Settings {
    fn default() -> Self {
        Self { page_size: 100 }
    }
}
