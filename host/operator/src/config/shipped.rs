//! Where the shipped plugins are, and where they go: what `k8supdater plugin install` and `k8supdater manifests plugins` read from the
//! environment, beside their own flags.

use std::path::PathBuf;

use clap::Args;

use super::terminal::usual_plugin_places;
use super::{ConfigError, RawConfig, path, set_path};

/// Flags and variables of tools that handle the shipped plugins.
#[derive(Args, Clone, Debug, Default)]
pub struct ShippedFlags {
    /// The operator's namespace [default: k8supdater].
    #[arg(long, short, env = "POD_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,

    /// Directory with plugins as they are shipped: YAML files with Plugins, and beside them the packed components of the ConfigMaps that they
    /// name, `registry-oci.wasm.gz` for `registry-oci` [default: ../share/k8supdater/plugins beside the program, or
    /// /usr/share/k8supdater/plugins].
    #[arg(long = "from", env = "K8SUPDATER_PLUGINS", value_name = "DIR", value_parser = path())]
    pub from: Option<PathBuf>,
}

/// What such a tool works with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippedPlace {
    /// The operator's namespace.
    pub namespace: String,
    /// Where plugins are looked for, the first place that has some first.
    pub places: Vec<PathBuf>,
}

impl ShippedFlags {
    /// Checks every value.
    ///
    /// # Errors
    /// As [`RawConfig::check`].
    pub fn check(self) -> Result<ShippedPlace, ConfigError> {
        let places = set_path(self.from).map_or_else(usual_plugin_places, |directory| vec![directory]);
        let config = RawConfig { namespace: self.namespace, ..RawConfig::default() }.check()?;
        Ok(ShippedPlace { namespace: config.namespace, places })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_go_to_the_operators_namespace_and_come_from_where_somebody_says_or_the_usual_places() {
        let check = |namespace: Option<&str>, from: Option<&str>, expected: (&str, &[PathBuf])| {
            let flags = ShippedFlags { namespace: namespace.map(str::to_owned), from: from.map(PathBuf::from) };
            let found = flags.check().unwrap();
            assert_eq!((found.namespace.as_str(), found.places.as_slice()), expected);
        };
        check(Some("updates"), Some("here"), ("updates", &["here".into()]));
        check(None, Some("here"), ("k8supdater", &["here".into()]));
        check(Some(""), Some(""), ("k8supdater", &usual_plugin_places()));
        let flags = ShippedFlags { namespace: Some("Team A".to_owned()), from: None };
        let message = flags.check().unwrap_err().to_string();
        assert_eq!(message, "POD_NAMESPACE (or --namespace) is \"Team A\", expected the name of a namespace");
    }
}
