//! The files that are checked: what git knows and what it would add.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::manifest::{self, Entry};
use super::{Violation, mask};

/// A Rust file.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Relative to the root, with `/` between its parts.
    pub(super) path: String,
    pub(super) text: String,
    /// The text with comments and literals blanked out, line for line.
    pub(super) code: String,
}

impl SourceFile {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { path: path.into(), code: mask::code_only(&text), text }
    }

    pub(super) fn violation(&self, line: usize, sentence: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, sentence: sentence.into() }
    }
}

/// The `Cargo.toml` of a member of the workspace.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) path: String,
    pub(super) entries: Vec<Entry>,
}

impl Manifest {
    pub(super) fn new(path: impl Into<String>, text: &str) -> Self {
        Self { path: path.into(), entries: manifest::entries(text) }
    }

    pub(super) fn violation(&self, line: usize, sentence: impl Into<String>) -> Violation {
        Violation { path: self.path.clone(), line, sentence: sentence.into() }
    }
}

/// Reads every Rust file and every member's manifest.
///
/// # Errors
///
/// When a file or a folder cannot be read.
pub(super) fn read_all(root: &Path) -> Result<(Vec<SourceFile>, Vec<Manifest>)> {
    let mut sources = Vec::new();
    let mut manifests = Vec::new();
    for path in paths(root)? {
        let is_manifest = path.ends_with("/Cargo.toml");
        if !is_manifest && !path.ends_with(".rs") {
            continue;
        }
        let full = root.join(&path);
        let text = std::fs::read_to_string(&full).with_context(|| format!("cannot read {path}"))?;
        if !is_manifest {
            sources.push(SourceFile::new(path, text));
        } else if !manifest::is_workspace(&text) {
            manifests.push(Manifest::new(path, &text));
        }
    }
    Ok((sources, manifests))
}

/// Returns the paths of all files that belong to the repository, relative to its root.
pub(crate) fn paths(root: &Path) -> Result<Vec<String>> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root)
        .output();
    let mut paths = Vec::new();
    match listed {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            // A file that was deleted and not yet committed is still listed.
            paths.extend(
                text.split_terminator('\0').filter(|p| root.join(p).is_file()).map(String::from),
            );
        }
        // Sources without git, such as an unpacked archive.
        _ => walk(root, "", &mut paths)?,
    }
    paths.retain(|path| !path.starts_with("target/"));
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn walk(folder: &Path, prefix: &str, paths: &mut Vec<String>) -> Result<()> {
    let context = || format!("cannot read the folder {}", folder.display());
    for entry in std::fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().with_context(context)?;
        if kind.is_file() {
            paths.push(path);
        } else if kind.is_dir() && !NEVER_OURS.contains(&name.as_str()) && !name.starts_with('.') {
            walk(&entry.path(), &format!("{path}/"), paths)?;
        }
    }
    Ok(())
}

const NEVER_OURS: [&str; 2] = ["target", "node_modules"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_file_is_listed_with_and_without_git() {
        let own = "xtask/src/tidy/files.rs";
        let root = crate::repository::root();
        assert!(paths(&root).unwrap().iter().any(|path| path == own));
        let mut walked = Vec::new();
        walk(&root, "", &mut walked).unwrap();
        assert!(walked.iter().any(|path| path == own));
        assert!(!walked.iter().any(|path| path.starts_with("target/")));
    }

    #[test]
    fn the_root_manifest_is_no_member() {
        let (_, manifests) = read_all(&crate::repository::root()).unwrap();
        assert!(manifests.iter().any(|manifest| manifest.path == "xtask/Cargo.toml"));
        assert!(!manifests.iter().any(|manifest| manifest.path == "Cargo.toml"));
    }
}
