//! [`Problem`]: something wrong in a file, told so that it can be put right.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::node::Origin;
use crate::redacted::Redacted;

/// Something wrong, and what to do about it.
#[derive(Clone, Debug)]
pub struct Problem {
    severity: Severity,
    title: String,
    place: Option<Origin>,
    label: String,
    help: Vec<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The broker does not start so.
    Error,
    /// It does, but somebody should look.
    Warning,
}

/// What is wrong in a few words, for a log: without a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// The file, line and column, or the flag.
    pub place: Option<String>,
    /// What to do.
    pub help: String,
}

/// Everything that is wrong, with the texts it is wrong in. `Display` tells it all, each with file, line and column,
/// and shows the lines without what is secret in them.
#[derive(Clone, Debug)]
pub struct Problems {
    pub(crate) sources: Arc<[Source]>,
    pub(crate) problems: Vec<Problem>,
}

/// Where values come from.
#[derive(Clone, derive_more::Debug)]
pub(crate) enum Source {
    /// A file.
    #[debug("File({path:?}, {} bytes)", text.len())]
    File { path: String, text: String },
    /// A flag of the command line, or its variable.
    Flag(String),
}

impl Problem {
    pub(crate) fn error(title: impl Into<String>) -> Self {
        let (place, label, help) = (None, String::new(), Vec::new());
        Self { severity: Severity::Error, title: title.into(), place, label, help }
    }

    pub(crate) fn warning(title: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(title) }
    }

    /// Says where. The label stands beside what is marked there, and may be empty.
    pub(crate) fn at(mut self, origin: &Origin, label: impl Into<String>) -> Self {
        self.place = Some(origin.clone());
        self.label = label.into();
        self
    }

    pub(crate) fn at_some(self, origin: Option<&Origin>, label: impl Into<String>) -> Self {
        match origin {
            Some(origin) => self.at(origin, label),
            None => self,
        }
    }

    /// Says what to do.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Returns how bad it is.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    fn told(&self, sources: &[Source]) -> Told {
        let source = |origin: &Origin| Some(sources.get(origin.source)?.place(&origin.span));
        let what = match self.label.as_str() {
            "" => self.title.clone(),
            label => format!("{}: {label}", self.title),
        };
        let place = self.place.as_ref().and_then(source);
        Told { severity: self.severity, what, place, help: self.help.join("; ") }
    }

    fn render(&self, sources: &[Source]) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(&self.title));
        let source = self.place.as_ref().and_then(|origin| sources.get(origin.source));
        match (source, &self.place) {
            (Some(Source::File { path, text }), Some(origin)) => {
                let redacted = Redacted::of(text);
                let span = redacted.span(&within(text, &origin.span));
                let mark = AnnotationKind::Primary.span(span);
                let label = (!self.label.is_empty()).then_some(self.label.as_str());
                let snippet =
                    Snippet::source(redacted.text).path(path).annotation(mark.label(label));
                group = group.element(snippet);
            }
            (Some(Source::Flag(flag)), _) => {
                group = group.element(Level::NOTE.message(format!("it comes from {flag}")));
            }
            (None, _) | (_, None) => {}
        }
        let help = self.help.iter().map(|help| Level::HELP.message(help));
        Renderer::plain().render(&[group.elements(help)])
    }
}

impl Source {
    /// Returns where in it something is: in a file line and column.
    fn place(&self, span: &Range<usize>) -> String {
        match self {
            Self::Flag(flag) => flag.clone(),
            Self::File { path, text } => {
                let before = text.get(..within(text, span).start).unwrap_or_default();
                let line = before.rsplit('\n').next().unwrap_or_default();
                let row = before.matches('\n').count() + 1;
                format!("{path}:{row}:{}", line.chars().count() + 1)
            }
        }
    }
}

impl Problems {
    /// Returns each in a few words, in the order of their places.
    pub fn told(&self) -> impl Iterator<Item = Told> {
        self.problems.iter().map(|problem| problem.told(&self.sources))
    }

    /// Returns them, in the order of their places.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns whether there is an error among them.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Adds others of the same config.
    pub fn extend(&mut self, others: Self) {
        self.problems.extend(others.problems);
    }

    /// Puts them in the order of the text.
    pub(crate) fn sort(&mut self) {
        let place = |problem: &Problem| {
            let origin = problem.place.as_ref()?;
            Some((origin.source, origin.span.start))
        };
        self.problems.sort_by_key(|problem| place(problem).unwrap_or((usize::MAX, 0)));
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let gap = if number == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{}", problem.render(&self.sources))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Makes a span one that lies between the characters of a text.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(span.start);
    start..text.floor_char_boundary(span.end.max(span.start))
}
