//! Tags that move: `latest`, `1.28`, and whatever else a registry points at another image from time to time.

use crate::image::Digest;

/// What is known about a container whose tag may have moved.
#[derive(Clone, Copy, Debug)]
pub struct MovingTag<'a> {
    /// What the tag points at in the registry now, an image index or an image manifest; none if the registry does not tell.
    pub registry: Option<&'a Digest>,
    /// If that is an image index, the image manifests in it, one per platform. Empty if it is none, or nobody has looked.
    pub index_members: &'a [Digest],
    /// What the workload's pods run. Pods that do not tell are left out.
    pub running: &'a [RunningImage],
    /// The digest for which the workload was last restarted, if it ever was.
    pub restarted_for: Option<&'a Digest>,
    /// Whether a human has skipped what the tag points at in the registry now.
    pub is_held: bool,
    /// What the owner wants.
    pub preference: LatestPreference,
    /// When nodes pull the container's image.
    pub pull_policy: PullPolicy,
}

/// What one pod runs in the container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunningImage {
    /// Of the image index or of the image manifest for the node's platform: container runtimes differ in what they report.
    pub digest: Digest,
}

/// What to do when a tag has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LatestPreference {
    /// Restart the workload, so that its pods run what the tag points at now.
    Update,
    /// Report it to a human.
    Notify,
}

/// A container's `imagePullPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PullPolicy {
    /// Whenever a container starts.
    Always,
    /// If the node has no image of that name.
    IfNotPresent,
    /// Not at all.
    Never,
}

/// What is to be done about a tag that may have moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum MovingRuling {
    /// All pods run what the tag points at.
    UpToDate,
    /// Restart the workload, so that it runs that.
    Restart {
        /// What the tag points at.
        to: Digest,
    },
    /// Report to a human that the tag has moved.
    Notify {
        /// What the tag points at.
        to: Digest,
    },
    /// The tag has moved, and a human has skipped what it points at.
    Held {
        /// What the tag points at.
        to: Digest,
    },
    /// The tag has moved and a restart is wanted, but would not bring the new image.
    CannotPull {
        /// A sentence for people, which says what to change.
        why: String,
    },
    /// Whether the tag has moved cannot be told.
    Unknown {
        /// A sentence for people.
        why: String,
    },
}

impl RunningImage {
    /// Reads the `imageID` of a container's status: `docker.io/library/nginx@sha256:…`, with or without `docker-pullable://` before it.
    ///
    /// None if nothing runs yet, and for a lone `sha256:…`: that is the digest of the image's configuration, which no registry lists
    /// under a tag. A node reports it for images that it has not pulled.
    pub fn parse(image_id: &str) -> Option<Self> {
        let (_, digest) = image_id.rsplit_once('@')?;
        digest.parse().ok().map(|digest| Self { digest })
    }
}

impl MovingRuling {
    /// A fixed CamelCase word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UpToDate => "UpToDate",
            Self::Restart { .. } => "Restart",
            Self::Notify { .. } => "Notify",
            Self::Held { .. } => "Held",
            Self::CannotPull { .. } => "CannotPull",
            Self::Unknown { .. } => "Unknown",
        }
    }
}

/// Judges whether a tag has moved away from what runs, and what follows.
///
/// One pod that runs something else is enough. Does not know whether a rollout is running, during which pods run both: ask when it is over.
/// No digest is restarted for twice: if pods still run something else after the first restart, a second one would not help, and one
/// after the other would never end.
pub fn decide_moving(tag: &MovingTag<'_>) -> MovingRuling {
    let unknown = |why: String| MovingRuling::Unknown { why };
    let Some(registry) = tag.registry else {
        return unknown("the registry does not tell the digest of the tag".to_owned());
    };
    if tag.running.is_empty() {
        return unknown("no pod tells which image it runs".to_owned());
    }
    let is_current = |digest: &Digest| digest == registry || tag.index_members.contains(digest);
    let Some(other) = tag.running.iter().find(|running| !is_current(&running.digest)) else {
        return MovingRuling::UpToDate;
    };
    let to = registry.clone();
    if tag.is_held {
        return MovingRuling::Held { to };
    }
    match (tag.preference, tag.pull_policy) {
        (LatestPreference::Notify, _) => MovingRuling::Notify { to },
        (LatestPreference::Update, PullPolicy::Always) if tag.restarted_for == Some(registry) => unknown(format!(
            "a pod runs {} although the workload was restarted for {registry}; is it of a platform that the tag lacks, or from a mirror \
             that is behind?",
            other.digest
        )),
        (LatestPreference::Update, PullPolicy::Always) => MovingRuling::Restart { to },
        (LatestPreference::Update, PullPolicy::IfNotPresent) => cannot_pull("IfNotPresent"),
        (LatestPreference::Update, PullPolicy::Never) => cannot_pull("Never"),
    }
}

fn cannot_pull(policy: &str) -> MovingRuling {
    let why = format!(
        "imagePullPolicy is {policy}, with which a restart may run the old image again; set it to Always, or latest to Notify"
    );
    MovingRuling::CannotPull { why }
}

#[cfg(test)]
mod tests;
