//! The command line.

mod tls;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use flux_admin::AdminSettings;
use flux_mqtt::{IpNet, Listen, Listener, LoadTlsError, QoS, Settings, TlsConfig};

use self::tls::TlsArguments;
use crate::access::{Access, AccessArguments};
use crate::acl::Acl;
use crate::data::Promise;
use crate::passwd::Passwd;
use crate::store::StoreCommand;
use crate::tls_init::TlsInit;

/// A fast, strict and safe MQTT broker: 3.1, 3.1.1 and 5.0 over TCP and TLS, every quality of service.
///
/// Without arguments it listens on port 1883 of loopback, lets anyone local in, and keeps
/// everything in memory; with --data-dir what it acknowledged outlives it.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// IP address to listen on; may be repeated. Default: 127.0.0.1 and, where IPv6 exists, ::1
    #[arg(long, env = "FLUX_BIND", value_delimiter = ',', value_name = "IP")]
    bind: Vec<IpAddr>,

    /// Port to listen on; 0 lets the system choose
    #[arg(long, env = "FLUX_PORT", default_value_t = 1883)]
    port: u16,

    #[command(flatten)]
    tls: TlsArguments,

    /// Address or range of load balancers that say whom a connection is from (PROXY protocol, version 1 or 2), such as
    /// 10.0.0.0/8; may be repeated. It is demanded of them, and taken from nobody else
    #[arg(long, env = "FLUX_PROXY_FROM", value_delimiter = ',', value_name = "RANGE", value_parser = range)]
    proxy_from: Vec<IpNet>,

    /// Threads that serve connections. Default: one for each core
    #[arg(long, env = "FLUX_WORKERS", value_name = "N")]
    workers: Option<NonZeroUsize>,

    /// Highest quality of service granted; 1 grants 2 as 1, as version 0.2 did
    #[arg(long, env = "FLUX_MAX_QOS", value_name = "QOS", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    max_qos: u8,

    #[command(flatten)]
    access: AccessArguments,

    /// Let anyone connect on addresses that are not loopback, and with --passwords those who give no name and no
    /// password
    #[arg(long, env = "FLUX_ALLOW_ANONYMOUS")]
    allow_anonymous: bool,

    /// Keep sessions, their messages and retained messages in this directory, which is made if it is missing.
    /// Without it everything is in memory
    #[arg(long, env = "FLUX_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// What an acknowledgement outlives. Default: disk with a data directory, none without
    #[arg(long, env = "FLUX_DURABILITY", value_name = "WHAT")]
    pub(crate) durability: Option<Promise>,

    /// Serve metrics (Prometheus) and health over HTTP, at this address or 127.0.0.1:9883
    #[arg(long, env = "FLUX_ADMIN", value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:9883")]
    admin: Option<SocketAddr>,

    /// File with the token that metrics ask for, needed on addresses that are not loopback
    #[arg(long, env = "FLUX_ADMIN_TOKEN_FILE", value_name = "FILE", requires = "admin")]
    admin_token_file: Option<PathBuf>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as flux_mqtt=debug
    #[arg(long, env = "FLUX_LOG", value_name = "FILTER", default_value = "warn")]
    pub(crate) log: String,
}

/// Reads a range of addresses, or one address.
fn range(text: &str) -> std::result::Result<IpNet, String> {
    let range = text.parse().ok().or_else(|| Some(text.parse::<IpAddr>().ok()?.into()));
    range.ok_or_else(|| {
        "neither an address nor a range, as 192.0.2.7 and 192.0.2.0/24 are".to_owned()
    })
}

/// What else the program does than to be a broker.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at what a broker that does not run has stored
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
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
    /// Returns the settings that the command line asks for.
    ///
    /// # Errors
    ///
    /// When certificates cannot be used.
    pub(crate) fn settings(&self) -> std::result::Result<Settings, LoadTlsError> {
        if let Some(problem) = self.tls.problem() {
            Self::command().error(ErrorKind::WrongNumberOfValues, problem).exit();
        }
        let mut settings = Settings::default();
        settings.listeners.clear();
        if !self.tls.tls_only {
            settings.listeners.push(Listener::tcp(self.listen(self.port)));
        }
        if let Some(tls) = self.tls.settings() {
            let tls = TlsConfig::load(tls)?;
            settings.listeners.push(Listener::tls(self.listen(self.tls.tls_port), tls));
        }
        for listener in &mut settings.listeners {
            listener.proxies.clone_from(&self.proxy_from);
        }
        if let Some(workers) = self.workers {
            settings.workers = workers;
        }
        settings.max_qos = QoS::try_from(self.max_qos).unwrap_or(QoS::ExactlyOnce);
        settings.allow_anonymous = self.allow_anonymous;
        Ok(settings)
    }

    /// Returns who may connect and what they may do.
    ///
    /// # Errors
    ///
    /// When a file cannot be used.
    pub(crate) fn access(&self) -> Result<Access> {
        Access::open(&self.access, self.allow_anonymous, self.tls.username())
    }

    /// Returns where metrics are served, if they are.
    ///
    /// # Errors
    ///
    /// When the file with the token cannot be read.
    pub(crate) fn admin(&self) -> Result<Option<AdminSettings>> {
        let Some(address) = self.admin else { return Ok(None) };
        let mut settings = AdminSettings::new(address);
        if let Some(path) = &self.admin_token_file {
            let token = fs::read_to_string(path);
            let token = token.with_context(|| format!("cannot read {}", path.display()))?;
            settings.token = Some(token.trim().to_owned());
        }
        Ok(Some(settings))
    }

    fn listen(&self, port: u16) -> Listen {
        if self.bind.is_empty() {
            Listen::Loopback(port)
        } else {
            let addresses = self.bind.iter().map(|ip| SocketAddr::new(*ip, port));
            Listen::Addresses(addresses.collect())
        }
    }
}
