//! Alert rules, their tests, and the expressions of the dashboard and of the page about metrics, as Prometheus reads them.
//!
//! That they ask for metrics which there are is for the tests of the host to see: they know the metrics.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::control_plane::look_up::Programs;
use crate::control_plane::program::{Module, Program};
use crate::{command, workspace};

/// Checks all of it with promtool, which is built the first time.
///
/// # Errors
/// When something cannot be read, or an alert does not do what its test says.
pub(super) fn check() -> Result<()> {
    let programs = Programs::find_or_build_of(&[Module::Prometheus])?;
    let promtool = programs.path(Program::Promtool)?;
    let directory = workspace::root().join("deploy/monitoring");
    command::run(
        Command::new(promtool)
            .args(["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"])
            .current_dir(&directory),
    )?;
    command::run(Command::new(promtool).args(["test", "rules", "rules.test.yaml"]).current_dir(&directory))?;
    let dashboard: Value = serde_json::from_str(&read(&directory.join("dashboard.json"))?)?;
    let mut expressions = Vec::new();
    expressions_in(&dashboard, &mut expressions);
    ensure!(!expressions.is_empty(), "the dashboard asks for nothing");
    let page = read(&workspace::root().join("docs/metrics.md"))?;
    expressions.extend(examples(&page));
    check_expressions(promtool, &expressions)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Everything that is called `expr`, however deep.
fn expressions_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("expr").and_then(Value::as_str).map(in_promql));
            fields.values().for_each(|field| expressions_in(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| expressions_in(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What Grafana puts in place of its variables.
fn in_promql(expression: &str) -> String {
    expression.replace("$__rate_interval", "5m")
}

/// The expressions in fences with the word `promql`, which are apart by an empty line; their comments are `PromQL`'s own.
fn examples(page: &str) -> Vec<String> {
    let fences = page.split("```promql\n").skip(1).filter_map(|rest| rest.split("```").next());
    fences.flat_map(|fence| fence.split("\n\n")).map(str::to_owned).collect()
}

/// promtool checks no single expressions without a server, but those of rules.
fn check_expressions(promtool: &Path, expressions: &[String]) -> Result<()> {
    let rule =
        |(number, expression): (usize, &String)| json!({"record": format!("expression:{number}"), "expr": expression});
    let rules: Vec<Value> = expressions.iter().enumerate().map(rule).collect();
    let file = json!({"groups": [{"name": "expressions", "rules": rules}]});
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let path = directory.path().join("expressions.yaml");
    // YAML holds JSON.
    fs::write(&path, format!("{file:#}")).with_context(|| format!("cannot write {}", path.display()))?;
    command::run(Command::new(promtool).args(["check", "rules"]).arg(&path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_found_wherever_they_are() {
        let dashboard = json!({"panels": [{"targets": [{"expr": "rate(a[$__rate_interval])"}], "title": "expr"}], "annotations": {"expr": "b"}});
        let mut found = Vec::new();
        expressions_in(&dashboard, &mut found);
        found.sort();
        assert_eq!(found, ["b", "rate(a[5m])"]);
        assert_eq!(
            examples("x\n```promql\n# one\na\n\n# two\nb\n```\ny\n```yaml\nc\n```\n"),
            ["# one\na", "# two\nb\n"]
        );
    }
}
