//! What a rollback leaves on a workload. Pure.
//!
//! One annotation, on the workload itself: in its pod template it would make a new one, while a Deployment whose template is the old one
//! again goes back to the pods that it still has. It says for each container which update was taken back last, by the time at which that
//! was announced, and is written by the very patch that sets the image back. So an operator that was killed right after it knows that it
//! was made, even if somebody has set the new image again since, and does not make it twice.

use std::collections::BTreeMap;

use super::Workload;

/// The annotation, as `container=seconds since the epoch`, separated by commas.
pub const ROLLED_BACK: &str = "k8supdater.dev/rolled-back";

/// When the update was announced that was taken back last, by container.
pub fn rollbacks(workload: &Workload) -> BTreeMap<String, i64> {
    parse(workload.annotation(ROLLED_BACK).unwrap_or_default())
}

/// A value of [`ROLLED_BACK`]. What is not readable is left out.
pub fn parse(text: &str) -> BTreeMap<String, i64> {
    text.split(',')
        .filter_map(|part| {
            let (container, seconds) = part.split_once('=')?;
            Some((container.to_owned(), seconds.parse().ok()?))
        })
        .collect()
}

/// The value of [`ROLLED_BACK`] for `rollbacks`.
pub fn format(rollbacks: &BTreeMap<String, i64>) -> String {
    rollbacks.iter().map(|(container, seconds)| format!("{container}={seconds}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::apps::v1::StatefulSet;

    use super::*;

    #[test]
    fn rollbacks_are_read_as_they_are_written() {
        let rollbacks = BTreeMap::from([("app".to_owned(), 1_700_000_000), ("web".to_owned(), -1)]);
        let mut object = StatefulSet::default();
        assert_eq!(super::rollbacks(&Workload::StatefulSet(Arc::new(object.clone()))), BTreeMap::new());
        object.metadata.annotations = Some([(ROLLED_BACK.to_owned(), format(&rollbacks))].into());
        assert_eq!(super::rollbacks(&Workload::StatefulSet(Arc::new(object))), rollbacks);
        assert_eq!(parse("app,web=x,=,,db=3"), BTreeMap::from([("db".to_owned(), 3)]));
    }
}
