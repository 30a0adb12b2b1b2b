//! What is the matter with pods that have got a new image. Pure: a reading of what kubelet and scheduler write into their status.

use k8s_openapi::api::core::v1::{Container, ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodSpec};

use crate::api::conditions::shorten;

/// Longest complaint, in bytes.
const LONGEST: usize = 512;
/// Longest message of a kubelet or scheduler in it, so that there is room for the rest.
const LONGEST_MESSAGE: usize = 256;

/// What is the matter with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Whether the image does not run: it cannot be pulled or started, or what it starts ends with an error. A pod that has no node yet or
    /// is merely not ready may still come right by itself.
    pub is_crash: bool,
    /// The container, or the volume, whose image is at fault, one of those that were asked about; none if that cannot be told.
    pub container: Option<String>,
    /// One line for people, at most 512 bytes, which names the pod. What a container has written before it ended is left out: that is a
    /// piece of its log, and may hold what is not meant for everybody who is told of an update.
    pub text: String,
}

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    /// It does not run.
    Down,
    /// It runs again, after it had ended with an error.
    Restarted,
    /// Another container of the pod does not run, whose image is not a new one.
    OtherDown,
    /// The pod has no node, or was thrown off it.
    Homeless,
    /// It waits for something that nobody here has heard of.
    Waiting,
    /// It runs, but says that it cannot do its work.
    NotReady,
}

/// What kubelets report in place of a reason for the wait, as long as all is well.
const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The reason of a container that is to be started again after it has ended.
const CRASH_LOOP: &str = "CrashLoopBackOff";

/// Why a container that waits will not run with this image
/// (<https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/images/types.go> and
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/container/sync_result.go>).
const BROKEN: [&str; 14] = [
    CRASH_LOOP,
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "PostStartHookError",
    "PreCreateHookError",
    "PreStartHookError",
    "RegistryUnavailable",
    "RunContainerError",
    "SignatureValidationFailed",
];

/// What a kubelet says of a container that it has lost sight of, with an exit code that it has made up.
const LOST: &str = "ContainerStatusUnknown";

/// What is the matter with those of `pods` that have one of `images`, each given with the name of its container or volume: the worst of
/// all, and of several the one of the first pod by name. None if all is well, or nothing is known yet.
///
/// Only the spec of a pod tells that it has an image. Pods from before a restart have it, too: leave those out beforehand.
pub fn complaint(pods: &[Pod], images: &[(&str, &str)]) -> Option<Complaint> {
    let mut found: Vec<(Severity, &str, Complaint)> = pods
        .iter()
        .flat_map(|pod| {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            about(pod, images).into_iter().map(move |(severity, complaint)| (severity, name, complaint))
        })
        .collect();
    found.sort_by(|(severity, pod, complaint), (other_severity, other_pod, other)| {
        (severity, pod, &complaint.text).cmp(&(other_severity, other_pod, &other.text))
    });
    found.into_iter().next().map(|(_, _, complaint)| complaint)
}

/// All that is the matter with `pod`, if it has one of `images`.
fn about(pod: &Pod, images: &[(&str, &str)]) -> Vec<(Severity, Complaint)> {
    let (Some(spec), Some(status)) = (&pod.spec, &pod.status) else { return Vec::new() };
    let new: Vec<&str> =
        images.iter().filter(|(container, image)| has_image(spec, container, image)).map(|(name, _)| *name).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let of_pod = |what: String| {
        let text = shorten(one_line(&format!("pod {name} {what}")), LONGEST);
        vec![(Severity::Homeless, Complaint { is_crash: false, container: None, text })]
    };
    // Evicted, preempted, or refused by the node: what its containers say then is not about their images.
    if let Some(reason) = status.reason.as_deref().filter(|reason| !reason.is_empty()) {
        return of_pod(format!("is {}: {reason}{}", phase(pod), after_colon(status.message.as_deref())));
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unscheduled {
        return of_pod(format!("has no node{}", after_colon(condition.message.as_deref())));
    }
    let containers = status.container_statuses.iter().flatten().map(|status| (status, true));
    let init_containers = status.init_container_statuses.iter().flatten().map(|status| {
        // Only one that stays for as long as the pod is ever meant to be ready.
        let stays = container(spec, &status.name).is_some_and(|it| it.restart_policy.as_deref() == Some("Always"));
        (status, stays)
    });
    let troubles = containers.chain(init_containers).filter_map(|(status, stays)| {
        let (severity, what) = trouble(status, stays)?;
        let text = shorten(one_line(&format!("pod {name}: container {}{what}", status.name)), LONGEST);
        let container = at_fault(spec, status, &new).map(str::to_owned);
        let severity = match severity {
            Severity::Down | Severity::Restarted if container.is_none() => Severity::OtherDown,
            severity => severity,
        };
        let is_crash = matches!(severity, Severity::Down | Severity::Restarted);
        Some((severity, Complaint { is_crash, container, text }))
    });
    troubles.collect()
}

/// Which of the `new` images a container is in trouble for: its own, or else that of a volume which it mounts. A kubelet that cannot pull a
/// volume's image says so of the container, with the image.
fn at_fault<'a>(pod: &PodSpec, status: &ContainerStatus, new: &[&'a str]) -> Option<&'a str> {
    let mounts: Vec<&str> = container(pod, &status.name)
        .and_then(|container| container.volume_mounts.as_deref())
        .unwrap_or_default()
        .iter()
        .map(|mount| mount.name.as_str())
        .collect();
    let mut mounted = new.iter().copied().filter(|name| container(pod, name).is_none() && mounts.contains(name));
    let message =
        status.state.as_ref().and_then(|state| state.waiting.as_ref()?.message.as_deref()).unwrap_or_default();
    let is_named = |name: &&str| volume_image(pod, name).is_some_and(|image| message.contains(image));
    let named = mounted.clone().find(is_named);
    named.or_else(|| new.iter().copied().find(|name| *name == status.name)).or_else(|| mounted.next())
}

/// Whether a pod has that image in the container of that name, or, if there is none, in the volume.
pub(in crate::workload) fn has_image(pod: &PodSpec, name: &str, image: &str) -> bool {
    let found = match container(pod, name) {
        Some(container) => container.image.as_deref(),
        None => volume_image(pod, name),
    };
    found == Some(image)
}

fn volume_image<'a>(pod: &'a PodSpec, name: &str) -> Option<&'a str> {
    pod.volumes.iter().flatten().find(|volume| volume.name == name)?.image.as_ref()?.reference.as_deref()
}

fn container<'a>(pod: &'a PodSpec, name: &str) -> Option<&'a Container> {
    let init_containers = pod.init_containers.iter().flatten();
    pod.containers.iter().chain(init_containers).find(|container| container.name == name)
}

/// What follows its name.
fn trouble(status: &ContainerStatus, stays: bool) -> Option<(Severity, String)> {
    let state = status.state.as_ref();
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        let reason = waiting.reason.as_deref().filter(|reason| !reason.is_empty() && !STARTING.contains(reason));
        let Some(reason) = reason else { return restarted(status) };
        let severity = if BROKEN.contains(&reason) { Severity::Down } else { Severity::Waiting };
        // Also without an error: a container that is not meant to end waits to be started again when it has.
        let ended = ended(status.last_state.as_ref()).map(|ended| format!("; it ended with {}", exit(ended)));
        // Of a crash the kubelet says no more than how long it waits, and at length which container it is.
        let message = waiting.message.as_deref().filter(|_| reason != CRASH_LOOP);
        let message = after_colon(message);
        return Some((severity, format!(": {reason}{message}{}", ended.unwrap_or_default())));
    }
    if let Some(ended) = failed(state) {
        return Some((Severity::Down, format!(" ended with {}", exit(ended))));
    }
    let is_running = state.is_some_and(|state| state.running.is_some());
    let not_ready = || Some((Severity::NotReady, " is running but not ready".to_owned()));
    restarted(status).or_else(|| if is_running && stays && !status.ready { not_ready() } else { None })
}

/// For a container that is not in trouble now.
fn restarted(status: &ContainerStatus) -> Option<(Severity, String)> {
    let ended = failed(status.last_state.as_ref()).filter(|_| status.restart_count > 0)?;
    let times = if status.restart_count == 1 { "once".to_owned() } else { format!("{} times", status.restart_count) };
    Some((Severity::Restarted, format!(" ended with {}, and was started again {times}", exit(ended))))
}

fn failed(state: Option<&ContainerState>) -> Option<&ContainerStateTerminated> {
    ended(state).filter(|ended| ended.exit_code != 0)
}

fn ended(state: Option<&ContainerState>) -> Option<&ContainerStateTerminated> {
    state.and_then(|state| state.terminated.as_ref()).filter(|ended| ended.reason.as_deref() != Some(LOST))
}

fn exit(ended: &ContainerStateTerminated) -> String {
    let reason = ended.reason.as_deref().filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!("exit code {}{reason}", ended.exit_code)
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("Unknown")
}

fn after_colon(message: Option<&str>) -> String {
    let message = message.map(str::trim).filter(|message| !message.is_empty());
    message.map(|message| format!(": {}", shorten(one_line(message), LONGEST_MESSAGE))).unwrap_or_default()
}

/// Without what breaks a line or steers a terminal: much of it is what a registry or a container runtime says.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
