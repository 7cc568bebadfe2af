//! One deliberate fault: text of a file, and what stands in its place.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// A mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) name: String,
    /// What is wrong with it, in a sentence.
    pub(super) what: String,
    /// The file that is changed, from the root of the workspace.
    pub(super) path: String,
    old: String,
    new: String,
}

impl Patch {
    /// Reads all mutants, in the order of their names.
    pub(super) fn all(root: &Path) -> Result<Vec<Self>> {
        let mut patches = Vec::new();
        for entry in fs::read_dir(root.join(FOLDER)).context(FOLDER)? {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path)?;
            let patch = Self::read(&name, &text).with_context(|| format!("mutant {name}"))?;
            patches.push(patch);
        }
        patches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(patches)
    }

    fn read(name: &str, text: &str) -> Result<Self> {
        let (what, rest) = text.split_once("\n--- ").context("no line `--- FILE`")?;
        let (path, rest) = rest.split_once('\n').context("nothing to replace")?;
        let (old, new) = rest.split_once("\n+++\n").context("no line `+++`")?;
        Ok(Self {
            name: name.to_owned(),
            what: what.to_owned(),
            path: path.to_owned(),
            old: old.to_owned(),
            new: new.trim_end_matches('\n').to_owned(),
        })
    }

    /// Returns the file with the fault: what it replaces must be there, once.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        let (name, path) = (&self.name, &self.path);
        let count = text.matches(&self.old).count();
        ensure!(count == 1, "mutant {name}: what it replaces is {count} times in {path}, not once");
        Ok(text.replacen(&self.old, &self.new, 1))
    }
}

const FOLDER: &str = "crates/flux-sim/mutants";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository;

    #[test]
    fn every_mutant_applies_to_the_source_as_it_is() {
        let root = repository::root();
        let patches = Patch::all(&root).unwrap();
        assert!(patches.len() >= 15);
        for patch in patches {
            let text = fs::read_to_string(root.join(&patch.path)).unwrap();
            assert_ne!(patch.apply(&text).unwrap(), text, "{}", patch.name);
        }
    }

    #[test]
    fn what_a_mutant_replaces_must_be_there_once() {
        let patch = Patch::read("a", "it is wrong\n--- a.rs\none\ntwo\n+++\nthree\n").unwrap();
        assert_eq!((patch.what.as_str(), patch.path.as_str()), ("it is wrong", "a.rs"));
        assert_eq!(patch.apply("zero\none\ntwo\nfour\n").unwrap(), "zero\nthree\nfour\n");
        assert!(patch.apply("one\n").is_err());
        assert!(patch.apply("one\ntwo\none\ntwo\n").is_err());
    }
}
