use super::*;

fn response(body: &str) -> HttpResponse {
    HttpResponse { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() }
}

#[track_caller]
fn check_json(body: &str, expected: Result<Vec<u64>, &str>) {
    let got = response(body).json::<Vec<u64>>();
    assert_eq!(got, expected.map_err(|text| Error::InvalidReply(text.to_owned())), "for {body:?}");
}

#[test]
fn invalid_json_says_what_is_wrong_and_where_without_quoting_it_all() {
    check_json("[1, 2]", Ok(vec![1, 2]));
    check_json("", Err("expected JSON, got an empty body"));
    check_json("[1, 2", Err("expected JSON, 5 bytes with: EOF while parsing a list at line 1 column 5, near `[1, 2`"));
    check_json(
        "\n\n<html>502</html>",
        Err("expected JSON, 18 bytes with: expected value at line 3 column 1, near `<html>502</html>`"),
    );
    let long = format!("[{}x", "1,".repeat(10_000));
    let Err(Error::InvalidReply(text)) = response(&long).json::<Vec<u64>>() else { panic!("{long:.20} was read") };
    assert!(text.chars().count() < 200, "{text}");
}

#[track_caller]
fn check_retry_after(value: &str, date: Option<&str>, expected: Option<u32>) {
    let mut response = response("");
    response.headers.push(Header { name: "retry-after".to_owned(), value: value.to_owned() });
    response.headers.extend(date.map(|date| Header { name: "date".to_owned(), value: date.to_owned() }));
    assert_eq!(response.retry_after(), expected, "for {value:?} at {date:?}");
}

#[test]
fn retry_after_is_seconds_or_nothing() {
    check_retry_after("0", None, Some(0));
    check_retry_after(" 120 ", None, Some(120));
    check_retry_after("4294967295", None, Some(u32::MAX));
    check_retry_after("4294967296", None, None);
    check_retry_after("484289h20m8s", None, None);
    check_retry_after("-1", None, None);
    check_retry_after("+1", None, None);
    check_retry_after("", None, None);
}

#[test]
fn a_date_in_retry_after_counts_from_the_date_of_the_answer() {
    let now = Some("Wed, 21 Oct 2026 07:28:00 GMT");
    check_retry_after("Wed, 21 Oct 2026 07:30:05 GMT", now, Some(125));
    check_retry_after("Wed, 21 Oct 2026 07:00:00 GMT", now, Some(0));
    check_retry_after("Wed, 21 Oct 2926 07:00:00 GMT", now, Some(u32::MAX));
    check_retry_after("Wed, 21 Oct 2026 07:30:05 GMT", None, None);
    check_retry_after("Wed, 21 Oct 2026 07:30:05 GMT", Some("today"), None);
    check_retry_after("tomorrow", now, None);
}

#[test]
fn replies_that_do_not_fit_are_errors() {
    let check = |replies: Vec<Reply>, expected: &str| {
        let got = Replies::new(replies).http();
        assert!(matches!(&got, Err(error) if format!("{error:?}").contains(expected)), "{got:?} without {expected:?}");
    };
    check(vec![], "expected one reply from the host, got 0");
    check(vec![Reply::Mailed, Reply::Mailed], "expected one reply from the host, got 2");
    check(vec![Reply::Mailed], "answered an HTTP request with `mailed`");
    check(vec![Reply::Failed(Failure::Timeout)], "Unavailable(\"no answer in the time allowed\")");
    assert_eq!(Replies::new(vec![Reply::Http(response("x"))]).http(), Ok(response("x")));
}

#[test]
fn every_failure_keeps_its_cause() {
    let check = |failure: Failure, expected: Error| assert_eq!(Error::from(failure), expected);
    check(Failure::Denied("why".to_owned()), Error::Other("the request was not allowed: why".to_owned()));
    check(Failure::Connect("why".to_owned()), Error::Unavailable("no connection: why".to_owned()));
    check(Failure::Tls("why".to_owned()), Error::Unavailable("no TLS connection: why".to_owned()));
    check(Failure::Mail("why".to_owned()), Error::Unavailable("the mail server refused: why".to_owned()));
    check(Failure::Other("why".to_owned()), Error::Other("why".to_owned()));
    check(Failure::TooLarge, Error::InvalidReply("the answer is larger than this plugin's limits allow".to_owned()));
}
