//! What a human can run.
//!
//! Commands are copied into shells, and some of their words come from registries or out of a status that people can edit. So each word
//! that is not ours must be a name as Kubernetes has them, a tag, a digest, or an image reference; else it is left out, or there is no command.

use super::{Kind, Notice};
use crate::image::{Digest, ImageReference, is_tag};

impl Notice {
    /// A command that takes what is available, or shows why something fails; empty if there is nothing to do, or too little is known.
    ///
    /// A shell sees nothing in it but words, and none of them looks like an option that is not ours.
    pub fn command(&self) -> String {
        self.words().unwrap_or_default()
    }

    fn words(&self) -> Option<String> {
        match self.kind {
            Kind::UpdateAvailable if self.is_approvable => self.approve(),
            Kind::UpdateAvailable => self.take(),
            Kind::RolloutFailed => {
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
            | Kind::CheckRecovered => None,
        }
    }

    /// Approves what is available, by its name where that is known, so that nobody approves what they have not read of.
    fn approve(&self) -> Option<String> {
        let command = format!("k8supdater approve {}", self.handler_argument()?);
        Some(match self.offer() {
            Some(offer) => format!("{command} {offer}"),
            None => command,
        })
    }

    /// What is available, as answers name it: `app=2.0`, or `app=latest@sha256:…` with the whole digest.
    fn offer(&self) -> Option<String> {
        let container = name(self.container.as_deref()?)?;
        let to = self.to.as_deref()?;
        let (tag, digest) = to.split_once('@').map_or((to, None), |(tag, digest)| (tag, Some(digest)));
        let is_offer = is_tag(tag) && digest.is_none_or(|digest| digest.parse::<Digest>().is_ok());
        is_offer.then(|| format!("{container}={to}"))
    }

    /// Sets the image to the tag that is available, or restarts what runs a tag that has moved.
    fn take(&self) -> Option<String> {
        let (namespace, workload) = (self.namespace()?, self.workload_argument()?);
        let to = self.to.as_deref()?;
        if self.is_about_moved_tag() {
            // The next pods of a CronJob come by themselves.
            let can_restart = !workload.starts_with("cronjob/");
            return can_restart.then(|| format!("kubectl --namespace {namespace} rollout restart {workload}"));
        }
        let container = name(self.container.as_deref()?)?;
        let image: ImageReference = format!("{}:{to}", self.image.as_deref()?).parse().ok()?;
        // The brackets of an IPv6 address mean something to shells.
        let is_plain = !image.registry().contains('[');
        is_plain.then(|| format!("kubectl --namespace {namespace} set image {workload} {container}={image}"))
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

    #[allow(clippy::unnecessary_wraps, reason = "fields take options, and tables read better without Some")]
    fn workload(kind: &str, name: &str) -> Option<Workload> {
        Some(Workload { kind: kind.to_owned(), name: name.to_owned() })
    }

    #[test]
    fn what_to_run() {
        check(available("2.0"), "kubectl --namespace team-a set image deployment/web app=docker.io/library/nginx:2.0");
        check(Notice { is_approvable: true, ..available("2.0") }, "k8supdater approve team-a/web app=2.0");
        let moved = format!("latest@sha256:{}", "0".repeat(64));
        check(
            Notice { is_approvable: true, ..available(&moved) },
            &format!("k8supdater approve team-a/web app={moved}"),
        );
        check(available("latest@sha256:00"), "kubectl --namespace team-a rollout restart deployment/web");
        check(Notice { workload: workload("CronJob", "web"), ..available("latest@sha256:00") }, "");
        check(
            Notice { workload: workload("StatefulSet", "db"), ..notice(Kind::RolloutFailed) },
            "kubectl --namespace team-a describe statefulset/db",
        );
        check(notice(Kind::CheckFailing), "k8supdater explain team-a/web");
        check(notice(Kind::PluginFailing), "kubectl get plugins.k8supdater.dev --all-namespaces");
        check(notice(Kind::Updated), "");
        check(notice(Kind::HandlerDeleted), "");
    }

    #[test]
    fn too_little_is_known_to_run_anything() {
        check(Notice { workload: None, ..available("2.0") }, "");
        check(Notice { container: None, ..available("2.0") }, "");
        check(Notice { image: None, ..available("2.0") }, "");
        check(Notice { to: None, ..available("2.0") }, "");
        let approvable = || Notice { is_approvable: true, ..available("2.0") };
        check(Notice { container: None, ..approvable() }, "k8supdater approve team-a/web");
        check(Notice { to: None, ..approvable() }, "k8supdater approve team-a/web");
    }

    #[test]
    fn nothing_foreign_reaches_a_shell() {
        for tag in
            ["2.0;reboot", "$(reboot)", "2.0 -f x", "`x`", "2.0\nreboot", "-x", "", "a|b", "a\u{202e}b", "a@b@c d"]
        {
            let command = available(tag).command();
            assert!(command.is_empty() || command.ends_with("restart deployment/web"), "{command}");
            check(Notice { is_approvable: true, ..available(tag) }, "k8supdater approve team-a/web");
        }
        for name in ["a b", "--all", "-x", "$(x)", "a;b", "", "a\nb", "A", "ä"] {
            check(Notice { workload: workload("Deployment", name), ..available("2.0") }, "");
            check(Notice { container: some(name), ..available("2.0") }, "");
            let handler = Handler { namespace: name.to_owned(), ..available("2.0").handler };
            check(Notice { handler, ..available("2.0") }, "");
            let handler = Handler { name: name.to_owned(), ..available("2.0").handler };
            check(Notice { handler, is_approvable: true, ..available("2.0") }, "");
            let approvable = Notice { is_approvable: true, ..available("2.0") };
            check(Notice { container: some(name), ..approvable }, "k8supdater approve team-a/web");
        }
        check(Notice { workload: workload("Deploy;x", "web"), ..available("2.0") }, "");
        check(Notice { image: some("[::1]:5000/app"), ..available("2.0") }, "");
        check(Notice { image: some("$(x)/app"), ..available("2.0") }, "");
    }
}
