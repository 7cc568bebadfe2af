//! The suites written in the client's own language: they print one line for each check.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::tally::Tally;
use crate::background::Background;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::doors::door::{Door, Scheme};
use crate::repository;

/// Says whether `python3` can import paho-mqtt 2.
pub(super) fn has_paho() -> bool {
    let import = "import paho.mqtt; from paho.mqtt.enums import CallbackAPIVersion";
    repository::succeeds(Command::new("python3").args(["-c", import]))
}

/// Says whether MQTT.js was installed beside the script, and Node is there to run it.
pub(super) fn has_mqttjs() -> bool {
    folder().join("node_modules/mqtt").is_dir()
        && repository::succeeds(Command::new("node").arg("--version"))
}

pub(super) fn run_paho(door: &Door, certificates: &Path, tally: &mut Tally) {
    run(Command::new("python3").arg("paho_suite.py"), door, certificates, tally);
}

pub(super) fn run_mqttjs(door: &Door, certificates: &Path, tally: &mut Tally) {
    run(Command::new("node").arg("mqttjs_suite.mjs"), door, certificates, tally);
}

/// Runs a script to its last line.
fn run(command: &mut Command, door: &Door, certificates: &Path, tally: &mut Tally) {
    command.arg(door.to_string()).current_dir(folder()).stdin(Stdio::null());
    if door.scheme.is_over_tls() {
        command.arg(certificates);
    }
    let script = match Background::start(command) {
        Ok(script) => script,
        Err(error) => return tally.fail("start", &format!("{error:#}")),
    };
    count(&script, tally);
}

/// Runs a script with the broker of its choice: it says where a config is, and is told where the broker listens.
///
/// # Errors
///
/// When the script or the broker for it does not start.
pub(super) fn run_with_config(
    script: &str,
    binary: &Path,
    certificates: &Certificates,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut command = Command::new("python3");
    command.arg(script).arg(certificates.folder()).current_dir(folder()).stdin(Stdio::piped());
    let mut script = Background::start(&mut command)?;
    let line = script.next_line(START).context("the script says nothing")?;
    let config = line.strip_prefix("config ").with_context(|| format!("no config: {line}"))?;
    let broker = Broker::start_from(binary, Path::new(config))?;
    let address = broker.door(Scheme::Mqtt)?.address().context("it listens on no address")?;
    let mut stdin = script.stdin().context("the script has no input")?;
    writeln!(stdin, "{} {}", address.ip(), address.port()).context("cannot write to the script")?;
    count(&script, &mut tally);
    tally.add(Tally::of_end(broker.stop()));
    Ok(tally)
}

/// Counts what a script reports, to its last line.
pub(super) fn count(script: &Background, tally: &mut Tally) {
    while let Some(line) = script.next_line(DEADLINE) {
        match Report::parse(&line) {
            Report::Passed(check) => tally.pass(check),
            Report::Failed { check, reason } => tally.fail(check, reason),
            Report::Done => return,
            Report::Other => println!("          {line}"),
        }
    }
    tally.fail("the suite runs to its end", "it ended early or a check hangs");
}

/// What a line of a script says.
#[derive(Debug, PartialEq, Eq)]
enum Report<'a> {
    Passed(&'a str),
    Failed { check: &'a str, reason: &'a str },
    Done,
    Other,
}

impl<'a> Report<'a> {
    fn parse(line: &'a str) -> Self {
        if let Some(check) = line.strip_prefix("ok ") {
            Self::Passed(check)
        } else if let Some(failure) = line.strip_prefix("not ok ") {
            let (check, reason) = failure.split_once(" # ").unwrap_or((failure, "no reason given"));
            Self::Failed { check, reason }
        } else if line == "done" {
            Self::Done
        } else {
            Self::Other
        }
    }
}

/// Returns where the scripts are.
pub(super) fn folder() -> PathBuf {
    repository::root().join("xtask/interop")
}

/// Until a script has made what it needs.
const START: Duration = Duration::from_secs(20);
/// For one check: each of its waits has a shorter deadline of its own.
const DEADLINE: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_script_are_understood() {
        assert_eq!(
            Report::parse("ok 5.0 wildcards + and #"),
            Report::Passed("5.0 wildcards + and #")
        );
        let failed = Report::Failed { check: "5.0 will", reason: "no message" };
        assert_eq!(Report::parse("not ok 5.0 will # no message"), failed);
        assert_eq!(Report::parse("done"), Report::Done);
        assert_eq!(Report::parse("Traceback (most recent call last):"), Report::Other);
    }
}
