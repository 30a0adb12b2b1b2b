use std::fmt::Write;

use proptest::prelude::*;

use super::super::workloads;
use super::*;

/// `text` with every image `a:1` made `a:2`, and the plans.
fn update(text: &str) -> (String, Vec<Plan>) {
    let manifest = workloads::read(text).unwrap();
    let images = manifest.workloads.iter().flat_map(|workload| &workload.containers);
    let wanted: Vec<_> = images.map(|image| (image, (image.image == "a:1").then(|| "a:2".to_owned()))).collect();
    let (edits, plans) = plan(&wanted);
    (apply(text, &edits).unwrap(), plans)
}

const POD: &str = "kind: Pod\napiVersion: v1\nspec:\n  containers:\n";

fn check(containers: &str, expected: &str, plans: &[Plan]) {
    let (changed, found) = update(&format!("{POD}{containers}"));
    assert_eq!(changed, format!("{POD}{expected}"));
    assert_eq!(found, plans, "{containers}");
}

#[test]
fn images_that_share_an_anchor_are_changed_together_or_not_at_all() {
    use Plan::{Keep, Refuse, Replace};
    check("  - image: &i a:1\n  - image: *i\n", "  - image: &i a:2\n  - image: *i\n", &[Replace, Replace]);
    let elsewhere = "  - image: &i a:1\n    args: [*i]\n  - image: *i\n";
    check(elsewhere, elsewhere, &[Refuse(Fixed::Alias), Refuse(Fixed::Alias)]);
    let template = "  - &c {image: a:1}\n  - *c\n  - image: b:1\n";
    check(template, template, &[Refuse(Fixed::Shared), Refuse(Fixed::Shared), Keep]);
    // The anchor's number is the same in both documents.
    let one = format!("  - image: &i a:1\n  - image: *i\n---\n{POD}  - image: &i a:1\n    args: [*i]\n");
    let expected = one.replacen("a:1", "a:2", 1);
    check(&one, &expected, &[Replace, Replace, Refuse(Fixed::Alias)]);
}

#[test]
fn those_that_share_an_anchor_must_want_the_same() {
    let text = format!("{POD}  - image: &i a:1\n  - image: *i\n");
    let manifest = workloads::read(&text).unwrap();
    let containers = &manifest.workloads[0].containers;
    let (edits, plans) = plan(&[(&containers[0], Some("a:2".to_owned())), (&containers[1], None)]);
    assert_eq!((edits.len(), plans), (0, vec![Plan::Refuse(Fixed::Alias), Plan::Keep]));
}

#[test]
fn an_edit_that_would_change_more_is_refused() {
    let check = |text: &str, range: Range<usize>, new: &str| {
        assert_eq!(apply(text, &[Edit { text: range, new: new.to_owned() }]), Err(NotExact), "{text} {new}");
    };
    check("a: b\nc: d\n", 3..4, "x # y");
    check("a: b\nc: d\n", 3..4, "x\ne: f");
    check("a: b\nc: d\n", 3..4, "'x'");
    check("a: b\nc: d\n", 3..6, "x");
    check("a: [b, c]\n", 4..5, "x, y");
    check("a: b # c\n", 7..8, "x");
    check("a: ü\n", 4..5, "x");
}

/// A value that stands for an image, in all styles, and whether it can be replaced.
fn written() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a:1".to_owned()),
        Just("'a:1'".to_owned()),
        Just("\"a:1\"".to_owned()),
        Just("!!str a:1".to_owned()),
        Just("&n a:1".to_owned()),
        Just("b:7".to_owned()),
        Just("\"a\\x3a1\"".to_owned()),
    ]
}

/// What may stand behind a value on its line.
fn comment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("  ".to_owned()),
        Just(" # image: a:1".to_owned()),
        Just("\t# tab \t 'a:1'".to_owned()),
        Just(" # ünïcödé 🐳 \"".to_owned()),
    ]
}

/// A line that has nothing to do with images, though it may look so.
fn noise() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("# image: a:1".to_owned()),
        Just("    args: [\"image: a:1\", 'it''s', a:1]".to_owned()),
        Just("    command: [sh, -c, \"echo \\\"image: a:1\\\" ü\"]".to_owned()),
        Just("    env: [{name: IMAGE, value: a:1}]".to_owned()),
        Just("    workingDir: |\n      image: a:1\n      # no comment".to_owned()),
        Just("    resources: {limits: {cpu: 1}} # 🐳".to_owned()),
    ]
}

fn manifest() -> impl Strategy<Value = String> {
    let container = (written(), comment(), noise(), any::<bool>());
    let pod = (prop::collection::vec(container, 0..5), prop_oneof![Just("---"), Just("--- # ü"), Just("...\n---")]);
    (prop::collection::vec(pod, 1..4), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(pods, crlf, bom, newline)| {
            let mut text = String::new();
            for (containers, separator) in pods {
                text.push_str("apiVersion: v1\nkind: Pod # a:1\nmetadata:\n  name: \"ü\"\n  labels: {a:1: a:1}\nspec:\n  containers:\n");
                for (number, (image, comment, noise, is_first)) in containers.iter().enumerate() {
                    let image = format!("image: {image}{comment}");
                    let name = format!("name: c{number}");
                    let (one, two) = if *is_first { (image, name) } else { (name, image) };
                    write!(text, "  - {one}\n    {two}\n{noise}\n").unwrap();
                }
                text.push_str(separator);
                text.push('\n');
            }
            let text = if newline { text } else { text.trim_end().to_owned() };
            let text = if crlf { text.replace('\n', "\r\n") } else { text };
            if bom { format!("\u{feff}{text}") } else { text }
        },
    )
}

proptest! {
    #[test]
    fn nothing_but_images_is_ever_changed(text in manifest()) {
        let (changed, _) = update(&text);
        // Line by line: only lines with an image, and there only that.
        prop_assert_eq!(text.split('\n').count(), changed.split('\n').count());
        for (before, after) in text.split('\n').zip(changed.split('\n')) {
            if before != after {
                prop_assert!(before.trim_start_matches([' ', '-']).starts_with("image: "), "{:?}", before);
                prop_assert_eq!(before.replacen("a:1", "a:2", 1), after);
            }
        }
        // All of them, and a second time none.
        let images = |text: &str| -> Vec<String> {
            let manifest = workloads::read(text).unwrap();
            manifest.workloads.into_iter().flat_map(|workload| workload.containers).map(|image| image.image).collect()
        };
        let escaped = text.matches("image: \"a\\x3a1\"").count();
        let images = images(&changed);
        prop_assert_eq!(images.iter().filter(|image| *image == "a:1").count(), escaped);
        prop_assert_eq!(&update(&changed).0, &changed);
    }

    #[test]
    fn no_text_makes_a_panic(text in ".{0,80}|([-a:&*# \\[\\]{},\n\"'|>?!]{0,40})") {
        if workloads::read(&text).is_ok() {
            update(&text);
        }
    }
}
