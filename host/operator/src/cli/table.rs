//! Tables for terminals: columns side by side, one line a row. Pure.

use std::fmt;

/// Spaces between two columns.
const GAP: usize = 2;

/// Rows of equally many cells under a heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No rows yet.
    pub fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Missing cells are empty, those beyond the heading are left out. Empty ones are shown as `-`, except in the last column.
    ///
    /// Registries and files decide what stands in cells, so control characters, with which a terminal could be taken over, are shown as
    /// escapes.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| printable(&cell)).take(self.heading.len()).collect();
        row.resize(self.heading.len(), String::new());
        let last = row.len().saturating_sub(1);
        for cell in row.iter_mut().take(last).filter(|cell| cell.is_empty()) {
            "-".clone_into(cell);
        }
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// `text` on one line and without control characters: those are shown as escapes, such as `\u{1b}`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Whether a terminal shows other things otherwise because of `character`: marks for the direction of text.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// With a line end after each row, and no spaces before it.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heading: Vec<String> = self.heading.iter().map(|&name| name.to_owned()).collect();
        let rows: Vec<&Vec<String>> = std::iter::once(&heading).chain(&self.rows).collect();
        let width =
            |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.heading.len()).map(|column| width(column).unwrap_or(0)).collect();
        for row in rows {
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&widths) {
                line.push_str(cell);
                let padding = width.saturating_sub(cell.chars().count()).saturating_add(GAP);
                line.extend(std::iter::repeat_n(' ', padding));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::new(&["IMAGE", "TAG", "NOTE"]);
        table.push(["bücher:1".to_owned(), "1".to_owned(), "a note".to_owned()]);
        table.push(["a".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "IMAGE     TAG  NOTE\nbücher:1  1    a note\na         -\n");
    }

    #[test]
    fn nothing_in_a_cell_can_talk_to_the_terminal() {
        let mut table = Table::new(&["TAG"]);
        table.push(["\u{1b}[2J\n1.0\u{202e}".to_owned()]);
        assert_eq!(table.to_string(), "TAG\n\\u{1b}[2J\\n1.0\\u{202e}\n");
    }
}
