//! Examples as they stand in the plugin manifest. The SDK reads the same format.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::asked::{AskedExample, MailExample, RequestExample};
use super::{Kind, ManifestError};
use crate::wit::exchange::{Failure, Header, HttpResponse, Reply};
use crate::wit::notifier::{Answer, Notice};
use crate::wit::registry::{Image, Question, Repository, Tag};

/// Most examples of a plugin: each is run whenever the plugin is loaded.
const MOST: usize = 64;

/// What a plugin answers to what. The cases are those of [`Kind`].
#[derive(Clone, Debug)]
pub enum Examples {
    /// Notices, and the requests that they lead to.
    Notifier(Vec<NotifierExample>),
    /// Questions, the requests that they lead to, and the tags that come out.
    Registry(Vec<RegistryExample>),
    /// Tags, the versions that they are, and their order.
    VersionParser(Vec<VersionParserExample>),
}

impl Examples {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Notifier(examples) => examples.len(),
            Self::Registry(examples) => examples.len(),
            Self::VersionParser(examples) => examples.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn read(kind: Kind, written: Vec<Value>) -> Result<Self, ManifestError> {
        if written.len() > MOST {
            let message = format!("there are {}, and {MOST} are allowed", written.len());
            return Err(ManifestError::field("examples", message));
        }
        Ok(match kind {
            Kind::Notifier => Self::Notifier(read(written)?),
            Kind::Registry => Self::Registry(read(written)?),
            Kind::VersionParser => Self::VersionParser(read(written)?),
        })
    }
}

fn read<E: DeserializeOwned>(written: Vec<Value>) -> Result<Vec<E>, ManifestError> {
    let read = |(index, example): (usize, Value)| {
        let name = example.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        serde_json::from_value(example).map_err(|err| {
            let field =
                if name.is_empty() { format!("examples[{index}]") } else { format!("examples[{index}] {name:?}") };
            ManifestError::field(field, err.to_string())
        })
    };
    written.into_iter().enumerate().map(read).collect()
}

fn no_settings() -> Value {
    Value::Object(Map::new())
}

/// An example of a version parser.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionParserExample {
    pub(crate) name: String,
    #[serde(default = "no_settings")]
    pub(crate) settings: Value,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    /// One for each of the tags.
    #[serde(default)]
    pub(crate) versions: Vec<Option<VersionExample>>,
    /// Tags whose versions are in ascending order, each newer than the one before.
    #[serde(default)]
    pub(crate) ascending: Vec<String>,
    /// What the error has to contain.
    pub(crate) error: Option<String>,
}

/// A version that is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VersionExample {
    #[serde(default)]
    pub(crate) epoch: u64,
    pub(crate) levels: Vec<u64>,
    #[serde(default)]
    pub(crate) prerelease: bool,
    #[serde(default)]
    pub(crate) flavor: String,
    /// Hexadecimal; compared only if given.
    pub(crate) tail: Option<String>,
}

/// An example of a registry plugin.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryExample {
    pub(crate) name: String,
    #[serde(default = "no_settings")]
    pub(crate) settings: Value,
    repository: RepositoryExample,
    question: QuestionExample,
    #[serde(default)]
    pub(crate) exchanges: Vec<Exchange>,
    #[serde(default)]
    tags: Vec<TagExample>,
    /// The case of the error, as the WIT spells it.
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryExample {
    registry: String,
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum QuestionExample {
    Tags(Option<Vec<u8>>),
    Tag(String),
    Images(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TagExample {
    name: String,
    digest: Option<String>,
    pushed: Option<u64>,
    #[serde(default)]
    images: Vec<ImageExample>,
    source: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageExample {
    digest: String,
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl RegistryExample {
    pub(crate) fn repository(&self) -> Repository {
        Repository { registry: self.repository.registry.clone(), name: self.repository.name.clone() }
    }

    pub(crate) fn question(&self) -> Question {
        match &self.question {
            QuestionExample::Tags(checkpoint) => Question::Tags(checkpoint.clone()),
            QuestionExample::Tag(name) => Question::Tag(name.clone()),
            QuestionExample::Images(name) => Question::Images(name.clone()),
        }
    }

    pub(crate) fn tags(&self) -> Vec<Tag> {
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

/// An example of a notifier.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifierExample {
    pub(crate) name: String,
    #[serde(default = "no_settings")]
    pub(crate) settings: Value,
    notice: NoticeExample,
    #[serde(default)]
    pub(crate) exchanges: Vec<Exchange>,
    /// The case of the error, as the WIT spells it.
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
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

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerExample {
    label: String,
    value: String,
}

impl NotifierExample {
    pub(crate) fn notice(&self) -> Notice {
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

/// What is expected to be asked for, and what comes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "WrittenExchange")]
pub(crate) struct Exchange {
    pub(crate) asked: AskedExample,
    pub(crate) reply: Reply,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenExchange {
    request: Option<RequestExample>,
    mail: Option<MailExample>,
    response: Option<ResponseExample>,
    failure: Option<FailureExample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResponseExample {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    json: Option<Value>,
}

#[derive(Clone, Copy, Deserialize)]
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

impl TryFrom<WrittenExchange> for Exchange {
    type Error = String;

    fn try_from(written: WrittenExchange) -> Result<Self, String> {
        let asked = match (written.request, written.mail) {
            (Some(request), None) => AskedExample::Request(request),
            (None, Some(mail)) => AskedExample::Mail(mail),
            (None, None) | (Some(_), Some(_)) => return Err("an exchange needs either `request` or `mail`".to_owned()),
        };
        let reply = match (&asked, written.response, written.failure) {
            (_, None, Some(failure)) => Reply::Failed(failure.into_failure()),
            (AskedExample::Request(_), Some(response), None) => Reply::Http(response.into_response()?),
            (AskedExample::Mail(_), None, None) => Reply::Mailed,
            (AskedExample::Request(request), _, _) => {
                return Err(format!("the exchange for {} needs either `response` or `failure`", request.url));
            }
            (AskedExample::Mail(_), Some(_), _) => {
                return Err("a mail has no `response`: it is sent, or has a `failure`".to_owned());
            }
        };
        if let AskedExample::Request(RequestExample { body: Some(_), json: Some(_), .. }) = &asked {
            return Err("a request has either `body` or `json`".to_owned());
        }
        Ok(Self { asked, reply })
    }
}

impl ResponseExample {
    fn into_response(self) -> Result<HttpResponse, String> {
        let body = match (self.body, self.json) {
            (Some(_), Some(_)) => return Err("a response has either `body` or `json`".to_owned()),
            (Some(text), None) => text.into_bytes(),
            (None, Some(json)) => json.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let headers = self.headers.into_iter().map(|(name, value)| Header { name, value }).collect();
        Ok(HttpResponse { status: self.status, headers, body })
    }
}

impl FailureExample {
    fn into_failure(self) -> Failure {
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
