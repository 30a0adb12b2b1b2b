//! What labels may say: every word of every label whose values are fixed.
//!
//! Metrics that count by such a label are there from the start, with a zero for each word, so that a rate over the first hour is right and
//! an alert does not wait for the first failure. `docs/metrics.md` says what each word means; a test compares the two, and another one looks
//! for reasons in the source that are missing here.

/// What is shown for a word that is not among those of its label, and for names beyond the number that are told apart.
pub const OTHER: &str = "other";

/// How a check ends.
pub const CHECKS: &[&str] = &["succeeded", "failed"];

/// What a check decides for a container: the words of `status.containers[].decision`.
pub const DECISIONS: &[&str] = &[
    "AwaitingApproval",
    "Failed",
    "Ignored",
    "None",
    "Notify",
    "Restart",
    "RollBack",
    "Unknown",
    "Update",
    "UpdateAndNotify",
    "Wait",
    "WaitAndNotify",
];

/// The status of a handler's condition `Ready`.
pub const READY: &[&str] = &["False", "True", "Unknown"];

/// Where a workload stands: the reasons of the condition `UpToDate`, as far as they are about the workload.
pub const WORKLOADS: &[&str] =
    &["AwaitingApproval", "Held", "Preview", "Unknown", "UpToDate", "UpdateAvailable", "Updating", "Waiting"];

/// How far an update comes.
pub const UPDATES: &[&str] = &["applied", "failed", "finished", "overtaken"];

/// How far a rollback comes.
pub const ROLLBACKS: &[&str] = &["applied", "failed", "finished"];

/// How a delivery ends.
pub const DELIVERIES: &[&str] = &["delivered", "failed"];

/// What of a plugin serves.
pub const PLUGINS: &[&str] = &["failed", "outdated", "ready"];

/// How a call of a plugin ends.
pub const CALLS: &[&str] = &["answered", "limited", "not_run", "refused", "trapped", "wrong"];

/// How a request ends.
pub const REQUESTS: &[&str] = &["2xx", "3xx", "429", "4xx", "5xx", "denied", "failed", "revalidated"];

/// What becomes of a button that is pressed.
pub const PRESSES: &[&str] = &["decided", "failed", "gone", "refused", "repeated", "unreadable"];

/// What Events are about.
pub const EVENTS: &[&str] = &[
    "AnswerNotUnderstood",
    "ApprovalNotApplied",
    "Approved",
    "CheckFailed",
    "CheckRecovered",
    "HandlerChanged",
    "HandlerCreated",
    "HandlerDeleted",
    "HandlerResumed",
    "MovedTagAccepted",
    "Overtaken",
    "RollbackFailed",
    "RollbackRequested",
    "RolledBack",
    "RollingBack",
    "RolloutFailed",
    "Skipped",
    "Snoozed",
    "TagMoved",
    "UpdateAvailable",
    "Updated",
    "Updating",
    OTHER,
];

/// What stands in the way of a check.
pub const CHECK_FAILURES: &[&str] = &[
    "AnswerImpossible",
    "AnswerWaits",
    "ApiServerRefused",
    "Busy",
    "CallFailed",
    "CallTimedOut",
    "CannotPull",
    "ClaimedByOther",
    "ContractBroken",
    "CredentialsExpired",
    "CredentialsMissing",
    "CredentialsRefused",
    "DeadlineExceeded",
    "DigestUnknown",
    "HandlerChangedMeanwhile",
    "HandlerNotFound",
    "InvalidImage",
    "InvalidReply",
    "InvalidSettings",
    "InvalidSpec",
    "ListingTooLong",
    "MemoryExceeded",
    "NoSuchSlot",
    "NoVersion",
    "NotInstantiable",
    "NotOffered",
    "OutputTooLarge",
    "Panicked",
    "PluginNotFound",
    "PluginNotReady",
    "PluginOfWrongKind",
    "RateLimited",
    "RegistryFailed",
    "RegistryUnavailable",
    "RepositoryNotFound",
    "SecretKeysMissing",
    "SecretNotFound",
    "StackExceeded",
    "TableExceeded",
    "TagMovedMeanwhile",
    "TagNotUsable",
    "TookTooLong",
    "Trapped",
    "Unsupported",
    "WorkloadChangedMeanwhile",
    "WorkloadNotFound",
    OTHER,
];

/// What stands in the way of a notice.
pub const DELIVERY_FAILURES: &[&str] = &[
    "ApiServerRefused",
    "Busy",
    "CallFailed",
    "CallTimedOut",
    "ChannelFailed",
    "ChannelNotFound",
    "ChannelUnavailable",
    "ContractBroken",
    "CredentialsExpired",
    "CredentialsRefused",
    "DeadlineExceeded",
    "DeliveryTooLong",
    "InvalidReply",
    "InvalidSettings",
    "MemoryExceeded",
    "NoSuchSlot",
    "NotInstantiable",
    "OutputTooLarge",
    "PluginNotFound",
    "PluginNotReady",
    "PluginOfWrongKind",
    "RateLimited",
    "SecretKeysMissing",
    "SecretNotFound",
    "StackExceeded",
    "TableExceeded",
    "Trapped",
    "Unsupported",
    OTHER,
];

/// Why a plugin, or its newest bytes, do not serve.
pub const PLUGIN_REFUSALS: &[&str] = &[
    "ApiServerRefused",
    "Busy",
    "CallFailed",
    "CallTimedOut",
    "ConfigMapKeyNotFound",
    "ConfigMapNotFound",
    "ContractBroken",
    "CoreModule",
    "DeadlineExceeded",
    "ExampleFailed",
    "ImportsRefused",
    "InvalidComponent",
    "InvalidGrant",
    "InvalidManifest",
    "InvalidSettings",
    "InvalidSpec",
    "LoadFailed",
    "MemoryExceeded",
    "NoManifest",
    "NoSuchSlot",
    "NotCompilable",
    "NotGranted",
    "NotGzip",
    "NotInstantiable",
    "NotWasm",
    "OutputTooLarge",
    "Panicked",
    "PluginOfWrongKind",
    "SecretKeysMissing",
    "SecretNotFound",
    "StackExceeded",
    "TableExceeded",
    "TooLarge",
    "TookTooLong",
    "Trapped",
    "WrongInterface",
    OTHER,
];

/// What is watched.
pub const WATCHES: &[&str] = &[
    "config-maps",
    "cron-jobs",
    "daemon-sets",
    "deployments",
    "handlers",
    "plugins",
    "secrets",
    "stateful-sets",
    OTHER,
];

/// What becomes of spans of traces.
pub const SPANS: &[&str] = &["dropped", "exported", "failed"];

/// Why a bot asks in vain.
pub const BOT_FAILURES: &[&str] = &[
    "Conflict",
    "InvalidReply",
    "NotModified",
    "NotReachable",
    "RateLimited",
    "Refused",
    "RequestDenied",
    "RequestFailed",
    "RequestTimedOut",
    "ResponseTooLarge",
    "TlsFailed",
    "TooLate",
    "Unauthorized",
    "Unavailable",
    OTHER,
];

/// That of `words` which `word` is; [`OTHER`] if it is none of them.
pub(super) fn of(words: &[&'static str], word: &str) -> &'static str {
    words.iter().find(|known| **known == word).copied().unwrap_or(OTHER)
}
