//! `k8supdater reference`: the pages of the documentation that say what the code says.
//!
//! [`fields`] reads the schemas that the API server enforces, [`flags`] the command line that clap parses, so that neither page can tell of
//! something that is not there. `cargo xtask reference` writes them into `docs`, and a test fails when they differ.

pub mod fields;
pub mod flags;

use std::fmt::Write as _;
use std::io::Write as _;

use clap::{CommandFactory, ValueEnum};
use kube::CustomResourceExt;

use super::Cli;
use crate::api::{Plugin, VersioningHandler};

/// What stands at the top of every page, so that nobody edits it.
const GENERATED: &str = "<!-- Written by `cargo xtask reference` from the code. Change the doc comments there. -->";

/// A page that is generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// Every field of the two kinds.
    Fields,
    /// Every flag and variable of the operator.
    Configuration,
    /// Every subcommand.
    Commands,
}

impl Page {
    /// The page as Markdown.
    pub fn text(self) -> String {
        let (title, body) = match self {
            Self::Fields => ("Reference", fields()),
            Self::Configuration => ("Configuration", flags::configuration(&Cli::command())),
            Self::Commands => ("Commands", flags::commands(&Cli::command())),
        };
        format!("{GENERATED}\n\n# {title}\n\n{}\n", body.trim())
    }
}

/// Prints a page.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(page: Page) -> Result<(), Box<dyn std::error::Error>> {
    std::io::stdout().write_all(page.text().as_bytes())?;
    Ok(())
}

fn fields() -> String {
    let mut text = String::from(
        "The same is in the cluster: `kubectl explain vh.spec`, `kubectl explain plugin.spec --recursive`. A field that is not required may be left out. \
         Durations are written as Kubernetes writes them: `90s`, `10m`, `72h`.\n\n",
    );
    let definitions = [VersioningHandler::crd(), Plugin::crd()];
    for definition in &definitions {
        let kind = &definition.spec.names.kind;
        writeln!(text, "- [`{kind}`](#{})", kind.to_lowercase()).expect("a String takes everything");
    }
    for definition in &definitions {
        text.push('\n');
        text.push_str(&fields::kind(definition));
    }
    text
}

/// `text` as one cell of a table: on one line, and without anything that would end the cell.
fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_line_and_holds_no_bar() {
        assert_eq!(cell("one\n  `a|b`\n\ntwo"), "one `a\\|b` two");
    }

    #[test]
    fn every_page_says_that_it_is_generated_and_tables_have_equally_many_cells() {
        for page in Page::value_variants() {
            let text = page.text();
            assert!(text.starts_with(GENERATED), "{page:?}");
            let cells = |line: &str| line.replace("\\|", "").matches('|').count();
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2).filter(|pair| pair.iter().all(|line| line.starts_with('|'))) {
                assert_eq!(cells(pair[0]), cells(pair[1]), "{page:?}: {}", pair[1]);
            }
        }
    }
}
