use std::time::Duration;

use k8supdater_core::notice::Filter;
use k8supdater_core::notice::outbox::{Mode, Retry};
use serde_json::{Value, json};

use super::super::delivery::Failure;
use super::super::standing::tests::handler;
use super::*;
use crate::api::versioning_handler::Settings;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn channel(name: &str) -> Channel {
    Channel {
        name: name.to_owned(),
        plugin: name.to_owned(),
        settings: Settings::new(),
        secret: None,
        filter: Filter::default(),
        policy: Policy { mode: Mode::Immediate, remind_after: None },
    }
}

/// A handler as the API server has it, and a process that looks at it.
struct World {
    spec: Value,
    status: Value,
    channels: Vec<Channel>,
    ended: Vec<Ended>,
    under_way: Vec<&'static str>,
    has_changed: bool,
    now: i64,
}

impl World {
    /// With something on offer.
    fn new(channels: &[&str]) -> Self {
        let container = json!({"name": "app", "image": "nginx:1.0", "decision": "Notify", "reported": "2.0"});
        Self {
            spec: json!({}),
            status: json!({"containers": [container]}),
            channels: channels.iter().map(|name| channel(name)).collect(),
            ended: Vec::new(),
            under_way: Vec::new(),
            has_changed: false,
            // Old enough that the handler itself is no news.
            now: 1_000_000,
        }
    }

    fn plan(&self) -> Plan {
        let handler = handler(&self.spec, &self.status);
        let standing = Standing::of(&handler, Duration::from_mins(5), at(self.now));
        let given = Circumstances {
            channels: &self.channels,
            twice: &[],
            ended: &self.ended,
            is_under_way: &|channel| self.under_way.contains(&channel),
            has_changed: &|_| self.has_changed,
            now: at(self.now),
        };
        Plan::of(&handler, &standing, &given)
    }

    /// Looks, and writes the status; gives the channels on which something is to be sent, and what.
    fn step(&mut self) -> Vec<(String, Dispatch)> {
        let plan = self.plan();
        self.status = serde_json::to_value(&plan.status).unwrap();
        self.ended.clear();
        plan.dispatches.into_iter().map(|(channel, dispatch)| (channel.name, dispatch)).collect()
    }

    fn ended(&mut self, sent: (String, Dispatch), retry: Option<Retry>) {
        let failure = retry.map(|retry| Failure { reason: "ChannelUnavailable", message: "down".to_owned(), retry });
        self.ended.push(Ended { channel: sent.0, dispatch: sent.1, failure, at: at(self.now) });
    }

    fn condition(&self) -> (String, String) {
        let conditions = self.status["conditions"].as_array().unwrap();
        let found = conditions.iter().find(|condition| condition["type"] == "Notified").unwrap();
        (found["status"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
    }
}

#[test]
fn without_channels_nothing_is_written() {
    let world = World::new(&[]);
    assert_eq!(serde_json::to_value(world.plan().status).unwrap()["notices"], Value::Null);
}

#[test]
fn a_change_of_the_spec_while_something_is_on_its_way_is_told_afterwards_and_once() {
    let mut world = World::new(&["chat", "email"]);
    let mut sent = world.step();
    assert_eq!(sent.len(), 2);
    // Somebody changes the spec: people were told of the generation before.
    world.status["notices"]["generation"] = json!(0);
    world.under_way = vec!["email"];
    world.ended(sent.remove(0), None);
    let told = |sent: &[(String, Dispatch)]| -> Vec<String> {
        sent.iter().map(|(channel, dispatch)| format!("{channel}: {}", dispatch.message.title)).collect()
    };
    let mut changed = world.step();
    assert_eq!(told(&changed), ["chat: team-a/web: handler changed"]);
    world.ended(changed.remove(0), None);
    assert!(world.step().is_empty(), "the mail is still on its way, and the chat has heard of it");
    world.under_way.clear();
    world.ended(sent.remove(0), None);
    assert_eq!(told(&world.step()), ["email: team-a/web: handler changed"]);
    assert_eq!(world.status["notices"]["generation"], 1);
}

#[test]
fn what_is_sent_is_written_before_and_after_and_not_sent_again() {
    let mut world = World::new(&["email"]);
    let mut sent = world.step();
    assert_eq!(world.status["notices"]["channels"]["email"]["pending"][0]["begun"], true);
    world.under_way = vec!["email"];
    assert!(world.step().is_empty(), "it is on its way");
    world.under_way.clear();
    world.ended(sent.remove(0), None);
    assert!(world.step().is_empty());
    let channel = &world.status["notices"]["channels"]["email"];
    assert_eq!((channel["sent"][0]["notice"]["to"].as_str(), &channel["pending"]), (Some("2.0"), &Value::Null));
    assert_eq!(world.condition().0, "True");
    let before = world.status.clone();
    world.now += 100;
    assert!(world.step().is_empty());
    assert_eq!(world.status, before, "nothing has changed, so nothing is written");
}

#[test]
fn an_operator_that_is_killed_while_it_sends_sends_once_more_under_the_same_key() {
    let mut world = World::new(&["email"]);
    let first = world.step().remove(0).1;
    // Another process looks at the same status, and knows nothing of what is under way.
    let second = world.step().remove(0).1;
    assert_eq!(first.message, second.message);
    world.ended(("email".to_owned(), second), None);
    assert!(world.step().is_empty());
}

#[test]
fn a_channel_that_fails_keeps_no_other_waiting_and_shows() {
    let mut world = World::new(&["email", "telegram"]);
    let mut sent = world.step();
    assert_eq!(sent.len(), 2);
    let (email, telegram) = (sent.remove(0), sent.remove(0));
    world.ended(telegram, None);
    world.under_way = vec!["email"];
    world.step();
    world.status["containers"][0]["reported"] = json!("2.1");
    let next = world.step();
    assert_eq!(next.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["telegram"]);
    world.under_way.clear();
    world.ended(email, Some(Retry::BackOff { random: 1.0 }));
    world.ended(next.into_iter().next().unwrap(), None);
    assert!(world.step().is_empty(), "it is tried again later");
    let (status, message) = world.condition();
    assert_eq!(
        (status.as_str(), message.contains("email: down (ChannelUnavailable); 1 waiting")),
        ("False", true),
        "{message}"
    );
    assert!(!message.contains("telegram"), "{message}");
    assert_eq!(world.plan().next, Some(at(world.now + 30)));
    world.now += 31;
    let again = world.step();
    assert_eq!(again[0].1.message.to.as_deref(), Some("2.1"), "the newer version has taken the place of the older");
    world.ended(again.into_iter().next().unwrap(), None);
    world.step();
    assert_eq!(world.condition().0, "True");
}

#[test]
fn what_somebody_has_mended_is_tried_at_once() {
    let mut world = World::new(&["email"]);
    let sent = world.step().remove(0);
    world.ended(sent, Some(Retry::OnChange));
    assert!(world.step().is_empty());
    world.now += 1;
    assert!(world.step().is_empty());
    world.has_changed = true;
    assert_eq!(world.step().len(), 1);
}

#[test]
fn a_channel_that_asked_to_be_left_alone_is_by_the_next_process_too() {
    let mut world = World::new(&["telegram"]);
    let sent = world.step().remove(0);
    world.ended(sent, Some(Retry::After(Duration::from_mins(1))));
    world.step();
    world.has_changed = true;
    assert!(world.step().is_empty());
    assert_eq!(world.plan().next, Some(at(world.now + 60)));
    world.now += 60;
    assert_eq!(world.step().len(), 1);
}

#[test]
fn a_channel_that_is_not_used_any_more_is_remembered_for_a_while() {
    let mut world = World::new(&["email"]);
    let sent = world.step().remove(0);
    world.ended(sent, None);
    world.step();
    world.channels = vec![channel("telegram")];
    world.step();
    world.channels = vec![channel("email")];
    assert!(world.step().is_empty(), "email has heard it already");
    for number in 0..100 {
        world.channels = vec![channel(&format!("c{number}"))];
        world.now += 1;
        world.step();
    }
    assert_eq!(world.status["notices"]["channels"].as_object().unwrap().len(), MOST_CHANNELS);
    assert!(world.status["notices"]["channels"]["c99"].is_object());
}

#[test]
fn whoever_is_told_of_a_new_handler_hears_what_happened_to_it_from_the_beginning() {
    let mut world = World::new(&["email"]);
    let update = json!({
        "from": "nginx:1.0", "to": "nginx:1.1", "phase": "Finished", "started": at(1_000).to_string(), "finished": at(1_010).to_string(),
    });
    world.status["containers"][0]["update"] = update;
    let kinds = |world: &mut World| -> Vec<String> {
        // Those about the handler and those about its container do not wait for each other, but each for its own kind.
        let mut kinds = Vec::new();
        loop {
            let sent = world.step();
            if sent.is_empty() {
                return kinds;
            }
            kinds.extend(sent.iter().map(|(_, dispatch)| dispatch.message.kind.to_string()));
            for sent in sent {
                world.ended(sent, None);
            }
        }
    };
    let mut young = World { now: 1_020, status: world.status.clone(), ..World::new(&["email"]) };
    assert_eq!(kinds(&mut young), ["handler-created", "rollout-finished", "update-available"]);
    assert_eq!(kinds(&mut world), ["update-available"], "the update was long ago");
}
