//! Our broker, started on a free port for the clients.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use super::tally::{Sheet, Tally};
use crate::background::Background;

/// A running broker; it ends with this value.
#[derive(Debug)]
pub(super) struct Broker {
    process: Background,
    address: SocketAddr,
    over_tls: SocketAddr,
    certificates: PathBuf,
}

impl Broker {
    /// Starts the broker and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not say where it listens; the message holds its log.
    pub(super) fn start(binary: &Path, workers: usize) -> Result<Self> {
        let certificates = make_certificates(binary)?;
        let mut command = Command::new(binary);
        for (option, file) in [
            ("--tls-cert", "server.crt"),
            ("--tls-key", "server.key"),
            ("--tls-client-ca", "ca.crt"),
        ] {
            command.arg(option).arg(certificates.join(file));
        }
        command
            .args(["--tls-port", "0"])
            .args(["--bind", "127.0.0.1", "--port", "0", "--log", "info"])
            .args(["--workers", &workers.to_string()])
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        let process = Background::start(&mut command)?;
        let [port, tls_port] = process
            .wait_for(DEADLINE, |lines| lines.iter().find_map(|line| ports_in(line)))
            .ok_or_else(|| {
                let log = process.text();
                anyhow!("the broker did not say where it listens; its output:\n{log}")
            })?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { process, address: at(port), over_tls: at(tls_port), certificates })
    }

    /// Returns where it listens for TLS, and the folder of the certificates for that.
    pub(super) fn over_tls(&self) -> (SocketAddr, &Path) {
        (self.over_tls, &self.certificates)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Checks that the broker outlived its clients, and stops it.
    pub(super) fn stop(&mut self, label: &str, sheet: &mut Sheet) {
        let mut tally = Tally::default();
        if self.process.is_running() {
            tally.pass("the broker still runs");
        } else {
            tally.fail("the broker still runs", "it has ended");
            println!("{}", self.process.text());
        }
        sheet.add("flux-broker", label, tally);
        self.process.kill();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _is_left = fs::remove_dir_all(&self.certificates);
    }
}

/// Has the broker make certificates for its loopback address, in a folder of their own.
fn make_certificates(binary: &Path) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("flux-interop-{}", std::process::id()));
    let made = Command::new(binary)
        .args(["tls", "init", "--name", "127.0.0.1"])
        .arg(&folder)
        .stdout(Stdio::null())
        .status()?;
    ensure!(made.success(), "the broker makes no certificates: {made}");
    Ok(folder)
}

/// Returns the ports of the plain and of the TLS address on loopback.
fn ports_in(line: &str) -> Option<[u16; 2]> {
    let port = |scheme: &str| {
        let (_, rest) = line.split_once(&format!("{scheme}://127.0.0.1:"))?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Some([port("mqtt")?, port("mqtts")?])
}

const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_are_found_in_a_line() {
        let line = "listening on mqtt://127.0.0.1:1883 and mqtts://127.0.0.1:8883; anonymous";
        assert_eq!(ports_in(line), Some([1883, 8883]));
        assert_eq!(ports_in("listening on mqtt://127.0.0.1:1883; anonymous"), None);
        assert_eq!(ports_in("mqtt://127.0.0.1:99999 mqtts://127.0.0.1:1"), None);
    }
}
