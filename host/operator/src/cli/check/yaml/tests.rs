use super::*;

fn image(text: &str) -> (String, String, bool, bool) {
    let documents = parse(text).unwrap();
    let document = &documents[0];
    let found = document.walk(document.found(), &["c", "image"]).unwrap().unwrap();
    let slice = text[found.node.span.clone()].to_owned();
    (found.node.text().unwrap().to_owned(), slice, found.alias.is_some(), found.is_shared)
}

#[test]
fn spans_are_the_bytes_of_scalars() {
    let check = |text: &str, value: &str, slice: &str| {
        assert_eq!(image(text), (value.to_owned(), slice.to_owned(), false, false), "{text:?}");
    };
    check("c:\n  image: nginx:1 # x\n", "nginx:1", "nginx:1");
    check("c:\n  image:   nginx:1   # x\n", "nginx:1", "nginx:1");
    check("c:\n  image: nginx:1\t# tab\n", "nginx:1", "nginx:1");
    check("c:\r\n  image: nginx:1\r\nd: e\r\n", "nginx:1", "nginx:1");
    check("c:\n  image: 'nginx:1'\n", "nginx:1", "'nginx:1'");
    check("c:\n  image: \"nginx:1\" # y", "nginx:1", "\"nginx:1\"");
    check("c:\n  image: &a nginx:1\n", "nginx:1", "nginx:1");
    check("c:\n  image: !!str nginx:1\n", "nginx:1", "nginx:1");
    check("c: {image: nginx:1, b: c}", "nginx:1", "nginx:1");
    check("{\"c\": {\"image\":\"nginx:1\"}}", "nginx:1", "\"nginx:1\"");
    check("# bücher → 🐳\nü: 'ß'\nc:\n  image: nginx:1\n", "nginx:1", "nginx:1");
    check("\u{feff}c:\n  image: nginx:1\n", "nginx:1", "nginx:1");
    check("--- # first\nc:\n  image: nginx:1\n...\n", "nginx:1", "nginx:1");
}

#[test]
fn aliases_and_merges_are_followed_and_told() {
    let check = |text: &str, is_alias: bool, is_shared: bool| {
        let (value, _, alias, shared) = image(text);
        assert_eq!((value.as_str(), alias, shared), ("nginx:1", is_alias, is_shared), "{text:?}");
    };
    check("a: &a nginx:1\nc:\n  image: *a\n", true, false);
    check("a: &a {image: nginx:1}\nc: *a\n", false, true);
    check("a: &a {image: nginx:1}\nc:\n  <<: *a\n", false, true);
    check("a: &a {image: nginx:1}\nc:\n  <<: [{b: c}, *a]\n", false, true);
    check("c: &a {image: nginx:1}\n", false, false);
    check("c: &a {image: nginx:1}\nd: *a\n", false, true);
    check("c: &a\n  image: nginx:1\n  <<: *a\n", false, true);
}

#[test]
fn merges_in_a_circle_end() {
    let documents = parse("c: &a\n  <<: *a\n").unwrap();
    let document = &documents[0];
    assert!(document.walk(document.found(), &["c", "image"]).unwrap().is_none());
}

#[test]
fn a_key_that_is_there_twice_is_refused_with_its_line() {
    let documents = parse("c:\n  image: a\n  image: b\n").unwrap();
    let err = documents[0].walk(documents[0].found(), &["c", "image"]).unwrap_err();
    assert_eq!(err.to_string(), "line 3: the key \"image\" is there twice");
}

#[test]
fn documents_are_told_apart_and_empty_ones_left_out() {
    let text = "# c\n---\n---\na: 1\n--- {b: 2}\n...\n---\n~\n";
    let documents = parse(text).unwrap();
    let texts: Vec<&str> = documents.iter().map(|document| text[document.range.clone()].trim_end()).collect();
    assert_eq!(texts, ["a: 1", "--- {b: 2}\n..."]);
    assert_eq!(parse("").unwrap().len(), 0);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let check = |text: &str, line: usize| match parse(text) {
        Err(YamlError::Syntax { line: found, .. }) => assert_eq!(found, line, "{text:?}"),
        other => panic!("{text:?}: {other:?}"),
    };
    check("a: 1\nb: [1, 2\n", 2);
    check("a: {{ .Values.b }}-c\n", 1);
    check("{{- if .Values.a }}\na: b\n{{- end }}\n", 1);
}
