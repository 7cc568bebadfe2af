//! `flux-broker bans`: which addresses are turned away for a while, and letting them in again.

use std::io::Write;
use std::net::IpAddr;

use clap::Subcommand;
use flux_admin::BanEntry;

use crate::admin_client::{AdminClient, escaped, parse, write_json};

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
                broker.delete(&path)
            }
        }
    }
}

fn list(broker: &AdminClient, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let bans: Vec<BanEntry> = parse(broker.ask("GET", PATH)?)?;
    if !json {
        writeln!(out, "{:<40} SECONDS", "ADDRESS")?;
    }
    for ban in bans {
        if json {
            write_json(&ban, out)?;
        } else {
            writeln!(out, "{:<40} {}", ban.address.to_string(), ban.seconds)?;
        }
    }
    Ok(())
}

const PATH: &str = "/api/v1/bans";
