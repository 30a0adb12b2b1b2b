//! The book that mdbook makes of `docs`.

use anyhow::{Result, bail};
use std::process::Command;

use crate::tool::Tool;
use crate::{command, workspace};

/// The mdbook that is built where none is installed. Neither serving nor watching is needed here; searching is, by readers.
const MDBOOK: Tool =
    Tool { name: "mdbook", version: "0.5.4", options: &["--no-default-features", "--features", "search"] };

/// Builds the book into `target/book`.
///
/// # Errors
/// When mdbook has anything to say against it, warnings included.
pub fn build() -> Result<()> {
    let mut mdbook = Command::new(MDBOOK.find_or_install()?);
    mdbook.arg("build").arg("--dest-dir").arg(workspace::target().join("book")).arg(workspace::root());
    // mdbook itself takes warnings lightly.
    let said = command::complaints(mdbook.env_remove("RUST_LOG"))?;
    match complaints(&said) {
        "" => Ok(()),
        _ => bail!("mdbook is not content:\n{}", said.trim()),
    }
}

/// The first line that is more than information.
fn complaints(said: &str) -> &str {
    let is_complaint = |line: &&str| ["WARN", "ERROR"].iter().any(|level| line.trim_start().starts_with(level));
    said.lines().find(is_complaint).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_complaints_and_information_is_not() {
        let said = " INFO Book building has started\n WARN unclosed HTML tag `<NAME>` found in `a.md`\n INFO written\n";
        assert_eq!(complaints(said), " WARN unclosed HTML tag `<NAME>` found in `a.md`");
        assert_eq!(complaints(" INFO Running the html backend\n"), "");
    }
}
