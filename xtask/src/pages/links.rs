//! Which links lead nowhere. Pure, but for a look at which files there are.
//!
//! The pages in `docs` are read on GitHub and in the book, in which there is nothing else. So what they say of files outside of `docs` they link to
//! by the address that the file has in the repository, which leads somewhere from both; the check looks for it in the checkout. Links to other
//! sites are not followed: a check must not fail because the world has changed.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::{Result, bail};

use super::Pages;
use crate::workspace;

/// Where a reader finds files and directories of the repository.
const PREFIXES: [&str; 2] =
    [concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/"), concat!(env!("CARGO_PKG_REPOSITORY"), "/tree/main/")];

/// What the book is made of.
const BOOK: &str = "docs";

/// Checks all links of all pages.
///
/// # Errors
/// With every link that leads nowhere, and every page that is not in the book.
pub fn check(pages: &Pages) -> Result<()> {
    let complaints = complaints(pages, &|path| workspace::root().join(path).exists());
    if complaints.is_empty() { Ok(()) } else { bail!("links that lead nowhere:\n{}", complaints.join("\n")) }
}

fn complaints(pages: &Pages, exists: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut complaints = Vec::new();
    let summary = Path::new(BOOK).join("SUMMARY.md");
    let chapters: BTreeSet<PathBuf> = pages
        .get(&summary)
        .map(|page| page.links.iter().filter_map(|(_, target)| resolve(&summary, target)).collect())
        .unwrap_or_default();
    for (path, page) in pages {
        let is_in_book = path.starts_with(BOOK);
        if is_in_book && *path != summary && !chapters.contains(path) {
            complaints.push(format!("{}: it is not in {}", path.display(), summary.display()));
        }
        for (line, target) in &page.links {
            let complaint = complaint(pages, exists, path, target);
            complaints.extend(complaint.map(|complaint| format!("{}:{line}: {target}: {complaint}", path.display())));
        }
    }
    complaints
}

/// What is wrong with one link, if anything.
fn complaint(pages: &Pages, exists: &dyn Fn(&Path) -> bool, page: &Path, target: &str) -> Option<String> {
    let (address, anchor) = target.split_once('#').map_or((target, None), |(address, anchor)| (address, Some(anchor)));
    let ours = PREFIXES.iter().find_map(|prefix| address.strip_prefix(prefix));
    let file = match ours {
        Some(path) => PathBuf::from(path),
        None if address.contains("://") || address.starts_with("mailto:") => return None,
        None if address.is_empty() => page.to_owned(),
        None => match resolve(page, address) {
            Some(path) => path,
            None => return Some("it leads out of the repository".to_owned()),
        },
    };
    if !exists(&file) {
        return Some(format!("there is no {}", file.display()));
    }
    if ours.is_none() && page.starts_with(BOOK) && !file.starts_with(BOOK) {
        return Some(format!("it leads out of the book; link to {}{}", PREFIXES[0], file.display()));
    }
    let anchor = anchor?;
    match pages.get(&file) {
        Some(page) if page.anchors.contains(anchor) => None,
        Some(page) => Some(format!(
            "it has no such heading, only {}",
            page.anchors.iter().cloned().collect::<Vec<_>>().join(", ")
        )),
        None => Some("it is no page with headings".to_owned()),
    }
}

/// `target` as seen from the page, without `.` and `..`; none if it leads out.
fn resolve(page: &Path, target: &str) -> Option<PathBuf> {
    let mut resolved = PathBuf::new();
    for component in page.parent()?.join(target).components() {
        match component {
            Component::ParentDir => {
                if !resolved.pop() {
                    return None;
                }
            }
            Component::CurDir => {}
            other => resolved.push(other),
        }
    }
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::super::markdown::Page;
    use super::*;

    fn check(page: &str, text: &str, expected: &str) {
        let mut pages = Pages::new();
        for (path, text) in
            [("docs/SUMMARY.md", "[One](one.md)"), ("docs/one.md", "# One"), ("README.md", "# Read"), (page, text)]
        {
            pages.insert(path.into(), Page::read(text));
        }
        let files = ["LICENSE", "host/lib.rs"];
        let exists = |path: &Path| pages.contains_key(path) || files.iter().any(|file| path == Path::new(file));
        assert_eq!(complaints(&pages, &exists).join("\n"), expected, "{page}: {text}");
    }

    #[test]
    fn links_lead_to_files_and_headings_that_there_are() {
        check("README.md", "[a](docs/one.md#one) [b](LICENSE) [c](https://example.com/x#y) [d](#read)\n# Read", "");
        check("README.md", "[a](docs/two.md)", "README.md:1: docs/two.md: there is no docs/two.md");
        check("README.md", "\n[a](docs/one.md#two)", "README.md:2: docs/one.md#two: it has no such heading, only one");
        check("README.md", "[a](LICENSE#x)", "README.md:1: LICENSE#x: it is no page with headings");
        check("README.md", "[a](../x)", "README.md:1: ../x: it leads out of the repository");
    }

    #[test]
    fn what_is_in_the_book_links_out_of_it_by_address() {
        let address = format!("{}host/lib.rs", PREFIXES[0]);
        check("docs/one.md", &format!("[a]({address}) [b](one.md)"), "");
        let expected = format!("docs/one.md:1: ../host/lib.rs: it leads out of the book; link to {address}");
        check("docs/one.md", "[a](../host/lib.rs)", &expected);
        let gone = format!("{}host/gone.rs", PREFIXES[0]);
        check("docs/one.md", &format!("[a]({gone})"), &format!("docs/one.md:1: {gone}: there is no host/gone.rs"));
    }

    #[test]
    fn every_page_of_the_book_is_in_its_summary() {
        check("docs/two.md", "# Two", "docs/two.md: it is not in docs/SUMMARY.md");
    }
}
