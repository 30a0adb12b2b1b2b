//! The schemas of our kinds as Markdown: one table for each object, with a row for each field. Pure.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

use super::cell;
use super::flags::without_gaps;

/// A kind with all fields of its spec and status.
pub fn kind(definition: &CustomResourceDefinition) -> String {
    let names = &definition.spec.names;
    let version = definition.spec.versions.first();
    let mut page = Page { kind: names.kind.clone(), text: String::new(), shown: Vec::new() };
    let short = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    page.line(&format!("## {}", names.kind));
    page.line(&format!(
        "`apiVersion: {}/{}`, `kind: {}`; for kubectl also {short}. Namespaced.",
        definition.spec.group,
        version.map_or("", |version| &version.name),
        names.kind,
    ));
    let schema =
        version.and_then(|version| version.schema.as_ref()).and_then(|schema| schema.open_api_v3_schema.as_ref());
    let Some(schema) = schema else { return page.text };
    if let Some(description) = &schema.description {
        page.line(&description.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    for part in ["spec", "status"] {
        if let Some(object) = schema.properties.as_ref().and_then(|properties| properties.get(part)) {
            page.object(part, object);
        }
    }
    page.text
}

/// What has been written so far.
struct Page {
    kind: String,
    text: String,
    /// Objects that have a table, with their paths: one that comes again is linked to.
    shown: Vec<(String, JSONSchemaProps)>,
}

impl Page {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}\n").expect("a String takes everything");
    }

    /// The table of one object, and then those of the objects in it.
    fn object(&mut self, path: &str, schema: &JSONSchemaProps) {
        self.shown.push((path.to_owned(), unnamed(schema)));
        self.line(&format!("### `{}`", self.name(path)));
        let mut text = String::from("| field | type | bounds | meaning |\n|---|---|---|---|\n");
        let mut inner = Vec::new();
        let required = schema.required.as_deref().unwrap_or_default();
        for (name, field) in schema.properties.iter().flatten() {
            let mut bounds = bounds(field);
            if required.contains(name) {
                bounds.insert(0, "required".to_owned());
            }
            let kind = match nested(field) {
                Some((suffix, object)) => {
                    let path = format!("{path}.{name}{suffix}");
                    let target = match self.shown.iter().find(|(_, shown)| *shown == unnamed(object)) {
                        Some((shown, _)) => shown.clone(),
                        None => {
                            if !inner.iter().any(|(_, other)| unnamed(other) == unnamed(object)) {
                                inner.push((path.clone(), object.clone()));
                            }
                            let same = inner.iter().find(|(_, other)| unnamed(other) == unnamed(object));
                            same.map_or(path, |(path, _)| path.clone())
                        }
                    };
                    let kind = match suffix {
                        "" => "object",
                        "[]" => "list of objects",
                        _ => "map of objects",
                    };
                    format!("[{kind}](#{})", anchor(&self.name(&target)))
                }
                None => simple(field),
            };
            let meaning = cell(field.description.as_deref().unwrap_or_default());
            let row = format!("| `{name}` | {kind} | {} | {meaning} |\n", cell(&bounds.join("; ")));
            text.push_str(&row);
        }
        self.line(without_gaps(&text).trim_end());
        let rules: Vec<String> = rules(schema).into_iter().map(|rule| format!("- {rule}")).collect();
        if !rules.is_empty() {
            self.line(&format!("Refused otherwise:\n\n{}", rules.join("\n")));
        }
        for (path, object) in inner {
            // It may have come as part of another one meanwhile; then the links lead there only if the path is the same.
            self.object(&path, &object);
        }
    }

    fn name(&self, path: &str) -> String {
        format!("{}.{path}", self.kind)
    }
}

/// The name by which a heading is linked to.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().chars().filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_')).collect()
}

/// The object in a field, and what its path gets for it: `[]` in a list, `{}` in a map.
fn nested(field: &JSONSchemaProps) -> Option<(&'static str, &JSONSchemaProps)> {
    let is_object = |schema: &JSONSchemaProps| schema.properties.as_ref().is_some_and(|fields| !fields.is_empty());
    if is_object(field) {
        return Some(("", field));
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &field.items {
        return is_object(item).then_some(("[]", item));
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &field.additional_properties {
        return is_object(value).then_some(("{}", value));
    }
    None
}

/// The type of a field that holds no object of ours.
fn simple(field: &JSONSchemaProps) -> String {
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &field.items {
        return format!("list of {}", plural(item));
    }
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = &field.additional_properties {
        return format!("map of {}", plural(value));
    }
    match (field.type_.as_deref(), field.format.as_deref()) {
        (Some("string"), Some("date-time")) => "time".to_owned(),
        (Some("object") | None, _) => "any".to_owned(),
        (Some(kind), _) => kind.to_owned(),
    }
}

fn plural(schema: &JSONSchemaProps) -> String {
    format!("{}s", simple(schema))
}

/// What a value of the field has to keep to.
fn bounds(field: &JSONSchemaProps) -> Vec<String> {
    let mut bounds = Vec::new();
    let item = match &field.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Some(&**item),
        _ => None,
    };
    if let Some(words) = item.unwrap_or(field).enum_.as_ref() {
        let words: Vec<String> =
            words.iter().filter_map(|word| word.0.as_str()).map(|word| format!("`{word}`")).collect();
        bounds.push(words.join(", "));
    }
    bounds.extend(range(field.minimum.map(|it| it.to_string()), field.maximum.map(|it| it.to_string()), ""));
    let number = |it: Option<i64>| it.map(|it| it.to_string());
    bounds.extend(range(number(field.min_items), number(field.max_items), " entries"));
    if let Some(item) = item {
        bounds.extend(range(number(item.min_length), number(item.max_length), " characters each"));
    }
    // The rules of an object stand below its own table.
    let rules = if matches!(nested(field), Some(("", _))) { Vec::new() } else { rules(field) };
    if rules.is_empty() {
        bounds.extend(range(number(field.min_length), number(field.max_length), " characters"));
        bounds.extend(field.pattern.as_ref().map(|pattern| format!("matches `{pattern}`")));
    }
    // A rule says better than a length what is wanted.
    bounds.extend(rules);
    if let Some(default) = &field.default {
        bounds.push(format!("default `{}`", default.0));
    }
    bounds
}

fn range(least: Option<String>, most: Option<String>, unit: &str) -> Option<String> {
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{unit}")),
        (Some(least), None) => Some(format!("at least {least}{unit}")),
        (None, Some(most)) => Some(format!("at most {most}{unit}")),
        (None, None) => None,
    }
}

/// What the API server says where one of the CEL rules of the schema is broken.
fn rules(schema: &JSONSchemaProps) -> Vec<String> {
    schema.x_kubernetes_validations.iter().flatten().filter_map(|rule| rule.message.clone()).collect()
}

/// The schema without what is said about this use of it: two uses of one type have the same table.
fn unnamed(schema: &JSONSchemaProps) -> JSONSchemaProps {
    JSONSchemaProps { description: None, nullable: None, ..schema.clone() }
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt;

    use super::*;
    use crate::api::{Plugin, VersioningHandler};

    #[test]
    fn fields_have_their_bounds_and_rules() {
        let text = kind(&VersioningHandler::crd());
        let row =
            |field: &str| text.lines().find(|line| line.starts_with(&format!("| `{field}` |"))).unwrap().to_owned();
        assert!(row("frontier").starts_with("| `frontier` | integer | 0 to 16 |"), "{}", row("frontier"));
        assert!(row("approval").contains("`Required`, `NotRequired`"), "{}", row("approval"));
        assert!(row("containerregistry").contains("required; 1 to 63 characters"), "{}", row("containerregistry"));
        assert!(row("cooldown").contains("cooldown must be a duration between 0s and 8760h"), "{}", row("cooldown"));
        assert!(text.contains("Refused otherwise:\n\n- "), "no rules of the spec");
    }

    #[test]
    fn a_field_is_described_by_its_own_words_and_not_by_those_of_its_type() {
        let text = kind(&VersioningHandler::crd());
        for (field, words) in [
            ("mode", "Defaults to `Update`, and to `Notify`"),
            ("rollback", "Defaults to the operator's own setting"),
            ("latest", "Defaults to the operator's own setting"),
            ("precision", "the default, 5.3 may go to 5.3.1"),
            ("approval", "`NotRequired`, the default"),
        ] {
            let row = text.lines().find(|line| line.starts_with(&format!("| `{field}` |"))).unwrap();
            assert!(row.contains(words), "{row}");
        }
    }

    #[test]
    fn each_object_has_one_table_and_every_link_leads_to_one() {
        for definition in [VersioningHandler::crd(), Plugin::crd()] {
            let text = kind(&definition);
            let headings: Vec<String> = text
                .lines()
                .filter_map(|line| line.strip_prefix("### "))
                .map(|heading| anchor(heading.trim_matches('`')))
                .collect();
            let unique: std::collections::BTreeSet<&String> = headings.iter().collect();
            assert_eq!(unique.len(), headings.len(), "{headings:?}");
            for (start, _) in text.match_indices("](#") {
                let (target, _) = text[start + 3..].split_once(')').unwrap();
                assert!(unique.contains(&target.to_owned()), "{target} is not among {headings:?}");
            }
        }
    }
}
