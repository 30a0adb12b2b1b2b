use super::*;
use crate::exchange::Header;

const PAGE: &str = "https://r.test/v2/team/app/tags/list?n=2";

fn response(name: &str, values: &[&str]) -> HttpResponse {
    let header = |value: &&str| Header { name: name.to_owned(), value: (*value).to_owned() };
    HttpResponse { status: 200, headers: values.iter().map(header).collect(), body: Vec::new() }
}

/// `expected` is the query of the next page, or a part of the error.
#[track_caller]
fn check_next(links: &[&str], expected: Result<Option<&str>, &str>) {
    let got = next_page(&response("link", links), PAGE);
    match expected {
        Ok(query) => {
            let next = query.map(|query| format!("https://r.test/v2/team/app/tags/list?{query}"));
            assert_eq!(got, Ok(next), "for {links:?}");
        }
        Err(text) => assert!(matches!(&got, Err(Error::InvalidReply(why)) if why.contains(text)), "{links:?}: {got:?}"),
    }
}

#[test]
fn the_next_page_is_found_in_all_spellings_of_a_link() {
    check_next(&[], Ok(None));
    check_next(&[""], Ok(None));
    check_next(&[r#"</v2/team/app/tags/list?last=b&n=2>; rel="next""#], Ok(Some("last=b&n=2")));
    check_next(&[r#"<https://r.test/v2/team/app/tags/list?n=2&last=b>; rel="next""#], Ok(Some("n=2&last=b")));
    check_next(&[r#"<HTTPS://R.test:443/v2/team/app/tags/list?n=2>; rel="next""#], Ok(Some("n=2")));
    check_next(&[r#"<?last=b>; rel="next""#], Ok(Some("last=b")));
    check_next(&[r#"<list?last=b>; rel="next""#], Ok(Some("last=b")));
    check_next(&[r#"<list?last=a:b>; rel="next""#], Ok(Some("last=a:b")));
    // Quay leaves out the brackets, Artifactory knows its own path badly, Docker Hub ends with a comma.
    check_next(&["/v2/team/app/tags/list?n=50&last=v3; rel=next"], Ok(Some("n=50&last=v3")));
    check_next(&[r#"</team/app/tags/list?n=2&last=b>; rel="next", "#], Ok(Some("n=2&last=b")));
    check_next(&[r#"<?p=1>; rel="first", <?p=3>; title="a, b"; REL="up Next", <?p=9>; rel=last"#], Ok(Some("p=3")));
    check_next(&[r#"<?p=1>; rel="first""#, r#"<?p=2,3;4>; rel="next""#], Ok(Some("p=2,3;4")));
    check_next(&[r#"<?p=1>; rel="prev""#, "<?p=1>", r#"<?p=1>; title="next""#, r#"<?p=1>; rel="nextish""#], Ok(None));
    check_next(&[r#"<?last=b#top>; rel="next""#], Ok(Some("last=b")));
    // The same page again, which the conversation refuses as a loop.
    check_next(&[r#"<>; rel="next""#], Ok(Some("")));
}

#[test]
fn links_to_elsewhere_are_refused() {
    let check = |target: &str, why| check_next(&[&format!(r#"<{target}>; rel="next""#)], Err(why));
    check("https://attacker.test/v2/steal/tags/list?n=2", "to another origin: https://attacker.test");
    check("https://r.test.attacker.test/?n=2", "to another origin");
    check("https://r.test@attacker.test/?n=2", "to another origin");
    check("https://r.test:8443/v2/team/app/tags/list?n=2", "to another origin");
    check("http://r.test/v2/team/app/tags/list?n=2", "to another origin");
    check("http://r.test:443/v2/team/app/tags/list?n=2", "to another origin");
    check("//attacker.test/v2/team/app/tags/list?n=2", "to another origin");
    check("file:///etc/passwd", "to another origin");
    check("https:attacker.test?n=2", "to another origin");
    check("/\\attacker.test?n=2", "not a URL");
    check("/a b", "not a URL");
    check("/\t/attacker.test", "not a URL");
    check_next(&[r#"</v2/team/app/tags/list?last=b; rel="next""#], Err("has no end"));
}

#[test]
fn redirects_keep_their_whole_target() {
    let check = |location: &[&str], expected: Result<&str, &str>| match (
        redirect(&response("location", location), PAGE),
        expected,
    ) {
        (Ok(got), Ok(expected)) => assert_eq!(got, expected, "for {location:?}"),
        (Err(Error::InvalidReply(why)), Err(text)) => assert!(why.contains(text), "{why:?} without {text:?}"),
        (got, expected) => panic!("for {location:?} expected {expected:?}, got {got:?}"),
    };
    check(&["/other/list?x=1"], Ok("https://r.test/other/list?x=1"));
    check(&["https://r.test"], Ok("https://r.test"));
    check(&["https://r.test?x"], Ok("https://r.test?x"));
    check(&["all"], Ok("https://r.test/v2/team/app/tags/all"));
    check(&["http://r.test/"], Err("to another origin: http://r.test/"));
    check(&["https://cdn.test/blob"], Err("to another origin"));
    check(&[], Err("redirect 200 to nowhere"));
}
