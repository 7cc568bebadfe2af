//! Our broker, started on a free port for the clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::tally::{Sheet, Tally};
use crate::background::Background;

/// A running broker; it ends with this value.
#[derive(Debug)]
pub(super) struct Broker {
    process: Background,
    address: SocketAddr,
}

impl Broker {
    /// Starts the broker and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not say where it listens; the message holds its log.
    pub(super) fn start(binary: &Path, workers: usize) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .args(["--bind", "127.0.0.1", "--port", "0", "--log", "info"])
            .args(["--workers", &workers.to_string()])
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        let process = Background::start(&mut command)?;
        let port = process
            .wait_for(DEADLINE, |lines| lines.iter().find_map(|line| port_in(line)))
            .ok_or_else(|| {
                let log = process.text();
                anyhow!("the broker did not say where it listens; its output:\n{log}")
            })?;
        Ok(Self { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)) })
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

/// Returns the port after the first loopback address that has one.
fn port_in(line: &str) -> Option<u16> {
    line.split("127.0.0.1:").skip(1).find_map(|rest| {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok().filter(|port| *port > 0)
    })
}

const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_in_a_log_line() {
        assert_eq!(port_in("INFO flux: listening on 127.0.0.1:40123"), Some(40123));
        assert_eq!(port_in("listening on 127.0.0.1:18830, 4 workers"), Some(18830));
        assert_eq!(port_in("asked for 127.0.0.1:0, listening on 127.0.0.1:7"), Some(7));
        assert_eq!(port_in("listening on 127.0.0.1"), None);
        assert_eq!(port_in("127.0.0.1:99999"), None);
    }
}
