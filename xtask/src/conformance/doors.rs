//! The suite over other transports than TCP: against any broker, or against ours with every door open.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use flux_conformance::Layer;

use super::judgement::{self, Counts};
use crate::doors::broker::Broker;
use crate::doors::certificates::{self, Certificates};
use crate::doors::door::Scheme;
use crate::repository::{self, Profile};

/// What is laid between MQTT and the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Transport {
    /// Nothing
    Tcp,
    /// TLS
    Tls,
    /// WebSocket, at /mqtt
    Ws,
    /// WebSocket over TLS, at /mqtt
    Wss,
}

impl Transport {
    const fn scheme(self) -> Scheme {
        match self {
            Self::Tcp => Scheme::Mqtt,
            Self::Tls => Scheme::Mqtts,
            Self::Ws => Scheme::Ws,
            Self::Wss => Scheme::Wss,
        }
    }

    /// Returns how clients lay it over their sockets, who trust this authority.
    ///
    /// # Errors
    ///
    /// When it is TLS and there is no authority, or its file cannot be used.
    pub(super) fn layer(self, ca: Option<&Path>) -> Result<Layer> {
        let config = || certificates::client_config(ca.context("TLS needs --ca FILE")?);
        Ok(match self {
            Self::Tcp => Layer::default(),
            Self::Tls => Layer::tls(config()?),
            Self::Ws => Layer::ws(),
            Self::Wss => Layer::wss(config()?),
        })
    }
}

/// Judges our broker over these transports.
///
/// # Errors
///
/// When it cannot be built or started, does not survive, or a case fails.
pub(super) fn run(transports: &[Transport], only: &str) -> Result<()> {
    let binary: PathBuf = repository::build(&["flux-broker"], Profile::Debug)?.join("flux-broker");
    let certificates = Certificates::make(&binary, "conformance")?;
    let broker = Broker::start(&binary, &Broker::every_door(2, &certificates))?;
    let mut failed = 0;
    for transport in transports {
        let door = broker.door(transport.scheme())?;
        println!("==> {door}");
        let address = door.address().context("no address")?;
        let layer = transport.layer(Some(&certificates.file("ca.crt")))?;
        let verdicts = judgement::judge_over(layer, address, only)?;
        for line in judgement::failures(&verdicts) {
            println!("{line}");
        }
        let counts = Counts::of(&verdicts);
        println!("    {counts}");
        failed += counts.failed;
    }
    broker.stop()?;
    ensure!(failed == 0, "{failed} runs failed");
    Ok(())
}
