//! The parameters of a request, however they were sent.

use serde_json::{Map, Value};

use crate::Seen;

/// Parameters in the query, in a form or in JSON (<https://core.telegram.org/bots/api#making-requests>); not in several parts.
#[derive(Debug)]
pub(super) struct Parameters(Map<String, Value>);

impl From<Value> for Parameters {
    /// Those of a JSON body.
    fn from(body: Value) -> Self {
        Self(serde_json::from_value(body).unwrap_or_default())
    }
}

impl Parameters {
    /// Those of a request. A body that cannot be read has none.
    pub(super) fn of<P>(asked: &Seen<P>) -> Self {
        let query = asked.path.split_once('?').map_or("", |(_, query)| query);
        let mut all = form(query);
        let is_json = asked.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if is_json {
            all.extend(serde_json::from_str::<Map<String, Value>>(&asked.body).unwrap_or_default());
        } else {
            all.extend(form(&asked.body));
        }
        Self(all)
    }

    /// A text; a number is taken as one too.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        match self.0.get(name) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => matches!(text.as_str(), "true" | "True" | "yes" | "1"),
            _ => false,
        }
    }

    /// A list or an object; in a form or a query it is JSON within a text.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        match self.0.get(name)? {
            Value::String(text) => serde_json::from_str(text).ok(),
            value => Some(value.clone()),
        }
    }
}

fn form(encoded: &str) -> Map<String, Value> {
    let pairs = url::form_urlencoded::parse(encoded.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), Value::from(value))).collect()
}
