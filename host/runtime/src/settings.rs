//! What a plugin is told: settings, checked against the JSON Schema of its manifest, with defaults filled in.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};
use thiserror::Error;

/// Most violations that an error names.
const MOST_VIOLATIONS: usize = 20;
/// Longest message of a violation, in characters: it quotes the value, and settings can be long.
const LONGEST_MESSAGE: usize = 256;

/// A schema, compiled once.
pub(crate) struct Schema {
    validator: Validator,
    /// Values of top-level properties that are not given.
    defaults: Map<String, Value>,
}

impl Schema {
    /// Compiles `schema`. References to anything outside of it are refused, and patterns are of the kind that takes linear time, because
    /// whoever writes a plugin writes them.
    ///
    /// # Errors
    /// What is wrong with the schema.
    pub(crate) fn compile(schema: &Value) -> Result<Self, String> {
        let Some(object) = schema.as_object() else {
            return Err("it is no JSON Schema: expected an object".to_owned());
        };
        let patterns = PatternOptions::regex().size_limit(1024 * 1024);
        let validator = jsonschema::options().offline().with_pattern_options(patterns).build(schema);
        let validator = validator.map_err(|err| format!("it is no JSON Schema that can be used: {err}"))?;
        let properties = object.get("properties").and_then(Value::as_object);
        let default = |(name, property): (&String, &Value)| Some((name.clone(), property.get("default")?.clone()));
        Ok(Self { validator, defaults: properties.into_iter().flatten().filter_map(default).collect() })
    }

    /// `given` with the defaults of top-level properties filled in, as JSON text.
    ///
    /// # Errors
    /// Names everything that the schema does not allow.
    pub(crate) fn apply(&self, given: &Value) -> Result<String, SettingsError> {
        self.check(given, |_| true)
    }

    /// The same, but properties may be missing: somebody else will give them.
    ///
    /// # Errors
    /// Names everything else that the schema does not allow.
    pub(crate) fn apply_part(&self, given: &Value) -> Result<String, SettingsError> {
        let is_missing = |err: &jsonschema::ValidationError<'_>| {
            matches!(err.kind(), ValidationErrorKind::Required { .. }) && err.instance_path().to_string().is_empty()
        };
        self.check(given, |err| !is_missing(err))
    }

    fn check(
        &self,
        given: &Value,
        counts: impl Fn(&jsonschema::ValidationError<'_>) -> bool,
    ) -> Result<String, SettingsError> {
        let mut settings = given.clone();
        if let Some(object) = settings.as_object_mut() {
            for (name, default) in &self.defaults {
                object.entry(name).or_insert_with(|| default.clone());
            }
        }
        let violation = |err: jsonschema::ValidationError<'_>| {
            let pointer = err.instance_path().to_string();
            let message = unexpected(&err, settings.pointer(&pointer)).unwrap_or_else(|| err.to_string());
            Violation { pointer, message: shorten(&message) }
        };
        let mut violations: Vec<Violation> =
            self.validator.iter_errors(&settings).filter(counts).map(violation).collect();
        if violations.is_empty() {
            return Ok(settings.to_string());
        }
        // Validators name them in the order of their own tables.
        violations.sort();
        violations.truncate(MOST_VIOLATIONS);
        Err(SettingsError { violations })
    }
}

/// Names the properties of `found` where none at all are allowed; the validator then quotes a value and not its name.
fn unexpected(err: &jsonschema::ValidationError<'_>, found: Option<&Value>) -> Option<String> {
    let is_closed = matches!(err.kind(), ValidationErrorKind::FalseSchema)
        && err.schema_path().to_string().ends_with("/additionalProperties");
    let names: Vec<String> = found.filter(|_| is_closed)?.as_object()?.keys().map(|name| format!("'{name}'")).collect();
    Some(format!("Additional properties are not allowed (unexpected: {})", names.join(", ")))
}

/// The first characters of `message`.
fn shorten(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

/// Settings that a plugin's schema does not allow.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{}", .violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct SettingsError {
    /// All that is wrong with them, at least one and at most 20, ordered by place.
    pub violations: Vec<Violation>,
}

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where: a JSON pointer (RFC 6901), empty for the settings as a whole.
    pub pointer: String,
    /// What.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, message } = self;
        if pointer.is_empty() { out.write_str(message) } else { write!(out, "{pointer}: {message}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: &Value, given: &Value, expected: Result<&str, &[&str]>) {
        let applied = Schema::compile(schema).unwrap().apply(given);
        let found = applied.map_err(|err| err.violations.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            found,
            expected.map(str::to_owned).map_err(|all| all.iter().map(|text| (*text).to_owned()).collect())
        );
    }

    #[test]
    fn defaults_are_filled_in_and_every_violation_is_named() {
        let schema = json!({
            "type": "object",
            "properties": {
                "pageSize": {"type": "integer", "minimum": 1, "default": 100},
                "prefix": {"type": "string", "pattern": "^[a-z]+$"},
            },
            "required": ["pageSize"],
            "additionalProperties": false,
        });
        check(&schema, &json!({}), Ok(r#"{"pageSize":100}"#));
        check(&schema, &json!({"prefix": "v", "pageSize": 7}), Ok(r#"{"pageSize":7,"prefix":"v"}"#));
        check(
            &schema,
            &json!({"pageSize": 0, "prefix": "V", "more": 1}),
            Err(&[
                "Additional properties are not allowed ('more' was unexpected)",
                "/pageSize: 0 is less than the minimum of 1",
                r#"/prefix: "V" does not match "^[a-z]+$""#,
            ]),
        );
        check(&schema, &json!("text"), Err(&[r#""text" is not of type "object""#]));
    }

    #[test]
    fn settings_are_named_where_there_are_none() {
        let schema = json!({"type": "object", "additionalProperties": false});
        check(&schema, &json!({}), Ok("{}"));
        let expected = "Additional properties are not allowed (unexpected: 'a', 'b')";
        check(&schema, &json!({"a": 1, "b": {}}), Err(&[expected]));
        let nested = json!({"type": "object", "properties": {"in": schema}});
        let expected = "/in: Additional properties are not allowed (unexpected: 'a')";
        check(&nested, &json!({"in": {"a": 1}}), Err(&[expected]));
    }

    #[test]
    fn a_default_has_to_be_allowed_too() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "default": 1}}});
        check(&schema, &json!({}), Err(&[r#"/a: 1 is not of type "string""#]));
    }

    #[test]
    fn a_schema_cannot_reach_outside_or_take_for_ever() {
        let check = |schema: Value, expected: &str| {
            let message = Schema::compile(&schema).map(drop).unwrap_err();
            assert!(message.contains(expected), "{message}");
        };
        check(json!(true), "expected an object");
        check(json!({"type": "objekt"}), "it is no JSON Schema that can be used");
        check(json!({"$ref": "https://example.com/schema.json"}), "example.com");
        check(json!({"$ref": "file:///etc/hostname"}), "file:");
        // Look-around needs backtracking.
        check(json!({"pattern": "(?=a)a"}), "(?=a)a");
    }

    #[test]
    fn a_part_of_the_settings_may_lack_what_others_give_but_holds_nothing_wrong() {
        let schema = json!({
            "required": ["to"], "additionalProperties": false,
            "properties": {"to": {"type": "string"}, "how": {"type": "object", "required": ["fast"], "default": {"fast": true}}},
        });
        let schema = Schema::compile(&schema).unwrap();
        let check = |given: Value, whole: bool, part: bool| {
            let found = (schema.apply(&given).is_ok(), schema.apply_part(&given).is_ok());
            assert_eq!(found, (whole, part), "{given}");
        };
        check(json!({"to": "x"}), true, true);
        check(json!({}), false, true);
        check(json!({"to": 1}), false, false);
        check(json!({"two": "x"}), false, false);
        check(json!({"how": {}}), false, false);
        assert_eq!(schema.apply_part(&json!({})).unwrap(), r#"{"how":{"fast":true}}"#);
    }
}
