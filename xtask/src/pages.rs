//! What people read: every Markdown file of the checkout, and what is checked about them.
//!
//! [`markdown`] reads one page. [`links`] says which links lead nowhere, on GitHub or in the book; [`fences`] makes of the YAML on a page what an
//! API server can be asked about, which [`test`](crate::test) then does.

pub mod fences;
pub mod links;
pub mod markdown;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{command, workspace};
use markdown::Page;

/// Every page, by its path in the checkout.
pub type Pages = BTreeMap<PathBuf, Page>;

/// Reads every Markdown file that git knows, or would.
///
/// # Errors
/// When git fails, or a file cannot be read.
pub fn read() -> Result<Pages> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]);
    let listed = command::output(&mut git)?;
    let mut pages = Pages::new();
    // A file that was just deleted is listed until that is committed.
    for path in listed.lines().map(Path::new).filter(|path| workspace::root().join(path).exists()) {
        let text = fs::read_to_string(workspace::root().join(path))
            .with_context(|| format!("cannot read {}", path.display()))?;
        pages.insert(path.to_owned(), Page::read(&text));
    }
    Ok(pages)
}
