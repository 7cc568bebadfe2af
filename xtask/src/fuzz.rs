//! Coverage-guided fuzzing with libFuzzer, on the stable toolchain: its runtime comes with the crate
//! libfuzzer-sys, and what it needs of the compiler are flags.
//!
//! What a run finds worth keeping is added to a corpus of its own, beside the one that is committed;
//! `--minimise` makes the committed one of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::ValueEnum;

use crate::repository;

/// What, and for how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only this target
    target: Option<Target>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Afterwards replace the committed corpus by as few inputs as reach the same code
    #[arg(long)]
    minimise: bool,
}

/// The targets of `fuzz/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Arbitrary bytes as a stream of frames
    Frames,
    /// Whole connections fed arbitrary bytes in arbitrary cuts
    Connections,
    /// Arbitrary text as a config file
    Config,
    /// Arbitrary bytes as a request for WebSocket, or as its frames
    Websocket,
}

impl Target {
    const ALL: [Self; 4] = [Self::Frames, Self::Connections, Self::Config, Self::Websocket];

    const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Connections => "connections",
            Self::Config => "config",
            Self::Websocket => "websocket",
        }
    }

    /// Bytes of the longest input: what is longer says nothing new and is slow.
    const fn longest(self) -> usize {
        match self {
            Self::Frames => 2048,
            Self::Connections | Self::Config | Self::Websocket => 1024,
        }
    }
}

/// Builds the targets and runs them one after the other, up to the first that fails.
///
/// # Errors
///
/// When they cannot be built, or one finds an input that fails: it is named at the end of the output.
pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = repository::root().join("fuzz");
    let binaries = build(&folder)?;
    let chosen = |target: &&Target| options.target.is_none_or(|only| only == **target);
    for target in Target::ALL.iter().filter(chosen) {
        let fuzzer = Fuzzer::new(&folder, &binaries, *target)?;
        fuzzer.run(options.seconds)?;
        if options.minimise {
            fuzzer.minimise()?;
        }
    }
    Ok(())
}

/// Builds all targets; returns the folder with their binaries.
fn build(folder: &Path) -> Result<PathBuf> {
    let host = repository::host()?;
    let target_folder = folder.join("target");
    let mut command = repository::cargo(["build", "--release", "--locked", "--manifest-path"]);
    command.arg(folder.join("Cargo.toml")).arg("--target-dir").arg(&target_folder);
    // With a target, build scripts and macros are built without the flags.
    command.args(["--target", &host]).env("RUSTFLAGS", COVERAGE);
    repository::run(&mut command)?;
    Ok(target_folder.join(host).join("release"))
}

/// What libFuzzer needs to see where an input goes, and what it is compared with.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// A target and where its inputs are.
struct Fuzzer {
    target: Target,
    binary: PathBuf,
    committed: PathBuf,
    /// What it begins with, and what is never minimised, if there is any.
    seeds: PathBuf,
    /// What was found here and is not committed.
    found: PathBuf,
    /// Inputs that fail.
    artifacts: PathBuf,
}

impl Fuzzer {
    fn new(folder: &Path, binaries: &Path, target: Target) -> Result<Self> {
        let name = target.name();
        let fuzzer = Self {
            target,
            binary: binaries.join(name),
            committed: folder.join("corpus").join(name),
            seeds: folder.join("seeds").join(name),
            found: folder.join("target/corpus").join(name),
            artifacts: folder.join("target/artifacts").join(name),
        };
        for folder in [&fuzzer.committed, &fuzzer.found, &fuzzer.artifacts] {
            make(folder)?;
        }
        Ok(fuzzer)
    }

    fn run(&self, seconds: u64) -> Result<()> {
        let mut command = Command::new(&self.binary);
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-max_len={}", self.target.longest()))
            .arg(format!("-artifact_prefix={}/", self.artifacts.display()))
            .arg("-print_final_stats=1")
            .args([&self.found, &self.committed]);
        if self.seeds.is_dir() {
            command.arg(&self.seeds);
        }
        repository::run(&mut command).with_context(|| {
            format!(
                "if the input it names fails in `cargo xtask test` too, where it is copied to {}, \
                 it is a test",
                self.committed.display()
            )
        })
    }

    fn minimise(&self) -> Result<()> {
        let fewest = self.found.with_extension("fewest");
        let _ = fs::remove_dir_all(&fewest);
        make(&fewest)?;
        let mut command = Command::new(&self.binary);
        let from = [&self.committed, &self.found];
        // By which code is reached, not how often: hundreds of inputs instead of thousands.
        command.args(["-set_cover_merge=1", "-use_counters=0"]).arg(&fewest).args(from);
        repository::run(&mut command)?;
        for folder in from {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot empty {}", folder.display()))?;
            make(folder)?;
        }
        for input in fs::read_dir(&fewest).context("cannot read what is left")? {
            let input = input?;
            fs::copy(input.path(), self.committed.join(input.file_name()))
                .with_context(|| format!("cannot copy {}", input.path().display()))?;
        }
        Ok(())
    }
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_a_binary_of_the_fuzz_workspace_and_has_a_corpus() {
        let folder = repository::root().join("fuzz");
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for target in Target::ALL {
            let name = target.name();
            assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
            assert!(folder.join("targets").join(name).with_extension("rs").is_file());
            assert!(fs::read_dir(folder.join("corpus").join(name)).unwrap().next().is_some());
        }
    }
}
