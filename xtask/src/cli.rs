//! The command line: every task with its options.

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::steps::Step;
use crate::{bench, conformance, crash, dist, fuzz, interop, load, mutants, sim, steps, stress};

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// What can be asked for; the first line of each is its line in the help.
#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Run everything that must pass before a commit: fmt, tidy, conformance, clippy, tests,
    /// schedules, sim, stress, crash, doctests, doc
    Test,
    /// Check the formatting
    Fmt,
    /// Check what lints cannot hold: file headers, layout, purity, manifests
    Tidy,
    /// Run clippy on all targets and features, warnings denied
    Clippy,
    /// Build the documentation, warnings denied
    Doc,
    /// Write the page of conformance, check it, or judge a running broker
    Conformance(conformance::Options),
    /// Run clients we did not write, and MQTT.js in a browser, against every door of the broker
    Interop(interop::Options),
    /// Measure CPU per delivered message, our broker beside others
    Bench(bench::Options),
    /// Crowds and misbehaving peers: is the broker what it was before?
    Stress(stress::Options),
    /// Search for inputs that the broker does not stand (needs a C++ compiler)
    Fuzz(fuzz::Options),
    /// Simulate whole brokers, each with many clients and faults, from a seed
    Sim(sim::Options),
    /// Kill a broker again and again: does it keep what it acknowledged?
    Crash(crash::Options),
    /// Break the broker on purpose, one fault at a time: which seed of the simulator catches it?
    Mutants(mutants::Options),
    /// Pack a release of the broker with checksums, and start what was packed
    Dist,
    /// Load a broker and count deliveries (started by `bench`)
    #[command(hide = true)]
    Load(load::Options),
    /// Run one scenario (started by `stress`)
    #[command(hide = true)]
    StressLoad(stress::LoadOptions),
}

impl Task {
    /// Runs the task to its end.
    ///
    /// # Errors
    ///
    /// The first thing that failed, in words for the terminal.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Test => steps::run_all(),
            Self::Fmt => Step::Fmt.run(),
            Self::Tidy => Step::Tidy.run(),
            Self::Clippy => Step::Clippy.run(),
            Self::Doc => Step::Doc.run(),
            Self::Conformance(options) => conformance::run(&options),
            Self::Interop(options) => interop::run(&options),
            Self::Bench(options) => bench::run(&options),
            Self::Stress(options) => stress::run(&options),
            Self::Fuzz(options) => fuzz::run(&options),
            Self::Sim(options) => sim::run(&options),
            Self::Crash(options) => crash::run(&options),
            Self::Mutants(options) => mutants::run(&options),
            Self::Dist => dist::run(),
            Self::Load(options) => load::run(&options),
            Self::StressLoad(options) => stress::load(&options),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_lists_every_task_but_the_hidden_ones() {
        let help = Arguments::command().render_help().to_string();
        let tasks = [
            "test",
            "fmt",
            "tidy",
            "clippy",
            "doc",
            "conformance",
            "interop",
            "bench",
            "stress",
            "fuzz",
            "sim",
            "crash",
            "mutants",
            "dist",
        ];
        for task in tasks {
            assert!(help.contains(&format!("\n  {task} ")), "{task} is not in: {help}");
        }
        for hidden in ["load", "stress-load"] {
            assert!(!help.contains(&format!("\n  {hidden} ")), "{help}");
        }
    }
}
