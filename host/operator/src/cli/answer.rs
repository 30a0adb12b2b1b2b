//! `k8supdater approve`, `skip` and `snooze`: answers to what a handler offers, at a terminal.
//!
//! Writes annotations by [`answer::write`], as everybody else does, with the rights of whoever asks. What they lead to is the operator's
//! business; `approve --wait` looks on.

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
use crate::answer::{self, Answer, AnswerError, Choice, Written};
use crate::api::VersioningHandler;
use crate::config::{ConfigError, RawConfig};
use crate::connections::{self, ConnectError};
use crate::fleet;

/// Who answers where nobody says so and the API server does not tell.
const THIS_PROGRAM: &str = "k8supdater approve";

/// Arguments of `approve`.
#[derive(Args, Debug)]
pub struct ApproveArgs {
    /// What, and in whose name.
    #[command(flatten)]
    pub what: WhatArgs,

    /// Waits until the rollout is finished or has failed, and says so; not for a handler that looks after several workloads.
    #[arg(long)]
    pub wait: bool,

    /// How long it waits at most, such as 90s, 10m or 2h.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = answer::duration, requires = "wait")]
    pub timeout: Duration,
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

/// What is answered, and in whose name.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub struct WhatArgs {
    /// The VersioningHandler, as NAMESPACE/NAME.
    #[arg(value_name = "NAMESPACE/HANDLER", value_parser = handler_name)]
    pub handler: HandlerName,

    /// What is offered, as the handler's status and notices name it: app=1.4.3, or app=latest@sha256:… for a tag that has moved. Without
    /// it the only thing that is offered is meant.
    #[arg(value_name = "CONTAINER=TAG", value_parser = offer)]
    pub offers: Vec<Choice>,

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
    answer(&args.what, Answer::Approve, args.wait.then_some(args.timeout))
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

fn answer(args: &WhatArgs, answer: Answer, wait: Option<Duration>) -> Result<ExitCode, AnswerCommandError> {
    let config = RawConfig { kubeconfig: args.kubeconfig.clone(), ..RawConfig::default() }.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = connections::api_server(&config).await?;
        give(&client, args, answer, wait).await
    })
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
    let by = match &args.by {
        Some(by) => by.clone(),
        None => user(client).await.unwrap_or_else(|| THIS_PROGRAM.to_owned()),
    };
    let (mut is_refused, mut awaited) = (false, Vec::new());
    for choice in &choices {
        match answer::write(client, namespace, name, choice, &by).await? {
            Written::New => {
                awaited.push(Awaited::new(choice, &handler));
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
    match wait.filter(|_| !is_fleet) {
        Some(patience) => wait::wait(client, &args.handler, &awaited, patience).await,
        None => {
            say(&next(&args.handler, &handler, answer))?;
            Ok(ExitCode::SUCCESS)
        }
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
