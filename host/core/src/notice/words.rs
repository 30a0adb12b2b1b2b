//! How a notice reads.

use super::{Kind, Notice};

/// Most characters of a title; longer subjects are cut by most mail programs long before.
const LONGEST_TITLE: usize = 200;
/// Most characters of a text.
const LONGEST_TEXT: usize = 3_000;
/// How many digits of a digest people compare, as container tools show them.
const SHOWN_DIGITS: usize = 12;

impl Notice {
    /// One line of at most 200 characters, for subjects: whose, what, from where to where.
    pub fn title(&self) -> String {
        let (image, change) = (self.short_image(), self.change());
        let what = match self.kind {
            Kind::HandlerCreated => "handler created".to_owned(),
            Kind::HandlerResumed => "handler resumed".to_owned(),
            Kind::HandlerChanged => "handler changed".to_owned(),
            Kind::HandlerDeleted => "handler deleted".to_owned(),
            Kind::UpdateAvailable if self.is_about_moved_tag() => format!("{image} has moved to {}", self.digest()),
            Kind::UpdateAvailable => format!("{image} {change} is available"),
            Kind::Updated => format!("{image} {change} is being rolled out"),
            Kind::Restarted => format!("restarted for {image} {change}"),
            Kind::RolloutFinished if self.is_for_later => format!("{image} {change} is applied"),
            Kind::RolloutFinished => format!("{image} {change} is rolled out"),
            Kind::RolloutFailed => format!("rollout of {image} {change} failed"),
            Kind::RolledBack => format!("{image}{} was taken back, {} runs again", self.taken_back(), self.put_back()),
            Kind::RollbackFailed => {
                format!("{image}{} was taken back, but {} does not run either", self.taken_back(), self.put_back())
            }
            Kind::TagMoved => format!("{image} {change} was pushed again"),
            Kind::CheckFailing => format!("check fails{}", self.class()),
            Kind::CheckRecovered => "check works again".to_owned(),
            Kind::PluginFailing => {
                format!("plugin {} fails{}", self.plugin.as_deref().unwrap_or("of the handler"), self.class())
            }
        };
        one_line(&format!("{}/{}: {what}", self.handler.namespace, self.handler.name), LONGEST_TITLE)
    }

    /// One paragraph for people, without markup and line breaks, of at most 3,000 characters: what happened, why, and what becomes of it.
    pub fn text(&self) -> String {
        let mut text = format!("{}{}. {}", self.what_happened(), self.because(), self.what_next());
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        one_line(&text, LONGEST_TEXT)
    }

    fn what_happened(&self) -> String {
        let Self { handler, .. } = self;
        let handler = format!("handler {}/{}", handler.namespace, handler.name);
        let (place, workload, change) = (self.place(), self.workload_in_words(), self.change());
        match self.kind {
            Kind::HandlerCreated => format!("The {handler} is new, and k8supdater looks after {workload} from now on"),
            Kind::HandlerResumed => {
                format!("The {handler} is no longer suspended, and k8supdater looks after {workload} again")
            }
            Kind::HandlerChanged => {
                format!("The {handler} has changed, and k8supdater looks after {workload} as it says now")
            }
            Kind::HandlerDeleted => format!("The {handler} is gone, and k8supdater no longer looks after {workload}"),
            Kind::UpdateAvailable if self.is_about_moved_tag() => {
                let tag = self.from.as_deref().unwrap_or("the tag");
                format!(
                    "{place} runs {tag} of {}, which now points at another image, {}",
                    self.full_image(),
                    self.digest()
                )
            }
            Kind::UpdateAvailable => {
                format!("For {place} there is a newer {}: {change}{}", self.full_image(), self.beyond())
            }
            Kind::Updated => format!("{place} was updated: {} {change}", self.full_image()),
            Kind::Restarted => format!("{workload} was restarted, because {} {change} has moved", self.full_image()),
            Kind::RolloutFinished if self.is_for_later => {
                format!("{place} has the update: {} {change}", self.full_image())
            }
            Kind::RolloutFinished => format!("{place} runs the update, in all pods: {} {change}", self.full_image()),
            Kind::RolloutFailed => format!("The update of {place} does not come up: {} {change}", self.full_image()),
            Kind::RolledBack => format!(
                "{place} runs {} again: {}{} was taken back",
                self.put_back(),
                self.full_image(),
                self.taken_back()
            ),
            Kind::RollbackFailed => format!(
                "{place} does not come up: {}{} was taken back, and the rollout of {}, which was put back, does not finish either",
                self.full_image(),
                self.taken_back(),
                self.put_back()
            ),
            Kind::TagMoved => format!(
                "The tag {} of {}, which {place} runs, was pushed again although it is a version: it pointed at {} and points at {} now",
                self.from.as_deref().map_or("in use", tag_of),
                self.full_image(),
                digest_of(self.from.as_deref()),
                digest_of(self.to.as_deref())
            ),
            Kind::CheckFailing => format!("What is newer for {place} is not known{}", self.class()),
            Kind::CheckRecovered => format!("What is newer for {place} is known again"),
            Kind::PluginFailing => {
                let plugin = self.plugin.as_deref().unwrap_or("of the handler");
                format!("The plugin {plugin}, which looks after {place}, fails{}", self.class())
            }
        }
    }

    /// What becomes of it, and what to do where there is no [command](Notice::command) to run, which channels show in their own way.
    fn what_next(&self) -> &'static str {
        let has_command = !self.command().is_empty();
        match self.kind {
            Kind::RolloutFinished if self.is_for_later => "",
            Kind::HandlerCreated
            | Kind::HandlerResumed
            | Kind::HandlerChanged
            | Kind::RolloutFinished
            | Kind::CheckRecovered => "There is nothing to do.",
            Kind::HandlerDeleted => {
                "It keeps the images that it has; to have it updated again, create a handler for it."
            }
            Kind::UpdateAvailable if self.is_approvable => "It is applied as soon as somebody approves it.",
            Kind::RolloutFailed if has_command => "",
            Kind::UpdateAvailable if self.is_about_moved_tag() => {
                "It is pulled when a new pod starts, if the pull policy is Always."
            }
            Kind::UpdateAvailable => "To take it, change the image where the workload is defined.",
            Kind::Updated | Kind::Restarted => "The rollout goes on by itself, and its end is told.",
            Kind::RolloutFailed => "Look at the pods of the workload to see why.",
            Kind::RolledBack if has_command => {
                "What was taken back is held until there is a better version, which is applied by itself. It is tried again as soon as somebody \
                 approves it."
            }
            Kind::RolledBack => {
                "What was taken back is held until there is a better version, which is applied by itself. There is nothing to do."
            }
            Kind::RollbackFailed if has_command => "Nothing more is done by itself.",
            Kind::RollbackFailed => "Nothing more is done by itself. Look at the pods of the workload to see why.",
            Kind::TagMoved if has_command => {
                "Nothing is done about it, but whoever pulls the tag gets the other image. Find out who has pushed it; if that is in order, \
                 approve it."
            }
            Kind::TagMoved => {
                "Nothing is done about it, but whoever pulls the tag gets the other image. Find out who has pushed it."
            }
            Kind::CheckFailing => "It is tried again by itself, and until it works nothing is updated.",
            Kind::PluginFailing => "Until it works, nothing that needs it is updated.",
        }
    }

    /// Why, as far as it is known.
    fn because(&self) -> String {
        self.detail.as_ref().map(|detail| format!(": {}", detail.trim_end_matches('.'))).unwrap_or_default()
    }

    /// The newest tag, if it is another one than is offered.
    fn beyond(&self) -> String {
        let newest = self.newest.as_deref().filter(|newest| Some(*newest) != self.to.as_deref());
        newest.map(|newest| format!(" (the newest of all is {newest})")).unwrap_or_default()
    }

    fn class(&self) -> String {
        self.error_class.as_ref().map(|class| format!(" ({class})")).unwrap_or_default()
    }

    /// What is looked after, as precisely as it is known.
    fn place(&self) -> String {
        match &self.container {
            Some(container) => format!("container {container} of {}", self.workload_in_words()),
            None => self.workload_in_words(),
        }
    }

    fn workload_in_words(&self) -> String {
        let namespace = &self.handler.namespace;
        match &self.workload {
            Some(workload) => format!("{}/{} in namespace {namespace}", workload.kind, workload.name),
            None => format!("the workload of handler {namespace}/{}", self.handler.name),
        }
    }

    /// From where to where; the tag once if it stays the same.
    fn change(&self) -> String {
        match (self.from.as_deref(), self.to.as_deref()) {
            (Some(from), Some(to)) if tag_of(from) == tag_of(to) => shown(to),
            (Some(from), Some(to)) => format!("{} → {}", shown(from), shown(to)),
            (Some(one), None) | (None, Some(one)) => shown(one),
            (None, None) => String::new(),
        }
    }

    /// What was taken back, after a space; nothing if that is not known.
    fn taken_back(&self) -> String {
        self.from.as_deref().map(|from| format!(" {}", shown(from))).unwrap_or_default()
    }

    /// What was put back in its place.
    fn put_back(&self) -> String {
        self.to.as_deref().map_or_else(|| "the image before".to_owned(), shown)
    }

    fn full_image(&self) -> &str {
        self.image.as_deref().unwrap_or("the image")
    }

    /// As people spell it: without what Docker Hub adds.
    fn short_image(&self) -> &str {
        let image = self.full_image();
        image.strip_prefix("docker.io/library/").or_else(|| image.strip_prefix("docker.io/")).unwrap_or(image)
    }

    /// Whether it is about a tag that points at another image than before.
    pub(super) fn is_about_moved_tag(&self) -> bool {
        self.to.as_ref().is_some_and(|to| to.contains('@'))
    }

    /// What a moved tag points at.
    fn digest(&self) -> String {
        digest_of(self.to.as_deref())
    }
}

/// The tag of a tag and perhaps a digest.
fn tag_of(text: &str) -> &str {
    text.split_once('@').map_or(text, |(tag, _)| tag)
}

/// The digest of a tag and a digest, as people read it.
fn digest_of(text: Option<&str>) -> String {
    let digest = text.and_then(|text| text.split_once('@')).map(|(_, digest)| digest);
    digest.map_or_else(|| "another image".to_owned(), short_digest)
}

/// A tag, or a tag and a digest, as people read it.
fn shown(tag: &str) -> String {
    match tag.split_once('@') {
        Some((tag, digest)) => format!("{tag}@{}", short_digest(digest)),
        None => tag.to_owned(),
    }
}

fn short_digest(digest: &str) -> String {
    match digest.split_once(':') {
        Some((algorithm, digits)) => format!("{algorithm}:{}", digits.chars().take(SHOWN_DIGITS).collect::<String>()),
        None => digest.to_owned(),
    }
}

/// `text` as one line of at most `longest` characters: each run of white space and of characters that do not show or that turn the
/// direction of writing is one space, and where it was cut there is an ellipsis.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let is_gap = |char: char| {
        char.is_whitespace()
            || char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut line = text.split(is_gap).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(longest) {
        let cut = line.get(..end).and_then(|kept| kept.char_indices().next_back()).map_or(0, |(start, _)| start);
        line.truncate(cut);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests;
