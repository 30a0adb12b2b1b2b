//! A test fixture, not for use: a version parser that misbehaves as its settings say.
//!
//! It implements the WIT interface as it stands, because the SDK's trait does not let anyone answer with the wrong number of versions.
//! [`misbehave`] is shared with the fixture `hostile-registry`.

mod misbehave;

use k8supdater_plugin::settings;
use k8supdater_plugin::version_parser::{Guest, Version};
use serde::Deserialize;

k8supdater_plugin::export!(version-parser: Hostile, manifest: "plugin.json");

/// The plugin.
pub struct Hostile;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    behaviour: Behaviour,
}

/// What to do when called; `README.md` says what each is for.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    #[default]
    Behave,
    Loop,
    EatMemory,
    Trap,
    Flood,
    WrongLength,
}

impl Guest for Hostile {
    fn parse(tags: Vec<String>, settings: String) -> Result<Vec<Option<Version>>, String> {
        let settings: Settings = settings::parse(&settings)?;
        let versions = tags.iter().map(|tag| tag.parse().ok().map(|number: u64| Version::release([number])));
        Ok(match settings.behaviour {
            Behaviour::Behave => versions.collect(),
            Behaviour::Loop => misbehave::spin(),
            Behaviour::EatMemory => misbehave::eat_memory(),
            Behaviour::Trap => misbehave::trap(),
            Behaviour::Flood => {
                let versions = misbehave::flood().into_iter().map(|flavor| Version::release([1]).with_flavor(flavor));
                versions.map(Some).collect()
            }
            Behaviour::WrongLength => versions.chain([Some(Version::release([1]))]).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_plugin_manifest_come_out() {
        k8supdater_plugin::examples::run_version_parser::<Hostile>(include_str!("../plugin.json")).unwrap();
    }

    #[test]
    fn one_version_too_many() {
        let parse = |tags: &[&str]| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            Hostile::parse(tags, r#"{"behaviour": "wrong-length"}"#.to_owned()).map(|versions| versions.len())
        };
        assert_eq!((parse(&[]), parse(&["1", "latest"])), (Ok(1), Ok(3)));
    }

    #[test]
    fn unknown_behaviours_are_refused() {
        let got = Hostile::parse(vec![], r#"{"behaviour": "nap"}"#.to_owned());
        assert!(matches!(&got, Err(why) if why.contains("unknown variant `nap`")), "{got:?}");
    }
}
