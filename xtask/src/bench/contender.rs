//! The brokers that are measured.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::processor;
use crate::background::Background;
use crate::clock;

/// A broker and how to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    name: String,
    /// Program and arguments; `{port}` stands for the port.
    command: Vec<String>,
}

impl Contender {
    /// Returns our broker, built for release.
    pub(crate) fn ours(binaries: &Path) -> Self {
        let binary = binaries.join("flux-broker").to_string_lossy().into_owned();
        let arguments = "--bind 127.0.0.1 --port {port} --workers 1".split(' ').map(String::from);
        Self {
            name: "flux-broker".to_owned(),
            command: [binary].into_iter().chain(arguments).collect(),
        }
    }

    /// Returns mosquitto, where it is installed.
    pub(crate) fn mosquitto() -> Option<Self> {
        // Debian keeps it where only root has it on the path.
        let programs = ["mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"];
        let found = programs.into_iter().find(|program| {
            // `-h` ends with an error status in some versions: that it starts is the answer.
            let mut help = Command::new(program);
            help.arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        })?;
        let command = [found, "-p", "{port}"].map(String::from).to_vec();
        Some(Self { name: "mosquitto".to_owned(), command })
    }

    /// Has mosquitto keep any number of messages in flight and queued: with its defaults it drops some of
    /// what a window of 100 brings.
    ///
    /// # Errors
    ///
    /// When its configuration cannot be written beside the binaries.
    pub(super) fn without_limits(mut self, binaries: &Path) -> Result<Self> {
        let config = binaries.join("bench-mosquitto.conf");
        fs::write(&config, "max_inflight_messages 0\nmax_queued_messages 0\n")
            .context("cannot write mosquitto's configuration")?;
        self.command.extend(["-c".to_owned(), config.to_string_lossy().into_owned()]);
        Ok(self)
    }

    /// Reads `COMMAND` or `NAME=COMMAND`.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let is_name = |name: &&str| {
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
        };
        let split = line.split_once('=').filter(|(name, _)| is_name(name));
        let command: Vec<_> = split
            .map_or(line, |(_, command)| command)
            .split_whitespace()
            .map(String::from)
            .collect();
        ensure!(line.contains("{port}"), "`{line}` does not say where the port goes: {{port}}");
        let program = command.first().with_context(|| format!("`{line}` names no program"))?;
        let file_name = Path::new(program).file_name().unwrap_or_default().to_string_lossy();
        let name = split.map_or_else(|| file_name.into_owned(), |(name, _)| name.to_owned());
        Ok(Self { name, command })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The program, without its arguments.
    pub(crate) fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    /// Starts the broker on its core and waits until it accepts connections.
    pub(crate) fn start(&self) -> Result<Running> {
        let address = free_address()?;
        let mut words =
            self.command.iter().map(|w| w.replace("{port}", &address.port().to_string()));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        let mut pinned = processor::pinned(&command, processor::BROKER_CORE);
        let mut process = Background::start(pinned.stdin(Stdio::null()))?;
        let accepts = clock::poll(DEADLINE, || {
            let is_up = TcpStream::connect(address).is_ok();
            (is_up || !process.is_running()).then_some(is_up)
        });
        ensure!(accepts == Some(true), "it does not accept connections: {}", process.text());
        Ok(Running { process, address })
    }
}

/// A broker that accepts connections; it ends with this value.
#[derive(Debug)]
pub(crate) struct Running {
    process: Background,
    address: SocketAddr,
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Returns an address that nobody listens on; brokers we did not write cannot pick one.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
    listener.local_addr().context("cannot tell the free port")
}

const DEADLINE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, name: &str, command: &str) {
        let contender = Contender::parse(line).unwrap();
        assert_eq!((contender.name(), contender.command.join(" ").as_str()), (name, command));
    }

    #[test]
    fn a_command_line_names_a_broker() {
        check("bin/other -p {port}", "other", "bin/other -p {port}");
        check("before=bin/flux-broker --port {port}", "before", "bin/flux-broker --port {port}");
        check("a --listen=:{port}", "a", "a --listen=:{port}");
    }

    #[test]
    fn a_command_line_without_a_port_is_refused() {
        let error = Contender::parse("other -p 1883").unwrap_err().to_string();
        assert!(error.contains("other -p 1883") && error.contains("{port}"), "{error}");
        assert!(Contender::parse("name=").is_err());
    }
}
