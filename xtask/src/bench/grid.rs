//! A table of words: for a terminal, or as Markdown.

use std::fmt::{self, Display, Formatter};

/// How a grid is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Columns side by side.
    Text,
    Markdown,
}

/// Lines of cells under a heading; the first cells of a line are words, the others numbers.
#[derive(Debug)]
pub(super) struct Grid<const N: usize> {
    form: Form,
    words: usize,
    lines: Vec<[String; N]>,
}

impl<const N: usize> Grid<N> {
    pub(super) fn new(form: Form, words: usize, heading: [&str; N]) -> Self {
        Self { form, words, lines: vec![heading.map(str::to_owned)] }
    }

    pub(super) fn add(&mut self, line: [String; N]) {
        self.lines.push(line);
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = [0; N];
        for line in &self.lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        widths
    }
}

impl<const N: usize> Display for Grid<N> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (number, line) in self.lines.iter().enumerate() {
            if self.form == Form::Markdown {
                writeln!(f, "| {} |", line.join(" | "))?;
                if number == 0 {
                    let rule = (0..N).map(|place| if place < self.words { "---|" } else { "--:|" });
                    writeln!(f, "|{}", rule.collect::<String>())?;
                }
                continue;
            }
            for (place, (cell, width)) in line.iter().zip(widths).enumerate() {
                let gap = if place == 0 { "" } else { "  " };
                if place < self.words {
                    write!(f, "{gap}{cell:<width$}")?;
                } else {
                    write!(f, "{gap}{cell:>width$}")?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(form: Form) -> String {
        let mut grid = Grid::new(form, 1, ["name", "us"]);
        grid.add(["pairs".to_owned(), "0.35".to_owned()]);
        grid.to_string()
    }

    #[test]
    fn a_grid_is_for_a_terminal_or_for_a_page() {
        assert_eq!(grid(Form::Text), "name     us\npairs  0.35\n");
        assert_eq!(grid(Form::Markdown), "| name | us |\n|---|--:|\n| pairs | 0.35 |\n");
    }
}
