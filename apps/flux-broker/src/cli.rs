//! The command line.

mod arguments;
mod tls;
mod websocket;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use flux_config::Flags;

pub(crate) use self::arguments::{AclDefault, Arguments};
use crate::acl::Acl;
use crate::admin_client::AdminClient;
use crate::bans::BansCommand;
use crate::clients::Clients;
use crate::config::ConfigCommand;
use crate::log_command::LogCommand;
use crate::passwd::Passwd;
use crate::store::StoreCommand;
use crate::tls_init::TlsInit;

/// A fast, strict and safe MQTT broker: 3.1, 3.1.1 and 5.0 over TCP, TLS and WebSocket, every quality of service.
///
/// Without arguments it listens on port 1883 of loopback, lets anyone local in, and keeps
/// everything in memory; with --data-dir what it acknowledged outlives it.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// File in TOML that says what the broker does: see `flux-broker config`. Flags override it
    #[arg(long, env = "FLUX_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    arguments: Arguments,
}

/// What else the program does than to be a broker.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write, check and show the file that says what the broker does
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Look at what a broker that does not run has stored
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
    /// List, show and disconnect the clients of a broker that runs with --admin
    #[command(subcommand)]
    Clients(Clients),
    /// List and lift the bans of a broker that runs with --admin
    #[command(subcommand)]
    Bans(BansCommand),
    /// Show and change what a broker that runs with --admin logs
    #[command(subcommand)]
    Log(LogCommand),
    /// Ask a broker that runs with --admin whether it can serve: the exit code is 0 if so
    Health(AdminClient),
    /// Keep the users of a password file
    #[command(subcommand)]
    Passwd(Passwd),
    /// Look at roles and rules
    #[command(subcommand)]
    Acl(Acl),
    /// Certificates
    #[command(subcommand)]
    Tls(TlsCommand),
}

/// What there is to do with certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum TlsCommand {
    /// Make an authority, a server certificate and a client certificate for development
    Init(TlsInit),
}

impl Cli {
    /// Returns what the flags say. Where they contradict each other, the program ends.
    pub(crate) fn flags(&self) -> Flags {
        if let Some(problem) = self.arguments.problem() {
            Self::command().error(ErrorKind::WrongNumberOfValues, problem).exit();
        }
        self.arguments.flags()
    }

    /// Returns whether an admin listener is wanted, wherever it is.
    pub(crate) const fn wants_admin_anywhere(&self) -> bool {
        self.arguments.wants_admin_anywhere()
    }
}
