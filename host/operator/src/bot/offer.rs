//! What buttons stand for, and who knows. Types, apart from reading two settings.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a button stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Name of the Plugin that the notice went through.
    pub plugin: String,
    /// The handler's namespace.
    pub namespace: String,
    /// The handler.
    pub handler: String,
    /// The container.
    pub container: String,
    /// The tag that is offered to it.
    pub tag: String,
    /// What pressing the button says to that.
    pub answer: Answer,
    /// What stands on the button.
    pub label: String,
    /// The chat that the notice was sent to.
    pub chat: Chat,
    /// Who may answer there.
    pub approvers: Approvers,
}

/// What is said to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Do it.
    Approve,
    /// Never do it.
    Skip,
    /// Not now.
    Snooze,
}

/// A chat, as the setting `chatId` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chat {
    /// By its number.
    Number(i64),
    /// By the name of a public group or channel, without the `@`.
    Name(String),
}

/// Who may answer, beside the person whose private chat it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approvers {
    /// Everybody in the chat.
    Everybody,
    /// The users with these numbers.
    Only(BTreeSet<u64>),
}

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is written down, and will be acted on.
    New,
    /// Somebody was faster; nothing was changed.
    Already {
        /// What was said.
        answer: Answer,
        /// Who said it.
        by: String,
    },
    /// It is no longer offered.
    Gone,
}

/// What came of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is followed when its time comes: this is not the end yet.
    Waits {
        /// For what, and until when as far as that is known; one line.
        why: String,
    },
    /// The new version runs.
    RolledOut,
    /// The workload was changed, and its rollout failed.
    Failed {
        /// What went wrong; one line.
        why: String,
    },
    /// The workload was not changed.
    NotApplied {
        /// What stood in the way; one line.
        why: String,
    },
}

/// Who knows what buttons stand for, and does what they say. Turns the arrow round: this room knows nothing of handlers.
pub trait Offers: Send + Sync + 'static {
    /// Why an answer could not be written down. It is logged.
    type Error: std::error::Error + Send + 'static;

    /// What a button stands for that hands back `value`; none if that is over. Quick, from memory.
    fn find(&self, value: &str) -> Option<Offer>;

    /// Writes down what `by` answers, once: whoever comes later, or again, is told who was first.
    fn decide(&self, offer: &Offer, by: &str) -> impl Future<Output = Result<Decided, Self::Error>> + Send;

    /// What has come of an approval; none if that is not known yet. Asked every few seconds, so quick, from memory.
    fn outcome(&self, offer: &Offer) -> Option<Outcome>;
}

impl Outcome {
    /// Whether nothing more comes of it.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Waits { .. } => false,
            Self::RolledOut | Self::Failed { .. } | Self::NotApplied { .. } => true,
        }
    }
}

impl Chat {
    /// The setting `chatId` of a Plugin or handler; none if it names no chat.
    pub fn of(settings: &Value) -> Option<Self> {
        match settings.get("chatId")? {
            Value::Number(number) => number.as_i64().map(Self::Number),
            Value::String(text) => match text.strip_prefix('@') {
                Some(name) => Some(Self::Name(name.to_owned())),
                None => text.parse().ok().map(Self::Number),
            },
            _ => None,
        }
    }
}

impl Approvers {
    /// The setting `approvers`; nobody, if it says nothing that can be understood.
    pub fn of(settings: &Value) -> Self {
        match settings.get("approvers") {
            Some(Value::String(text)) if text == "*" => Self::Everybody,
            Some(Value::Array(users)) => Self::Only(users.iter().filter_map(Value::as_u64).collect()),
            _ => Self::Only(BTreeSet::new()),
        }
    }

    /// Whether the user with this number is among them.
    pub fn include(&self, user: u64) -> bool {
        match self {
            Self::Everybody => true,
            Self::Only(users) => users.contains(&user),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_name_the_chat() {
        let check = |chat: Value, expected: Option<Chat>| {
            assert_eq!(Chat::of(&json!({"chatId": chat})), expected, "for {chat}");
        };
        check(json!(-100), Some(Chat::Number(-100)));
        check(json!("-100"), Some(Chat::Number(-100)));
        check(json!("@shop"), Some(Chat::Name("shop".to_owned())));
        check(json!("shop"), None);
        check(json!(1.5), None);
        check(Value::Null, None);
        assert_eq!(Chat::of(&json!({})), None);
    }

    #[test]
    fn settings_name_the_approvers_and_nobody_by_mistake() {
        let check = |settings: Value, user: u64, expected: bool| {
            assert_eq!(Approvers::of(&settings).include(user), expected, "for {settings}");
        };
        check(json!({"approvers": "*"}), 1, true);
        check(json!({"approvers": [1, 2]}), 2, true);
        check(json!({"approvers": [1, 2]}), 3, false);
        check(json!({"approvers": []}), 1, false);
        check(json!({}), 1, false);
        check(json!({"approvers": ["*", "1", -1, 1.0]}), 1, false);
        check(json!({"approvers": "everybody"}), 1, false);
        check(json!({"approvers": null}), 0, false);
    }
}
