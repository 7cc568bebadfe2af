//! Plays one path, for `cargo xtask bench --counts` to count the instructions of [`flux_bench::play`].
//!
//! Without argument it lists the paths: name, unit, one each line. With a name it plays that one, and
//! prints how many units it was.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

use std::process::ExitCode;

use flux_bench::{Path, play};

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        for Path { name, unit, .. } in Path::ALL {
            println!("{name} {unit}");
        }
        return ExitCode::SUCCESS;
    };
    let Some(path) = Path::named(&name) else {
        eprintln!("flux-bench: there is no path {name:?}");
        return ExitCode::FAILURE;
    };
    let mut work = path.prepare();
    play(&mut work.scene, &work.measured);
    let (answers, expected) = (work.scene.take_answers(), work.measured.answers());
    if answers != expected {
        eprintln!("flux-bench: {name}: {answers} packets of the broker instead of {expected}");
        return ExitCode::FAILURE;
    }
    println!("{}", work.units);
    ExitCode::SUCCESS
}
