//! What must pass before a commit, step by step.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::clock::Stopwatch;
use crate::{conformance, repository, tidy};

/// One step of `cargo xtask test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Tidy,
    Conformance,
    Clippy,
    Tests,
    Features,
    Schedules,
    Sim,
    Stress,
    Crash,
    Doctests,
    Doc,
}

impl Step {
    /// Every step, the quick ones first.
    const ALL: [Self; 12] = [
        Self::Fmt,
        Self::Tidy,
        Self::Conformance,
        Self::Clippy,
        Self::Tests,
        Self::Features,
        Self::Schedules,
        Self::Sim,
        Self::Stress,
        Self::Crash,
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
                self.run_here()
            }
        }
        .with_context(|| format!("step {name} failed"))?;
        println!("    {name} passed in {:.1} s", watch.elapsed().as_secs_f64());
        Ok(())
    }

    /// Runs a step that is no command.
    fn run_here(self) -> Result<()> {
        if self == Self::Conformance {
            return conformance::check(&repository::root());
        }
        tidy::run(&repository::root())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Tidy => "tidy",
            Self::Conformance => "conformance",
            Self::Clippy => "clippy",
            Self::Tests => "tests",
            Self::Features => "features",
            Self::Schedules => "schedules",
            Self::Sim => "sim",
            Self::Stress => "stress",
            Self::Crash => "crash",
            Self::Doctests => "doctests",
            Self::Doc => "doc",
        }
    }

    /// Returns the command of the step; `tidy` and `conformance` are none.
    fn command(self) -> Option<Command> {
        let line = match self {
            Self::Fmt => "fmt --all --check",
            Self::Tidy | Self::Conformance => return None,
            Self::Clippy => {
                "clippy --workspace --all-targets --all-features --locked -- -D warnings"
            }
            Self::Tests if has_nextest() => {
                "nextest run --workspace --locked --lib --bins --tests --examples"
            }
            Self::Tests => "test --workspace --locked --lib --bins --tests --examples",
            // What only a program with it can show; the crate behind it has its own tests.
            Self::Features => "test -p flux-broker --features otlp --locked --test it otlp::",
            // With the feature no other test of the crate can run.
            Self::Schedules => "test -p flux-mqtt --features shuttle --locked --lib schedules::",
            Self::Sim => "xtask sim --seeds 4000",
            Self::Stress => "xtask stress --short",
            Self::Crash => "xtask crash --short",
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
    fn every_step_but_two_is_a_cargo_command() {
        for step in Step::ALL {
            let command = step.command().map(|command| repository::shown(&command));
            let is_ours = matches!(step, Step::Tidy | Step::Conformance);
            assert_eq!(command.is_none(), is_ours, "{step:?}: {command:?}");
        }
    }

    #[test]
    fn only_the_documentation_step_denies_rustdoc_warnings() {
        let flags = |step: Step| {
            step.command()
                .map_or(0, |it| it.get_envs().filter(|(_, value)| value.is_some()).count())
        };
        assert_eq!(flags(Step::Doc), 1);
        assert_eq!(flags(Step::Doctests), 0);
    }
}
