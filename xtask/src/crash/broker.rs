//! The broker that is killed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::stage::Stage;
use crate::background::Background;
use crate::clock;

/// Which broker, and how it is started.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Ours {
        binaries: PathBuf,
        durability: String,
    },
    /// A command line with `{port}` and `{dir}`.
    Given(String),
}

impl Kind {
    fn command(&self, port: u16, directory: &Path) -> Command {
        match self {
            Self::Ours { binaries, durability } => {
                let mut command = Command::new(binaries.join("flux-broker"));
                command.args([
                    "--bind",
                    "127.0.0.1",
                    "--port",
                    &port.to_string(),
                    "--workers",
                    "2",
                ]);
                // Without a store there is nothing to choose.
                if durability != "none" {
                    command.args(["--durability", durability, "--data-dir"]).arg(directory);
                }
                command
            }
            Self::Given(line) => {
                let mut words = line.split_whitespace().map(|word| {
                    let word = word.replace("{port}", &port.to_string());
                    word.replace("{dir}", &directory.to_string_lossy())
                });
                let mut command = Command::new(words.next().unwrap_or_default());
                command.args(words);
                command
            }
        }
    }
}

/// A broker that accepts connections.
#[derive(Debug)]
pub(super) struct Process {
    process: Background,
    address: SocketAddr,
}

impl Process {
    /// Starts it on a port of its own and waits until it listens.
    pub(super) fn start(kind: &Kind, directory: &Path) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let address = listener.local_addr().context("cannot tell the free port")?;
        drop(listener);
        let mut command = kind.command(address.port(), directory);
        let mut process = Background::start(command.stdin(Stdio::null()))?;
        let accepts = clock::poll(DEADLINE, || {
            let is_up = TcpStream::connect(address).is_ok();
            (is_up || !process.is_running()).then_some(is_up)
        });
        ensure!(accepts == Some(true), "the broker does not start: {}", process.text());
        Ok(Self { process, address })
    }

    pub(super) const fn stage(&self) -> Stage {
        Stage::new(self.address)
    }

    /// Kills it with SIGKILL, and waits until it is gone.
    pub(super) fn kill(&mut self) {
        self.process.kill();
    }
}

/// For a start, with all that is to be read.
const DEADLINE: Duration = Duration::from_secs(30);
