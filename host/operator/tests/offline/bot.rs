mod scene;

use std::time::Duration;

use k8supdater::bot::{Answer, Outcome};
use k8supdater_testkit::{FakeTelegram, PATIENCE, TelegramFault, TelegramPart, TelegramUser, eventually};
use serde_json::json;

use scene::{GROUP, Replica, Scene, TEXT, ann, bob, bot_of, logged, new_token, post, shown};

const ANN: &str = "Ann (@ann), Telegram user 11";

#[tokio::test]
async fn who_may_answer_decides_and_the_message_says_so() {
    let scene = Scene::start().await;
    let query = scene.press("Update", &ann());
    assert_eq!(scene.told(&query).await, ("Approved: the update is on its way".to_owned(), false));
    let message = scene.shown(&format!("✅ Approved by {ANN}, 20")).await;
    assert!(message.text.starts_with(TEXT) && message.text.ends_with(" UTC"), "{}", message.text);
    assert_eq!((message.buttons.len(), message.edits), (0, 1));
    assert_eq!((message.entities[0].kind.as_str(), message.entities[0].length), ("bold", 5));
    assert_eq!(scene.desk.writes(), [(Answer::Approve, ANN.to_owned())]);
    scene.settle().await;
    assert!(scene.replica.counts("bot_presses_total{outcome=\"decided\"} 1"));
    scene.desk.set_outcome(Outcome::Failed { why: "nginx cannot be pulled".to_owned() });
    let message = scene.shown("🔴 The rollout failed: nginx cannot be pulled").await;
    assert!(message.text.contains("✅ Approved by") && message.edits == 2, "{}", message.text);
}

#[tokio::test]
async fn a_decision_that_waits_for_its_time_is_said_once_and_then_what_came_of_it() {
    let scene = Scene::start().await;
    let query = scene.press("Update", &ann());
    scene.told(&query).await;
    scene.desk.set_outcome(Outcome::Waits { why: "until 02:00".to_owned() });
    scene.shown("🕑 It waits: until 02:00").await;
    scene.desk.set_outcome(Outcome::Waits { why: "for something else".to_owned() });
    scene.settle().await;
    scene.desk.set_outcome(Outcome::RolledOut);
    let message = scene.shown("🟢 Rolled out").await;
    assert_eq!(message.text.matches("🕑").count(), 1, "{}", message.text);
    assert!(message.text.contains("until 02:00") && message.edits == 3, "{}", message.text);
}

#[tokio::test]
async fn a_stranger_is_refused_and_logged_and_nothing_happens() {
    let scene = Scene::start().await;
    let stranger = TelegramUser::new(666_000_111, "Ann", "ann");
    let query = scene.press("Update", &stranger);
    assert_eq!(scene.told(&query).await, ("You may not answer this".to_owned(), true));
    scene.settle().await;
    let message = scene.telegram.message(scene.message);
    assert_eq!((message.edits, message.buttons.len(), scene.desk.writes().len()), (0, 3, 0));
    assert!(scene.replica.counts("bot_presses_total{outcome=\"refused\"} 1"));
    let logged = logged();
    let line = logged.lines().find(|line| line.contains("user=666000111")).unwrap();
    assert!(line.contains("WARN") && line.contains(&format!("chat={GROUP}")), "{line}");
}

#[tokio::test]
async fn what_was_not_sent_to_this_chat_cannot_be_answered_there() {
    let scene = Scene::start().await;
    scene.telegram.add_group(-5, "Elsewhere");
    let copy = scene.telegram.post(-5, "copy", &[("Update", "Update:web")]);
    let query = scene.telegram.press(copy, "Update", &ann());
    assert_eq!(scene.told(&query).await, ("You may not answer this".to_owned(), true));
    scene.telegram.add_private(&bob());
    let own = scene.telegram.post(bob().id, "copy", &[("Update", "Update:web")]);
    let query = scene.telegram.press(own, "Update", &bob());
    assert_eq!(scene.told(&query).await, ("You may not answer this".to_owned(), true));
    assert_eq!(scene.desk.writes(), []);
}

#[tokio::test]
async fn pressed_twice_or_by_two_it_is_decided_once() {
    let scene = Scene::start().await;
    scene.desk.offer("telegram", "web", &json!("*"));
    let first = scene.press("Skip", &ann());
    let others = [scene.press("Skip", &ann()), scene.press("Update", &bob())];
    assert_eq!(scene.told(&first).await, ("Skipped".to_owned(), false));
    for other in others {
        assert_eq!(scene.told(&other).await, (format!("Skipped already, by {ANN}"), false));
    }
    let message = scene.shown("⏭ Skipped by").await;
    assert_eq!((message.text.matches("Skipped").count(), message.edits), (1, 1), "{}", message.text);
    let late = scene.press("Update", &bob());
    assert_eq!(scene.told(&late).await, (format!("Skipped already, by {ANN}"), false));
    scene.settle().await;
    assert_eq!(scene.desk.writes(), [(Answer::Skip, ANN.to_owned())]);
    assert_eq!(scene.telegram.message(scene.message), message);
    assert!(scene.replica.counts("bot_presses_total{outcome=\"repeated\"} 3"));
}

#[tokio::test]
async fn what_is_over_loses_its_buttons() {
    let scene = Scene::start().await;
    scene.desk.withdraw();
    let query = scene.press("Update", &bob());
    let (text, is_alert) = scene.told(&query).await;
    assert!(text.starts_with("This needs no answer any more") && is_alert, "{text}");
    let message = scene.shown(&text).await;
    assert_eq!((message.buttons.len(), scene.desk.writes().len()), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_written_down_can_be_pressed_again() {
    let scene = Scene::start().await;
    scene.desk.set_broken(true);
    let query = scene.press("Snooze", &ann());
    let (text, is_alert) = scene.told(&query).await;
    assert!(text.contains("press again") && is_alert, "{text}");
    assert_eq!(scene.telegram.message(scene.message).buttons.len(), 3);
    scene.desk.set_broken(false);
    let query = scene.press("Snooze", &ann());
    assert_eq!(scene.told(&query).await, ("Snoozed".to_owned(), false));
    scene.shown("💤 Snoozed by").await;
}

#[tokio::test]
async fn one_bad_update_does_not_stop_the_others() {
    let scene = Scene::start().await;
    scene.telegram.push_update("callback_query", &json!({"id": "1", "from": "nobody"}));
    scene.telegram.push_update("callback_query", &json!(null));
    scene.telegram.push_update("message", &json!({"text": 5}));
    let query = scene.press("Update", &ann());
    assert_eq!(scene.told(&query).await.0, "Approved: the update is on its way");
    scene.settle().await;
    assert!(scene.replica.counts("bot_presses_total{outcome=\"unreadable\"} 1"));
}

#[tokio::test]
async fn trouble_is_waited_out_and_no_press_is_lost() {
    for (fault, reason) in [
        (TelegramFault::Conflict, "Conflict"),
        (TelegramFault::RateLimited { seconds: 1 }, "RateLimited"),
        (TelegramFault::InternalError, "Unavailable"),
        (TelegramFault::BadGateway, "Unavailable"),
        (TelegramFault::TruncatedJson, "InvalidReply"),
        (TelegramFault::Unauthorized, "Unauthorized"),
        (TelegramFault::Blocked, "Refused"),
        (TelegramFault::Reset, "NotReachable"),
    ] {
        let scene = Scene::start().await;
        polled(&scene.telegram, 1).await;
        scene.telegram.fail(&fault);
        // The poll that is held ends with a press, which can be neither answered nor shown for now.
        scene.press("Update", &ann());
        let failed = async || {
            let is_zero = scene.replica.counts(&format!("bot_failures_total{{reason=\"{reason}\"}} 0"));
            if is_zero || scene.desk.writes().is_empty() {
                Err("it is not counted, or not decided".to_owned())
            } else {
                Ok(())
            }
        };
        eventually(PATIENCE, failed).await.unwrap_or_else(|last| panic!("{fault:?}: {last}"));
        scene.telegram.recover();
        scene.settle().await;
        assert_eq!(scene.desk.writes().len(), 1, "{fault:?}");
        let can_be_shown = !matches!(fault, TelegramFault::Unauthorized | TelegramFault::Blocked);
        if can_be_shown {
            scene.shown("✅ Approved by").await;
        }
        let again = post(&scene.telegram, "web");
        let query = scene.telegram.press(again, "Update", &ann());
        assert_eq!(scene.told(&query).await.0, format!("Approved already, by {ANN}"), "{fault:?}");
        let token = scene.token.clone();
        scene.replica.stop().await;
        let logged = logged();
        assert!(logged.contains(reason), "{fault:?} is logged");
        assert!(!logged.contains(&token), "{fault:?}: {}", around(&logged, &token));
    }
}

/// Where `secret` was found, for the message of a failure.
fn around<'a>(logged: &'a str, secret: &str) -> &'a str {
    logged.lines().find(|line| line.contains(secret)).unwrap_or_default()
}

#[tokio::test]
async fn an_update_that_comes_again_after_a_restart_is_dealt_with_once() {
    let scene = Scene::start().await;
    scene.telegram.fail_at(TelegramPart::AnswerCallbackQuery, TelegramFault::Slow(Duration::from_millis(300)));
    scene.press("Update", &ann());
    let written = async || if scene.desk.writes().is_empty() { Err("nothing".to_owned()) } else { Ok(()) };
    eventually(PATIENCE, written).await.unwrap();
    let bots = vec![scene.bot()];
    let Scene { telegram, desk, replica, message, .. } = scene;
    replica.stop().await;
    assert_eq!(telegram.unconfirmed(), 1, "it was stopped before it could confirm");
    telegram.recover();
    let next = Replica::start(&desk, bots);
    let shown = shown(&telegram, message, "✅ Approved by").await;
    assert_eq!((shown.text.matches("Approved").count(), shown.buttons.len()), (1, 0), "{}", shown.text);
    let confirmed = async || match telegram.unconfirmed() {
        0 => Ok(()),
        left => Err(format!("{left} updates are left")),
    };
    eventually(PATIENCE, confirmed).await.unwrap();
    assert_eq!(desk.writes().len(), 1);
    assert!(next.counts("bot_presses_total{outcome=\"repeated\"} 1"));
}

#[tokio::test]
async fn bots_come_and_go_and_those_with_one_token_are_one() {
    let scene = Scene::start().await;
    let token = new_token();
    let other = FakeTelegram::start(&token).await;
    other.add_group(GROUP, "Operations");
    scene.desk.offer("other", "api", &json!([ann().id]));
    let message = post(&other, "api");
    let second = bot_of("other", &other, &token);
    // Two Plugins that write to different chats with the same bot must not drive each other out.
    let twin = bot_of("twin", &scene.telegram, &scene.token);
    scene.replica.bots.send_replace(vec![scene.bot(), twin, second]);
    other.press(message, "Update", &ann());
    shown(&other, message, "✅ Approved by").await;
    scene.desk.offer("twin", "db", &json!([ann().id]));
    let twins = post(&scene.telegram, "db");
    scene.telegram.press(twins, "Skip", &ann());
    shown(&scene.telegram, twins, "⏭ Skipped by").await;
    // What one bot has sent, another cannot answer.
    let foreign = post(&other, "web");
    other.press(foreign, "Update", &ann());
    shown(&other, foreign, "This needs no answer any more").await;
    assert!(scene.telegram.seen().iter().all(|seen| seen.status != 409));
    scene.replica.bots.send_replace(Vec::new());
    quiet(&scene.telegram).await;
    quiet(&other).await;
}

#[tokio::test]
async fn only_the_holder_of_the_lease_listens() {
    let scene = Scene::start().await;
    polled(&scene.telegram, 1).await;
    scene.replica.is_held.send_replace(false);
    quiet(&scene.telegram).await;
    scene.press("Update", &ann());
    let other = Replica::start(&scene.desk, vec![scene.bot()]);
    scene.shown("✅ Approved by").await;
    other.stop().await;
    scene.telegram.forget();
    scene.replica.is_held.send_replace(true);
    polled(&scene.telegram, 1).await;
    assert_eq!(scene.desk.writes().len(), 1);
}

#[tokio::test]
async fn a_poll_that_is_under_way_does_not_delay_the_end() {
    let scene = Scene::start().await;
    polled(&scene.telegram, 1).await;
    scene.replica.stop().await;
    let last = scene.telegram.seen().pop().unwrap();
    assert_eq!((last.part, last.status), (TelegramPart::GetUpdates, 0), "nobody waited for the answer");
}

async fn polled(telegram: &FakeTelegram, times: usize) {
    let polled = async || match telegram.count(TelegramPart::GetUpdates) {
        count if count >= times => Ok(()),
        count => Err(format!("{count} polls")),
    };
    eventually(PATIENCE, polled).await.unwrap();
}

/// Waits until a press is not fetched any more.
async fn quiet(telegram: &FakeTelegram) {
    let mut polls = telegram.count(TelegramPart::GetUpdates);
    let settled = async || {
        // Whoever listens fetches this one, and comes back for the next.
        telegram.push_update("callback_query", &json!(null));
        let before = std::mem::replace(&mut polls, telegram.count(TelegramPart::GetUpdates));
        if before == polls && telegram.unconfirmed() > 1 { Ok(()) } else { Err("somebody listens".to_owned()) }
    };
    eventually(PATIENCE, settled).await.unwrap();
}
