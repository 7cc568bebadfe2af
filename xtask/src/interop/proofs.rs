//! Proofs that others made: tokens of PyJWT, passwords of mosquitto_passwd, an HTTP server of Python's.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::scripts;
use super::tally::Tally;
use crate::doors::certificates::Certificates;
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
    scripts::run_with_config("proofs_suite.py", binary, certificates)
}
