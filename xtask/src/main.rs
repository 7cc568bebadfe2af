//! Tasks of this repository, run as `cargo xtask TASK`; they need cargo and little else.
//!
//! `steps` holds what must pass before a commit, `tidy` the rules that lints cannot hold,
//! `conformance` the statements of the standards, `interop` the clients we did not write, `bench` with
//! `load` the measurements, `stress` the crowds, `fuzz` the inputs that nobody thought of, `sim` the
//! worlds in virtual time, `crash` the kills that nothing may be lost in, `mutants` the faults that these must find,
//! and `dist` the archive that is given away; `doors` is our broker with every transport, for those that need it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

mod background;
mod bench;
mod cli;
mod clock;
mod conformance;
mod crash;
mod dist;
mod doors;
mod fuzz;
mod http;
mod interop;
mod load;
mod mutants;
mod repository;
mod sim;
mod steps;
mod stress;
mod tidy;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match cli::Arguments::parse().task.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
