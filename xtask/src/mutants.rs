//! `mutants`: the broker with one fault at a time, and which seed of the simulator catches it.
//!
//! A mutant is a file of `crates/flux-sim/mutants`: a sentence, the file that is changed, the text to
//! replace and its replacement. It is applied to a copy of the workspace, never to the workspace itself.

mod patch;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::patch::Patch;
use crate::repository;
use crate::tidy::files::paths;

/// What `cargo xtask mutants` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only those whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// How many seeds each may take to be caught
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
}

/// Builds each mutant and has the simulator look for it.
///
/// # Errors
///
/// When one no longer applies or does not build, or when one is not caught.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = repository::root();
    let copy = Workspace { root: root.join("target/mutants") };
    copy.refresh(&root)?;
    ensure!(copy.caught(options.seeds)?.is_none(), "the broker without a fault fails");
    let mut escaped = Vec::new();
    for patch in Patch::all(&root)? {
        if options.only.as_ref().is_some_and(|only| !patch.name.contains(only)) {
            continue;
        }
        let original = fs::read_to_string(root.join(&patch.path))?;
        let file = copy.tree().join(&patch.path);
        fs::write(&file, patch.apply(&original)?)?;
        let caught = copy.caught(options.seeds);
        fs::write(&file, original)?;
        match caught.with_context(|| format!("mutant {}", patch.name))? {
            Some(sentence) => println!("{:<30} {sentence}", patch.name),
            None => {
                println!("{:<30} ESCAPED: {}", patch.name, patch.what);
                escaped.push(patch.name);
            }
        }
    }
    ensure!(escaped.is_empty(), "not caught: {}", escaped.join(", "));
    Ok(())
}

/// A copy of the workspace, with a target folder of its own that stays.
struct Workspace {
    root: PathBuf,
}

impl Workspace {
    fn tree(&self) -> PathBuf {
        self.root.join("tree")
    }

    /// Makes the copy what the workspace is; what has not changed keeps its time, and is not built again.
    fn refresh(&self, from: &Path) -> Result<()> {
        for path in paths(from)? {
            let Ok(text) = fs::read(from.join(&path)) else { continue };
            let to = self.tree().join(&path);
            if fs::read(&to).is_ok_and(|there| there == text) {
                continue;
            }
            if let Some(folder) = to.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(to, text)?;
        }
        Ok(())
    }

    /// Builds the simulator and runs it; returns what it said first, if it found something.
    fn caught(&self, seeds: u64) -> Result<Option<String>> {
        let target = self.root.join("target");
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.current_dir(self.tree());
        build.args(["build", "--quiet", "--locked", "--profile", "sim", "--package", "flux-sim"]);
        build.arg("--target-dir").arg(&target);
        // A fault may leave something unused: only what does not build is shown.
        let built = build.output().context("cannot run cargo")?;
        let said = String::from_utf8_lossy(&built.stderr);
        ensure!(built.status.success(), "it does not build:\n{said}");
        let mut simulator = Command::new(target.join("sim/flux-sim"));
        simulator.args(["--plain", "--seeds", &seeds.to_string()]);
        let output = simulator.output().context("cannot run the simulator")?;
        if output.status.success() {
            return Ok(None);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        match said.lines().next() {
            Some(line) => Ok(Some(line.to_owned())),
            None => bail!("the simulator failed without a word: {}", output.status),
        }
    }
}
