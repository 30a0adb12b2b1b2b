//! Our own document. Its schema is published: `notice.schema.json`, beside the manifest of the plugin.

use k8supdater_plugin::Notice;
use k8supdater_plugin::time::Timestamp;
use serde_json::{Value, json};

/// Version of the document. It counts up when a field is left out or changes its meaning, not when one is added.
const VERSION: u32 = 1;

/// What a notice says, by name. These are also the placeholders of a template.
pub(crate) fn fields(notice: &Notice) -> [(&'static str, String); 17] {
    let text = |text: &String| text.clone();
    [
        ("kind", text(&notice.kind)),
        ("level", text(&notice.level)),
        ("handler", text(&notice.handler)),
        ("namespace", text(&notice.namespace)),
        ("workload", text(&notice.workload)),
        ("container", text(&notice.container)),
        ("image", text(&notice.image)),
        ("from", text(&notice.from)),
        ("to", text(&notice.to)),
        ("newest", text(&notice.newest)),
        ("link", text(&notice.link)),
        ("title", text(&notice.title)),
        ("text", text(&notice.text)),
        ("command", text(&notice.command)),
        ("time", Timestamp::from_seconds(notice.time).rfc3339()),
        ("timeSeconds", notice.time.to_string()),
        ("key", text(&notice.key)),
    ]
}

/// The document. Answers are not in it: nobody could hand one back.
pub(crate) fn of(notice: &Notice) -> Value {
    let mut document: serde_json::Map<String, Value> =
        fields(notice).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    document.insert("timeSeconds".to_owned(), notice.time.into());
    document.insert("version".to_owned(), json!(VERSION));
    document.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_the_schema_says() {
        let schema: Value = serde_json::from_str(include_str!("../notice.schema.json")).unwrap();
        let document = of(&Notice { title: "T".to_owned(), time: 1_705_312_801, ..Notice::default() });
        let document = document.as_object().unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(document.keys().collect::<Vec<_>>(), properties.keys().collect::<Vec<_>>());
        let mut required: Vec<_> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        required.sort_unstable();
        assert_eq!(required, document.keys().map(String::as_str).collect::<Vec<_>>());
        for (name, value) in document {
            let is_of_type = match properties[name]["type"].as_str() {
                Some("string") => value.is_string(),
                Some("integer") => value.is_u64(),
                _ => false,
            };
            assert!(is_of_type, "{name}: {value}");
            assert!(properties[name]["description"].is_string(), "{name} is not described");
        }
        assert_eq!(properties["version"]["const"], json!(VERSION));
        assert_eq!(
            (&document["time"], &document["timeSeconds"]),
            (&json!("2024-01-15T10:00:01Z"), &json!(1_705_312_801))
        );
    }
}
