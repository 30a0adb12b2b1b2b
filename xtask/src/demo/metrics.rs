//! What the operator tells Prometheus during the demo: everything that the page about metrics speaks of, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::control_plane::look_up;
use crate::control_plane::program::Program;
use crate::{command, workspace};

/// Compares metrics in the text format with `docs/metrics.md`, and says in a sentence what there is. Has Prometheus's own parser read them,
/// where promtool is: it is built for tests, and not for a demo.
///
/// # Errors
/// Names every metric that is missing, that is not documented, or of another type.
pub fn check(text: &str, directory: &Path) -> Result<String> {
    let path = workspace::root().join("docs/metrics.md");
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (shown, documented) = (shown(text), documented(&page));
    let differing: BTreeSet<&&str> =
        shown.keys().chain(documented.keys()).filter(|name| shown.get(*name) != documented.get(*name)).collect();
    ensure!(differing.is_empty(), "not shown as documented in {}: {differing:?}", path.display());
    let read = match look_up::find(Program::Promtool)? {
        Some(promtool) => {
            let file = directory.join("metrics.txt");
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            let mut shell = Command::new("sh");
            command::run(shell.args(["-c", "exec \"$0\" check metrics < \"$1\""]).arg(promtool).arg(&file))?;
            "read by Prometheus's own parser, "
        }
        None => "",
    };
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    Ok(format!("{} metrics with {series} series, {read}all of them documented and none missing", shown.len()))
}

/// Type by name.
fn shown(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect()
}

/// Type by name: the first two cells of each row about a metric.
fn documented(page: &str) -> BTreeMap<&str, &str> {
    page.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
    let (kind, _) = rest.split_once(" |")?;
    name.starts_with("k8supdater_").then_some((name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_read_from_both_sides() {
        let page = "| metric | type |\n|---|---|\n| `k8supdater_a_total` | counter | none | a | b |\n| `k8supdater_b` | gauge | none |\n";
        let text = "# HELP k8supdater_a_total A\n# TYPE k8supdater_a_total counter\nk8supdater_a_total 1\n# TYPE k8supdater_b gauge\n";
        assert_eq!(documented(page), BTreeMap::from([("k8supdater_a_total", "counter"), ("k8supdater_b", "gauge")]));
        assert_eq!(documented(page), shown(text));
    }
}
