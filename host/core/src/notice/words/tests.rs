use super::super::tests::{available, notice, some};
use super::*;

#[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
fn check(notice: Notice, title: &str, text: &str) {
    assert_eq!((notice.title().as_str(), notice.text().as_str()), (title, text), "{notice:?}");
}

fn about_app(kind: Kind) -> Notice {
    Notice { kind, level: kind.level(), ..available("2.0") }
}

#[test]
fn what_is_available_says_what_becomes_of_it() {
    check(
        Notice { detail: some("it differs from 1.0 in level 1"), newest: some("3.0rc1"), ..available("2.0") },
        "team-a/web: nginx 1.0 → 2.0 is available",
        "For container app of Deployment/web in namespace team-a there is a newer docker.io/library/nginx: 1.0 → 2.0 (the newest of \
         all is 3.0rc1): it differs from 1.0 in level 1. To take it, change the image where the workload is defined.",
    );
    check(
        Notice { is_approvable: true, newest: some("2.0"), ..available("2.0") },
        "team-a/web: nginx 1.0 → 2.0 is available",
        "For container app of Deployment/web in namespace team-a there is a newer docker.io/library/nginx: 1.0 → 2.0. It is \
         applied as soon as somebody approves it.",
    );
    check(
        Notice { workload: None, container: None, ..available("2.0") },
        "team-a/web: nginx 1.0 → 2.0 is available",
        "For the workload of handler team-a/web there is a newer docker.io/library/nginx: 1.0 → 2.0. To take it, change the image \
         where the workload is defined.",
    );
    let moved = available("latest@sha256:0123456789abcdef0123");
    check(
        moved,
        "team-a/web: nginx has moved to sha256:0123456789ab",
        "Container app of Deployment/web in namespace team-a runs latest of docker.io/library/nginx, which now points at another \
         image, sha256:0123456789ab. It is pulled when a new pod starts, if the pull policy is Always.",
    );
}

#[test]
fn what_was_done_and_what_came_of_it() {
    check(
        about_app(Kind::Updated),
        "team-a/web: nginx 1.0 → 2.0 is being rolled out",
        "Container app of Deployment/web in namespace team-a was updated: docker.io/library/nginx 1.0 → 2.0. The rollout goes on by \
         itself, and its end is told.",
    );
    check(
        Notice { from: some("latest"), to: some("latest@sha256:0123456789abcdef"), ..about_app(Kind::Restarted) },
        "team-a/web: restarted for nginx latest@sha256:0123456789ab",
        "Deployment/web in namespace team-a was restarted, because docker.io/library/nginx latest@sha256:0123456789ab has moved. The \
         rollout goes on by itself, and its end is told.",
    );
    check(
        about_app(Kind::RolloutFinished),
        "team-a/web: nginx 1.0 → 2.0 is rolled out",
        "Container app of Deployment/web in namespace team-a runs the update, in all pods: docker.io/library/nginx 1.0 → 2.0. There \
         is nothing to do.",
    );
    check(
        Notice { is_for_later: true, detail: some("the next Job runs it"), ..about_app(Kind::RolloutFinished) },
        "team-a/web: nginx 1.0 → 2.0 is applied",
        "Container app of Deployment/web in namespace team-a has the update: docker.io/library/nginx 1.0 → 2.0: the next Job runs it.",
    );
    check(
        Notice { detail: some("no pod is ready."), image: some("ghcr.io/a/b"), ..about_app(Kind::RolloutFailed) },
        "team-a/web: rollout of ghcr.io/a/b 1.0 → 2.0 failed",
        "The update of container app of Deployment/web in namespace team-a does not come up: ghcr.io/a/b 1.0 → 2.0: no pod is ready.",
    );
}

#[test]
fn what_was_taken_back_and_what_runs_in_its_place() {
    let back =
        |kind: Kind| Notice { from: some("2.0"), to: some("1.0"), detail: some("no pod is ready"), ..about_app(kind) };
    check(
        back(Kind::RolledBack),
        "team-a/web: nginx 2.0 was taken back, 1.0 runs again",
        "Container app of Deployment/web in namespace team-a runs 1.0 again: docker.io/library/nginx 2.0 was taken back: no pod is ready. \
         What was taken back is held until there is a better version, which is applied by itself. It is tried again as soon as somebody \
         approves it.",
    );
    check(
        back(Kind::RollbackFailed),
        "team-a/web: nginx 2.0 was taken back, but 1.0 does not run either",
        "Container app of Deployment/web in namespace team-a does not come up: docker.io/library/nginx 2.0 was taken back, and the rollout \
         of 1.0, which was put back, does not finish either: no pod is ready. Nothing more is done by itself.",
    );
    let (a, b) = (format!("1.0@sha256:{}", "a".repeat(64)), format!("1.0@sha256:{}", "b".repeat(64)));
    check(
        Notice { from: some(&a), to: some(&b), ..about_app(Kind::TagMoved) },
        "team-a/web: nginx 1.0@sha256:bbbbbbbbbbbb was pushed again",
        "The tag 1.0 of docker.io/library/nginx, which container app of Deployment/web in namespace team-a runs, was pushed again although \
         it is a version: it pointed at sha256:aaaaaaaaaaaa and points at sha256:bbbbbbbbbbbb now. Nothing is done about it, but whoever \
         pulls the tag gets the other image. Find out who has pushed it; if that is in order, approve it.",
    );
}

#[test]
fn what_does_not_work() {
    check(
        Notice { error_class: some("Unauthorized"), detail: some("the token is wrong"), ..notice(Kind::CheckFailing) },
        "team-a/web: check fails (Unauthorized)",
        "What is newer for Deployment/web in namespace team-a is not known (Unauthorized): the token is wrong. It is tried again by \
         itself, and until it works nothing is updated.",
    );
    check(
        notice(Kind::CheckRecovered),
        "team-a/web: check works again",
        "What is newer for Deployment/web in namespace team-a is known again. There is nothing to do.",
    );
    check(
        Notice { plugin: some("dockerhub"), error_class: some("Trapped"), ..notice(Kind::PluginFailing) },
        "team-a/web: plugin dockerhub fails (Trapped)",
        "The plugin dockerhub, which looks after Deployment/web in namespace team-a, fails (Trapped). Until it works, nothing that \
         needs it is updated.",
    );
}

#[test]
fn every_kind_has_words_of_its_own_and_says_what_to_do() {
    let mut titles = Vec::new();
    for kind in Kind::ALL {
        let notice = Notice { workload: None, ..notice(kind) };
        let (title, text, command) = (notice.title(), notice.text(), notice.command());
        assert!(title.starts_with("team-a/web: "), "{title}");
        assert!(text.starts_with(|first: char| first.is_ascii_uppercase()), "{text}");
        assert!(!text.contains("  ") && !text.contains("..") && text.ends_with('.'), "{text}");
        // Channels show it beside the text, or buttons in its place.
        assert!(command.is_empty() || !text.contains(&command), "{text}");
        assert!(!command.is_empty() || text.contains(". "), "it says what to do: {text}");
        assert!(!titles.contains(&title), "{title}");
        titles.push(title);
    }
}

#[test]
fn foreign_text_stays_on_one_line_and_is_cut() {
    let foreign = Notice {
        detail: some("one\r\nBcc: two\u{202e}three\t \u{7}four"),
        to: some(&"9".repeat(500)),
        ..notice(Kind::UpdateAvailable)
    };
    assert!(foreign.text().contains("one Bcc: two three four. "), "{}", foreign.text());
    assert_eq!(foreign.title().chars().count(), LONGEST_TITLE);
    let long = Notice { detail: some(&"ä ".repeat(9_000)), ..foreign };
    assert_eq!(long.text().chars().count(), LONGEST_TEXT);
    assert_eq!(one_line("äöü", 3), "äöü");
    assert_eq!(one_line("äöüß", 3), "äö…");
    assert_eq!(one_line(" \n ", 3), "");
}
