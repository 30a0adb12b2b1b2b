//! Listings since a checkpoint.

use super::*;

const T1: &str = r#""2024-01-01T00:00:00Z""#;
const T2: &str = r#""2024-01-02T00:00:00.25Z""#;
const T3: &str = r#""2024-01-02T00:00:00.5Z""#;

/// The checkpoint behind a whole listing of these tags.
fn checkpoint(tags: &[(&str, &str)]) -> Option<Vec<u8>> {
    converse(&ALL, vec![page(tags, None)]).unwrap().1.checkpoint
}

/// Names that are handed over since `known` when the Hub has `pages`, the number of requests, and the checkpoint behind it all.
fn since(known: &[(&str, &str)], pages: &[&[(&str, &str)]]) -> (Vec<String>, usize, Option<Vec<u8>>) {
    let nginx = repository("docker.io", "library/nginx");
    let question = Question::Tags(checkpoint(known));
    let mut step = next::<DockerHub>(&nginx, &question, "{}", b"", vec![]).unwrap();
    let (mut names, mut requests) = (Vec::new(), 0);
    while !step.actions.is_empty() {
        requests += 1;
        let url = format!("https://hub.docker.com/v2/repositories/library/nginx/tags?page={}", requests + 1);
        let next_url = (requests < pages.len()).then_some(url.as_str());
        let reply = page(pages[requests - 1], next_url);
        step = next::<DockerHub>(&nginx, &question, "{}", &step.state, vec![reply]).unwrap();
        names.extend(step.tags.into_iter().map(|tag| tag.name));
    }
    (names, requests, step.checkpoint)
}

#[track_caller]
fn check(known: &[(&str, &str)], pages: &[&[(&str, &str)]], expected: &[&str], requests: usize) {
    let got = since(known, pages);
    assert_eq!((got.0.iter().map(String::as_str).collect::<Vec<_>>(), got.1), (expected.to_vec(), requests));
    let dated: Vec<(&str, &str)> = pages.iter().flat_map(|page| page.iter().copied()).collect();
    let is_steady = dated.is_sorted_by(|a, b| a.1 >= b.1) && dated.iter().all(|(_, updated)| *updated != "null");
    if is_steady {
        assert_eq!(got.2, checkpoint(&dated), "the same as behind a whole listing");
    }
}

#[test]
fn what_is_new_is_handed_over_and_nothing_else() {
    let known: &[(&str, &str)] = &[("b", T2), ("a", T1)];
    // Nothing happened.
    check(known, &[&[("b", T2), ("a", T1)], &[("0", T1)]], &[], 1);
    check(known, &[&[("b", T2)]], &[], 1);
    // Something was pushed, or pushed again, or pushed at the same instant.
    check(known, &[&[("c", T3), ("b", T2)], &[("a", T1)], &[("0", T1)]], &["c"], 2);
    check(known, &[&[("a", T3), ("b", T2)]], &["a"], 1);
    check(known, &[&[("b", T3), ("a", T1)], &[("0", T1)]], &["b"], 2);
    check(known, &[&[("c", T2), ("b", T2)], &[("a", T1)], &[("0", T1)]], &["c"], 2);
    // A whole page of news.
    check(known, &[&[("e", T3), ("d", T3)], &[("c", T3), ("b", T2)], &[("a", T1)], &[("0", T1)]], &["e", "d", "c"], 3);
    // A tag without a time could be anything.
    check(known, &[&[("x", "null"), ("b", T2)], &[("a", T1)], &[("0", T1)]], &["x"], 2);
    check(known, &[&[("x", "\"soon\""), ("b", T2)]], &["x"], 1);
}

#[test]
fn without_the_order_that_it_rests_on_everything_is_read() {
    let known: &[(&str, &str)] = &[("b", T2), ("a", T1)];
    // The newest tag was deleted, or the oldest come first: everything is listed again.
    check(known, &[&[("a", T1)], &[("0", T1)]], &["a", "0"], 2);
    check(known, &[&[("a", T1), ("b", T2)], &[("c", T3)]], &["a", "b", "c"], 2);
    check(known, &[&[("x", "null")], &[("b", T2)]], &["x", "b"], 2);
    // Out of order later on: all pages are read, and what is new is still known from the times.
    check(known, &[&[("c", T3), ("b", T2)], &[("0", T1), ("d", T3)], &[("a", T1)]], &["c", "d"], 3);
}

#[test]
fn a_checkpoint_of_somebody_else_counts_as_none() {
    for bytes in [b"".as_slice(), b"{}", b"\xff"] {
        let question = Question::Tags(Some(bytes.to_vec()));
        let (tags, last) = converse(&question, vec![page(&[("b", T2), ("a", T1)], None)]).unwrap();
        assert_eq!((tags.len(), last.checkpoint), (2, checkpoint(&[("b", T2)])));
    }
}

#[test]
fn a_repository_that_vanished_is_not_a_steady_one() {
    let question = Question::Tags(checkpoint(&[("b", T2)]));
    assert_eq!(converse(&question, vec![page(&[], None)]).map(drop), Err(Error::NotFound));
}

#[test]
fn without_any_time_there_is_no_checkpoint() {
    assert_eq!(checkpoint(&[("a", "null")]), None);
}
