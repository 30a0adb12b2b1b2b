//! Examples as they stand in the plugin manifest.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::asked::{MailExample, RequestExample};
use crate::exchange::{Action, Failure, Header, HttpResponse, Reply};
use crate::notifier::{Answer, Notice};
use crate::registry::{Image, Question, Repository, Tag};

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) kind: String,
    #[serde(default)]
    pub(super) examples: Vec<Value>,
}

fn no_settings() -> Value {
    Value::Object(serde_json::Map::new())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionParserExample {
    pub(super) name: String,
    #[serde(default = "no_settings")]
    pub(super) settings: Value,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) versions: Vec<Option<VersionExample>>,
    #[serde(default)]
    pub(super) ascending: Vec<String>,
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionExample {
    #[serde(default)]
    pub(super) epoch: u64,
    pub(super) levels: Vec<u64>,
    #[serde(default)]
    pub(super) prerelease: bool,
    #[serde(default)]
    pub(super) flavor: String,
    /// Hexadecimal; compared only if given.
    pub(super) tail: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryExample {
    pub(super) name: String,
    #[serde(default = "no_settings")]
    pub(super) settings: Value,
    repository: RepositoryExample,
    question: QuestionExample,
    #[serde(default)]
    pub(super) exchanges: Vec<Exchange>,
    #[serde(default)]
    tags: Vec<TagExample>,
    /// The case of the error, as the WIT spells it.
    pub(super) error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryExample {
    registry: String,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum QuestionExample {
    Tags(Option<Vec<u8>>),
    Tag(String),
    Images(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagExample {
    name: String,
    digest: Option<String>,
    pushed: Option<u64>,
    #[serde(default)]
    images: Vec<ImageExample>,
    source: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageExample {
    digest: String,
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl RegistryExample {
    pub(super) fn repository(&self) -> Repository {
        Repository { registry: self.repository.registry.clone(), name: self.repository.name.clone() }
    }

    pub(super) fn question(&self) -> Question {
        match &self.question {
            QuestionExample::Tags(checkpoint) => Question::Tags(checkpoint.clone()),
            QuestionExample::Tag(name) => Question::Tag(name.clone()),
            QuestionExample::Images(name) => Question::Images(name.clone()),
        }
    }

    pub(super) fn tags(&self) -> Vec<Tag> {
        self.tags.iter().map(TagExample::tag).collect()
    }
}

impl TagExample {
    fn tag(&self) -> Tag {
        let Self { name, digest, pushed, images, source } = self.clone();
        let image = |ImageExample { digest, os, architecture, variant }| Image { digest, os, architecture, variant };
        Tag { name, digest, pushed, images: images.into_iter().map(image).collect(), source }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifierExample {
    pub(super) name: String,
    #[serde(default = "no_settings")]
    pub(super) settings: Value,
    notice: NoticeExample,
    #[serde(default)]
    pub(super) exchanges: Vec<Exchange>,
    pub(super) error: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoticeExample {
    kind: String,
    level: String,
    handler: String,
    namespace: String,
    workload: String,
    container: String,
    image: String,
    from: String,
    to: String,
    newest: String,
    link: String,
    title: String,
    text: String,
    command: String,
    answers: Vec<AnswerExample>,
    time: u64,
    key: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerExample {
    label: String,
    value: String,
}

impl NotifierExample {
    pub(super) fn notice(&self) -> Notice {
        let example = self.notice.clone();
        let answer = |AnswerExample { label, value }| Answer { label, value };
        Notice {
            kind: example.kind,
            level: example.level,
            handler: example.handler,
            namespace: example.namespace,
            workload: example.workload,
            container: example.container,
            image: example.image,
            from: example.from,
            to: example.to,
            newest: example.newest,
            link: example.link,
            title: example.title,
            text: example.text,
            command: example.command,
            answers: example.answers.into_iter().map(answer).collect(),
            time: example.time,
            key: example.key,
        }
    }
}

/// One expected request or mail, and what came of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    request: Option<RequestExample>,
    mail: Option<MailExample>,
    response: Option<ResponseExample>,
    failure: Option<FailureExample>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseExample {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    json: Option<Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FailureExample {
    Denied,
    Timeout,
    Connect,
    Tls,
    TooLarge,
    Mail,
    Other,
}

impl Exchange {
    /// What the plugin gets back for `action`.
    ///
    /// # Errors
    /// How the action differs from what the example expects, or what is wrong with the example.
    pub(super) fn reply(&self, action: &Action) -> Result<Reply, String> {
        match (&self.request, &self.mail) {
            (Some(request), None) => request.check(action)?,
            (None, Some(mail)) => mail.check(action)?,
            (None, None) | (Some(_), Some(_)) => return Err("an exchange needs either `request` or `mail`".to_owned()),
        }
        match (&self.response, self.failure, &self.request) {
            (None, Some(failure), _) => Ok(Reply::Failed(failure.failure())),
            (Some(response), None, Some(_)) => response.response().map(Reply::Http),
            (None, None, None) => Ok(Reply::Mailed),
            (_, _, Some(request)) => {
                Err(format!("the exchange for {} needs either `response` or `failure`", request.url))
            }
            (Some(_), _, None) => Err("a mail has no `response`: it is sent, or has a `failure`".to_owned()),
        }
    }
}

impl ResponseExample {
    fn response(&self) -> Result<HttpResponse, String> {
        let body = match (&self.body, &self.json) {
            (Some(_), Some(_)) => return Err("a response has either `body` or `json`".to_owned()),
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(json)) => json.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let header = |(name, value): (&String, &String)| Header { name: name.clone(), value: value.clone() };
        Ok(HttpResponse { status: self.status, headers: self.headers.iter().map(header).collect(), body })
    }
}

impl FailureExample {
    fn failure(self) -> Failure {
        let cause = || "as the example says".to_owned();
        match self {
            Self::Denied => Failure::Denied(cause()),
            Self::Timeout => Failure::Timeout,
            Self::Connect => Failure::Connect(cause()),
            Self::Tls => Failure::Tls(cause()),
            Self::TooLarge => Failure::TooLarge,
            Self::Mail => Failure::Mail(cause()),
            Self::Other => Failure::Other(cause()),
        }
    }
}
