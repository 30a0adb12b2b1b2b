use k8supdater::api::plugin::Plugin;
use k8supdater_core::version::Version;
use k8supdater_plugin::VersionParser;
use k8supdater_runtime::manifest::Kind;
use k8supdater_runtime::{Component, Engine, EngineOptions, Limits, inspect, pack};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use version_pep440::Pep440;

use crate::{plugin, root, to_host};

/// What is shipped, and what it is.
const SHIPPED: [(&str, Kind); 10] = [
    ("notify-email", Kind::Notifier),
    ("notify-telegram", Kind::Notifier),
    ("notify-webhook", Kind::Notifier),
    ("registry-dockerhub", Kind::Registry),
    ("registry-gitlab", Kind::Registry),
    ("registry-oci", Kind::Registry),
    ("version-date", Kind::VersionParser),
    ("version-pep440", Kind::VersionParser),
    ("version-regex", Kind::VersionParser),
    ("version-semver", Kind::VersionParser),
];

async fn load(name: &str) -> Component {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    engine.load(std::fs::read(plugin(name)).unwrap().into(), Limits::default()).await.unwrap()
}

#[test]
fn shipped_components_import_no_function_and_fit_into_a_config_map() {
    for (name, kind) in SHIPPED {
        let bytes = std::fs::read(plugin(name)).unwrap();
        let inspection = inspect::inspect(&bytes).unwrap();
        assert_eq!(inspection.kind, kind, "{name}");
        assert_eq!(inspection.manifest.name, name);
        assert!(!inspection.manifest.examples.is_empty(), "{name} proves nothing by an example");
        assert!(pack::compress(&bytes).len() < 1024 * 1024, "{name} does not fit into a ConfigMap");
        assert!(bytes.len() < 1024 * 1024, "{name} has {} bytes", bytes.len());
    }
}

/// The Plugin objects that `deploy/plugins` installs.
fn installed() -> Vec<Plugin> {
    let directory = root().join("deploy/plugins");
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let kustomization: serde_json::Value = serde_yaml_ng::from_str(&read("kustomization.yaml")).unwrap();
    let resources = kustomization["resources"].as_array().unwrap();
    resources.iter().map(|name| serde_yaml_ng::from_str(&read(name.as_str().unwrap())).unwrap()).collect()
}

#[tokio::test]
async fn what_is_installed_is_what_is_shipped_and_may_do_what_it_asks_for() {
    let mut components = Vec::new();
    for installed in installed() {
        let name = &installed.spec.source.config_map.name;
        let component = load(name).await;
        let settings = component.part_of_settings(&serde_json::json!(installed.spec.settings)).unwrap();
        let settings = serde_json::from_str(&settings).unwrap();
        let asked = component.manifest().origins.iter().filter_map(|asked| asked.origin.with_settings(&settings));
        let asked: Vec<String> = asked.map(|grant| grant.to_string()).collect();
        assert_eq!(installed.spec.grants.unwrap_or_default().origins, asked, "{name}");
        components.push(name.clone());
    }
    components.sort();
    assert_eq!(components, SHIPPED.map(|(name, _)| name));
}

#[tokio::test]
async fn a_regular_expression_may_be_left_to_handlers_and_is_missed_when_none_gives_it() {
    let component = load("version-regex").await;
    let parse = async |settings: serde_json::Value| {
        let settings = component.settings(&settings).unwrap();
        component.parse(vec!["v1.2".to_owned()], &settings).await.unwrap()
    };
    let refused = parse(serde_json::json!({})).await.unwrap_err();
    assert!(refused.starts_with("the setting expression is missing: for example "), "{refused}");
    let versions = parse(serde_json::json!({"expression": "v(?<version>[0-9.]+)"})).await.unwrap();
    assert_eq!(versions[0].as_ref().map(|version| version.levels.as_slice()), Some(&[1, 2][..]));
}

#[tokio::test]
async fn shipped_components_load_and_pass_their_own_examples() {
    for (name, kind) in SHIPPED {
        assert_eq!(load(name).await.kind(), kind, "{name}");
    }
}

#[tokio::test]
async fn the_component_reads_what_its_source_reads_however_the_list_is_cut() {
    let component = load("version-pep440").await;
    let settings = component.settings(&serde_json::json!({})).unwrap();
    let native = Pep440::prepare(k8supdater_plugin::version_parser::NoSettings {}).unwrap();
    let plausible =
        "(v|release-)?[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(rc[0-9]|\\.dev[0-9]|\\.post[0-9])?(-alpine|-slim3\\.1)?";
    let lists =
        prop::collection::vec(prop_oneof![plausible, "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}", any::<String>()], 0..40);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let parse = |tags: &[String]| runtime.block_on(component.parse(tags.to_vec(), &settings)).unwrap().unwrap();
        TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() })
            .run(&(lists, 0..40_usize), |(tags, cut)| {
                let whole = parse(&tags);
                let expected: Vec<Option<Version>> = tags.iter().map(|tag| native.parse(tag).map(to_host)).collect();
                prop_assert_eq!(&whole, &expected);
                let (head, rest) = tags.split_at(cut.min(tags.len()));
                prop_assert_eq!(whole, [parse(head), parse(rest)].concat());
                Ok(())
            })
            .unwrap();
    })
    .await
    .unwrap();
}

/// Tags of all schemes, and texts that are none.
fn any_tags() -> impl Strategy<Value = Vec<String>> {
    let number = "(v|release-)?[0-9]{1,3}(\\.[0-9]{1,3}){0,4}(rc[0-9]|-rc\\.[0-9]|\\.dev[0-9]|\\.post[0-9]|-ls[0-9]{1,2})?(-alpine|-slim3\\.1)?";
    let date = "20[0-3][0-9][.-]?[01][0-9][.-]?[0-3][0-9](T[0-2][0-9][0-5][0-9])?|2[0-9]\\.(04|10)(\\.[0-9]{1,2})?";
    let word = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}";
    prop::collection::vec(prop_oneof![4 => number, 2 => date, 1 => word, 1 => any::<String>()], 0..40)
}

#[tokio::test]
async fn every_parser_is_total_deterministic_and_orders_whatever_it_reads() {
    for (name, settings) in [
        ("version-pep440", serde_json::json!({})),
        ("version-semver", serde_json::json!({"partial": true})),
        ("version-semver", serde_json::json!({"range": ">=1.2 <20"})),
        (
            "version-regex",
            serde_json::json!({"expression": "v?(?<version>[0-9.]+)(-ls(?<tail>[0-9]+))?(?<flavor>-[a-z].*)?"}),
        ),
        ("version-date", serde_json::json!({})),
        ("version-date", serde_json::json!({"scheme": "YY.0M.MICRO"})),
    ] {
        let component = load(name).await;
        let settings = component.settings(&settings).unwrap();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let parse = |tags: &[String]| runtime.block_on(component.parse(tags.to_vec(), &settings)).unwrap().unwrap();
            TestRunner::new(ProptestConfig { cases: 60, ..ProptestConfig::default() })
                .run(&(any_tags(), 0..40_usize), |(tags, cut)| {
                    let whole = parse(&tags);
                    prop_assert_eq!(whole.len(), tags.len());
                    let (head, rest) = tags.split_at(cut.min(tags.len()));
                    prop_assert_eq!(&whole, &[parse(head), parse(rest)].concat());
                    let versions: Vec<&Version> = whole.iter().flatten().collect();
                    for one in &versions {
                        for two in &versions {
                            prop_assert_eq!(one.order(two), two.order(one).reverse());
                            for three in &versions {
                                let is_chain = one.order(two).is_le() && two.order(three).is_le();
                                prop_assert!(!is_chain || one.order(three).is_le(), "{:?} {:?} {:?}", one, two, three);
                            }
                        }
                    }
                    Ok(())
                })
                .unwrap();
        })
        .await
        .unwrap();
    }
}
