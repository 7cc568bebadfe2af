//! What must pass before a commit, step by step.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::clock::Stopwatch;
use crate::{repository, tidy};

/// One step of `cargo xtask test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Tidy,
    Clippy,
    Tests,
    Schedules,
    Stress,
    Doctests,
    Doc,
}

impl Step {
    /// Every step, the quick ones first.
    const ALL: [Self; 8] = [
        Self::Fmt,
        Self::Tidy,
        Self::Clippy,
        Self::Tests,
        Self::Schedules,
        Self::Stress,
        Self::Doctests,
        Self::Doc,
    ];

    /// Announces the step, runs it and says how long it took.
    ///
    /// # Errors
    ///
    /// When the step fails; its own output said why.
    pub(crate) fn run(self) -> Result<()> {
        let watch = Stopwatch::start();
        let name = self.name();
        match self.command() {
            Some(mut command) => {
                println!("==> {name}: {}", repository::shown(&command));
                repository::run(&mut command)
            }
            None => {
                println!("==> {name}");
                tidy::run(&repository::root())
            }
        }
        .with_context(|| format!("step {name} failed"))?;
        println!("    {name} passed in {:.1} s", watch.elapsed().as_secs_f64());
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Clippy => "clippy",
            Self::Tests => "tests",
            Self::Schedules => "schedules",
            Self::Stress => "stress",
            Self::Doctests => "doctests",
            Self::Doc => "doc",
        }
    }

    /// Returns the command of the step; `tidy` is not one.
    fn command(self) -> Option<Command> {
        let line = match self {
            Self::Fmt => "fmt --all --check",
            Self::Tidy => return None,
            Self::Clippy => {
                "clippy --workspace --all-targets --all-features --locked -- -D warnings"
            }
            Self::Tests if has_nextest() => {
                "nextest run --workspace --locked --lib --bins --tests --examples"
            }
            Self::Tests => "test --workspace --locked --lib --bins --tests --examples",
            // With the feature no other test of the crate can run.
            Self::Schedules => "test -p flux-mqtt --features shuttle --locked --lib schedules::",
            Self::Stress => "xtask stress --short",
            Self::Doctests => "test --doc --workspace --locked",
            Self::Doc => "doc --workspace --no-deps --locked",
        };
        let mut command = repository::cargo(line.split(' '));
        if self == Self::Doc {
            command.env("RUSTDOCFLAGS", "-D warnings");
        }
        Some(command)
    }
}

/// Runs every step, up to the first that fails.
///
/// # Errors
///
/// When a step fails.
pub(crate) fn run_all() -> Result<()> {
    let watch = Stopwatch::start();
    for step in Step::ALL {
        step.run()?;
    }
    println!("all {} steps passed in {:.1} s", Step::ALL.len(), watch.elapsed().as_secs_f64());
    Ok(())
}

fn has_nextest() -> bool {
    repository::succeeds(&mut repository::cargo(["nextest", "--version"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_but_tidy_is_a_cargo_command() {
        for step in Step::ALL {
            let command = step.command().map(|command| repository::shown(&command));
            assert_eq!(command.is_none(), step == Step::Tidy, "{step:?}: {command:?}");
        }
    }

    #[test]
    fn only_the_documentation_step_denies_rustdoc_warnings() {
        let flags = |step: Step| step.command().map_or(0, |command| command.get_envs().count());
        assert_eq!(flags(Step::Doc), 1);
        assert_eq!(flags(Step::Doctests), 0);
    }
}
