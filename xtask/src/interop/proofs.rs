//! Proofs that others made: tokens of PyJWT, passwords of mosquitto_passwd, an HTTP server of Python's.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::scripts;
use super::tally::Tally;
use crate::background::Background;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::doors::door::Scheme;
use crate::repository;

/// Returns how to install what is not there.
pub(super) fn hint_if_missing() -> Option<&'static str> {
    let import = "import jwt, cryptography";
    let is_there = scripts::has_paho()
        && repository::succeeds(Command::new("python3").args(["-c", import]))
        // Without arguments it says how it is used, and fails: that it starts is the answer.
        && Command::new("mosquitto_passwd")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok();
    (!is_there).then_some(
        "apt-get install mosquitto; python3 -m pip install -r xtask/interop/requirements.txt (in a virtual environment)",
    )
}

/// Runs the suite with a broker that believes all of them.
///
/// # Errors
///
/// When the script or the broker for it does not start.
pub(super) fn run(binary: &Path, certificates: &Certificates) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut command = Command::new("python3");
    command
        .arg("proofs_suite.py")
        .arg(certificates.folder())
        .current_dir(scripts::folder())
        .stdin(Stdio::piped());
    let mut script = Background::start(&mut command)?;
    let line = script.next_line(DEADLINE).context("the script says nothing")?;
    let config = line.strip_prefix("config ").with_context(|| format!("no config: {line}"))?;
    let broker = Broker::start_from(binary, Path::new(config))?;
    let address = broker.door(Scheme::Mqtt)?.address().context("it listens on no address")?;
    let mut stdin = script.stdin().context("the script has no input")?;
    writeln!(stdin, "{} {}", address.ip(), address.port()).context("cannot write to the script")?;
    scripts::count(&script, &mut tally);
    tally.add(Tally::of_end(broker.stop()));
    Ok(tally)
}

const DEADLINE: Duration = Duration::from_secs(20);
