//! Which workloads a fleet looks after. Pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Expression, Selector, SelectorExt};
use thiserror::Error;

use crate::api::pace::{LabelOperator, LabelRequirement, WorkloadSelector};
use crate::api::workload::WorkloadKind;

/// A selector, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The kinds of workloads that count, each once.
    pub kinds: BTreeSet<WorkloadKind>,
    labels: Selector,
}

/// What is wrong with a selector.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum InvalidSelector {
    /// No label can be called so.
    #[error("{key:?} is no name of a label, expected one such as team or example.com/team")]
    Key {
        /// What is given.
        key: String,
    },
    /// No label can have that value.
    #[error(
        "{value:?} is no value of the label {key}, expected at most 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends"
    )]
    Value {
        /// The label.
        key: String,
        /// What is given.
        value: String,
    },
    /// A requirement has too few values, or too many.
    #[error("the requirement on the label {key} is {operator}, which takes {expected}")]
    Values {
        /// The label.
        key: String,
        /// What is required of it.
        operator: &'static str,
        /// How many there may be.
        expected: &'static str,
    },
}

impl Selection {
    /// Checks `selector`.
    ///
    /// # Errors
    /// For the first thing that is wrong with it.
    pub fn parse(selector: &WorkloadSelector) -> Result<Self, InvalidSelector> {
        let mut kinds: BTreeSet<WorkloadKind> = selector.kinds.iter().copied().collect();
        if kinds.is_empty() {
            kinds.insert(WorkloadKind::Deployment);
        }
        let mut labels = Selector::default();
        for (key, value) in &selector.match_labels {
            check(key, [value])?;
            labels.extend(Expression::Equal(key.clone(), value.clone()));
        }
        for requirement in &selector.match_expressions {
            labels.extend(expression(requirement)?);
        }
        Ok(Self { kinds, labels })
    }

    /// Whether a workload of that kind with these labels is meant.
    pub fn matches(&self, kind: WorkloadKind, labels: &BTreeMap<String, String>) -> bool {
        self.kinds.contains(&kind) && self.labels.matches(labels)
    }

    /// The kinds as the status shows them: `Deployment/*`.
    pub fn path(&self) -> String {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.as_str()).collect();
        format!("{}/*", kinds.join(","))
    }
}

fn expression(requirement: &LabelRequirement) -> Result<Expression, InvalidSelector> {
    let LabelRequirement { key, operator, values } = requirement;
    check(key, values)?;
    let wrong = |operator, expected| InvalidSelector::Values { key: key.clone(), operator, expected };
    let some = |operator| match values.as_slice() {
        [] => Err(wrong(operator, "at least one value")),
        values => Ok(values.iter().cloned().collect()),
    };
    let none = |operator| if values.is_empty() { Ok(()) } else { Err(wrong(operator, "no values")) };
    Ok(match operator {
        LabelOperator::In => Expression::In(key.clone(), some("In")?),
        LabelOperator::NotIn => Expression::NotIn(key.clone(), some("NotIn")?),
        LabelOperator::Exists => none("Exists").map(|()| Expression::Exists(key.clone()))?,
        LabelOperator::DoesNotExist => none("DoesNotExist").map(|()| Expression::DoesNotExist(key.clone()))?,
    })
}

fn check<'a>(key: &str, values: impl IntoIterator<Item = &'a String>) -> Result<(), InvalidSelector> {
    if !is_key(key) {
        return Err(InvalidSelector::Key { key: key.to_owned() });
    }
    let wrong = values.into_iter().find(|value| !value.is_empty() && !is_name(value));
    wrong.map_or(Ok(()), |value| Err(InvalidSelector::Value { key: key.to_owned(), value: value.clone() }))
}

/// Whether a label can be called so: a name, and perhaps a domain and a slash before it
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>).
fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_domain(domain) && is_name(name),
        None => is_name(text),
    }
}

fn is_name(text: &str) -> bool {
    let ends_well = |end: Option<char>| end.is_some_and(|end| end.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && ends_well(text.chars().next())
        && ends_well(text.chars().next_back())
}

fn is_domain(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        label.bytes().all(|byte| is_word(byte) || byte == b'-')
            && label.bytes().next().is_some_and(is_word)
            && label.bytes().next_back().is_some_and(is_word)
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn parse(selector: Value) -> Result<Selection, InvalidSelector> {
        Selection::parse(&serde_json::from_value(selector).unwrap())
    }

    #[test]
    fn workloads_match_by_kind_and_labels() {
        let check = |selector: Value, kind: WorkloadKind, labels: Value, expected: bool| {
            let labels = serde_json::from_value(labels.clone()).unwrap();
            assert_eq!(
                parse(selector.clone()).unwrap().matches(kind, &labels),
                expected,
                "{selector} {kind} {labels:?}"
            );
        };
        let (deployment, stateful_set) = (WorkloadKind::Deployment, WorkloadKind::StatefulSet);
        check(json!({}), deployment, json!({}), true);
        check(json!({}), stateful_set, json!({}), false);
        check(json!({"kinds": ["StatefulSet", "CronJob"]}), stateful_set, json!({}), true);
        check(json!({"kinds": ["StatefulSet", "CronJob"]}), deployment, json!({}), false);
        let labels = || json!({"matchLabels": {"team": "web", "tier": "front"}});
        check(labels(), deployment, json!({"team": "web", "tier": "front", "more": "x"}), true);
        check(labels(), deployment, json!({"team": "web"}), false);
        let requires = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]});
        check(requires("In", json!(["web", "db"])), deployment, json!({"team": "db"}), true);
        check(requires("In", json!(["web", "db"])), deployment, json!({}), false);
        check(requires("NotIn", json!(["web"])), deployment, json!({}), true);
        check(requires("NotIn", json!(["web"])), deployment, json!({"team": "web"}), false);
        check(requires("Exists", json!([])), deployment, json!({"team": ""}), true);
        check(requires("DoesNotExist", json!([])), deployment, json!({"team": ""}), false);
    }

    #[test]
    fn a_selector_that_could_never_be_meant_is_refused_in_words() {
        let check = |selector: Value, expected: &str| {
            let err = parse(selector.clone()).unwrap_err().to_string();
            assert!(err.contains(expected), "{selector}: {err}");
        };
        for key in ["", "a b", "-team", "example.com/", "Example.com/team", "a/b/c", "x".repeat(64).as_str()] {
            check(json!({"matchLabels": {key: "x"}}), "is no name of a label");
        }
        check(json!({"matchLabels": {"team": "a b"}}), "\"a b\" is no value of the label team");
        let requires = |operator: &str, values: Value| json!({"matchExpressions": [{"key": "team", "operator": operator, "values": values}]});
        check(requires("In", json!([])), "the requirement on the label team is In, which takes at least one value");
        check(requires("Exists", json!(["x"])), "is Exists, which takes no values");
        check(requires("NotIn", json!(["x", "-"])), "\"-\" is no value");
        parse(json!({"matchLabels": {"app.kubernetes.io/part-of": "shop", "empty": ""}})).unwrap();
    }

    #[test]
    fn kinds_are_shown_once_each() {
        let path = |kinds: Value| parse(json!({"kinds": kinds})).unwrap().path();
        assert_eq!(path(json!([])), "Deployment/*");
        assert_eq!(path(json!(["StatefulSet", "Deployment", "StatefulSet"])), "Deployment,StatefulSet/*");
    }
}
