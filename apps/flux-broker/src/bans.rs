//! `flux-broker bans`: which addresses are turned away for a while, and letting them in again.

use std::io::Write;
use std::net::IpAddr;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use flux_admin::BanEntry;

use crate::admin_client::{AdminClient, escaped};

/// What there is to do with the bans of a broker that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum BansCommand {
    /// List the addresses that are banned, and for how many seconds yet
    List {
        #[command(flatten)]
        broker: AdminClient,
        /// Print JSON, one address a line
        #[arg(long)]
        json: bool,
    },
    /// Let an address in again
    Lift {
        /// The address
        address: IpAddr,
        #[command(flatten)]
        broker: AdminClient,
    },
}

impl BansCommand {
    /// Does it; `false` when the address is not banned.
    pub(crate) fn run(&self, out: &mut impl Write) -> anyhow::Result<bool> {
        match self {
            Self::List { broker, json } => list(broker, *json, out).map(|()| true),
            Self::Lift { address, broker } => {
                let path = format!("{PATH}?address={}", escaped(&address.to_string()));
                match broker.ask("DELETE", &path)? {
                    (204, _) => Ok(true),
                    (404, _) => Ok(false),
                    (status, body) => bail!("the broker answers {status}: {}", body.trim()),
                }
            }
        }
    }
}

fn list(broker: &AdminClient, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let (status, body) = broker.ask("GET", PATH)?;
    if status != 200 {
        bail!("the broker answers {status}: {}", body.trim());
    }
    let bans: Vec<BanEntry> = serde_json::from_str(&body)
        .context("the broker's answer is not what this version knows")?;
    if !json {
        writeln!(out, "{:<40} SECONDS", "ADDRESS")?;
    }
    for ban in bans {
        if json {
            writeln!(out, "{}", serde_json::to_string(&ban)?)?;
        } else {
            writeln!(out, "{:<40} {}", ban.address.to_string(), ban.seconds)?;
        }
    }
    Ok(())
}

const PATH: &str = "/api/v1/bans";
