//! `k8supdater approve`, `skip` and `snooze`: answers to what a handler offers, at a terminal; and `rollback`, which takes back what it has
//! applied.
//!
//! Writes annotations by [`answer::write()`], as everybody else does, with the rights of whoever asks. What they lead to is the operator's
//! business; with `--wait`, `approve` and `rollback` look on.

mod wait;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::PostParams;
use kube::{Api, Client};
use thiserror::Error;

use wait::Awaited;

use super::name::{HandlerName, handler_name};
use super::table::printable;
use crate::answer::{self, Answer, AnswerError, Choice, Reversible, Written};
use crate::api::VersioningHandler;
use crate::config::{ConfigError, RawConfig};
use crate::connections::{self, ConnectError};
use crate::fleet;

/// Who answers where nobody says so and the API server does not tell.
const SOMEBODY: &str = "somebody at a terminal";

/// Arguments of `approve`.
#[derive(Args, Debug)]
pub struct ApproveArgs {
    /// What, and in whose name.
    #[command(flatten)]
    pub what: WhatArgs,

    /// Whether it looks on.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Arguments of `skip`.
#[derive(Args, Debug)]
pub struct SkipArgs {
    /// What, and in whose name.
    #[command(flatten)]
    pub what: WhatArgs,
}

/// Arguments of `snooze`.
#[derive(Args, Debug)]
pub struct SnoozeArgs {
    /// What, and in whose name.
    #[command(flatten)]
    pub what: WhatArgs,

    /// For how long: a number and a unit, such as 90m, 24h or 3d; 1s to 365d.
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = answer::duration)]
    pub time: Duration,
}

/// Arguments of `rollback`.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct RollbackArgs {
    /// The VersioningHandler, as NAMESPACE/NAME.
    #[arg(value_name = "NAMESPACE/HANDLER", value_parser = handler_name)]
    pub handler: HandlerName,

    /// The container whose last update is taken back. Without it the only one is meant that has any.
    #[arg(value_name = "CONTAINER")]
    pub container: Option<String>,

    /// In whose name.
    #[command(flatten)]
    pub who: WhoArgs,

    /// Whether it looks on.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// Whether to wait for what comes of it.
#[derive(Args, Debug)]
pub struct WaitArgs {
    /// Waits until the rollout is finished or has failed, and says so; not for a handler that looks after several workloads.
    #[arg(long)]
    pub wait: bool,

    /// How long it waits at most, such as 90s, 10m or 2h.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = answer::duration, requires = "wait")]
    pub timeout: Duration,
}

/// What is answered, and in whose name.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct WhatArgs {
    /// The VersioningHandler, as NAMESPACE/NAME.
    #[arg(value_name = "NAMESPACE/HANDLER", value_parser = handler_name)]
    pub handler: HandlerName,

    /// What is offered, as the handler's status and notices name it: app=1.4.3, or app=latest@sha256:… for a tag that has moved. Without
    /// it the only thing that is offered is meant. What is held can be approved, too, by its name.
    #[arg(value_name = "CONTAINER=TAG", value_parser = offer)]
    pub offers: Vec<Choice>,

    /// In whose name.
    #[command(flatten)]
    pub who: WhoArgs,
}

/// Who answers, and by which way.
#[derive(Args, Debug)]
pub struct WhoArgs {
    /// Who says so; shown in Events and in the status [default: the name by which the API server knows you].
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,

    /// Kubeconfig file. Without it the file that KUBECONFIG names, ~/.kube/config, or the pod's own ServiceAccount is used.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

const HELP: &str = "It needs the rights to list and to patch VersioningHandlers in the namespace. It exits with 1 if nothing was written.";

/// Why no answer was given.
#[derive(Debug, Error)]
pub enum AnswerCommandError {
    /// A flag has a wrong value.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no way to the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The answer could not be written, or is none to what is offered.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The system gives no threads, or takes no output.
    #[error("the system refused")]
    System(#[from] std::io::Error),
}

fn offer(text: &str) -> Result<Choice, String> {
    // What is said to it is known once the subcommand is.
    Choice::new(text, Answer::Approve).map_err(|err| err.to_string())
}

/// Approves.
///
/// # Errors
/// See [`AnswerCommandError`].
pub fn approve(args: &ApproveArgs) -> Result<ExitCode, AnswerCommandError> {
    answer(&args.what, Answer::Approve, args.wait.patience())
}

/// Skips.
///
/// # Errors
/// See [`AnswerCommandError`].
pub fn skip(args: &SkipArgs) -> Result<ExitCode, AnswerCommandError> {
    answer(&args.what, Answer::Skip, None)
}

/// Snoozes.
///
/// # Errors
/// See [`AnswerCommandError`].
pub fn snooze(args: &SnoozeArgs) -> Result<ExitCode, AnswerCommandError> {
    answer(&args.what, Answer::Snooze(args.time), None)
}

/// Takes the last update of a container back.
///
/// # Errors
/// See [`AnswerCommandError`].
pub fn rollback(args: &RollbackArgs) -> Result<ExitCode, AnswerCommandError> {
    connected(&args.who, async |client| take_back(&client, args).await)
}

fn answer(args: &WhatArgs, answer: Answer, wait: Option<Duration>) -> Result<ExitCode, AnswerCommandError> {
    connected(&args.who, async |client| give(&client, args, answer, wait).await)
}

fn connected(
    who: &WhoArgs,
    run: impl AsyncFnOnce(Client) -> Result<ExitCode, AnswerCommandError>,
) -> Result<ExitCode, AnswerCommandError> {
    let config = RawConfig { kubeconfig: who.kubeconfig.clone(), ..RawConfig::default() }.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { run(connections::api_server_of(config.kubeconfig.as_deref()).await?).await })
}

impl WaitArgs {
    /// How long to wait; none for not at all.
    fn patience(&self) -> Option<Duration> {
        self.wait.then_some(self.timeout)
    }
}

async fn give(
    client: &Client,
    args: &WhatArgs,
    answer: Answer,
    wait: Option<Duration>,
) -> Result<ExitCode, AnswerCommandError> {
    let HandlerName { namespace, name } = &args.handler;
    let handler = answer::read(client, namespace, name).await?;
    let is_fleet = handler.spec.selector.is_some();
    let waiting = answer::waiting(&handler, answer, Timestamp::now());
    let choices = match (args.offers.as_slice(), waiting.as_slice()) {
        ([], [one]) => vec![one.clone()],
        ([], _) if is_fleet => {
            say(&which_of_fleet(&args.handler, answer))?;
            return Ok(ExitCode::FAILURE);
        }
        ([], waiting) => {
            say(&which(&args.handler, answer, waiting))?;
            return Ok(ExitCode::FAILURE);
        }
        (given, waiting) => given.iter().flat_map(|given| each(given, answer, waiting)).collect(),
    };
    write(client, &args.handler, &handler, &args.who, &choices, wait).await
}

/// Has what `args` name taken back, if that is clear and possible.
async fn take_back(client: &Client, args: &RollbackArgs) -> Result<ExitCode, AnswerCommandError> {
    let HandlerName { namespace, name } = &args.handler;
    let handler = answer::read(client, namespace, name).await?;
    match meant(&args.handler, &answer::reversible(&handler), args.container.as_deref()) {
        Ok(Reversible { choice, from, to }) => {
            say(&format!("{}: {from} → {to}", choice.container.as_deref().unwrap_or_default()))?;
            write(client, &args.handler, &handler, &args.who, &[choice], args.wait.patience()).await
        }
        Err(why) => {
            say(&why)?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The update that is to be taken back; or what to type, or why there is none.
fn meant(
    handler: &HandlerName,
    all: &[(String, Result<Reversible, String>)],
    container: Option<&str>,
) -> Result<Reversible, String> {
    let wanted: Vec<_> = all.iter().filter(|(name, _)| container.is_none_or(|container| container == name)).collect();
    let found: Vec<&Reversible> = wanted.iter().filter_map(|(_, judged)| judged.as_ref().ok()).collect();
    match (found.as_slice(), container) {
        ([one], _) => Ok((*one).clone()),
        ([], _) if all.is_empty() => {
            Err(format!("{handler} has looked at no container yet, so that nothing can be taken back"))
        }
        ([], Some(container)) if wanted.is_empty() => {
            let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
            Err(format!("{handler} looks after no container {container:?}, expected one of: {}", names.join(", ")))
        }
        ([], _) => {
            let reasons =
                wanted.iter().filter_map(|(name, judged)| Some(format!("  {name}: {}", judged.as_ref().err()?)));
            Err(format!("nothing of {handler} can be taken back:\n{}", reasons.collect::<Vec<_>>().join("\n")))
        }
        (several, _) => {
            let commands = several.iter().map(|Reversible { choice, from, to }| {
                let container = choice.container.as_deref().unwrap_or_default();
                format!("  k8supdater rollback {handler} {container}      # {from} → {to}")
            });
            let commands = commands.collect::<Vec<_>>().join("\n");
            Err(format!("{handler} has updated several containers; say which one is meant:\n{commands}"))
        }
    }
}

/// Gives the answers, all of the same sort, to `handler` as it was read.
async fn write(
    client: &Client,
    name: &HandlerName,
    handler: &VersioningHandler,
    who: &WhoArgs,
    choices: &[Choice],
    wait: Option<Duration>,
) -> Result<ExitCode, AnswerCommandError> {
    let by = match &who.by {
        Some(by) => by.clone(),
        None => user(client).await.unwrap_or_else(|| SOMEBODY.to_owned()),
    };
    let (mut is_refused, mut awaited) = (false, Vec::new());
    for choice in choices {
        let answer = choice.answer;
        match answer::write(client, &name.namespace, &name.name, choice, &by).await? {
            Written::New => {
                awaited.push(Awaited::new(choice, handler));
                say(&format!("{} is {} by {by}", choice.offer(), answer.participle()))?;
            }
            Written::Already { by, answer: given } => {
                awaited.push(Awaited::known(choice));
                is_refused |= given.annotation() != answer.annotation();
                say(&format!("{} was {} by {by} already", choice.offer(), given.participle()))?;
            }
        }
    }
    if is_refused {
        return Ok(ExitCode::FAILURE);
    }
    let is_fleet = handler.spec.selector.is_some();
    match (wait.filter(|_| !is_fleet), choices.first()) {
        (Some(patience), _) => wait::wait(client, name, &awaited, patience).await,
        (None, Some(choice)) => {
            say(&next(name, handler, choice.answer))?;
            Ok(ExitCode::SUCCESS)
        }
        (None, None) => Ok(ExitCode::SUCCESS),
    }
}

/// `given` with this answer; once for each container to which it is offered, if it names none.
fn each(given: &Choice, answer: Answer, waiting: &[Choice]) -> Vec<Choice> {
    let meant: Vec<Choice> =
        waiting.iter().filter(|choice| given.container.is_none() && choice.tag == given.tag).cloned().collect();
    if meant.is_empty() { vec![Choice { answer, ..given.clone() }] } else { meant }
}

/// What to type, if it is not clear what is meant.
fn which(handler: &HandlerName, answer: Answer, waiting: &[Choice]) -> String {
    let verb = verb(answer);
    if waiting.is_empty() {
        return format!(
            "{handler} offers nothing to {verb}; \"kubectl get vh -n {}\" shows what is offered",
            handler.namespace
        );
    }
    let commands = waiting.iter().map(|choice| format!("  k8supdater {verb} {handler} {}", choice.offer()));
    format!("{handler} offers several things; say which one is meant:\n{}", commands.collect::<Vec<_>>().join("\n"))
}

/// What to type where a handler speaks for many.
fn which_of_fleet(handler: &HandlerName, answer: Answer) -> String {
    let HandlerName { namespace, name } = handler;
    format!(
        "{handler} has a handler for each of its workloads; \"kubectl get vh -n {namespace} -l {}={}\" shows what they offer. To answer \
         all that offer the same, say what: k8supdater {} {handler} CONTAINER=TAG",
        fleet::LABEL,
        fleet::members::label(name),
        verb(answer)
    )
}

fn verb(answer: Answer) -> &'static str {
    match answer {
        Answer::Approve => "approve",
        Answer::Skip => "skip",
        Answer::Snooze(_) => "snooze",
        Answer::RollBack => "rollback",
    }
}

/// What happens next.
fn next(name: &HandlerName, handler: &VersioningHandler, answer: Answer) -> String {
    let HandlerName { namespace, name } = name;
    if handler.spec.suspend {
        return "the handler is suspended: the answer is taken up once spec.suspend is removed".to_owned();
    }
    if handler.spec.selector.is_some() {
        return format!(
            "each of its handlers that offers this gets the answer; to look on: kubectl get vh -n {namespace} -l {}={}",
            fleet::LABEL,
            fleet::members::label(name)
        );
    }
    match answer {
        Answer::Approve => format!(
            "the operator applies it with a check that begins now; to look on: kubectl events -n {namespace} --for \
             versioninghandler/{name}"
        ),
        Answer::Skip => "it is neither applied nor offered again; something newer will be".to_owned(),
        Answer::Snooze(time) => {
            format!("nobody is reminded of it for {}, unless something newer comes", answer::as_duration(time))
        }
        Answer::RollBack => format!(
            "the operator puts the image before back with a check that begins now; to look on: kubectl events -n {namespace} --for \
             versioninghandler/{name}"
        ),
    }
}

/// By which name the API server knows whoever asks.
async fn user(client: &Client) -> Option<String> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username
}

/// Prints a line. Names come from the cluster, where others may have chosen them.
fn say(text: &str) -> std::io::Result<()> {
    let lines: Vec<String> = text.lines().map(printable).collect();
    match writeln!(std::io::stdout().lock(), "{}", lines.join("\n")) {
        // Whoever reads may have seen enough, as `head` has.
        Err(err) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(offers: &[&str], answer: Answer) -> Vec<Choice> {
        offers.iter().map(|offer| Choice::new(offer, answer).unwrap()).collect()
    }

    #[test]
    fn a_tag_without_a_container_is_meant_wherever_it_is_offered() {
        let check = |given: &str, waiting: &[&str], expected: &[&str]| {
            let given = Choice::new(given, Answer::Approve).unwrap();
            let found = each(&given, Answer::Skip, &choices(waiting, Answer::Skip));
            assert_eq!(found, choices(expected, Answer::Skip), "{given} {waiting:?}");
        };
        check("2.0", &["app=2.0", "db=2.0", "web=1.9"], &["app=2.0", "db=2.0"]);
        check("app=2.0", &["app=2.0", "db=2.0"], &["app=2.0"]);
        check("2.1", &["app=2.0"], &["2.1"]);
        check("2.1", &[], &["2.1"]);
    }

    #[test]
    fn what_is_to_be_taken_back_is_clear_or_it_is_said_what_to_type() {
        let handler = handler_name("team-a/web").unwrap();
        let can = |name: &str| {
            let choice = Choice::new(&format!("{name}=1.1"), Answer::RollBack).unwrap();
            (name.to_owned(), Ok(Reversible { choice, from: format!("{name}:1.1"), to: format!("{name}:1.0") }))
        };
        let cannot = |name: &str| (name.to_owned(), Err("it was not updated yet".to_owned()));
        let check = |all: &[(String, Result<Reversible, String>)], container: Option<&str>, expected: &str| {
            let found = meant(&handler, all, container).map_or_else(|why| why, |found| found.choice.offer());
            assert!(found.contains(expected), "{found:?} instead of {expected:?}");
        };
        check(&[can("app"), cannot("db")], None, "app=1.1");
        check(&[can("app"), can("db")], Some("db"), "db=1.1");
        check(&[can("app"), can("db")], None, "\n  k8supdater rollback team-a/web db      # db:1.1 → db:1.0");
        check(&[cannot("app"), cannot("db")], None, "can be taken back:\n  app: it was not updated yet\n  db: it was");
        check(&[can("app"), cannot("db")], Some("db"), "can be taken back:\n  db: it was not updated yet");
        check(&[can("app")], Some("web"), "no container \"web\", expected one of: app");
        check(&[], None, "no container yet");
    }

    #[test]
    fn what_to_type_is_said_where_it_is_not_clear() {
        let handler = handler_name("team-a/web").unwrap();
        let found = which(&handler, Answer::Skip, &choices(&["app=2.0", "db=1.1"], Answer::Skip));
        assert!(
            found.ends_with("\n  k8supdater skip team-a/web app=2.0\n  k8supdater skip team-a/web db=1.1"),
            "{found}"
        );
        let found = which(&handler, Answer::Approve, &[]);
        assert!(found.starts_with("team-a/web offers nothing to approve"), "{found}");
        let found = which_of_fleet(&handler, Answer::Skip);
        assert!(found.ends_with("say what: k8supdater skip team-a/web CONTAINER=TAG"), "{found}");
    }
}
