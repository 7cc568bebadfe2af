//! `bench --counts`: how many instructions the hot paths of the broker core take, beside a baseline.
//!
//! Counts hardly depend on what else a machine does, so a change of a few per cent can be told from noise.
//! What is played, and what a unit is, `crates/flux-bench` says.

mod baseline;

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use self::baseline::Baseline;
use crate::repository::{self, Profile};

/// One path that was counted.
#[derive(Debug)]
struct Counted {
    name: String,
    unit: String,
    /// Instructions for each unit.
    instructions: u64,
}

/// Counts the paths of these names, all without one, and compares them with the baseline; with `bless`
/// makes them the baseline.
///
/// # Errors
///
/// When valgrind is missing, a path does not do what it should, or takes more than the baseline allows.
pub(super) fn run(names: &[String], bless: bool) -> Result<()> {
    ensure!(
        repository::succeeds(Command::new("valgrind").arg("--version")),
        "valgrind counts the instructions and is missing: install it (Debian: `apt install valgrind`)"
    );
    let binary = repository::build(&["flux-bench"], Profile::Release)?.join("flux-bench");
    let file = repository::root().join("docs/counts.toml");
    let mut baseline = Baseline::read(&file)?;
    let compiler = repository::compiler()?;
    if !bless && baseline.compiler != compiler {
        println!("the baseline is of {:?}, this is {compiler:?}", baseline.compiler);
    }
    let paths = paths(&binary, names)?;
    let mut judged = Vec::new();
    println!("{:<16} {:>12} {:>12}  {:>7}  each", "path", "instructions", "baseline", "change");
    for (name, unit) in paths {
        let counted = Counted { instructions: count(&binary, &name)?, name, unit };
        let judgement = baseline.judge(&counted.name, counted.instructions);
        let Counted { name, unit, instructions } = &counted;
        println!("{name:<16} {instructions:>12} {judgement:>22}  {unit}");
        judged.push((counted, judgement));
    }
    if bless {
        for (counted, _) in judged {
            baseline.counts.insert(counted.name, counted.instructions);
        }
        baseline.compiler = compiler;
        return baseline.write(&file);
    }
    let worse: Vec<_> = judged
        .iter()
        .filter(|(_, judgement)| judgement.is_failure())
        .map(|(counted, _)| counted.name.as_str())
        .collect();
    if worse.is_empty() {
        return Ok(());
    }
    bail!(
        "more than {} % above the baseline, or not in it: {}; if that is meant: `--bless`",
        baseline::TOLERANCE,
        worse.join(", ")
    )
}

/// Asks for the paths and their units, and picks those of these names.
fn paths(binary: &Path, names: &[String]) -> Result<Vec<(String, String)>> {
    let listed = text(&mut Command::new(binary))?;
    let all = listed.lines().filter_map(|line| line.split_once(' '));
    let all: Vec<_> = all.map(|(name, unit)| (name.to_owned(), unit.to_owned())).collect();
    for name in names {
        ensure!(all.iter().any(|(known, _)| known == name), "there is no path {name:?}: {listed}");
    }
    Ok(all.into_iter().filter(|(name, _)| names.is_empty() || names.contains(name)).collect())
}

/// Returns the instructions for each unit: the least of a few runs, since tables whose hashes are
/// drawn by lot take a few more now and then.
fn count(binary: &Path, name: &str) -> Result<u64> {
    let counts = (0..RUNS).map(|_| count_once(binary, name)).collect::<Result<Vec<_>>>()?;
    Ok(counts.into_iter().min().unwrap_or_default())
}

fn count_once(binary: &Path, name: &str) -> Result<u64> {
    let profile = binary.with_extension("callgrind");
    let mut command = Command::new("valgrind");
    command
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=flux_bench::scene::play*")
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(binary)
        .arg(name);
    let units: u64 = text(&mut command)?.trim().parse().context("the path says no units")?;
    let profile = std::fs::read_to_string(&profile).context("callgrind has written nothing")?;
    let instructions = total(&profile).context("callgrind has counted nothing")?;
    ensure!(instructions > 0, "callgrind has not seen `flux_bench::scene::play`");
    Ok(instructions.div_ceil(units.max(1)))
}

/// Returns the sum of what callgrind counted.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: "))?.trim().parse().ok()
}

/// Runs a command and returns what it prints.
fn text(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run `{}`", repository::shown(command)))?;
    ensure!(output.status.success(), "`{}`: {}", repository::shown(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

const RUNS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_stands_at_the_end_of_a_profile() {
        assert_eq!(total("events: Ir\nfn=(1) play\n0 7\ntotals: 4904424\n"), Some(4_904_424));
        assert_eq!(total("events: Ir\n"), None);
    }
}
