//! Metrics: as they are shown, as the page about them says, and how the two differ.

use std::collections::{BTreeMap, BTreeSet};

/// Series that one name or host may have where names are not known beforehand: 50, and one for all others.
const MOST_NAMES: usize = 51;

/// One line with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With the suffix that it has: `_bucket`, `_sum`, `_count`.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The number.
    pub value: f64,
}

/// What is shown under one `# TYPE`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its samples, in the order in which they are shown.
    pub samples: Vec<Sample>,
}

/// What a page says about one metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Its labels; with their words, or none if their values are names that nobody knows beforehand.
    pub labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

/// Reads metrics in the text format 0.0.4, by name of the family.
///
/// # Panics
/// When a line is not of that format, or a sample has no `# HELP` and `# TYPE` before it.
pub fn read(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut helped, mut current) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap_or((rest, ""));
            assert!(!help.is_empty(), "{name} has no help");
            name.clone_into(&mut helped);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line} names no type"));
            assert_eq!(name, helped, "help comes before type");
            let family = Family { kind: kind.to_owned(), samples: Vec::new() };
            assert_eq!(families.insert(name.to_owned(), family), None, "{name} is there twice");
            name.clone_into(&mut current);
        } else {
            let sample = sample(line).unwrap_or_else(|| panic!("{line:?} is no sample"));
            let family = families.get_mut(&current).unwrap_or_else(|| panic!("{line} is of no family"));
            let suffix = sample.name.strip_prefix(&current);
            let is_of_it = match suffix {
                Some("") => family.kind != "histogram",
                Some("_bucket" | "_sum" | "_count") => family.kind == "histogram",
                _ => false,
            };
            assert!(is_of_it, "{line} does not belong to {current}");
            family.samples.push(sample);
        }
    }
    families
}

/// A line with a number; none if it is none.
pub(crate) fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    Some(Sample { name: name.to_owned(), labels: labels_of(labels)?, value: value.parse().ok()? })
}

/// The labels between braces; none if they are none.
pub(crate) fn labels_of(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"")?;
        // No value has a quotation mark in it, not even an escaped one.
        let (value, after) = after.split_once('"')?;
        labels.insert(name.to_owned(), value.to_owned());
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    Some(labels)
}

/// What a page in Markdown says about metrics, by name: the rows of tables that begin with the name of a metric, and then say type and labels.
///
/// Labels are written `` `label`: `word`, `word` ``, or `` `label`: one of [these](#heading) `` with a table of words below that heading, or
/// without any word, where the values are names.
///
/// # Panics
/// When a metric is there twice, or a heading has no table.
pub fn documented(page: &str) -> BTreeMap<String, Documented> {
    let mut documented = BTreeMap::new();
    for row in page.lines().filter(|line| line.starts_with("| `k8supdater_")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "not five cells: {row}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "an empty cell: {row}");
        let name = cells[0].trim_matches('`').to_owned();
        let metric = Documented { kind: cells[1].to_owned(), labels: labels_in(cells[2], page) };
        assert_eq!(documented.insert(name.clone(), metric), None, "{name} is there twice");
    }
    documented
}

fn labels_in(cell: &str, page: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut labels: Vec<(String, BTreeSet<String>)> = Vec::new();
    // What stands between backticks, and what follows it.
    let parts: Vec<&str> = cell.split('`').collect();
    for pair in parts[1..].chunks(2) {
        let (token, after) = (pair[0], pair.get(1).copied().unwrap_or_default());
        if after.starts_with(':') {
            let words = match after.split_once("](#").and_then(|(_, rest)| rest.split_once(')')) {
                Some((heading, _)) => words_below(heading, page),
                None => BTreeSet::new(),
            };
            labels.push((token.to_owned(), words));
        } else {
            let (_, words) = labels.last_mut().unwrap_or_else(|| panic!("{token} belongs to no label: {cell}"));
            words.insert(token.to_owned());
        }
    }
    labels.into_iter().map(|(label, words)| (label, (!words.is_empty()).then_some(words))).collect()
}

/// The words in the first column of the table below a heading.
fn words_below(heading: &str, page: &str) -> BTreeSet<String> {
    let is_it = |line: &&str| {
        line.starts_with('#') && line.trim_matches(['#', ' ']).to_lowercase().replace(' ', "-") == heading
    };
    let below = page.lines().skip_while(|line| !is_it(line)).skip(1).take_while(|line| !line.starts_with('#'));
    let cells = below.filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let words: BTreeSet<String> =
        cells.flat_map(|cell| cell.split(['`', ',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned)).collect();
    assert!(!words.is_empty(), "there is no table of words below {heading}");
    words
}

/// How what is `shown` differs from what is documented, in sentences; empty if it does not.
pub fn differences(documented: &BTreeMap<String, Documented>, shown: &BTreeMap<String, Family>) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(
        shown.keys().filter(|name| !documented.contains_key(*name)).map(|name| format!("{name} is not documented")),
    );
    for (name, Documented { kind, labels }) in documented {
        let Some(family) = shown.get(name) else {
            found.push(format!("{name} is not shown"));
            continue;
        };
        if family.kind != *kind {
            found.push(format!("{name} is a {}, and is documented as a {kind}", family.kind));
        }
        let mut values: BTreeMap<&String, BTreeSet<&String>> = BTreeMap::new();
        for sample in &family.samples {
            let names: BTreeSet<&String> = sample.labels.keys().filter(|label| *label != "le").collect();
            if names != labels.keys().collect::<BTreeSet<_>>() {
                found.push(format!("{name} is shown with the labels {names:?}"));
            }
            for (label, value) in &sample.labels {
                values.entry(label).or_default().insert(value);
            }
        }
        for (label, words) in labels {
            let values = values.remove(label).unwrap_or_default();
            match words {
                Some(words) if words.iter().collect::<BTreeSet<_>>() != values => {
                    found.push(format!("{name} is shown with {label} {values:?}, and is documented with {words:?}"));
                }
                None if values.len() > MOST_NAMES => found.push(format!("{name} has {} of {label}", values.len())),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
| metric | type | labels | what it says | what it is good for |
|---|---|---|---|---|
| `k8supdater_a_total` | counter | `outcome`: `good`, `bad` | a | b |
| `k8supdater_b` | gauge | none | a | b |
| `k8supdater_c_total` | counter | `host`: where it went, `reason`: one of [these](#reasons-of-c) | a | b |
| `k8supdater_d_seconds` | histogram | none | a | b |

## Reasons of c

| reason | what it means |
|---|---|
| `One`, `Two` | a |
| `other` | `b` |
";

    const SHOWN: &str = "\
# HELP k8supdater_a_total A
# TYPE k8supdater_a_total counter
k8supdater_a_total{outcome=\"good\"} 7
k8supdater_a_total{outcome=\"bad\"} 0
# HELP k8supdater_b B
# TYPE k8supdater_b gauge
k8supdater_b 1.5
# HELP k8supdater_c_total C
# TYPE k8supdater_c_total counter
k8supdater_c_total{host=\"h\",reason=\"One\"} 1
k8supdater_c_total{host=\"h\",reason=\"Two\"} 2
k8supdater_c_total{host=\"i:5000\",reason=\"other\"} 3
# HELP k8supdater_d_seconds D
# TYPE k8supdater_d_seconds histogram
k8supdater_d_seconds_sum 0.25
k8supdater_d_seconds_count 2
k8supdater_d_seconds_bucket{le=\"1.0\"} 2
k8supdater_d_seconds_bucket{le=\"+Inf\"} 2
";

    fn check(shown: &str, expected: &[&str]) {
        let found = differences(&documented(PAGE), &read(shown));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().zip(expected).all(|(found, expected)| found.contains(expected)), "{found:?}");
    }

    #[test]
    fn what_is_shown_is_compared_with_what_is_documented() {
        check(SHOWN, &[]);
        check(
            &SHOWN.replace("k8supdater_b", "k8supdater_x"),
            &["k8supdater_x is not documented", "k8supdater_b is not shown"],
        );
        check(&SHOWN.replace("b gauge", "b counter"), &["k8supdater_b is a counter"]);
        check(&SHOWN.replace("reason=\"Two\"", "reason=\"Three\""), &["is shown with reason"]);
        check(
            &SHOWN.replace("k8supdater_b 1.5", "k8supdater_b{pod=\"p\"} 1.5"),
            &["is shown with the labels {\"pod\"}"],
        );
        let hosts: Vec<String> =
            (0..60).map(|n| format!("k8supdater_c_total{{host=\"h{n}\",reason=\"One\"}} 1\n")).collect();
        let many = SHOWN.replace("k8supdater_c_total{host=\"h\",reason=\"One\"} 1\n", &hosts.concat());
        check(&many, &["k8supdater_c_total has 62 of host"]);
    }

    #[test]
    fn what_is_no_metric_is_no_metric() {
        for line in
            ["k8supdater_b", "k8supdater_b x", "k8supdater_b{a=1} 1", "k8supdater_b{a=\"1\" 1", "k8supdater_b{a=\"1} 1"]
        {
            assert_eq!(sample(line), None, "{line}");
        }
    }
}
