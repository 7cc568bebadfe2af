//! The brokers that are measured.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::processor;
use crate::background::Background;
use crate::doors::certificates::Certificates;
use crate::load::Transport;
use crate::{clock, repository};

/// A broker and how to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    name: String,
    /// Program and arguments; `{port}` stands for the port.
    command: Vec<String>,
    /// What is run before each start, in the same form; nothing if it is empty.
    setup: Vec<String>,
    cores: Cores,
}

/// Where a broker may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cores {
    /// On a core of its own.
    One,
    /// On any, beside the load.
    Any,
}

impl Contender {
    /// Returns our broker with one worker.
    pub(crate) fn ours(binaries: &Path) -> Self {
        let binary = binaries.join("flux-broker").to_string_lossy().into_owned();
        let arguments = "--bind 127.0.0.1 --port {port} --workers 1".split(' ').map(String::from);
        Self {
            name: "flux-broker".to_owned(),
            command: [binary].into_iter().chain(arguments).collect(),
            setup: Vec::new(),
            cores: Cores::One,
        }
    }

    /// Returns our broker with so many workers; they have every core, that of the load, too.
    pub(super) fn with_workers(mut self, workers: u32) -> Self {
        self.name = format!("{} x{workers}", self.name);
        if let Some(count) = self.command.last_mut() {
            *count = workers.to_string();
        }
        Self { cores: Cores::Any, ..self }
    }

    /// Adds to its name and its arguments.
    pub(super) fn add(&mut self, what: &str, arguments: &[&str]) {
        self.name = format!("{} {what}", self.name);
        self.command.extend(arguments.iter().map(|&word| word.to_owned()));
    }

    /// Returns a broker with its program and arguments, and what is run before each start.
    ///
    /// # Errors
    ///
    /// When there is no program, or nothing says where the port goes.
    pub(super) fn new(name: String, command: Vec<String>, setup: Vec<String>) -> Result<Self> {
        ensure!(!command.is_empty(), "`{name}` names no program");
        let has_port = command.iter().chain(&setup).any(|word| word.contains("{port}"));
        ensure!(has_port, "`{name}` does not say where the port goes: {{port}}");
        Ok(Self { name, command, setup, cores: Cores::One })
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
        Self::new("mosquitto".to_owned(), command, Vec::new()).ok()
    }

    /// Returns our broker behind another door than TCP, with these certificates for TLS.
    pub(super) fn ours_behind(
        binaries: &Path,
        transport: Transport,
        certificates: &Certificates,
    ) -> Self {
        let mut ours = Self::ours(binaries);
        let door: &[&str] = match transport {
            Transport::Tcp => return ours,
            Transport::Tls | Transport::TlsResumed => &["--tls-only", "--tls-port", "{port}"],
            Transport::Ws => &["--port", "0", "--ws={port}"],
            Transport::Wss => &["--tls-only", "--tls-port", "0", "--wss={port}"],
        };
        ours.command.truncate(1);
        let all = ["--bind", "127.0.0.1", "--workers", "1"];
        ours.command.extend(all.iter().chain(door).map(|&word| word.to_owned()));
        if transport != Transport::Ws {
            ours.command.extend(certificates.files_of_server());
        }
        ours
    }

    /// Returns mosquitto without its limits behind the same door, where it is installed.
    pub(super) fn mosquitto_behind(
        transport: Transport,
        certificates: &Certificates,
    ) -> Result<Option<Self>> {
        let Some(mut mosquitto) = Self::mosquitto() else { return Ok(None) };
        let config = certificates.file("mosquitto.conf").display().to_string();
        let file = |name| certificates.file(name).display().to_string();
        let protocol = match transport {
            // With no other listener, 2.0.11 believes that it has none.
            Transport::Ws | Transport::Wss => {
                format!("protocol websockets\nlistener 0 {}\n", file("mosquitto.sock"))
            }
            Transport::Tcp | Transport::Tls | Transport::TlsResumed => String::new(),
        };
        let tls = match transport {
            Transport::Tls | Transport::TlsResumed | Transport::Wss => {
                format!("certfile {}\nkeyfile {}\n", file("server.crt"), file("server.key"))
            }
            Transport::Tcp | Transport::Ws => String::new(),
        };
        let text = format!(
            "user root\nmax_inflight_messages 0\nmax_queued_messages 0\nallow_anonymous true\n\
             listener {{port}} 127.0.0.1\n{tls}{protocol}"
        );
        let script = format!("printf '{text}' > {config}").replace('\n', "\\n");
        mosquitto.setup = ["sh", "-c", &script].map(str::to_owned).to_vec();
        mosquitto.command.truncate(1);
        mosquitto.command.extend(["-c".to_owned(), config]);
        Ok(Some(mosquitto))
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
        Self::new(name, command, Vec::new())
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
        if let Some(mut setup) = command(&self.setup, address) {
            repository::run(&mut setup).context("the setup failed")?;
        }
        let mut command = command(&self.command, address).context("there is no program")?;
        if self.cores == Cores::One {
            command = processor::pinned(&command, processor::BROKER_CORE);
        }
        let mut process = Background::start(command.stdin(Stdio::null()))?;
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

/// Returns the command of these words, if there are any.
fn command(words: &[String], address: SocketAddr) -> Option<Command> {
    let mut words = words.iter().map(|word| word.replace("{port}", &address.port().to_string()));
    let mut command = Command::new(words.next()?);
    command.args(words);
    Some(command)
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
    fn a_setup_runs_before_each_start() {
        let words = |text: &str| text.split(' ').map(String::from).collect::<Vec<_>>();
        let contender = Contender::new("a".into(), words("cargo --version"), words("false {port}"));
        let error = format!("{:#}", contender.unwrap().start().unwrap_err());
        assert!(error.contains("the setup failed") && error.contains("false"), "{error}");
    }

    #[test]
    fn more_workers_have_every_core() {
        let ours = Contender::ours(Path::new("bin")).with_workers(2);
        assert_eq!((ours.name(), ours.cores), ("flux-broker x2", Cores::Any));
        assert!(ours.command.ends_with(&["--workers".to_owned(), "2".to_owned()]));
    }

    #[test]
    fn a_command_line_without_a_port_is_refused() {
        let error = Contender::parse("other -p 1883").unwrap_err().to_string();
        assert!(error.contains("other -p 1883") && error.contains("{port}"), "{error}");
        assert!(Contender::parse("name=").is_err());
    }
}
