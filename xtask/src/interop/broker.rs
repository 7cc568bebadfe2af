//! Our broker, started on free ports for the clients.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::door::{Door, Scheme};
use super::tally::Tally;
use crate::background::Background;

/// A running broker; it ends with this value.
#[derive(Debug)]
pub(super) struct Broker {
    process: Background,
    doors: Vec<Door>,
}

impl Broker {
    /// Starts the broker on loopback and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not say where it listens; the message holds its log.
    pub(super) fn start(binary: &Path, options: &[String]) -> Result<Self> {
        let mut command = Command::new(binary);
        command
            .args(["--bind", "127.0.0.1", "--port", "0", "--log", "info"])
            .args(options)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        let process = Background::start(&mut command)?;
        let doors = process
            .wait_for(DEADLINE, |lines| {
                lines.iter().map(|line| Door::all_in(line)).find(|doors| !doors.is_empty())
            })
            .ok_or_else(|| {
                let log = process.text();
                anyhow!("the broker did not say where it listens; its output:\n{log}")
            })?;
        Ok(Self { process, doors })
    }

    pub(super) fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// Returns the one door of a kind.
    ///
    /// # Errors
    ///
    /// When it was not started with such a listener.
    pub(super) fn door(&self, scheme: Scheme) -> Result<&Door> {
        let found = self.doors.iter().find(|door| door.scheme == scheme);
        found.ok_or_else(|| anyhow!("the broker does not listen for {}", scheme.name()))
    }

    /// Checks that the broker outlived its clients, and stops it.
    pub(super) fn stop(&mut self) -> Tally {
        let mut tally = Tally::default();
        if self.process.is_running() {
            tally.pass("the broker still runs");
        } else {
            tally.fail("the broker still runs", "it has ended");
            println!("{}", self.process.text());
        }
        self.process.kill();
        tally
    }
}

const DEADLINE: Duration = Duration::from_secs(20);
