//! What came of looking at something, which not everybody may.

use crate::failure::chain;

/// What was seen, or why it was not.
pub(super) type Looked<T> = Result<T, Unseen>;

/// Why nothing was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unseen {
    /// There is no such object.
    Absent,
    /// Whoever asks may not look; in the words of the API server.
    Forbidden(String),
    /// It could not be read for another reason.
    Failed(String),
}

impl Unseen {
    /// In words, for what is not known because of it.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Absent => "there is none".to_owned(),
            Self::Forbidden(why) => format!("may not be looked at with these rights: {why}"),
            Self::Failed(why) => format!("cannot be read: {why}"),
        }
    }
}

impl From<kube::Error> for Unseen {
    fn from(err: kube::Error) -> Self {
        match err {
            kube::Error::Api(status) if status.code == 404 => Self::Absent,
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => Self::Forbidden(status.message.clone()),
            other => Self::Failed(chain(&other)),
        }
    }
}
