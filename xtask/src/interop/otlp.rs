//! OpenTelemetry: what a broker sends to a collector, read by the messages that others generate from the protocol.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::scripts;
use super::tally::Tally;
use crate::doors::certificates::Certificates;
use crate::repository;

/// Returns how to install what is not there.
pub(super) fn hint_if_missing() -> Option<&'static str> {
    let import = "from opentelemetry.proto.collector.trace.v1 import trace_service_pb2";
    let is_there =
        scripts::has_paho() && repository::succeeds(Command::new("python3").args(["-c", import]));
    (!is_there).then_some(
        "python3 -m pip install -r xtask/interop/requirements.txt (in a virtual environment)",
    )
}

/// Runs the suite with a broker that sends to it. The broker must have been built with the feature `otlp`.
///
/// # Errors
///
/// When the script or the broker for it does not start.
pub(super) fn run(binary: &Path, certificates: &Certificates) -> Result<Tally> {
    scripts::run_with_config("otlp_suite.py", binary, certificates)
}
