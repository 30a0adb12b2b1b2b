//! The API server: whether it answers, which version it is, and who asks.

use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::api::PostParams;
use kube::{Api, Client};

use super::finding::{Finding, Group};
use super::looked::{Looked, Unseen};

/// The oldest minor version of Kubernetes 1 that knows all that our definitions use: their rules are stable since then
/// (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>).
const OLDEST: u32 = 29;
/// Where a token says which pod it was given to.
const POD: &str = "authentication.kubernetes.io/pod-name";

/// What it says of itself and of whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    version: Looked<Info>,
    user: Looked<UserInfo>,
}

/// Asks it.
pub(super) async fn look(client: &Client) -> Seen {
    let version = client.apiserver_version().await.map_err(Unseen::from);
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let reviewed = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let user = reviewed.map_err(Unseen::from).and_then(|review| {
        review.status.and_then(|status| status.user_info).ok_or_else(|| Unseen::Failed("it says nothing".to_owned()))
    });
    Seen { version, user }
}

impl Seen {
    /// Whether there is any use in asking more.
    pub(super) fn answers(&self) -> bool {
        self.version.is_ok()
    }

    /// Who asks; empty if that is not known.
    pub(super) fn user(&self) -> &str {
        self.user.as_ref().ok().and_then(|user| user.username.as_deref()).unwrap_or_default()
    }

    /// The pod whose token is used, if it is one's.
    pub(super) fn pod(&self) -> Option<&str> {
        self.user.as_ref().ok()?.extra.as_ref()?.get(POD)?.first().map(String::as_str)
    }
}

/// Whether it can be worked with. Pure.
pub(super) fn findings(seen: &Seen) -> Vec<Finding> {
    let object = "API server";
    let who = match (seen.user(), seen.pod()) {
        ("", _) => String::new(),
        (user, None) => format!(", asked as {user}"),
        (user, Some(pod)) => format!(", asked as {user} in pod {pod}"),
    };
    let info = match &seen.version {
        Ok(info) => info,
        Err(why) => {
            let message = format!("does not answer: {}", why.why());
            return vec![Group::ApiServer.fault(object, message).mended_by("kubectl cluster-info")];
        }
    };
    let digits: String = info.minor.chars().take_while(char::is_ascii_digit).collect();
    let is_old = info.major == "1" && digits.parse::<u32>().is_ok_and(|minor| minor < OLDEST);
    let version = &info.git_version;
    if is_old {
        let message = format!("is {version}, and the definitions need at least v1.{OLDEST}: update the cluster{who}");
        return vec![Group::ApiServer.warning(object, message)];
    }
    vec![Group::ApiServer.ok(object, format!("{version}{who}"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::finding::Level;

    #[test]
    fn it_has_to_answer_and_be_new_enough() {
        let check = |version: Looked<(&str, &str)>, level: Level, message: &str| {
            let version = version.map(|(minor, git_version)| Info {
                major: "1".to_owned(),
                minor: minor.to_owned(),
                git_version: git_version.to_owned(),
                ..Info::default()
            });
            let user = Ok(UserInfo { username: Some("ada".to_owned()), ..UserInfo::default() });
            let found = findings(&Seen { version, user });
            assert_eq!((found[0].level, found[0].message.as_str()), (level, message));
        };
        check(Ok(("36", "v1.36.3")), Level::Ok, "v1.36.3, asked as ada");
        check(Ok(("29+", "v1.29.1-eks")), Level::Ok, "v1.29.1-eks, asked as ada");
        let old = "is v1.27.0, and the definitions need at least v1.29: update the cluster, asked as ada";
        check(Ok(("27", "v1.27.0")), Level::Warning, old);
        let gone = Err(Unseen::Failed("connection refused".to_owned()));
        check(gone, Level::Fault, "does not answer: cannot be read: connection refused");
    }
}
