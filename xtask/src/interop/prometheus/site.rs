//! The files of a broker and of the Prometheus that scrapes it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::Days;
use crate::background::Background;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::repository;

/// A folder with all of them, in that of the run's certificates.
#[derive(Debug)]
pub(super) struct Site(PathBuf);

impl Site {
    /// Writes what the broker reads.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or a program that makes one fails.
    pub(super) fn make(binary: &Path, certificates: &Certificates) -> Result<Self> {
        let site = Self(certificates.file("prometheus"));
        fs::create_dir(&site.0)?;
        site.certificate_for(Days(90))?;
        fs::write(site.file("roles.toml"), ROLES)?;
        site.password(binary)?;
        let folder = site.0.to_str().context("the folder's name is no text")?;
        fs::write(site.file("flux.toml"), BROKER.replace("FOLDER", folder))?;
        Ok(site)
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a certificate of the same subject as before that is valid for so long.
    ///
    /// # Errors
    ///
    /// When OpenSSL does not make it.
    pub(super) fn certificate_for(&self, days: Days) -> Result<()> {
        let mut command = Command::new("openssl");
        command
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-subj", "/CN=flux", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-days", &days.0.to_string(), "-keyout"])
            .arg(self.file("server.key"))
            .arg("-out")
            .arg(self.file("server.crt"));
        ensure!(repository::succeeds(&mut command), "openssl makes no certificate");
        Ok(())
    }

    fn password(&self, binary: &Path) -> Result<()> {
        use std::io::Write as _;

        let mut command = Command::new(binary);
        command.args(["passwd", "add"]).arg(self.file("users")).arg(USER).stdin(Stdio::piped());
        let mut program = Background::start(&mut command)?;
        let mut stdin = program.stdin().context("it has no input")?;
        writeln!(stdin, "{PASSWORD}")?;
        drop(stdin);
        let status = program.finish(super::DEADLINE)?;
        ensure!(status.success(), "no password: {}", program.text());
        Ok(())
    }

    /// Starts the broker, such that it outlives files that cannot grow.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub(super) fn broker(&self, binary: &Path) -> Result<Broker> {
        let mut command = Command::new("sh");
        // A file that has reached its limit sends a signal, which would end the broker; a full disk sends none.
        command.args(["-c", "trap '' XFSZ; exec \"$0\" --config \"$1\""]);
        Broker::run(command.arg(binary).arg(self.file("flux.toml")))
    }

    /// Writes what Prometheus reads, and returns where.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn scrape(&self, admin: SocketAddr) -> Result<PathBuf> {
        let rules = repository::root().join("deploy/prometheus/*.rules.yml");
        let text = PROMETHEUS.replace("RULES", &rules.display().to_string());
        let file = self.file("prometheus.yml");
        fs::write(&file, text.replace("ADMIN", &admin.to_string()))?;
        Ok(file)
    }
}

pub(super) const USER: &str = "alice";
pub(super) const PASSWORD: &str = "open sesame";
/// Sessions that there may be.
pub(super) const SESSIONS: usize = 20;

const BROKER: &str = r#"
[[listener]]
name = "plain"
bind = "127.0.0.1:0"

[[listener]]
name = "tls"
transport = "mqtts"
bind = "127.0.0.1:0"
tls = "server"

[tls.server]
cert = "FOLDER/server.crt"
key = "FOLDER/server.key"

[auth]
password_file = "FOLDER/users"
allow_anonymous = true

[acl]
file = "FOLDER/roles.toml"

[limits]
sessions = 20

[session]
queued_messages = 11_000

[storage]
data_dir = "FOLDER/data"

[admin]
bind = "127.0.0.1:0"
"#;

const ROLES: &str = r#"
[roles.user]
publish = ["load/#"]
subscribe = ["load/#"]
retain = ["load/#"]

[[bind]]
everyone = true
roles = ["user"]
"#;

const PROMETHEUS: &str = r#"
global: { scrape_interval: 500ms, evaluation_interval: 500ms }
rule_files: ["RULES"]
scrape_configs:
  - job_name: flux
    static_configs: [{ targets: ["ADMIN"] }]
"#;
