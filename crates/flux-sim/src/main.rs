//! Runs worlds: many seeds, or one with its trace. `cargo xtask sim` starts it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

use std::process::ExitCode;

use flux_sim::{DurableOutcome, Hazard, Judged, Plan, run, run_durable, shrink};

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => {
            eprintln!("flux-sim: {what}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    if arguments.is_durable {
        return run_durably(&arguments);
    }
    if arguments.is_traced { show(&arguments) } else { run_all(&arguments) }
}

/// Runs worlds over a store, to the first that breaks a promise.
fn run_durably(arguments: &Arguments) -> ExitCode {
    std::panic::set_hook(Box::new(|_| {}));
    let hazard = Hazard { silent_sync: arguments.is_silent };
    let mut sum = DurableOutcome::default();
    let mut failures = 0;
    for seed in arguments.from..arguments.from.saturating_add(arguments.seeds) {
        let outcome = run_durable(seed, hazard, arguments.is_traced);
        for line in &outcome.trace {
            println!("{line}");
        }
        sum.add(&outcome);
        if let Some(failure) = outcome.failure {
            eprintln!("seed {seed}: {failure}");
            failures += 1;
            if !arguments.goes_on {
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{} seeds from {} over a store: {sum}", arguments.seeds, arguments.from);
    if failures > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Shows one world.
fn show(arguments: &Arguments) -> ExitCode {
    let plan = arguments.plan(arguments.from);
    println!("{:#?}", plan.settings);
    for client in &plan.clients {
        println!("{client:?}");
    }
    let outcome = run(&plan, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    match outcome.failure {
        Some(failure) => {
            eprintln!("seed {}: {failure}", plan.seed);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Runs one world after the other, to the first that fails.
fn run_all(arguments: &Arguments) -> ExitCode {
    // A panic in the broker is caught there and judged here; who wants to read it asks for a trace.
    std::panic::set_hook(Box::new(|_| {}));
    let (mut sum, mut durable) = (Sum::default(), DurableOutcome::default());
    let mut failures = 0;
    for seed in arguments.from..arguments.from.saturating_add(arguments.seeds) {
        let plan = arguments.plan(seed);
        let outcome = run(&plan, false);
        sum.add(outcome.work, outcome.time, outcome.judged);
        let over_store = run_durable(seed, Hazard::default(), false);
        durable.add(&over_store);
        if let (None, Some(failure)) = (&outcome.failure, &over_store.failure) {
            eprintln!("seed {seed} over a store: {failure}");
            if !arguments.is_plain {
                eprintln!("see it again: cargo xtask sim --seed {seed} --durable --trace");
            }
            failures += 1;
            if arguments.goes_on {
                continue;
            }
            return ExitCode::FAILURE;
        }
        let Some(failure) = outcome.failure else { continue };
        failures += 1;
        if arguments.is_plain {
            eprintln!("seed {seed}: {failure}");
            return ExitCode::FAILURE;
        }
        if arguments.goes_on {
            println!("seed {seed}: {failure}");
            continue;
        }
        report(&plan, &failure);
        return ExitCode::FAILURE;
    }
    println!("{} seeds from {}: {}", arguments.seeds, arguments.from, sum.told());
    println!("and over a store: {durable}");
    if failures > 0 {
        eprintln!("{failures} seeds failed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Tells of a failure: its sentence, the shortest world that has one, and how to see it again.
fn report(plan: &Plan, failure: &str) {
    eprintln!("seed {}: {failure}", plan.seed);
    let shorter = shrink(plan, |plan| run(plan, false).failure.is_some());
    let outcome = run(&shorter, true);
    let kept: Vec<String> = shorter.steps.iter().map(|step| step.number.to_string()).collect();
    eprintln!(
        "shortest: {} of {} steps, {:?}",
        kept.len(),
        plan.steps.len(),
        plan.settings.session
    );
    for client in &plan.clients {
        eprintln!("  {client:?}");
    }
    for line in &outcome.trace {
        eprintln!("{line}");
    }
    eprintln!(
        "see it again: cargo xtask sim --seed {} --keep {} --trace",
        plan.seed,
        if kept.is_empty() { "none".to_owned() } else { kept.join(",") }
    );
}

/// What was done in all worlds.
#[derive(Default)]
struct Sum {
    work: u64,
    micros: u64,
    judged: Judged,
}

impl Sum {
    fn add(&mut self, work: u64, micros: u64, judged: Judged) {
        self.work += work;
        self.micros += micros;
        self.judged.add(judged);
    }

    fn told(&self) -> String {
        format!(
            "{} inputs in {} virtual seconds; judged: {:?}",
            self.work,
            self.micros / 1_000_000,
            self.judged
        )
    }
}

#[derive(Default)]
struct Arguments {
    seeds: u64,
    from: u64,
    is_traced: bool,
    goes_on: bool,
    is_plain: bool,
    is_durable: bool,
    is_silent: bool,
    /// Steps to keep; all if not given.
    keep: Option<Vec<usize>>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { seeds: 1_000, ..Self::default() };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--seeds" => arguments.seeds = number(&value()?)?,
                "--from" => arguments.from = number(&value()?)?,
                "--seed" => {
                    arguments.from = number(&value()?)?;
                    arguments.seeds = 1;
                }
                "--keep" => arguments.keep = Some(numbers(&value()?)?),
                "--trace" => arguments.is_traced = true,
                "--durable" => arguments.is_durable = true,
                "--silent-sync" => arguments.is_silent = true,
                "--plain" => arguments.is_plain = true,
                "--go-on" => arguments.goes_on = true,
                other => return Err(format!("{other} means nothing here")),
            }
        }
        Ok(arguments)
    }

    fn plan(&self, seed: u64) -> Plan {
        let mut plan = Plan::draw(seed);
        if let Some(keep) = &self.keep {
            plan.keep(keep);
        }
        plan
    }
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word} is no number"))
}

fn numbers(words: &str) -> Result<Vec<usize>, String> {
    if words == "none" {
        return Ok(Vec::new());
    }
    let number = |word: &str| word.parse().map_err(|_| format!("{word} is no number"));
    words.split(',').map(number).collect()
}

const USAGE: &str = "\
  --seeds N       run N worlds (default 1000)
  --from S        from this seed on (default 0)
  --seed S        run this one
  --keep 1,2,3    only with these steps of it, or none
  --trace         show what happens
  --go-on         do not stop at the first failure
  --durable       worlds over a store, with power cuts
  --silent-sync   the disk of these only says that it syncs
  --plain         say no more of a failure than its sentence";
