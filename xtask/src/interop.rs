//! Clients we did not write, against every door of our broker, with one worker and with several.

mod browser;
mod imports;
mod mosquitto;
mod names;
mod openssl;
mod otlp;
mod prometheus;
mod proofs;
mod scripts;
mod tally;

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use self::tally::{Sheet, Tally};
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::doors::door::{Door, Scheme};
use crate::repository::{self, Profile};

/// Which broker, and how strict.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Fail when a client is not installed, instead of skipping it
    #[arg(long)]
    require_all: bool,
    /// Run against this broker instead of starting ours
    #[arg(long, hide = true, value_name = "HOST:PORT")]
    addr: Option<SocketAddr>,
    /// Only clients whose name, with the scheme, contains this: "MQTT.js wss"
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
}

/// Runs every installed client and prints how each fared.
///
/// # Errors
///
/// When a check fails, when the broker does not survive, or when a client is missing although all
/// are required.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut sheet = Sheet::default();
    let binary =
        repository::build_with(&["flux-broker"], &["otlp"], Profile::Debug)?.join("flux-broker");
    let certificates = Certificates::make(&binary, "interop")?;
    if let Some(address) = options.addr {
        let doors = [Door::plain(address)];
        run_clients(&doors, "given broker", &options.only, &certificates, &mut sheet);
    } else {
        for workers in WORKERS {
            let label = format!("{workers} {}", if workers == 1 { "worker" } else { "workers" });
            let broker = Broker::start(&binary, &Broker::every_door(workers, &certificates))?;
            run_clients(broker.doors(), &label, &options.only, &certificates, &mut sheet);
            sheet.add("flux-broker", &label, Tally::of_end(broker.stop()));
        }
        for suite in Suite::ALL.into_iter().filter(|suite| suite.name().contains(&options.only)) {
            println!("==> {}", suite.name());
            sheet.add(suite.name(), "of its own", suite.run(&binary, &certificates)?);
        }
    }
    print!("{sheet}");
    let total = sheet.total();
    ensure!(total.failed == 0, "{} of {} checks failed", total.failed, total.passed + total.failed);
    if options.require_all && total.skipped > 0 {
        bail!("{} suites were skipped, and all are required", total.skipped);
    }
    Ok(())
}

fn run_clients(
    doors: &[Door],
    label: &str,
    only: &str,
    certificates: &Certificates,
    sheet: &mut Sheet,
) {
    for client in Client::ALL {
        for door in doors.iter().filter(|door| client.can_use(door.scheme)) {
            let name = format!("{} {}", client.name(), door.scheme.name());
            if !name.contains(only) {
                continue;
            }
            println!("==> {name} against {label} at {door}");
            let mut tally = Tally::default();
            match client.hint_if_missing() {
                Some(hint) => tally.skip(client.name(), hint),
                None => client.run(door, certificates, &mut tally),
            }
            sheet.add(&name, label, tally);
        }
    }
}

/// A client library or program that others wrote.
#[derive(Clone, Copy, Debug)]
enum Client {
    Mosquitto,
    Paho,
    MqttJs,
    OpenSsl,
}

impl Client {
    const ALL: [Self; 4] = [Self::Mosquitto, Self::Paho, Self::MqttJs, Self::OpenSsl];

    fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Paho => "paho-mqtt",
            Self::MqttJs => "MQTT.js",
            Self::OpenSsl => "openssl",
        }
    }

    fn can_use(self, scheme: Scheme) -> bool {
        match self {
            // Debian's speak no WebSocket.
            Self::Mosquitto => !scheme.is_websocket(),
            Self::Paho => true,
            Self::MqttJs => scheme != Scheme::Unix,
            Self::OpenSsl => scheme.is_over_tls(),
        }
    }

    /// Returns how to install what is not there.
    fn hint_if_missing(self) -> Option<&'static str> {
        let (is_there, hint) = match self {
            Self::Mosquitto => (mosquitto::is_installed(), "apt-get install mosquitto-clients"),
            Self::Paho => (
                scripts::has_paho(),
                "python3 -m pip install -r xtask/interop/requirements.txt (in a virtual environment)",
            ),
            Self::MqttJs => {
                (scripts::has_mqttjs(), "npm ci --prefix xtask/interop (with Node 18 or newer)")
            }
            Self::OpenSsl => (openssl::is_installed(), "apt-get install openssl"),
        };
        (!is_there).then_some(hint)
    }

    fn run(self, door: &Door, certificates: &Certificates, tally: &mut Tally) {
        match self {
            Self::Mosquitto => mosquitto::run(door, certificates, tally),
            Self::Paho => scripts::run_paho(door, certificates.folder(), tally),
            Self::MqttJs => scripts::run_mqttjs(door, certificates.folder(), tally),
            Self::OpenSsl => openssl::run(door, certificates, tally),
        }
    }
}

/// What needs a broker with settings of its own.
#[derive(Clone, Copy, Debug)]
enum Suite {
    Names,
    Proofs,
    Browser,
    Imports,
    Prometheus,
    Otlp,
    Beside,
}

impl Suite {
    const ALL: [Self; 7] = [
        Self::Names,
        Self::Proofs,
        Self::Browser,
        Self::Imports,
        Self::Prometheus,
        Self::Otlp,
        Self::Beside,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Names => "mosquitto by name",
            Self::Proofs => "proofs of others",
            Self::Browser => "Chromium",
            Self::Imports => "mosquitto.conf",
            Self::Prometheus => "Prometheus",
            Self::Otlp => "OpenTelemetry",
            Self::Beside => "mosquitto's $SYS",
        }
    }

    fn run(self, binary: &Path, certificates: &Certificates) -> Result<Tally> {
        let hint = match self {
            Self::Names => Client::Mosquitto.hint_if_missing(),
            Self::Proofs => proofs::hint_if_missing(),
            Self::Browser => browser::hint_if_missing(),
            Self::Imports => imports::hint_if_missing(),
            Self::Prometheus => prometheus::hint_if_missing(),
            Self::Otlp => otlp::hint_if_missing(),
            Self::Beside if mosquitto::beside::has_broker() => Client::Mosquitto.hint_if_missing(),
            Self::Beside => Some("apt-get install mosquitto"),
        };
        if let Some(hint) = hint {
            let mut tally = Tally::default();
            tally.skip(self.name(), hint);
            return Ok(tally);
        }
        match self {
            Self::Names => names::run(binary, certificates),
            Self::Proofs => proofs::run(binary, certificates),
            Self::Browser => browser::run(binary, certificates),
            Self::Imports => Ok(imports::run(binary, certificates)),
            Self::Prometheus => prometheus::run(binary, certificates),
            Self::Otlp => otlp::run(binary, certificates),
            Self::Beside => mosquitto::beside::run(binary, certificates),
        }
    }
}

const WORKERS: [usize; 2] = [1, 4];
