//! Several notices as one.

use std::collections::BTreeSet;

use super::words::one_line;
use super::{Fingerprint, Handler, Message};

/// Most messages of which a digest repeats the titles; of the others it tells how many there are.
const MOST_LISTED: usize = 20;
/// Most characters of a title.
const LONGEST_TITLE: usize = 200;
/// Most characters of a text: with the rest of it, a chat message of 4,096 characters has room for it.
const LONGEST_TEXT: usize = 3_000;

/// One message that sums up `messages`; none of none, and of one that one.
///
/// What all of them have in common stays; the kind is that of the message that matters most, the first of those. The text lists the
/// titles in the given order, at most 20, and the command is that of the only one that has any. The key depends on the keys and their
/// order only.
///
/// Of messages about several handlers the handler is one without namespace, name and UID, and so there is no workload or container, which
/// without it could be any of that name.
pub fn digest(messages: &[Message]) -> Option<Message> {
    let (first, rest) = messages.split_first()?;
    if rest.is_empty() {
        return Some(first.clone());
    }
    let worst = rest.iter().fold(first, |worst, other| if other.level > worst.level { other } else { worst });
    let mut commands: Vec<&str> = messages.iter().map(|message| message.command.as_str()).collect();
    commands.retain(|command| !command.is_empty());
    commands.dedup();
    let about = About::of(messages);
    let keys: Vec<&str> = messages.iter().map(|message| message.key.as_str()).collect();
    Some(Message {
        kind: worst.kind,
        level: worst.level,
        handler: match about {
            About::One => first.handler.clone(),
            About::Several(_) => Handler { namespace: String::new(), name: String::new(), uid: String::new() },
        },
        workload: common(messages, |message| &message.workload).filter(|_| about == About::One),
        container: common(messages, |message| &message.container).filter(|_| about == About::One),
        image: common(messages, |message| &message.image),
        from: common(messages, |message| &message.from),
        to: common(messages, |message| &message.to),
        newest: common(messages, |message| &message.newest),
        link: common(messages, |message| &message.link),
        title: title(about, messages.len(), worst),
        text: text(about, messages),
        command: if let [command] = commands.as_slice() { (*command).to_owned() } else { String::new() },
        offer: None,
        time: messages.iter().map(|message| message.time).max().unwrap_or(first.time),
        key: format!("digest-{}", Fingerprint::of_parts(&keys)),
    })
}

/// Whom messages are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// One handler, which is said once.
    One,
    /// That many handlers, which each title names.
    Several(usize),
}

impl About {
    /// A handler that was deleted and created again is the same to people.
    fn of(messages: &[Message]) -> Self {
        let handlers = messages.iter().map(|message| (&message.handler.namespace, &message.handler.name));
        match handlers.collect::<BTreeSet<_>>().len() {
            0 | 1 => Self::One,
            several => Self::Several(several),
        }
    }

    /// `3 notices`, and about how many handlers if these are several.
    fn count(self, messages: usize) -> String {
        match self {
            Self::One => format!("{messages} notices"),
            Self::Several(handlers) => format!("{messages} notices about {handlers} handlers"),
        }
    }

    /// The title of one of the messages, in a list of all.
    fn entry(self, message: &Message) -> String {
        match self {
            Self::One => message.title.replacen(&prefix(message), "", 1),
            Self::Several(_) => message.title.clone(),
        }
    }
}

fn title(about: About, count: usize, worst: &Message) -> String {
    let prefix = match about {
        About::One => prefix(worst),
        About::Several(_) => String::new(),
    };
    one_line(&format!("{prefix}{}, among them: {}", about.count(count), about.entry(worst)), LONGEST_TITLE)
}

fn text(about: About, messages: &[Message]) -> String {
    let mut parts = vec![format!("{}.", about.count(messages.len()))];
    for (index, message) in messages.iter().take(MOST_LISTED).enumerate() {
        parts.push(format!("({}) {}.", index.saturating_add(1), about.entry(message)));
        if !message.command.is_empty() {
            parts.push(format!("Run: {}", message.command));
        }
    }
    let left_out = messages.len().saturating_sub(MOST_LISTED);
    if left_out > 0 {
        parts.push(format!("And {left_out} more."));
    }
    one_line(&parts.join(" "), LONGEST_TEXT)
}

/// The handler, as titles begin with it.
fn prefix(message: &Message) -> String {
    format!("{}/{}: ", message.handler.namespace, message.handler.name)
}

/// The value that all of them have.
fn common<T: Clone + PartialEq>(messages: &[Message], value: impl Fn(&Message) -> &Option<T>) -> Option<T> {
    let (first, rest) = messages.split_first()?;
    let first = value(first);
    rest.iter().all(|message| value(message) == first).then(|| first.clone()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{available, notice, some};
    use super::super::{Kind, Level, Notice};
    use super::*;

    fn offered(to: &str) -> Notice {
        Notice { is_approvable: true, ..available(to) }
    }

    fn message(notice: &Notice, key: &str) -> Message {
        Message::of(notice, key.to_owned())
    }

    #[test]
    fn one_is_itself_and_none_is_none() {
        let one = message(&offered("2.0"), "a");
        assert_eq!(digest(&[]), None);
        assert_eq!(digest(std::slice::from_ref(&one)), Some(one));
    }

    #[test]
    fn several_are_summed_up() {
        let failed = Notice { container: some("app"), detail: some("no room"), ..notice(Kind::RolloutFailed) };
        let messages = [
            message(&offered("2.0"), "a"),
            message(&failed, "b"),
            message(&Notice { to: some("3.0"), ..notice(Kind::Updated) }, "c"),
        ];
        let found = digest(&messages).unwrap();
        assert_eq!((found.kind, found.level), (Kind::RolloutFailed, Level::Critical));
        assert_eq!(found.title, "team-a/web: 3 notices, among them: rollout of the image failed");
        assert_eq!(
            found.text,
            "3 notices. (1) nginx 1.0 → 2.0 is available. Run: k8supdater approve team-a/web app=2.0 (2) rollout of the image \
             failed. Run: kubectl --namespace team-a describe deployment/web (3) the image 3.0 is being rolled out."
        );
        assert_eq!((found.command.as_str(), &found.to, &found.workload), ("", &None, &offered("2.0").workload));
        let keys = |order: [usize; 3]| digest(&order.map(|index| messages[index].clone())).unwrap().key;
        assert_eq!(found.key, keys([0, 1, 2]));
        assert_ne!(found.key, keys([1, 0, 2]));
    }

    #[test]
    fn several_handlers_are_named_with_their_notices() {
        let handler = |namespace: &str, name: &str, uid: &str| Handler {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid: uid.to_owned(),
        };
        let (shop, team) = (handler("shop", "web", "1"), handler("team-a", "web", "2"));
        let of =
            |handler: &Handler, notice: Notice, key: &str| message(&Notice { handler: handler.clone(), ..notice }, key);
        let failed = || Notice { image: some("docker.io/library/nginx"), ..notice(Kind::RolloutFailed) };
        let messages =
            [of(&team, offered("2.0"), "a"), of(&shop, failed(), "b"), of(&team, notice(Kind::CheckRecovered), "c")];
        let found = digest(&messages).unwrap();
        assert_eq!(found.title, "3 notices about 2 handlers, among them: shop/web: rollout of nginx failed");
        assert_eq!(
            found.text,
            "3 notices about 2 handlers. (1) team-a/web: nginx 1.0 → 2.0 is available. Run: k8supdater approve \
             team-a/web app=2.0 (2) shop/web: rollout of nginx failed. Run: kubectl \
             --namespace shop describe deployment/web (3) team-a/web: check works again."
        );
        assert_eq!(
            (found.kind, found.level, &found.handler),
            (Kind::RolloutFailed, Level::Critical, &handler("", "", ""))
        );
        // What is named alike in two namespaces is not the same; an image is.
        let alike = digest(&[of(&team, offered("2.0"), "a"), of(&shop, offered("2.0"), "b")]).unwrap();
        assert_eq!((&alike.workload, &alike.container, &alike.image), (&None, &None, &offered("2.0").image));
        // To people it is one handler, although it was created again.
        let again = digest(&[of(&team, offered("2.0"), "a"), of(&handler("team-a", "web", "3"), failed(), "b")]);
        let again = again.unwrap();
        assert_eq!(again.title, "team-a/web: 2 notices, among them: rollout of nginx failed");
        assert_eq!((again.handler, again.workload), (team, offered("2.0").workload));
    }

    #[test]
    fn many_are_counted() {
        let many: Vec<Message> = (0..25).map(|index| message(&offered("2.0"), &index.to_string())).collect();
        let found = digest(&many).unwrap();
        assert!(found.text.contains("25 notices.") && found.text.chars().count() <= LONGEST_TEXT, "{}", found.text);
        assert_eq!(found.to, some("2.0"));
        assert_eq!(found.command, many[0].command);
        let short: Vec<Message> =
            (0..25).map(|index| message(&notice(Kind::HandlerChanged), &index.to_string())).collect();
        assert!(digest(&short).unwrap().text.ends_with("(20) handler changed. And 5 more."));
    }
}
