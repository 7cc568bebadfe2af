//! The suite against a running broker, as a table in the terminal.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use flux_conformance::{Case, Judge, Layer, Level, Outcome, Verdict, Version};

/// Judges the broker there by all cases whose name contains a text.
///
/// # Errors
///
/// When nobody listens there, or a case fails that the standard demands.
pub(super) fn run(address: &str, layer: Layer, only: &str) -> Result<()> {
    let resolved = address
        .to_socket_addrs()
        .with_context(|| format!("{address} is not an address"))?
        .next()
        .with_context(|| format!("{address} has no address"))?;
    let verdicts = judge_over(layer, resolved, only)?;
    for verdict in &verdicts {
        println!("{}", line(verdict));
    }
    let counts = Counts::of(&verdicts);
    println!("{counts}");
    ensure!(counts.failed == 0, "{} of {} runs failed", counts.failed, verdicts.len());
    Ok(())
}

/// Runs all cases whose name contains a text.
///
/// # Errors
///
/// When nobody listens there.
pub(super) fn judge(address: SocketAddr, only: &str) -> Result<Vec<Verdict>> {
    judge_over(Layer::default(), address, only)
}

/// The same, by clients that lay this over their sockets.
///
/// # Errors
///
/// When nobody listens there.
pub(super) fn judge_over(layer: Layer, address: SocketAddr, only: &str) -> Result<Vec<Verdict>> {
    std::net::TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("nobody listens on {address}"))?;
    let cases: Vec<Case> =
        flux_conformance::cases().filter(|case| case.name.contains(only)).copied().collect();
    ensure!(!cases.is_empty(), "no case has `{only}` in its name");
    Ok(Judge::new(address, PATIENCE).over(layer).run(&cases))
}

/// Returns a line for each case that failed.
pub(super) fn failures(verdicts: &[Verdict]) -> impl Iterator<Item = String> {
    let has_failed = |verdict: &&Verdict| matches!(verdict.outcome, Outcome::Failed(_));
    verdicts.iter().filter(has_failed).map(line)
}

fn line(verdict: &Verdict) -> String {
    let name = format!("{} ({})", verdict.case.name, shown(verdict.version));
    match &verdict.outcome {
        Outcome::Passed => format!("pass          {name}"),
        Outcome::NotTestable(why) => format!("not testable  {name}: {why}"),
        Outcome::Failed(why) => {
            let word = word(verdict.case.level);
            format!("{word:<13} {name}: {}", why.replace('\n', " "))
        }
    }
}

/// What it means that a case fails.
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::Must => "FAIL",
        Level::Should => "differs",
    }
}

pub(super) fn shown(version: Version) -> &'static str {
    match version {
        Version::V31 => "3.1",
        Version::V311 => "3.1.1",
        Version::V5 => "5.0",
    }
}

/// How many runs went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) differs: usize,
    pub(super) not_testable: usize,
}

impl Counts {
    pub(super) fn of<'a>(verdicts: impl IntoIterator<Item = &'a Verdict>) -> Self {
        let mut counts = Self::default();
        for verdict in verdicts {
            *match (&verdict.outcome, verdict.case.level) {
                (Outcome::Passed, _) => &mut counts.passed,
                (Outcome::NotTestable(_), _) => &mut counts.not_testable,
                (Outcome::Failed(_), Level::Must) => &mut counts.failed,
                (Outcome::Failed(_), Level::Should) => &mut counts.differs,
            } += 1;
        }
        counts
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { passed, failed, differs, not_testable } = self;
        write!(
            f,
            "{passed} passed, {failed} failed, {differs} differ from what is recommended, \
             {not_testable} not testable"
        )
    }
}

/// How long a broker may take for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
