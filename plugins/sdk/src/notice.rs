//! What notifiers make of a notice, whatever the channel: how loud it is, and its facts as a table.

pub use crate::bindings::notifier::exports::k8supdater::plugin::notifier::{Answer, Notice};
use crate::time::Timestamp;

/// How much a notice matters. More is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Of interest to whoever looks for a fault.
    Debug,
    /// Good to know.
    Info,
    /// Somebody should look at it some time.
    Warning,
    /// Something does not work.
    Error,
    /// Something that people depend on does not work.
    Critical,
}

impl Level {
    /// The level of this name in the WIT; [`Info`](Self::Info) for a word that is not known, as the WIT demands.
    pub fn of(name: &str) -> Self {
        match name {
            "debug" => Self::Debug,
            "warning" => Self::Warning,
            "error" => Self::Error,
            "critical" => Self::Critical,
            _ => Self::Info,
        }
    }

    /// The colour that goes with it, as red, green and blue: grey, blue, amber, red and dark red.
    pub fn color(self) -> u32 {
        match self {
            Self::Debug => 0x006B_7280,
            Self::Info => 0x0025_63EB,
            Self::Warning => 0x00B4_5309,
            Self::Error => 0x00DC_2626,
            Self::Critical => 0x007F_1D1D,
        }
    }

    /// A sign to put before the title; empty where nobody has to be alarmed.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Debug | Self::Info => "",
            Self::Warning => "⚠️",
            Self::Error => "❌",
            Self::Critical => "🚨",
        }
    }
}

/// A notice of which every field is empty.
///
/// ```
/// use k8supdater_plugin::Notice;
///
/// let notice = Notice { kind: "updated".to_owned(), title: "web was updated".to_owned(), ..Notice::default() };
/// assert!(notice.answers.is_empty());
/// ```
impl Default for Notice {
    fn default() -> Self {
        let empty = String::new;
        Self {
            kind: empty(),
            level: empty(),
            handler: empty(),
            namespace: empty(),
            workload: empty(),
            container: empty(),
            image: empty(),
            from: empty(),
            to: empty(),
            newest: empty(),
            link: empty(),
            title: empty(),
            text: empty(),
            command: empty(),
            answers: Vec::new(),
            time: 0,
            key: empty(),
        }
    }
}

impl Notice {
    /// How much it matters.
    pub fn level(&self) -> Level {
        Level::of(&self.level)
    }

    /// What it is about, as rows of a table for people: what stands in the left column, and what in the right. Only what is known.
    ///
    /// ```
    /// use k8supdater_plugin::Notice;
    ///
    /// let text = str::to_owned;
    /// let notice = Notice { namespace: text("shop"), handler: text("web"), to: text("1.25.3"), ..Notice::default() };
    /// assert_eq!(notice.facts(), [("Handler", text("shop/web")), ("To", text("1.25.3"))]);
    /// ```
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let handler = match (self.namespace.as_str(), self.handler.as_str()) {
            ("", handler) => handler.to_owned(),
            (namespace, "") => namespace.to_owned(),
            (namespace, handler) => format!("{namespace}/{handler}"),
        };
        // Said once is enough.
        let newest = if self.newest == self.to { "" } else { &self.newest };
        let time = if self.time == 0 { String::new() } else { Timestamp::from_seconds(self.time).for_people() };
        let facts = [
            ("Handler", handler),
            ("Workload", self.workload.clone()),
            ("Container", self.container.clone()),
            ("Image", self.image.clone()),
            ("From", self.from.clone()),
            ("To", self.to.clone()),
            ("Newest", newest.to_owned()),
            ("Time", time),
        ];
        facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The title; where a host gave none, what can be said in one line all the same.
    pub fn heading(&self) -> &str {
        let choices = [&self.title, &self.text, &self.kind];
        let first = choices.into_iter().find_map(|text| text.lines().map(str::trim).find(|line| !line.is_empty()));
        first.unwrap_or("notice")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_levels_are_the_most_general_one() {
        let names = ["debug", "info", "warning", "error", "critical"];
        assert!(names.map(Level::of).is_sorted_by(|one, next| one < next));
        for name in ["", "Error", "fatal"] {
            assert_eq!(Level::of(name), Level::Info, "for {name:?}");
        }
    }

    #[test]
    fn the_facts_are_those_that_are_known() {
        let text = str::to_owned;
        assert_eq!(Notice::default().facts(), []);
        let notice = Notice {
            handler: text("web"),
            from: text("1.0"),
            to: text("1.1"),
            newest: text("1.1"),
            time: 1_705_312_801,
            ..Notice::default()
        };
        let facts = |newest: &str| Notice { newest: text(newest), ..notice.clone() }.facts();
        let time = ("Time", text("2024-01-15 10:00:01 UTC"));
        let first = [("Handler", text("web")), ("From", text("1.0")), ("To", text("1.1"))];
        assert_eq!(facts("1.1"), [first.as_slice(), std::slice::from_ref(&time)].concat());
        assert_eq!(facts("2.0"), [first.as_slice(), &[("Newest", text("2.0")), time]].concat());
    }

    #[test]
    fn there_is_always_a_heading_of_one_line() {
        let check = |title: &str, text: &str, kind: &str, expected: &str| {
            let own = str::to_owned;
            let notice = Notice { title: own(title), text: own(text), kind: own(kind), ..Notice::default() };
            assert_eq!(notice.heading(), expected);
        };
        check("web was updated", "x", "updated", "web was updated");
        check(" \n", "\n first \nsecond", "updated", "first");
        check("", "", "updated", "updated");
        check("", "", "", "notice");
    }
}
