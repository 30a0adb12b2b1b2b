//! Reads tags as versions by a regular expression, whose named groups say what is what: `(?<level1>\d+)\.(?<level2>\d+)(?<flavor>-.+)?`.
//!
//! [`expression`] reads, judges and compiles what the user wrote; [`groups`] knows what the names of groups mean; [`order`] writes down
//! values as numbers and bytes that compare as asked for.

mod expression;
mod groups;
mod order;

use std::collections::BTreeMap;

use k8supdater_plugin::version_parser::{Version, VersionParser};
use serde::Deserialize;

use expression::Expression;
use groups::Groups;
use order::Order;

k8supdater_plugin::export!(version-parser: Regex, manifest: "plugin.json");

/// The plugin, with one handler's expression compiled.
pub struct Regex {
    expression: Expression,
    groups: Groups,
}

/// The settings, as the schema in `plugin.json` describes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Missing is an error of [`prepare`](VersionParser::prepare), not of the schema: the operator checks a Plugin object's settings before
    /// any handler's are laid over them, and would not let a plugin serve that leaves the expression to handlers.
    expression: Option<String>,
    #[serde(default)]
    order: BTreeMap<String, Order>,
}

impl VersionParser for Regex {
    type Settings = Settings;

    fn prepare(settings: Settings) -> Result<Self, String> {
        let Some(expression) = settings.expression else {
            return Err(
                "the setting expression is missing: for example v?(?<version>[0-9.]+)(?<flavor>-.+)?".to_owned()
            );
        };
        let expression = Expression::compile(&expression)?;
        let groups = Groups::new(expression.names(), &settings.order)?;
        Ok(Self { expression, groups })
    }

    fn parse(&self, tag: &str) -> Option<Version> {
        let captures = self.expression.captures(tag)?;
        // A group that took no part and one that is empty are the same: not there.
        self.groups.version(|group| {
            captures.get_group(group).and_then(|span| tag.get(span.range())).filter(|text| !text.is_empty())
        })
    }
}

#[cfg(test)]
mod tests;
