//! `sim`: worlds of the simulator (`crates/flux-sim`), built fast and with the broker's own assertions.

use std::process::{Command, Stdio};

use anyhow::{Result, bail};
use clap::Args;

use crate::clock::Stopwatch;
use crate::repository;

/// What `cargo xtask sim` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// How many worlds, one for each seed
    #[arg(long, default_value_t = 10_000, conflicts_with = "seed")]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// One world alone
    #[arg(long)]
    seed: Option<u64>,
    /// Only these steps of it, by their numbers: what a failure was made shorter to
    #[arg(long, requires = "seed")]
    keep: Option<String>,
    /// Show what happens in it
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Only worlds over a store, with power cuts; otherwise there is one beside each
    #[arg(long)]
    durable: bool,
    /// Do not stop at the first failure
    #[arg(long)]
    go_on: bool,
}

impl Options {
    /// Returns what the simulator is told.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = match self.seed {
            Some(seed) => vec!["--seed".to_owned(), seed.to_string()],
            None => ["--seeds", &self.seeds.to_string(), "--from", &self.from.to_string()]
                .map(str::to_owned)
                .to_vec(),
        };
        if let Some(steps) = &self.keep {
            arguments.extend(["--keep".to_owned(), steps.clone()]);
        }
        for (flag, is_set) in
            [("--trace", self.trace), ("--go-on", self.go_on), ("--durable", self.durable)]
        {
            arguments.extend(is_set.then(|| flag.to_owned()));
        }
        arguments
    }
}

/// Runs the worlds.
///
/// # Errors
///
/// When the simulator cannot be built, or something is wrong in a world: it has said what.
pub(crate) fn run(options: &Options) -> Result<()> {
    repository::run(&mut build())?;
    let watch = Stopwatch::start();
    let mut command = repository::cargo(RUN);
    command.arg("--").args(options.arguments());
    if let Err(error) = repository::run(&mut command) {
        bail!("{error:#}\nat commit {}", commit());
    }
    if options.seed.is_none() {
        let seconds = watch.elapsed().as_secs_f64();
        println!("{} worlds in {seconds:.1} s", options.seeds);
    }
    Ok(())
}

fn build() -> Command {
    repository::cargo(["build", "--quiet", "--locked", "--profile", "sim", "--package", "flux-sim"])
}

/// Which source it was, with a mark if that was changed since.
fn commit() -> String {
    let mut command = Command::new("git");
    command.current_dir(repository::root()).args(["describe", "--always", "--dirty"]);
    let output = command.stderr(Stdio::null()).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    said.ok().filter(|said| !said.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

const RUN: [&str; 7] = ["run", "--quiet", "--locked", "--profile", "sim", "--package", "flux-sim"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_world_is_asked_for_by_its_seed_alone() {
        let mut options = Options {
            seeds: 5,
            from: 3,
            seed: None,
            keep: None,
            trace: false,
            go_on: true,
            durable: false,
        };
        assert_eq!(options.arguments().join(" "), "--seeds 5 --from 3 --go-on");
        options.seed = Some(7);
        options.keep = Some("1,2".to_owned());
        (options.trace, options.go_on) = (true, false);
        assert_eq!(options.arguments().join(" "), "--seed 7 --keep 1,2 --trace");
    }
}
