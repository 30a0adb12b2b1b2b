//! What a human can run.
//!
//! Commands are copied into shells, and some of their words come from registries or out of a status that people can edit. So each word
//! that is not ours must be a name as Kubernetes has them, a tag, or a digest; else it is left out, or there is no command.

use super::{Kind, Notice};
use crate::image::{Digest, is_tag};

impl Notice {
    /// A command that takes what is available, tries again what was taken back, or shows why something fails; empty if there is nothing to
    /// do, or too little is known.
    ///
    /// A shell sees nothing in it but words, and none of them looks like an option that is not ours.
    pub fn command(&self) -> String {
        self.words().unwrap_or_default()
    }

    fn words(&self) -> Option<String> {
        match self.kind {
            Kind::UpdateAvailable if self.is_approvable => self.approve(),
            // Nothing but what is named: what else is offered is another story.
            Kind::RolledBack => self.approve_named(self.from.as_deref()?),
            Kind::TagMoved => self.approve_named(self.to.as_deref()?),
            Kind::RolloutFailed | Kind::RollbackFailed => {
                Some(format!("kubectl --namespace {} describe {}", self.namespace()?, self.workload_argument()?))
            }
            Kind::CheckFailing => Some(format!("k8supdater explain {}", self.handler_argument()?)),
            Kind::PluginFailing => Some("kubectl get plugins.k8supdater.dev --all-namespaces".to_owned()),
            Kind::HandlerCreated
            | Kind::HandlerResumed
            | Kind::HandlerChanged
            | Kind::HandlerDeleted
            | Kind::Updated
            | Kind::Restarted
            | Kind::RolloutFinished
            | Kind::CheckRecovered
            // It is for others to change the workload, who have tools of their own.
            | Kind::UpdateAvailable => None,
        }
    }

    /// Approves what is available, by its name where that is known, so that nobody approves what they have not read of.
    fn approve(&self) -> Option<String> {
        let named = self.to.as_deref().and_then(|to| self.approve_named(to));
        named.or_else(|| Some(format!("k8supdater approve {}", self.handler_argument()?)))
    }

    /// Approves that, as answers name it: `app=2.0`, or `app=latest@sha256:…` with the whole digest.
    fn approve_named(&self, offer: &str) -> Option<String> {
        let container = name(self.container.as_deref()?)?;
        let (tag, digest) = offer.split_once('@').map_or((offer, None), |(tag, digest)| (tag, Some(digest)));
        let is_offer = is_tag(tag) && digest.is_none_or(|digest| digest.parse::<Digest>().is_ok());
        let handler = self.handler_argument()?;
        is_offer.then(|| format!("k8supdater approve {handler} {container}={offer}"))
    }

    fn namespace(&self) -> Option<&str> {
        name(&self.handler.namespace)
    }

    fn handler_argument(&self) -> Option<String> {
        Some(format!("{}/{}", self.namespace()?, name(&self.handler.name)?))
    }

    /// The workload as `kubectl` takes it: `deployment/web`.
    fn workload_argument(&self) -> Option<String> {
        let workload = self.workload.as_ref()?;
        let kind = workload.kind.to_ascii_lowercase();
        Some(format!("{}/{}", name(&kind)?, name(&workload.name)?))
    }
}

/// `text`, if objects and containers of Kubernetes can be called so: lower-case letters, digits, `-` and `.`, a letter or digit first.
fn name(text: &str) -> Option<&str> {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'-' | b'.'));
    is_name.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{available, notice, some};
    use super::super::{Handler, Workload};
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "tables read better without references")]
    fn check(notice: Notice, expected: &str) {
        assert_eq!(notice.command(), expected, "{notice:?}");
    }

    fn of(kind: Kind, to: &str) -> Notice {
        Notice { kind, level: kind.level(), ..available(to) }
    }

    #[allow(clippy::unnecessary_wraps, reason = "fields take options, and tables read better without Some")]
    fn workload(kind: &str, name: &str) -> Option<Workload> {
        Some(Workload { kind: kind.to_owned(), name: name.to_owned() })
    }

    #[test]
    fn what_to_run() {
        check(available("2.0"), "");
        check(Notice { is_approvable: true, ..available("2.0") }, "k8supdater approve team-a/web app=2.0");
        let moved = format!("latest@sha256:{}", "0".repeat(64));
        check(
            Notice { is_approvable: true, ..available(&moved) },
            &format!("k8supdater approve team-a/web app={moved}"),
        );
        check(
            Notice { workload: workload("StatefulSet", "db"), ..notice(Kind::RolloutFailed) },
            "kubectl --namespace team-a describe statefulset/db",
        );
        check(notice(Kind::RollbackFailed), "kubectl --namespace team-a describe deployment/web");
        let back = |from: &str| Notice { from: some(from), ..of(Kind::RolledBack, "1.0") };
        check(back("2.0"), "k8supdater approve team-a/web app=2.0");
        check(back(&moved), &format!("k8supdater approve team-a/web app={moved}"));
        check(of(Kind::TagMoved, &moved), &format!("k8supdater approve team-a/web app={moved}"));
        check(notice(Kind::CheckFailing), "k8supdater explain team-a/web");
        check(notice(Kind::PluginFailing), "kubectl get plugins.k8supdater.dev --all-namespaces");
        check(notice(Kind::Updated), "");
        check(notice(Kind::HandlerDeleted), "");
    }

    #[test]
    fn too_little_is_known_to_run_anything() {
        check(Notice { workload: None, ..notice(Kind::RolloutFailed) }, "");
        let approvable = || Notice { is_approvable: true, ..available("2.0") };
        check(Notice { container: None, ..approvable() }, "k8supdater approve team-a/web");
        check(Notice { to: None, ..approvable() }, "k8supdater approve team-a/web");
        // Whatever else is offered must not be approved in its place.
        check(Notice { container: None, ..of(Kind::RolledBack, "2.0") }, "");
        check(Notice { from: None, ..of(Kind::RolledBack, "2.0") }, "");
        check(Notice { to: None, ..of(Kind::TagMoved, "2.0") }, "");
    }

    #[test]
    fn nothing_foreign_reaches_a_shell() {
        for tag in
            ["2.0;reboot", "$(reboot)", "2.0 -f x", "`x`", "2.0\nreboot", "-x", "", "a|b", "a\u{202e}b", "a@b@c d"]
        {
            check(Notice { is_approvable: true, ..available(tag) }, "k8supdater approve team-a/web");
            check(Notice { from: some(tag), ..of(Kind::RolledBack, "1.0") }, "");
            check(of(Kind::TagMoved, tag), "");
        }
        for name in ["a b", "--all", "-x", "$(x)", "a;b", "", "a\nb", "A", "ä"] {
            check(Notice { workload: workload("Deployment", name), ..notice(Kind::RolloutFailed) }, "");
            check(Notice { container: some(name), ..of(Kind::TagMoved, "2.0") }, "");
            let handler = Handler { namespace: name.to_owned(), ..available("2.0").handler };
            check(Notice { handler, ..notice(Kind::RolloutFailed) }, "");
            let handler = Handler { name: name.to_owned(), ..available("2.0").handler };
            check(Notice { handler, is_approvable: true, ..available("2.0") }, "");
            let approvable = Notice { is_approvable: true, ..available("2.0") };
            check(Notice { container: some(name), ..approvable }, "k8supdater approve team-a/web");
        }
        check(Notice { workload: workload("Deploy;x", "web"), ..notice(Kind::RolloutFailed) }, "");
    }
}
