//! What was found, as tables for people and as JSON for programs. Pure.

use k8supdater_core::image::Digest;
use serde::Serialize;

use super::edit::Plan;
use super::files::Unreadable;
use super::finding::{Finding, Judged, Row, Version};
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
        let (name, current) = parts_of(&row.subject.image);
        let cells = [
            place.unwrap_or_default(),
            name,
            current,
            row.finding.update().map(shown).unwrap_or_default(),
            row.finding.available().map(|(available, _)| shown(available)).unwrap_or_default(),
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

/// How many digits of a hash are shown: as many as Docker shows of an ID, enough to tell two apart.
const SHOWN_DIGITS: usize = 12;

/// The image without its tag and digest, as it is written, and these.
fn parts_of(image: &str) -> (String, String) {
    let (tagged, digest) = image.split_once('@').map_or((image, None), |(tagged, digest)| (tagged, Some(digest)));
    let (name, tag) = match tagged.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (tagged, ""),
    };
    let digest = digest.map(|digest| format!("@{}", shorten(digest))).unwrap_or_default();
    (name.to_owned(), format!("{tag}{digest}"))
}

fn shown(version: Version<'_>) -> String {
    let digest = version.digest.map(|digest| format!("@{}", shorten(&digest.to_string()))).unwrap_or_default();
    format!("{}{digest}", version.tag)
}

/// A digest, or what stands in the place of one, as far as it is shown to people.
fn shorten(digest: &str) -> String {
    match digest.split_once(':') {
        Some((algorithm, hash)) => format!("{algorithm}:{}", hash.chars().take(SHOWN_DIGITS).collect::<String>()),
        None => digest.to_owned(),
    }
}

/// What stands in the last column: what happened, what is the matter, why not.
fn note(row: &Row) -> String {
    match &row.finding {
        Finding::Failed(failure) => failure.message.clone(),
        Finding::Moves(why) | Finding::Ignored(why) => why.clone(),
        Finding::Judged(_) | Finding::Followed(_) => {
            let written = match row.written {
                None | Some(Plan::Keep) => None,
                Some(Plan::Replace) => Some("written".to_owned()),
                Some(Plan::Refuse(why)) => Some(format!("not written: {why}")),
            };
            let available = row.finding.available().map(|(available, why)| format!("{}: {why}", available.tag));
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
    digest: Option<String>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    image: String,
    written: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_written: Option<String>,
}

#[derive(Serialize)]
struct AvailableReport<'a> {
    tag: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
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
        let (current, update, available) = (row.finding.current(), row.finding.update(), row.finding.available());
        let digest = |version: Version<'_>| version.digest.map(Digest::to_string);
        let (status, note, error) = match &row.finding {
            Finding::Judged(_) | Finding::Followed(_) => (status(update.is_some(), available.is_some()), None, None),
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
            current: current.map(|current| current.tag),
            digest: current.and_then(digest),
            update: update.map(|update| UpdateReport {
                tag: update.tag,
                digest: digest(update),
                image: row.finding.updated_image().unwrap_or_default(),
                written: row.written == Some(Plan::Replace),
                not_written: match row.written {
                    Some(Plan::Refuse(why)) => Some(why.to_string()),
                    None | Some(Plan::Keep | Plan::Replace) => None,
                },
            }),
            available: available.map(|(available, why)| AvailableReport {
                tag: available.tag,
                digest: digest(available),
                why,
            }),
            note,
            error,
            candidates: row.finding.judged().filter(|_| detail == Detail::Candidates).map(candidates),
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
            assert_eq!(parts_of(image), (expected.0.to_owned(), expected.1.to_owned()), "{image}");
        };
        check("nginx:1.27", ("nginx", "1.27"));
        check("nginx", ("nginx", ""));
        check("127.0.0.1:5000/team/web:1", ("127.0.0.1:5000/team/web", "1"));
        check("127.0.0.1:5000/team/web", ("127.0.0.1:5000/team/web", ""));
        check("nginx@sha256:0123456789abcdef", ("nginx", "@sha256:0123456789ab"));
        check("a.example:5000/b:1.2@sha256:0123456789abcdef", ("a.example:5000/b", "1.2@sha256:0123456789ab"));
        check("nginx:1@nonsense", ("nginx", "1@nonsense"));
    }
}
