//! The flags that say what a broker does. Each is a setting of the config, and overrides its file.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use flux_config::{AddressRange, Bind, Flags};

use super::tls::TlsArguments;
use super::websocket::DoorArguments;
use crate::settings::ADMIN_PORT;

/// The flags that say what a broker does.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// IP address to listen on; may be repeated. Default: 127.0.0.1 and, where IPv6 exists, ::1
    #[arg(long, env = "FLUX_BIND", value_delimiter = ',', value_name = "IP")]
    bind: Vec<IpAddr>,

    /// Port to listen on; 0 lets the system choose. Default: 1883
    #[arg(long, env = "FLUX_PORT")]
    port: Option<u16>,

    #[command(flatten)]
    tls: TlsArguments,

    /// Address or range of load balancers that say whom a connection is from (PROXY protocol, version 1 or 2), such as
    /// 10.0.0.0/8; may be repeated. It is demanded of them, and taken from nobody else
    #[arg(long, env = "FLUX_PROXY_FROM", value_delimiter = ',', value_name = "RANGE")]
    proxy_from: Vec<AddressRange>,

    /// Threads that serve connections. Default: one for each core
    #[arg(long, env = "FLUX_WORKERS", value_name = "N")]
    workers: Option<NonZeroU32>,

    /// Highest quality of service granted; 1 grants 2 as 1, as version 0.2 did. Default: 2
    #[arg(long, env = "FLUX_MAX_QOS", value_name = "QOS", value_parser = clap::value_parser!(u8).range(0..=2))]
    max_qos: Option<u8>,

    /// Password file, as `flux-broker passwd` keeps it; mosquitto's will do. With it everybody has to prove who it is,
    /// unless --allow-anonymous admits those who say nothing. Read again on SIGHUP
    #[arg(long, env = "FLUX_PASSWORDS", value_name = "FILE", help_heading = "Access")]
    passwords: Option<String>,

    /// Roles and rules in TOML, see `flux-broker acl`. Without it there are none, and --acl-default decides. Read again on
    /// SIGHUP
    #[arg(long, env = "FLUX_ROLES", value_name = "FILE", help_heading = "Access")]
    roles: Option<String>,

    /// What is decided where no rule says anything. Default: deny with roles, and where anything says who a client is, such as
    /// --passwords; else allow
    #[arg(long, env = "FLUX_ACL_DEFAULT", value_name = "VERDICT", help_heading = "Access")]
    acl_default: Option<AclDefault>,

    /// Let anyone connect on addresses that are not loopback, and with --passwords those who give no name and no
    /// password
    #[arg(long, env = "FLUX_ALLOW_ANONYMOUS", help_heading = "Access")]
    allow_anonymous: bool,

    /// Keep sessions, their messages and retained messages in this directory, which is made if it is missing.
    /// Without it everything is in memory
    #[arg(long, env = "FLUX_DATA_DIR", value_name = "DIR")]
    data_dir: Option<String>,

    /// What an acknowledgement outlives. Default: disk with a data directory, none without
    #[arg(long, env = "FLUX_DURABILITY", value_name = "WHAT")]
    durability: Option<Promise>,

    /// Serve metrics (Prometheus) and health over HTTP, at this address or 127.0.0.1:9883
    #[arg(long, env = "FLUX_ADMIN", value_name = "ADDRESS", num_args = 0..=1)]
    admin: Option<Option<SocketAddr>>,

    /// File with the token that metrics ask for, needed on addresses that are not loopback
    #[arg(long, env = "FLUX_ADMIN_TOKEN_FILE", value_name = "FILE", requires = "admin")]
    admin_token_file: Option<String>,

    /// Serve metrics under the names of this broker as well, where they mean the same: emqx
    #[arg(long, env = "FLUX_ADMIN_COMPAT", value_name = "BROKER", requires = "admin")]
    admin_compat: Option<String>,

    /// Seconds between messages with the broker's numbers under $SYS/broker; 0 for none. Default: 10
    #[arg(long, env = "FLUX_SYS_INTERVAL", value_name = "SECONDS")]
    sys_interval: Option<u32>,

    /// What to log to stderr: error, warn, info, debug, trace, or a filter such as warn,events=info. Default: warn
    #[arg(long, env = "FLUX_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// What lines of the log look like. Default: auto, which is text on a terminal and JSON otherwise
    #[arg(long, env = "FLUX_LOG_FORMAT", value_name = "FORM")]
    log_format: Option<LogForm>,

    #[command(flatten)]
    doors: DoorArguments,
}

/// What is decided where no rule says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AclDefault {
    /// What no rule denies is allowed
    Allow,
    /// What no rule allows is denied
    Deny,
}

/// What lines of the log look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogForm {
    /// Text on a terminal, JSON otherwise
    Auto,
    /// Text for people
    Text,
    /// A JSON object a line
    Json,
}

/// What an acknowledgement outlives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Promise {
    /// A crash of the broker, of the system, and a power cut: it is on the disk
    Disk,
    /// A crash of the broker, but none of the system and no power cut: the system has it
    Os,
    /// Nothing: everything is in memory
    None,
}

impl Arguments {
    /// Returns what they say.
    pub(crate) fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        self.listeners(&mut flags);
        if let Some(workers) = self.workers {
            flags.number(&["broker", "workers"], workers.get(), "--workers");
        }
        if let Some(max_qos) = self.max_qos {
            flags.number(&["protocol", "max_qos"], max_qos.into(), "--max-qos");
        }
        let durability = self.durability.map(|promise| match promise {
            Promise::Disk => "disk".to_owned(),
            Promise::Os => "os".to_owned(),
            Promise::None => "none".to_owned(),
        });
        let default = SocketAddr::from((Ipv4Addr::LOCALHOST, ADMIN_PORT));
        let admin = self.admin.map(|address| address.unwrap_or(default));
        let log_format = self.log_format.map(|form| match form {
            LogForm::Auto => "auto".to_owned(),
            LogForm::Text => "text".to_owned(),
            LogForm::Json => "json".to_owned(),
        });
        let acl_default = self.acl_default.map(|verdict| match verdict {
            AclDefault::Allow => "allow".to_owned(),
            AclDefault::Deny => "deny".to_owned(),
        });
        for (path, value, flag) in [
            (["auth", "password_file"], &self.passwords, "--passwords"),
            (["acl", "file"], &self.roles, "--roles"),
            (["acl", "default"], &acl_default, "--acl-default"),
            (["storage", "data_dir"], &self.data_dir, "--data-dir"),
            (["storage", "durability"], &durability, "--durability"),
            (["admin", "bind"], &admin.map(|it| it.to_string()), "--admin"),
            (["sys", "interval"], &self.sys_interval.map(|it| format!("{it}s")), "--sys-interval"),
            (["log", "filter"], &self.log, "--log"),
            (["log", "format"], &log_format, "--log-format"),
        ] {
            if let Some(value) = value {
                flags.text(&path, value, flag);
            }
        }
        if let Some(file) = &self.admin_token_file {
            flags.text_of(&["admin", "token"], file, "--admin-token-file");
        }
        if let Some(broker) = &self.admin_compat {
            flags.list(&["admin", "compat"], vec![broker.clone()], "--admin-compat");
        }
        flags
    }

    /// Returns whether an admin listener is wanted, wherever it is.
    pub(crate) const fn wants_admin_anywhere(&self) -> bool {
        matches!(self.admin, Some(None))
    }

    /// Returns what is wrong about them together.
    pub(crate) fn problem(&self) -> Option<String> {
        self.tls.problem()
    }

    /// What says where to listen takes the place of all listeners of a file; WebSocket and Unix sockets are added, and the rest holds for all there are.
    fn listeners(&self, flags: &mut Flags) {
        let has_tls = self.tls.put(flags);
        let (bind, port) = (!self.bind.is_empty(), self.port.is_some());
        let flag = if bind { "--bind" } else { "--port" };
        let mut number = "0";
        if (bind || port || has_tls) && !self.tls.tls_only {
            let path = |key| ["listener", "0", key];
            flags.text(&path("name"), "mqtt", flag);
            flags.list(&path("bind"), self.bind(self.port.unwrap_or(1883)), flag);
            number = "1";
        }
        if has_tls {
            let (path, flag) = (|key| ["listener", number, key], "--tls-cert");
            flags.text(&path("name"), "mqtts", flag);
            flags.text(&path("transport"), "mqtts", flag);
            flags.text(&path("tls"), "flags", flag);
            flags.list(&path("bind"), self.bind(self.tls.tls_port), "--tls-port");
        }
        self.doors.put(flags, |port| self.bind(port));
        if !self.proxy_from.is_empty() {
            let ranges = self.proxy_from.iter().map(ToString::to_string).collect();
            flags.every_listener("proxy_from", ranges, "--proxy-from");
        }
        if self.allow_anonymous {
            flags.allow_anonymous("--allow-anonymous");
        }
    }

    fn bind(&self, port: u16) -> Vec<String> {
        if self.bind.is_empty() {
            return vec![Bind::Loopback(port).to_string()];
        }
        self.bind.iter().map(|ip| SocketAddr::new(*ip, port).to_string()).collect()
    }
}
