//! MQTT.js in headless Chromium, over WebSocket with and without TLS, from an origin that may and one that may not.

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
    let is_there = scripts::has_mqttjs()
        && repository::succeeds(Command::new(CHROMIUM).arg("--version"))
        // It has no option that does nothing and succeeds: that it starts is the answer.
        && Command::new("certutil").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    (!is_there).then_some(
        "apt-get install chromium libnss3-tools; npm ci --prefix xtask/interop (with Node 18 or newer)",
    )
}

/// Runs the suite; pictures of what the page says are left in the target folder.
///
/// # Errors
///
/// When the script or the broker for it does not start.
pub(super) fn run(binary: &Path, certificates: &Certificates) -> Result<Tally> {
    let mut tally = Tally::default();
    let pictures = repository::root().join("target/interop");
    let mut command = Command::new("node");
    command
        .args(["browser_suite.mjs", CHROMIUM])
        .args([certificates.folder(), &pictures])
        .current_dir(scripts::folder())
        .stdin(Stdio::piped());
    let mut script = Background::start(&mut command)?;
    let line = script.next_line(DEADLINE).context("the script says nothing")?;
    let origin = line.strip_prefix("origin ").with_context(|| format!("no origin: {line}"))?;
    let mut options = certificates.options_of_server();
    options.extend(["--ws=0", "--wss=0", "--ws-origin", origin].map(str::to_owned));
    let broker = Broker::start(binary, &options)?;
    let [ws, wss] = [broker.door(Scheme::Ws)?, broker.door(Scheme::Wss)?];
    let mut stdin = script.stdin().context("the script has no input")?;
    writeln!(stdin, "{ws} {wss}").context("cannot write to the script")?;
    scripts::count(&script, &mut tally);
    println!("          pictures: {}", pictures.display());
    tally.add(Tally::of_end(broker.stop()));
    Ok(tally)
}

const CHROMIUM: &str = "chromium";
const DEADLINE: Duration = Duration::from_secs(20);
