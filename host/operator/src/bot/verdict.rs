//! Who may answer what. Pure.

use k8supdater_egress::telegram::Press;

use super::{Chat, Offer};

/// What a press is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It decides.
    Allowed,
    /// That person may not answer, or not there.
    Refused,
}

/// Whether `press` may say what its button stands for.
///
/// The message must stand in the chat that the notice was sent to, and the person be among the approvers. A private chat is its
/// person's own: whoever put its number into the settings meant that person.
pub fn verdict(press: &Press, offer: &Offer) -> Verdict {
    let is_its_own = press.is_private && u64::try_from(press.message.chat).is_ok_and(|chat| chat == press.person.id);
    if is_there(press, &offer.chat) && (is_its_own || offer.approvers.include(press.person.id)) {
        Verdict::Allowed
    } else {
        Verdict::Refused
    }
}

fn is_there(press: &Press, chat: &Chat) -> bool {
    match chat {
        Chat::Number(number) => press.message.chat == *number,
        // Names of chats are not case-sensitive.
        Chat::Name(name) => press.chat_name.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(name)),
    }
}

#[cfg(test)]
mod tests {
    use k8supdater_egress::telegram::{Message, Person};
    use serde_json::json;

    use super::super::{Answer, Approvers};
    use super::*;

    #[test]
    fn chat_and_person_must_be_right() {
        let check = |chat: serde_json::Value, approvers: serde_json::Value, press: &Press, expected: Verdict| {
            let settings = json!({"chatId": chat, "approvers": approvers});
            let offer = Offer {
                plugin: "telegram".to_owned(),
                namespace: "shop".to_owned(),
                handler: "web".to_owned(),
                container: "nginx".to_owned(),
                tag: "1.27.0".to_owned(),
                answer: Answer::Approve,
                label: "Update".to_owned(),
                chat: Chat::of(&settings).unwrap(),
                approvers: Approvers::of(&settings),
            };
            assert_eq!(verdict(press, &offer), expected, "{settings} {press:?}");
        };
        let press = |chat: i64, chat_name: Option<&str>, is_private: bool, user: u64| Press {
            query: "1".to_owned(),
            data: "a".to_owned(),
            person: Person { id: user, name: "Ann".to_owned() },
            message: Message { chat, id: 1 },
            chat_name: chat_name.map(str::to_owned),
            is_private,
            has_buttons: true,
            content: None,
        };
        let (group, own) = (press(-100, Some("Shop"), false, 11), press(11, None, true, 11));
        let (allowed, refused) = (Verdict::Allowed, Verdict::Refused);
        check(json!(-100), json!([11]), &group, allowed);
        check(json!(-100), json!("*"), &group, allowed);
        check(json!(-100), json!([12]), &group, refused);
        check(json!(-100), json!([]), &group, refused);
        check(json!(-200), json!([11]), &group, refused);
        check(json!("@shop"), json!([11]), &group, allowed);
        check(json!("@other"), json!("*"), &group, refused);
        check(json!("@shop"), json!("*"), &press(-100, None, false, 11), refused);
        check(json!(11), json!([]), &own, allowed);
        check(json!(11), json!([12]), &own, allowed);
        check(json!(12), json!([]), &own, refused);
        // A group cannot have the number of a person, but nothing should hang on that.
        check(json!(11), json!([]), &press(11, None, false, 11), refused);
        check(json!(-11), json!([]), &press(-11, None, true, 11), refused);
    }
}
