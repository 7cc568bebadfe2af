//! Our broker, started on free ports for the clients.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use super::certificates::Certificates;
use super::door::{Door, Scheme};
use crate::background::Background;

/// A running broker; it ends with this value.
#[derive(Debug)]
pub(crate) struct Broker {
    process: Background,
    doors: Vec<Door>,
}

impl Broker {
    /// Starts the broker on loopback and waits until it listens.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not say where it listens; the message holds its log.
    pub(crate) fn start(binary: &Path, options: &[String]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--log", "info"]).args(options);
        Self::run(&mut command)
    }

    /// Starts the broker as a config file says, and waits until it listens.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub(crate) fn start_from(binary: &Path, config: &Path) -> Result<Self> {
        let mut command = Command::new(binary);
        command.arg("--config").arg(config);
        Self::run(&mut command)
    }

    /// Starts the broker with a command, and waits until it listens.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub(crate) fn run(command: &mut Command) -> Result<Self> {
        command.env("NO_COLOR", "1").stdin(Stdio::null());
        let process = Background::start(command)?;
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

    /// Returns its process identifier.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns where it serves its metrics, if it does.
    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.process.wait_for(DEADLINE, |lines| lines.iter().find_map(|line| metrics_in(line)))
    }

    pub(crate) fn doors(&self) -> &[Door] {
        &self.doors
    }

    /// Returns the one door of a kind.
    ///
    /// # Errors
    ///
    /// When it was not started with such a listener.
    pub(crate) fn door(&self, scheme: Scheme) -> Result<&Door> {
        let found = self.doors.iter().find(|door| door.scheme == scheme);
        found.ok_or_else(|| anyhow!("the broker does not listen for {}", scheme.name()))
    }

    /// Returns the options of a broker that listens in every way, each once.
    pub(crate) fn every_door(workers: usize, certificates: &Certificates) -> Vec<String> {
        let socket = certificates.file("socket").display().to_string();
        let mut options = certificates.options();
        let more =
            ["--tls-client-certificates", "optional", "--ws=0", "--wss=0", "--unix", &socket];
        options.extend(more.map(str::to_owned));
        options.extend(["--workers".to_owned(), workers.to_string()]);
        options
    }

    /// Says whether it still runs, and else what it said last; then it is stopped.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub(crate) fn stop(mut self) -> Result<()> {
        ensure!(self.process.is_running(), "the broker has ended:\n{}", self.process.text());
        self.process.kill();
        Ok(())
    }
}

fn metrics_in(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("metrics at http://")?;
    rest.split('/').next()?.parse().ok()
}

const DEADLINE: Duration = Duration::from_secs(20);
