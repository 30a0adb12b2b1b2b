//! A body that the user has written, with `{{field}}` in place of what a notice says.

use std::fmt::Write;

use k8supdater_plugin::text::one_line;
use k8supdater_plugin::{Error, Notice};

use crate::document;

/// How a value has to be written, so that it stays a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// Within the quotes of a JSON string.
    Json,
    /// As a value of a form.
    Form,
    /// As it is.
    Nothing,
}

impl Escape {
    fn of(content_type: &str) -> Self {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            json if json.ends_with("/json") || json.ends_with("+json") => Self::Json,
            _ => Self::Nothing,
        }
    }

    fn write(self, value: &str, body: &mut String) {
        match self {
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                body.push_str(quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default());
            }
            Self::Form => {
                for byte in value.bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        body.push(char::from(byte));
                    } else {
                        // Writing to a String cannot fail.
                        let _ = write!(body, "%{byte:02X}");
                    }
                }
            }
            Self::Nothing => body.push_str(value),
        }
    }
}

/// The body that `template` makes of `notice`.
///
/// # Errors
///
/// [`Error::InvalidSettings`] for a placeholder that there is not, one without an end, a content type that is none, or a body that should be
/// JSON and is not.
pub(crate) fn render(template: &str, content_type: &str, notice: &Notice) -> Result<Vec<u8>, Error> {
    let invalid = |text: String| Error::InvalidSettings(text);
    if content_type.trim().is_empty() || !content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(invalid(format!("contentType: {content_type:?} is no content type, such as application/json")));
    }
    let escape = Escape::of(content_type);
    let fields = document::fields(notice);
    let mut body = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        body.push_str(before);
        let (name, after) = after
            .split_once("}}")
            .ok_or_else(|| invalid(format!("template: there is no }}}} behind {{{{{}", one_line(after, 40))))?;
        let field = fields.iter().find(|(field, _)| *field == name.trim());
        let (_, value) = field.ok_or_else(|| {
            let known = fields.iter().map(|(field, _)| *field).collect::<Vec<_>>().join(", ");
            invalid(format!("template: unknown placeholder {:?}, expected one of: {known}", one_line(name.trim(), 40)))
        })?;
        escape.write(value, &mut body);
        rest = after;
    }
    body.push_str(rest);
    if escape == Escape::Json {
        serde_json::from_str::<serde::de::IgnoredAny>(&body).map_err(|err| {
            invalid(format!("template: with the values of a notice in it, it is no JSON: {err}; placeholders belong between double quotes"))
        })?;
    }
    Ok(body.into_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_title(title: &str) -> Notice {
        Notice { title: title.to_owned(), time: 1_705_312_801, ..Notice::default() }
    }

    #[track_caller]
    fn check(template: &str, content_type: &str, title: &str, expected: Result<&str, &str>) {
        match (render(template, content_type, &with_title(title)), expected) {
            (Ok(body), Ok(expected)) => assert_eq!(String::from_utf8(body).unwrap(), expected),
            (Err(Error::InvalidSettings(why)), Err(text)) => assert!(why.contains(text), "{why} without {text}"),
            (got, expected) => panic!("{got:?}, expected {expected:?}"),
        }
    }

    const JSON: &str = "application/json";

    #[test]
    fn values_are_escaped_as_the_content_type_needs() {
        check(r#"{"a": "{{title}}"}"#, JSON, "say \"hi\"\n", Ok(r#"{"a": "say \"hi\"\n"}"#));
        check(
            r#"{"a": {"b": "{{ title }}"}}"#,
            "application/vnd.x+json; charset=utf-8",
            "\\",
            Ok(r#"{"a": {"b": "\\"}}"#),
        );
        check(r#"{"t": {{timeSeconds}}}"#, JSON, "", Ok(r#"{"t": 1705312801}"#));
        check("{{title}}!", "text/plain", "\"hi\"", Ok("\"hi\"!"));
        check(
            "m={{title}}&t={{time}}",
            "application/x-www-form-urlencoded",
            "a&b=ü",
            Ok("m=a%26b%3D%C3%BC&t=2024-01-15T10%3A00%3A01Z"),
        );
        check("", "text/plain", "x", Ok(""));
        check("{{title}}{{title}}", "text/plain", "{{text}}", Ok("{{text}}{{text}}"));
    }

    #[test]
    fn mistakes_are_named() {
        check(
            "{{titel}}",
            "text/plain",
            "",
            Err("unknown placeholder \"titel\", expected one of: kind, level, handler,"),
        );
        check("{{}}", "text/plain", "", Err("unknown placeholder \"\""));
        check("a {{title", "text/plain", "", Err("there is no }} behind {{title"));
        check(r#"{"a": {{title}}}"#, JSON, "x y", Err("it is no JSON: "));
        check("", JSON, "", Err("placeholders belong between double quotes"));
        check("x", "", "", Err("is no content type"));
        check("x", "text/plain\r\nx: y", "", Err("is no content type"));
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_string(title in any::<String>()) {
            let body = render(r#"{"a": "{{title}}", "b": 1}"#, JSON, &with_title(&title)).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(body, serde_json::json!({"a": title, "b": 1}));
        }

        #[test]
        fn no_template_panics(template in r#"([{}"a-z ]|\{\{title\}\}){0,40}"#, content_type in any::<String>()) {
            let _ = render(&template, &content_type, &with_title("x"));
        }
    }
}
