use k8supdater_plugin::registry::{EncodedStep, next};
use k8supdater_plugin::{Action, Failure, Reply, Repository};

use super::*;

#[test]
fn the_examples_of_the_plugin_manifest_come_out() {
    k8supdater_plugin::examples::run_registry::<Hostile>(include_str!("../plugin.json")).unwrap();
}

fn turn(behaviour: &str, state: &[u8], replies: Vec<Reply>) -> Result<EncodedStep, Error> {
    let repository = Repository { registry: "r.test".to_owned(), name: "app".to_owned() };
    let settings = format!(r#"{{"behaviour": "{behaviour}"}}"#);
    next::<Hostile>(&repository, &Question::Tags(None), &settings, state, replies)
}

#[test]
fn endless_steps_ask_again_and_find_nothing() {
    let mut step = turn("endless-steps", b"", vec![]).unwrap();
    for _ in 0..3 {
        let request = Action::Http(HttpRequest::get("https://r.test/v2/"));
        assert_eq!((step.actions.as_slice(), step.tags.len()), (&[request][..], 0));
        step = turn("endless-steps", &step.state, vec![Reply::Failed(Failure::Timeout)]).unwrap();
    }
}

#[test]
fn elsewhere_is_asked_and_a_refusal_shows() {
    let step = turn("ask-elsewhere", b"", vec![]).unwrap();
    assert_eq!(step.actions, [Action::Http(HttpRequest::get(ELSEWHERE))]);
    let refused = turn("ask-elsewhere", &step.state, vec![Reply::Failed(Failure::Denied("no".to_owned()))]);
    assert_eq!(refused, Err(Error::Other("the request was not allowed: no".to_owned())));
}

#[test]
fn one_request_too_many() {
    assert_eq!(turn("wrong-length", b"", vec![]).map(|step| step.actions.len()), Ok(TOO_MANY_REQUESTS));
}

#[test]
fn unknown_behaviours_are_refused() {
    let got = turn("nap", b"", vec![]);
    assert!(matches!(&got, Err(Error::InvalidSettings(why)) if why.contains("unknown variant `nap`")), "{got:?}");
}
