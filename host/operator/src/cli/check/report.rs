//! What was found, as tables for people and as JSON for programs. Pure.

use k8supdater_core::policy::Tagged;
use serde::Serialize;

use super::edit::Plan;
use super::files::Unreadable;
use super::finding::{Finding, Judged, Row};
use crate::cli::table::{Table, printable};
use crate::cli::verdicts;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// A line for each image.
    Decisions,
    /// All candidates, too.
    Candidates,
}

/// Everything, as tables.
pub(super) fn text(rows: &[Row], detail: Detail) -> String {
    let has_places = rows.iter().any(|row| row.subject.place.is_some());
    let heading = ["WHERE", "IMAGE", "CURRENT", "UPDATE TO", "AVAILABLE", "NOTE"];
    let skipped = usize::from(!has_places);
    let mut table = Table::new(heading.get(skipped..).unwrap_or_default());
    for row in rows {
        let place = row.subject.place.as_ref().map(|place| format!("{}:{}", place.file, place.line));
        let judged = row.finding.judged();
        let tag = |tagged: Option<&Tagged>| tagged.map(|tagged| tagged.tag.clone()).unwrap_or_default();
        let cells = [
            place.unwrap_or_default(),
            name(&row.subject.image),
            current(&row.subject.image),
            tag(judged.and_then(Judged::update)),
            tag(judged.and_then(Judged::available)),
            note(row),
        ];
        table.push(cells.into_iter().skip(skipped));
    }
    let mut parts = if table.is_empty() { Vec::new() } else { vec![table.to_string()] };
    if detail == Detail::Candidates {
        for judged in distinct(rows) {
            let Judged { image, policy, current, candidates, ruling } = judged;
            let title = printable(&format!("{image} with frontier {}", policy.frontier));
            parts.push(format!("{title}\n{}", verdicts::table(policy, current, candidates, &ruling.verdicts)));
        }
    }
    parts.join("\n")
}

/// What was judged, without what would look the same.
fn distinct(rows: &[Row]) -> Vec<&Judged> {
    let mut distinct: Vec<&Judged> = Vec::new();
    for judged in rows.iter().filter_map(|row| row.finding.judged()) {
        let is_same = |other: &&Judged| {
            other.image == judged.image && other.policy == judged.policy && other.ruling == judged.ruling
        };
        if !distinct.iter().any(is_same) {
            distinct.push(judged);
        }
    }
    distinct
}

/// The image without its tag, as it is written.
fn name(image: &str) -> String {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !name.contains('@') => name.to_owned(),
        _ => image.to_owned(),
    }
}

fn current(image: &str) -> String {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') && !name.contains('@') => tag.to_owned(),
        _ => String::new(),
    }
}

/// What stands in the last column: what happened, what is the matter, why not.
fn note(row: &Row) -> String {
    match &row.finding {
        Finding::Failed(failure) => failure.message.clone(),
        Finding::Moves(why) | Finding::Ignored(why) => why.clone(),
        Finding::Judged(judged) => {
            let written = match row.written {
                None | Some(Plan::Keep) => None,
                Some(Plan::Replace) => Some("written".to_owned()),
                Some(Plan::Refuse(why)) => Some(format!("not written: {why}")),
            };
            let available = judged.available().zip(judged.why_not());
            let available = available.map(|(available, why)| format!("{}: {why}", available.tag));
            written.into_iter().chain(available).collect::<Vec<_>>().join("; ")
        }
    }
}

/// Everything, as one JSON object.
pub(super) fn json(rows: &[Row], unreadable: &[Unreadable], detail: Detail) -> String {
    let images = rows.iter().map(|row| ImageReport::new(row, detail)).collect();
    let unreadable = unreadable.iter().map(|file| FileReport { file: &file.name, problem: &file.why }).collect();
    let report = Report { images, unreadable };
    let mut text =
        serde_json::to_string_pretty(&report).expect("maps of text, numbers and lists can be written as JSON");
    text.push('\n');
    text
}

#[derive(Serialize)]
struct Report<'a> {
    images: Vec<ImageReport<'a>>,
    unreadable: Vec<FileReport<'a>>,
}

#[derive(Serialize)]
struct FileReport<'a> {
    file: &'a str,
    problem: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageReport<'a> {
    image: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<PlaceReport<'a>>,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<UpdateReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<AvailableReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<Vec<CandidateReport<'a>>>,
}

#[derive(Serialize)]
struct PlaceReport<'a> {
    file: &'a str,
    line: usize,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    container: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateReport<'a> {
    tag: &'a str,
    image: String,
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_written: Option<String>,
}

#[derive(Serialize)]
struct AvailableReport<'a> {
    tag: &'a str,
    why: String,
}

#[derive(Serialize)]
struct ErrorReport<'a> {
    reason: &'static str,
    message: &'a str,
}

#[derive(Serialize)]
struct CandidateReport<'a> {
    tag: &'a str,
    version: Option<String>,
    verdict: &'static str,
    rule: String,
}

impl<'a> ImageReport<'a> {
    fn new(row: &'a Row, detail: Detail) -> Self {
        let judged = row.finding.judged();
        let (update, available) = (judged.and_then(Judged::update), judged.and_then(Judged::available));
        let (status, note, error) = match &row.finding {
            Finding::Judged(_) => (status(update.is_some(), available.is_some()), None, None),
            Finding::Moves(why) => ("moving", Some(why.as_str()), None),
            Finding::Ignored(why) => ("ignored", Some(why.as_str()), None),
            Finding::Failed(failure) => {
                ("failed", None, Some(ErrorReport { reason: failure.reason, message: &failure.message }))
            }
        };
        Self {
            image: &row.subject.image,
            place: row.subject.place.as_ref().map(|place| PlaceReport {
                file: &place.file,
                line: place.line,
                kind: &place.kind,
                namespace: place.namespace.as_deref(),
                name: &place.name,
                container: &place.container,
            }),
            status,
            current: judged.map(|judged| judged.current.tag.as_str()),
            update: update.map(|update| UpdateReport {
                tag: &update.tag,
                image: judged.and_then(Judged::updated_image).unwrap_or_default(),
                written: row.written == Some(Plan::Replace),
                not_written: match row.written {
                    Some(Plan::Refuse(why)) => Some(why.to_string()),
                    None | Some(Plan::Keep | Plan::Replace) => None,
                },
            }),
            available: available.map(|available| AvailableReport {
                tag: &available.tag,
                why: judged.and_then(Judged::why_not).unwrap_or_default(),
            }),
            note,
            error,
            candidates: judged.filter(|_| detail == Detail::Candidates).map(candidates),
        }
    }
}

fn status(has_update: bool, has_available: bool) -> &'static str {
    match (has_update, has_available) {
        (false, false) => "current",
        (true, false) => "update",
        (false, true) => "available",
        (true, true) => "updateAndAvailable",
    }
}

fn candidates(judged: &Judged) -> Vec<CandidateReport<'_>> {
    let judgements = verdicts::newest_first(&judged.candidates, &judged.ruling.verdicts);
    judgements
        .into_iter()
        .map(|(tagged, verdict)| CandidateReport {
            tag: &tagged.tag,
            version: tagged.version.as_ref().map(ToString::to_string),
            verdict: verdict.reason(),
            rule: verdict.explain(&judged.policy, &judged.current, tagged),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tags_are_told_apart_as_they_are_written() {
        let check = |image: &str, expected: (&str, &str)| {
            assert_eq!((name(image).as_str(), current(image).as_str()), expected, "{image}");
        };
        check("nginx:1.27", ("nginx", "1.27"));
        check("nginx", ("nginx", ""));
        check("127.0.0.1:5000/team/web:1", ("127.0.0.1:5000/team/web", "1"));
        check("127.0.0.1:5000/team/web", ("127.0.0.1:5000/team/web", ""));
        check("nginx@sha256:00", ("nginx@sha256:00", ""));
    }
}
