//! [`Loaded`]: a config, and where each of its values comes from.

use crate::config::Config;
use crate::node::{Node, Value};
use crate::problem::{Problem, Problems, Source};
use crate::show;

/// A config that is right, and where each of its values comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    pub(crate) tree: Node,
    /// What somebody should look at.
    pub warnings: Problems,
}

impl Loaded {
    /// Returns the config as a file with everything in it, each value with where it comes from. References stay as they were
    /// written, so that nothing secret is shown.
    #[must_use]
    pub fn show(&self) -> String {
        show::show(&self.config, Some(self))
    }

    /// Returns where the value comes from that a path leads to, such as `["storage", "data_dir"]`: a flag, a place in a file, or
    /// nowhere if it is the default.
    #[must_use]
    pub fn origin(&self, path: &[&str]) -> Option<String> {
        let origin = &self.tree.at(path)?.origin;
        Some(match self.warnings.sources.get(origin.source)? {
            Source::Flag(flag) => flag.clone(),
            Source::File { path, text } => {
                let before = text.get(..origin.span.start).unwrap_or_default();
                let line = before.matches('\n').count() + 1;
                format!("{path}:{line}")
            }
        })
    }

    /// Returns an error about the value that a path leads to, as something else found it out, and what to do about it.
    #[must_use]
    pub fn error(
        &self,
        path: &[&str],
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Problems {
        self.told(path, Problem::error(title).help(help))
    }

    /// Returns a warning, likewise.
    #[must_use]
    pub fn warning(
        &self,
        path: &[&str],
        title: impl Into<String>,
        help: impl Into<String>,
    ) -> Problems {
        self.told(path, Problem::warning(title).help(help))
    }

    fn told(&self, path: &[&str], problem: Problem) -> Problems {
        let origin = self.tree.at(path).map(|node| &node.origin);
        let problems = vec![problem.at_some(origin, "")];
        Problems { problems, ..self.none() }
    }

    /// Returns no problems, to be extended by some.
    #[must_use]
    pub fn none(&self) -> Problems {
        Problems { sources: self.warnings.sources.clone(), problems: Vec::new() }
    }

    /// Returns text as it was written, if it has references.
    pub(crate) fn written(&self, path: &[&str]) -> Option<&str> {
        match &self.tree.at(path)?.value {
            Value::Text(text) => text.written.as_deref(),
            _other_kinds => None,
        }
    }
}
