//! Clients we did not write, against our broker with one worker and with several.

mod broker;
mod mosquitto;
mod scripts;
mod tally;

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};

use self::broker::Broker;
use self::tally::{Sheet, Tally};
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
}

/// Runs every installed client and prints how each fared.
///
/// # Errors
///
/// When a check fails, when the broker does not survive, or when a client is missing although all
/// are required.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut sheet = Sheet::default();
    if let Some(address) = options.addr {
        run_clients(address, "given broker", &mut sheet);
    } else {
        let binaries = repository::build(&["flux-broker"], Profile::Debug)?;
        for workers in WORKERS {
            let label = format!("{workers} {}", if workers == 1 { "worker" } else { "workers" });
            let mut broker = Broker::start(&binaries.join("flux-broker"), workers)?;
            run_clients(broker.address(), &label, &mut sheet);
            run_over_tls(&broker, &label, &mut sheet);
            broker.stop(&label, &mut sheet);
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

fn run_clients(address: SocketAddr, label: &str, sheet: &mut Sheet) {
    for client in Client::ALL {
        println!("==> {} against {label} at {address}", client.name());
        let mut tally = Tally::default();
        match client.hint_if_missing() {
            Some(hint) => tally.skip(client.name(), hint),
            None => client.run(address, &mut tally),
        }
        sheet.add(client.name(), label, tally);
    }
}

/// Mosquitto's clients once more, over TLS and with a certificate.
fn run_over_tls(broker: &Broker, label: &str, sheet: &mut Sheet) {
    let (address, certificates) = broker.over_tls();
    let name = "mosquitto clients over TLS";
    println!("==> {name} against {label} at {address}");
    let mut tally = Tally::default();
    match Client::Mosquitto.hint_if_missing() {
        Some(hint) => tally.skip(name, hint),
        None => mosquitto::run(address, Some(certificates), &mut tally),
    }
    sheet.add(name, label, tally);
}

/// A client library or program that others wrote.
#[derive(Clone, Copy, Debug)]
enum Client {
    Mosquitto,
    Paho,
    MqttJs,
}

impl Client {
    const ALL: [Self; 3] = [Self::Mosquitto, Self::Paho, Self::MqttJs];

    fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto clients",
            Self::Paho => "paho-mqtt",
            Self::MqttJs => "MQTT.js",
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
        };
        (!is_there).then_some(hint)
    }

    fn run(self, address: SocketAddr, tally: &mut Tally) {
        match self {
            Self::Mosquitto => mosquitto::run(address, None, tally),
            Self::Paho => scripts::run_paho(address, tally),
            Self::MqttJs => scripts::run_mqttjs(address, tally),
        }
    }
}

const WORKERS: [usize; 2] = [1, 4];
