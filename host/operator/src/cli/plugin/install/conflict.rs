//! Fields that somebody else has set since we did: read from the API server's refusal, and left out of what is applied. Pure.

use std::fmt;

use kube::core::Status;
use serde_json::Value;

/// How the API server calls the reason of such a refusal
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts>).
const REASON: &str = "FieldManagerConflict";

/// A field that is somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    /// Where it is, as the API server writes it: `.spec.grants.origins`.
    pub(super) field: String,
    /// Whose it is, as the API server calls them: `kubectl-edit`.
    pub(super) manager: String,
}

/// The fields for whose sake `status` refuses; none if it refuses for another reason.
pub(super) fn conflicts(status: &Status) -> Vec<Conflict> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let conflicts = causes.filter(|cause| cause.reason == REASON).map(|cause| {
        // conflict with "kubectl-edit" using k8supdater.dev/v1
        let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
        Conflict { field: cause.field.clone(), manager: manager.to_owned() }
    });
    conflicts.collect()
}

impl Conflict {
    /// Takes the field out of `object`; false if it is not there. Of a list all is taken out: which of its items are meant cannot be told
    /// without the schema.
    pub(super) fn leave_out_of(&self, object: &mut Value) -> bool {
        let path = self.field.split('[').next().unwrap_or_default();
        path.strip_prefix('.').is_some_and(|path| remove(object, path))
    }
}

/// Removes what is at `path`. Keys may have dots in them, as those of labels do, so each beginning of the path is tried as a key.
fn remove(value: &mut Value, path: &str) -> bool {
    let Some(fields) = value.as_object_mut() else { return false };
    if fields.remove(path).is_some() {
        return true;
    }
    path.match_indices('.').any(|(dot, _)| {
        let (key, rest) = (&path[..dot], &path[dot + 1..]);
        fields.get_mut(key).is_some_and(|inner| remove(inner, rest))
    })
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.field, self.manager)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_others_are_read_from_the_refusal() {
        let status = |causes: Value| -> Status {
            let details = json!({"causes": causes});
            serde_json::from_value(json!({"code": 409, "reason": "Conflict", "details": details})).unwrap()
        };
        let refused = status(json!([
            {"reason": REASON, "field": ".spec.grants.origins", "message": "conflict with \"kubectl-patch\" using k8supdater.dev/v1"},
            {"reason": "Other", "field": ".spec", "message": "something else"},
            {"reason": REASON, "field": ".spec.limits", "message": "no name"},
        ]));
        let found: Vec<String> = conflicts(&refused).iter().map(Conflict::to_string).collect();
        assert_eq!(found, [".spec.grants.origins (kubectl-patch)", ".spec.limits (no name)"]);
        assert_eq!(conflicts(&status(json!([]))), []);
        assert_eq!(conflicts(&Status::failure("", "Conflict")), []);
    }

    #[test]
    fn a_field_is_left_out_whatever_its_key_is_called() {
        let check = |field: &str, expected: Option<Value>| {
            let mut object = json!({
                "metadata": {"labels": {"app.kubernetes.io/name": "k8supdater"}},
                "spec": {"grants": {"origins": ["a"], "secrets": [{"slot": "s"}]}, "settings": {"a.b": {"c": 1}}},
            });
            let conflict = Conflict { field: field.to_owned(), manager: "somebody".to_owned() };
            let before = object.clone();
            assert_eq!(conflict.leave_out_of(&mut object), expected.is_some(), "{field}");
            assert_eq!(object, expected.unwrap_or(before), "{field}");
        };
        let labels = json!({"app.kubernetes.io/name": "k8supdater"});
        let secrets = json!([{"slot": "s"}]);
        check(
            ".spec.grants.origins",
            Some(json!({"metadata": {"labels": labels},
                "spec": {"grants": {"secrets": secrets}, "settings": {"a.b": {"c": 1}}}})),
        );
        check(
            ".spec.grants.secrets[slot=\"s\"].secretName",
            Some(json!({"metadata": {"labels": labels},
                "spec": {"grants": {"origins": ["a"]}, "settings": {"a.b": {"c": 1}}}})),
        );
        check(
            ".spec.settings.a.b.c",
            Some(json!({"metadata": {"labels": labels},
                "spec": {"grants": {"origins": ["a"], "secrets": secrets}, "settings": {"a.b": {}}}})),
        );
        check(
            ".metadata.labels.app.kubernetes.io/name",
            Some(json!({"metadata": {"labels": {}},
                "spec": {"grants": {"origins": ["a"], "secrets": secrets}, "settings": {"a.b": {"c": 1}}}})),
        );
        for nowhere in [".spec.nowhere", "", ".", "spec.grants", ".spec.grants.origins.0"] {
            check(nowhere, None);
        }
    }
}
