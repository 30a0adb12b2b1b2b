//! What the doctor found: types, and how they are shown. Pure.

use std::fmt::{self, Write};

use serde::Serialize;

use crate::cli::table::printable;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Not known, because whoever asks may not look.
    Unknown,
    /// It works, though not all that it could do.
    Warning,
    /// It does not work.
    Fault,
}

/// What a finding is about, in the order in which they are shown: what comes first is often the cause of what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Group {
    /// The API server, and who asks it.
    ApiServer,
    /// The `CustomResourceDefinitions`.
    Definitions,
    /// What the operator's `ServiceAccount` may do.
    Rights,
    /// The operator's Deployment, its pods and its configuration.
    Operator,
    /// Plugin objects.
    Plugins,
    /// Whom the operator has to reach.
    Egress,
    /// Secrets.
    Credentials,
    /// `VersioningHandlers`.
    Handlers,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What it is about.
    pub(super) group: Group,
    /// How bad it is.
    pub(super) level: Level,
    /// The object, as `kubectl` names it, or in words.
    pub(super) object: String,
    /// What is the case, and why.
    pub(super) message: String,
    /// The command that mends it, or that says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) remedy: Option<String>,
}

impl Group {
    fn title(self) -> &'static str {
        match self {
            Self::ApiServer => "API server",
            Self::Definitions => "Definitions",
            Self::Rights => "Rights of the operator",
            Self::Operator => "Operator",
            Self::Plugins => "Plugins",
            Self::Egress => "Egress",
            Self::Credentials => "Credentials",
            Self::Handlers => "Handlers",
        }
    }

    fn finding(self, level: Level, object: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { group: self, level, object: object.into(), message: message.into(), remedy: None }
    }

    /// As it should be.
    pub(super) fn ok(self, object: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Level::Ok, object, message)
    }

    /// Whoever asks may not look.
    pub(super) fn unknown(self, object: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Level::Unknown, object, message)
    }

    /// It works, though not all that it could do.
    pub(super) fn warning(self, object: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Level::Warning, object, message)
    }

    /// It does not work.
    pub(super) fn fault(self, object: impl Into<String>, message: impl Into<String>) -> Finding {
        self.finding(Level::Fault, object, message)
    }
}

impl Finding {
    /// With the command that mends it.
    pub(super) fn mended_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Fault => "fault",
        })
    }
}

/// How many findings are of `level`.
pub(super) fn count(findings: &[Finding], level: Level) -> usize {
    findings.iter().filter(|finding| finding.level == level).count()
}

/// For people: a group after the other, a line for each finding and one for its remedy.
pub(super) fn text(findings: &[Finding]) -> String {
    // Writing to a String cannot fail.
    let mut text = String::new();
    let mut shown = None;
    for finding in findings {
        if shown != Some(finding.group) {
            let gap = if shown.is_some() { "\n" } else { "" };
            let _ = writeln!(text, "{gap}{}", finding.group.title());
            shown = Some(finding.group);
        }
        let Finding { level, object, message, .. } = finding;
        let _ = writeln!(text, "  {level:<8} {}: {}", printable(object), printable(message));
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "           run: {}", printable(remedy));
        }
    }
    let _ = writeln!(text, "\n{}", summary(findings));
    text
}

fn summary(findings: &[Finding]) -> String {
    let counted = |level: Level, one: &str, many: &str| match count(findings, level) {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {many}")),
    };
    let parts: Vec<String> = [
        counted(Level::Fault, "fault", "faults"),
        counted(Level::Warning, "warning", "warnings"),
        counted(Level::Unknown, "thing that may not be looked at", "things that may not be looked at"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() { "all is well".to_owned() } else { parts.join(", ") }
}

/// For programs.
pub(super) fn json(findings: &[Finding]) -> String {
    #[derive(Serialize)]
    struct Report<'a> {
        faults: usize,
        warnings: usize,
        unknown: usize,
        findings: &'a [Finding],
    }
    let report = Report {
        faults: count(findings, Level::Fault),
        warnings: count(findings, Level::Warning),
        unknown: count(findings, Level::Unknown),
        findings,
    };
    let mut text = serde_json::to_string_pretty(&report).expect("texts and numbers can be written as JSON");
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Group::ApiServer.ok("API server", "v1.36.3"),
            Group::Plugins.fault("Plugin k8supdater/oci", "ConfigMapNotFound:\n\u{1b}[2J").mended_by("kubectl get cm"),
            Group::Plugins.warning("Plugin k8supdater/gitlab", "an older one serves"),
            Group::Credentials.unknown("Secret team-a/login", "may not be read"),
        ]
    }

    #[test]
    fn findings_are_grouped_and_nothing_in_them_can_talk_to_the_terminal() {
        let expected = "\
API server
  ok       API server: v1.36.3

Plugins
  fault    Plugin k8supdater/oci: ConfigMapNotFound:\\n\\u{1b}[2J
           run: kubectl get cm
  warning  Plugin k8supdater/gitlab: an older one serves

Credentials
  unknown  Secret team-a/login: may not be read

1 fault, 1 warning, 1 thing that may not be looked at
";
        assert_eq!(text(&findings()), expected);
        assert!(text(&findings()[..1]).ends_with("\nall is well\n"));
    }

    #[test]
    fn programs_get_the_same() {
        let report: serde_json::Value = serde_json::from_str(&json(&findings())).unwrap();
        assert_eq!((report["faults"].as_u64(), report["warnings"].as_u64()), (Some(1), Some(1)));
        let fault = &report["findings"][1];
        assert_eq!((fault["group"].as_str(), fault["level"].as_str()), (Some("plugins"), Some("fault")));
        assert_eq!(fault["remedy"].as_str(), Some("kubectl get cm"));
        assert_eq!(report["findings"][0].get("remedy"), None);
    }
}
