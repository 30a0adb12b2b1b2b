//! The command line as Markdown. Pure.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::cell;

/// The operator's own flags and their variables.
pub fn configuration(command: &Command) -> String {
    let mut text = String::from(
        "Flags of the program, or variables in the operator's Deployment. Empty means unset. A wrong value stops the start with a message that names the \
         variable, the value and what is allowed; half a set, such as a mail server without a recipient, with one that names what is missing.\n\n\
         | variable | flag | default | meaning |\n|---|---|---|---|\n",
    );
    for arg in arguments(command) {
        let variable = arg.get_env().map_or_else(String::new, |name| format!("`{}`", name.to_string_lossy()));
        let (default, meaning) = default_and_meaning(&arg);
        let default = default.unwrap_or_else(|| "none".to_owned());
        writeln!(text, "| {variable} | `{}` | {} | {} |", long(&arg), cell(&default), cell(&meaning))
            .expect("a String takes everything");
    }
    without_gaps(&text)
}

/// Every subcommand with its arguments.
pub fn commands(command: &Command) -> String {
    let mut text = String::from(
        "Without a subcommand the operator runs; its flags are on the page [configuration](configuration.md). `--help` behind any subcommand says the same \
         as this page. [At the command line](command-line.md) shows what they are for.\n",
    );
    let mut whole = command.clone();
    whole.build();
    visible(&whole).for_each(|subcommand| describe(subcommand, &["k8supdater"], &mut text));
    text
}

fn describe(command: &Command, parents: &[&str], text: &mut String) {
    let path = [parents, &[command.get_name()]].concat();
    if command.has_subcommands() {
        visible(command).for_each(|subcommand| describe(subcommand, &path, text));
        return;
    }
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    let name = path.join(" ");
    write!(text, "\n## {name}\n\n{}\n", paragraphs(&about)).expect("a String takes everything");
    let flags = if arguments(command).any(|arg| !arg.is_positional()) { " [FLAGS]" } else { "" };
    let operands: Vec<String> = arguments(command).filter(Arg::is_positional).map(|arg| positional(&arg)).collect();
    let usage = format!("{name}{flags} {}", operands.join(" "));
    write!(text, "\n```text\n{}\n```\n", usage.trim_end()).expect("a String takes everything");
    if arguments(command).next().is_some() {
        text.push_str("\n| argument | variable | default | meaning |\n|---|---|---|---|\n");
    }
    let mut rows = String::new();
    for arg in arguments(command) {
        let shown = if arg.is_positional() { positional(&arg) } else { flag(&arg) };
        let variable = arg.get_env().map_or_else(String::new, |name| format!("`{}`", name.to_string_lossy()));
        let (default, meaning) = default_and_meaning(&arg);
        let default = cell(&default.unwrap_or_default());
        writeln!(rows, "| `{}` | {variable} | {default} | {} |", cell(&shown), cell(&meaning))
            .expect("a String takes everything");
    }
    text.push_str(&without_gaps(&rows));
    if let Some(help) = command.get_after_long_help() {
        write!(text, "\n```text\n{}\n```\n", help.to_string().trim()).expect("a String takes everything");
    }
}

/// A table whose empty cells hold one space, like those of the pages that people write.
pub(super) fn without_gaps(table: &str) -> String {
    // Twice, because two empty cells side by side share a bar.
    table.replace("|  |", "| |").replace("|  |", "| |")
}

/// Subcommands that people are told of; `help` says nothing about the program.
fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
}

/// Arguments that say something about the program.
fn arguments(command: &Command) -> impl Iterator<Item = Arg> {
    let is_ours = |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    command.get_arguments().filter(is_ours).cloned()
}

fn long(arg: &Arg) -> String {
    format!("--{}", arg.get_long().unwrap_or(arg.get_id().as_str()))
}

/// `-f, --file <FILE>`
fn flag(arg: &Arg) -> String {
    let short = arg.get_short().map_or_else(String::new, |short| format!("-{short}, "));
    let takes_value = !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse | ArgAction::Count);
    let value = if takes_value { format!(" <{}>", value(arg)) } else { String::new() };
    format!("{short}{}{value}", long(arg))
}

fn positional(arg: &Arg) -> String {
    let many = if matches!(arg.get_action(), ArgAction::Append) { "..." } else { "" };
    if arg.is_required_set() { format!("<{}>{many}", value(arg)) } else { format!("[{}]{many}", value(arg)) }
}

fn value(arg: &Arg) -> String {
    arg.get_value_names()
        .and_then(|names| names.first())
        .map_or_else(|| arg.get_id().as_str().to_uppercase(), ToString::to_string)
}

/// The default, from clap or from the brackets in which the help tells it, and what the help says besides.
fn default_and_meaning(arg: &Arg) -> (Option<String>, String) {
    let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = sentence(&help);
    let values: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse))
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !values.is_empty() {
        return (Some(values.join(", ")), help);
    }
    let Some((before, rest)) = help.split_once(" [default: ") else { return (None, help) };
    let Some((default, after)) = rest.split_once(']') else { return (None, help) };
    // A word that could be typed is shown as one that can.
    let is_value = !default.contains(' ') && !default.starts_with('<') && default != "all";
    let shown = if is_value { format!("`{default}`") } else { default.to_owned() };
    (Some(shown), format!("{before}{after}"))
}

/// clap takes the full stop away from help of one paragraph.
fn sentence(help: &str) -> String {
    let help = help.trim();
    if help.is_empty() || help.ends_with(['.', ':', '?', '!']) { help.to_owned() } else { format!("{help}.") }
}

fn paragraphs(text: &str) -> String {
    sentence(text).lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_flag_of_the_operator_has_a_row_with_its_default() {
        let text = configuration(&Cli::command());
        let row =
            |flag: &str| text.lines().find(|line| line.contains(&format!("`{flag}`"))).unwrap_or_default().to_owned();
        assert!(
            row("--frontier").starts_with("| `VERSIONS_FRONTIER` | `--frontier` | `1` | Frontier of a handler"),
            "{}",
            row("--frontier")
        );
        assert!(row("--ca-file").starts_with("| `K8SUPDATER_CA_FILE` | `--ca-file` | none |"), "{}", row("--ca-file"));
        assert!(!text.contains("[default:"), "{text}");
        let flags =
            Cli::command().get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)).collect::<Vec<_>>();
        assert!(flags.len() > 30, "{flags:?}");
        for flag in flags.iter().filter(|flag| !matches!(flag.as_str(), "help" | "version")) {
            assert!(!row(&format!("--{flag}")).is_empty(), "{flag}");
        }
    }

    #[test]
    fn every_subcommand_has_its_usage_and_hidden_ones_have_none() {
        let text = commands(&Cli::command());
        for name in ["plugin pack", "plugin inspect", "crd", "check", "explain", "approve", "rollback", "history"] {
            assert!(text.contains(&format!("\n## k8supdater {name}\n")), "{name}");
        }
        assert!(!text.contains("k8supdater reference"), "a hidden command is shown");
    }
}
