//! One page: its headings, links and fences, as `CommonMark` and GitHub's tables say. Pure.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

/// What is checked about a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The names by which its headings are linked to, as GitHub and mdbook make them.
    pub anchors: BTreeSet<String>,
    /// Where its links lead, with the lines on which they stand, from 1.
    pub links: Vec<(usize, String)>,
    /// What stands in fences.
    pub fences: Vec<Fence>,
}

/// A block of code between fences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The line of its beginning, from 1.
    pub line: usize,
    /// The words behind the opening fence: `yaml`, `yaml values`.
    pub words: Vec<String>,
    /// What it holds.
    pub text: String,
}

impl Page {
    /// Reads `text`.
    pub fn read(text: &str) -> Self {
        let mut page = Self::default();
        let mut seen = BTreeMap::<String, usize>::new();
        let (mut heading, mut fence) = (None::<String>, None::<Fence>);
        let line = |offset: usize| text[..offset].matches('\n').count() + 1;
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let name = anchor(&heading.take().unwrap_or_default());
                    let count = seen.entry(name.clone()).or_default();
                    page.anchors.insert(if *count == 0 { name } else { format!("{name}-{count}") });
                    *count += 1;
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                    let words = info.split([' ', ',']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
                    fence = Some(Fence { line: line(range.start), words, text: String::new() });
                }
                Event::End(TagEnd::CodeBlock) => page.fences.extend(fence.take()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line(range.start), dest_url.into_string()));
                }
                Event::Text(held) | Event::Code(held) => {
                    if let Some(fence) = &mut fence {
                        fence.text.push_str(&held);
                    }
                    if let Some(heading) = &mut heading {
                        heading.push_str(&held);
                    }
                }
                _ => {}
            }
        }
        page
    }
}

/// The name of a heading: small letters and digits, `-` for spaces, nothing for other signs.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().flat_map(char::to_lowercase).filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_links_and_fences_are_found_and_code_is_none_of_them() {
        let text = "# `latest` and others\n\nSee [one](a.md#b), `[no](link)` and\n[two][ref].\n\n| a | b |\n|---|---|\n| [three](c) | |\n\n\
                    ```yaml values\n# no heading\na: [x](y)\n```\n\n## Twice\n\n## Twice\n\n[ref]: https://example.com\n";
        let page = Page::read(text);
        let anchors: Vec<&str> = page.anchors.iter().map(String::as_str).collect();
        assert_eq!(anchors, ["latest-and-others", "twice", "twice-1"]);
        let links: Vec<(usize, &str)> = page.links.iter().map(|(line, link)| (*line, link.as_str())).collect();
        assert_eq!(links, [(3, "a.md#b"), (4, "https://example.com"), (8, "c")]);
        let fence =
            Fence { line: 10, words: vec!["yaml".into(), "values".into()], text: "# no heading\na: [x](y)\n".into() };
        assert_eq!(page.fences, [fence]);
    }
}
