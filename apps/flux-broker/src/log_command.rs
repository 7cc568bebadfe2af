//! `flux-broker log`: what a broker that runs logs.

use std::io::Write;

use clap::Subcommand;

use crate::admin_client::{AdminClient, escaped, unexpected};

/// What there is to do with the log of a broker that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Show what is logged
    Show {
        #[command(flatten)]
        broker: AdminClient,
    },
    /// Log something else, until the config is read again or the broker restarts
    Set {
        /// error, warn, info, debug, trace, or a filter such as warn,events=info
        filter: String,
        #[command(flatten)]
        broker: AdminClient,
    },
}

impl LogCommand {
    /// Does it.
    pub(crate) fn run(&self, out: &mut impl Write) -> anyhow::Result<bool> {
        let (status, body) = match self {
            Self::Show { broker } => broker.ask("GET", "/api/v1/log")?,
            Self::Set { filter, broker } => {
                broker.ask("PUT", &format!("/api/v1/log?filter={}", escaped(filter)))?
            }
        };
        if status != 200 {
            return Err(unexpected(status, &body));
        }
        write!(out, "{body}")?;
        Ok(true)
    }
}
