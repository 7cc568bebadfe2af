//! [`Redacted`]: a file as it may be shown, whether it is right TOML or not.
//!
//! It goes by lines and not by what a parser made of them, for that is least to be trusted where something is wrong. A value is
//! shown where the key before it is a known one, and not a secret: what stands behind a mistyped `token` is hidden as well.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use crate::shape::{Field, Shape};

/// A text whose secrets are hidden.
pub(crate) struct Redacted {
    pub(crate) text: String,
    lines: Vec<Line>,
}

struct Line {
    /// Where it stood.
    before: Range<usize>,
    /// Where it stands.
    start: usize,
    /// How much of it is shown, if something is hidden behind that.
    cut: Option<usize>,
}

impl Redacted {
    pub(crate) fn of(text: &str) -> Self {
        let mut redacted = Self { text: String::new(), lines: Vec::new() };
        let (mut begin, mut goes_on) = (0, GoesOn::Nothing);
        for line in text.split_inclusive('\n') {
            let content = line.trim_end();
            let cut = KEYS.cut(content, &mut goes_on);
            let before = begin..begin + line.len();
            begin = before.end;
            redacted.lines.push(Line { before, start: redacted.text.len(), cut });
            match cut.and_then(|cut| content.get(..cut)) {
                Some(shown) => {
                    redacted.text.push_str(shown);
                    redacted.text.push_str(HIDDEN);
                    redacted.text.push_str(line.get(content.len()..).unwrap_or_default());
                }
                None => redacted.text.push_str(line),
            }
        }
        redacted
    }

    /// Returns where something stands now.
    pub(crate) fn span(&self, span: &Range<usize>) -> Range<usize> {
        self.place(span.start, 0)..self.place(span.end.max(span.start), HIDDEN.len())
    }

    /// Inside of what is hidden there is one place.
    fn place(&self, at: usize, inside: usize) -> usize {
        let holds = |line: &&Line| line.before.contains(&at);
        let Some(line) = self.lines.iter().find(holds) else { return self.text.len() };
        let column = at - line.before.start;
        line.start
            + match line.cut {
                Some(cut) if column > cut => cut + inside,
                Some(_) | None => column,
            }
    }
}

/// Whether a value goes on in the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GoesOn {
    Nothing,
    Shown,
    Hidden,
}

/// The keys of a config.
struct Keys {
    secret: BTreeSet<String>,
    sections: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl Keys {
    fn known() -> Self {
        let (secret, sections, values) = Default::default();
        let mut keys = Self { secret, sections, values };
        keys.add(&Shape::of_config());
        keys
    }

    fn add(&mut self, shape: &Shape) {
        match shape {
            Shape::Table(fields) => fields.iter().for_each(|field| self.add_field(field)),
            Shape::Named(of) | Shape::List(of) | Shape::OneOrMore(of) => self.add(of),
            Shape::Boolean | Shape::Integer { .. } | Shape::Choice(_) | Shape::Text { .. } => {}
        }
    }

    fn add_field(&mut self, field: &Field) {
        let keys = match (field.is_secret, field.is_section()) {
            (true, _) => &mut self.secret,
            (false, true) => &mut self.sections,
            (false, false) => &mut self.values,
        };
        keys.insert(field.name.clone());
        self.add(&field.shape);
    }

    /// Returns where in a line begins what must not be shown.
    fn cut(&self, line: &str, goes_on: &mut GoesOn) -> Option<usize> {
        let content = line.trim_start();
        if content.is_empty() {
            return None;
        }
        let begins_anew = self.begins_anew(content);
        match *goes_on {
            GoesOn::Hidden if !begins_anew => return Some(line.len() - content.len()),
            GoesOn::Shown if !begins_anew => {}
            GoesOn::Nothing | GoesOn::Shown | GoesOn::Hidden => *goes_on = GoesOn::Nothing,
        }
        let cut = self.bare(line, *goes_on).or_else(|| self.value(line));
        let cut = cut.into_iter().chain(self.named(line)).chain(address(line)).min();
        let assigned = content.split_once('=').map(|(_, value)| value.trim());
        let is_open = assigned.is_some_and(|value| !is_whole(value));
        match cut.and_then(|cut| line.get(cut..)) {
            Some(hidden) if is_open || !is_whole(hidden) => *goes_on = GoesOn::Hidden,
            Some(_) => *goes_on = GoesOn::Nothing,
            None if begins_anew && is_open => *goes_on = GoesOn::Shown,
            None => {}
        }
        cut
    }

    /// Returns whether a line begins with what is no part of a value.
    fn begins_anew(&self, line: &str) -> bool {
        let word = |text: &str| text.split(|c: char| !is_of_key(c)).next().map(str::to_owned);
        match line.strip_prefix("[[").or_else(|| line.strip_prefix('[')) {
            Some(header) => word(header).is_some_and(|word| self.sections.contains(&word)),
            None => word(line).is_some_and(|word| {
                let rest = line.strip_prefix(&word).unwrap_or_default().trim_start();
                rest.starts_with(['=', '.']) && self.is_known(&word)
            }),
        }
    }

    fn is_known(&self, key: &str) -> bool {
        [&self.secret, &self.sections, &self.values].iter().any(|keys| keys.contains(key))
    }

    /// Looks at how a line begins that assigns nothing.
    fn bare(&self, line: &str, goes_on: GoesOn) -> Option<usize> {
        let content = line.trim_start();
        let rest = content.trim_start_matches(is_of_key);
        let word = content.strip_suffix(rest)?;
        let is_assigned = rest.trim_start().starts_with(['=', '.']);
        let is_value = goes_on == GoesOn::Shown
            && (word.is_empty() || word.parse::<f64>().is_ok() || word.parse::<bool>().is_ok());
        let is_header = content.trim_start_matches('[') != content && !content.starts_with("[\"");
        let is_known = self.values.contains(word) || rest.is_empty() && !self.secret.contains(word);
        let rest = rest.trim_start_matches([' ', '\t', ':']);
        let is_shown = is_assigned || is_value || is_header || is_known;
        (!is_shown).then_some(line.len() - rest.len())
    }

    /// Looks at what is assigned.
    fn value(&self, line: &str) -> Option<usize> {
        let (mut quote, mut is_escaped, mut is_shown) = (None, false, false);
        for (at, c) in line.char_indices() {
            let (key, behind) = (key_before(line, at), line.get(at + 1..).unwrap_or_default());
            let value = behind.trim_start();
            // What looks like a key in the text of a known setting is none, unless a quote is missing.
            let is_in_text = quote.is_some() && is_shown;
            match (quote, c) {
                (_, '=') if !is_in_text && self.shows(key, value) => is_shown = true,
                (_, '=') if is_in_text && !self.secret.contains(key) => {}
                (_, '=') => return Some(line.len() - value.len()),
                (_, ':') if self.secret.contains(key) => return Some(line.len() - value.len()),
                (Some('"'), _) if is_escaped => is_escaped = false,
                (Some('"'), '\\') => is_escaped = true,
                (Some(open), close) if open == close => quote = None,
                (None, '"' | '\'') => quote = Some(c),
                _ => {}
            }
        }
        None
    }

    /// Looks for the key of a secret that nothing is assigned to: what should assign may be missing.
    fn named(&self, line: &str) -> Option<usize> {
        let found = self.secret.iter().flat_map(|key| {
            let places = line.match_indices(key.as_str()).map(|(at, _)| (at, at + key.len()));
            places.filter_map(|(at, end)| {
                let (before, behind) = (line.get(..at)?, line.get(end..)?);
                let is_word = !before.ends_with(is_of_key) && !behind.starts_with(is_of_key);
                let rest = behind.trim_start_matches(['"', '\'', ' ', '\t']);
                let is_bare = !rest.is_empty() && !rest.starts_with(['=', ':', ',', '.', ']']);
                (is_word && is_bare).then(|| line.len() - behind.trim_start().len())
            })
        });
        found.min()
    }

    fn shows(&self, key: &str, value: &str) -> bool {
        if self.secret.contains(key) {
            return is_reference(value);
        }
        let is_list = self.sections.contains(key) && value.starts_with('[');
        self.values.contains(key) || is_list || value.starts_with('{')
    }
}

/// Returns what a key ends with that stands before this place, quoted or not.
fn key_before(line: &str, at: usize) -> &str {
    let before = line.get(..at).unwrap_or_default().trim_end();
    let before = before.strip_suffix(['"', '\'']).unwrap_or(before);
    let start = before.rfind(|c| !is_of_key(c)).map_or(0, |at| at + 1);
    before.get(start..).unwrap_or_default()
}

const fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Returns whether a value says no more than where it comes from.
fn is_reference(value: &str) -> bool {
    let inner = value.strip_prefix(['"', '\'']).and_then(|it| it.strip_suffix(['"', '\'']));
    let inner = inner.and_then(|it| it.strip_prefix("${")?.strip_suffix('}'));
    inner.is_some_and(|inner| {
        (inner.starts_with("env:") || inner.starts_with("file:"))
            && !inner.contains(['"', '\'', '$', '}'])
    })
}

/// Returns whether a value ends in the line that it begins in.
fn is_whole(value: &str) -> bool {
    let is_between =
        |open: &str, close: &str| value.strip_prefix(open).map(|rest| rest.ends_with(close));
    let kinds =
        [("\"\"\"", "\"\"\""), ("'''", "'''"), ("\"", "\""), ("'", "'"), ("[", "]"), ("{", "}")];
    let known = kinds.iter().find_map(|(open, close)| is_between(open, close));
    known.unwrap_or_else(|| !value.is_empty() && !value.contains(['"', '\'', '[', '{']))
}

/// Returns where an address says with which password, or what else behind a question mark.
fn address(line: &str) -> Option<usize> {
    let begin = line.find("//").map(|at| at + 2).or_else(|| Some(line.find(':')? + 1))?;
    let rest = line.get(begin..)?;
    // The end may have got into another line.
    if rest.contains('@') || (line.contains("//") && !rest.contains(['"', '\''])) {
        return Some(begin);
    }
    rest.find('?').map(|at| begin + at + 1)
}

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::known);

const HIDDEN: &str = "(hidden)";
