//! What can happen to a broker with many connections.

mod churn;
mod connections;
mod deaf;
mod flood;
mod reconnect;
mod reload;
mod scrape;
mod silent;
mod stalled;
mod takeover;

use anyhow::Result;
use clap::ValueEnum;

pub(super) use self::connections::connections;
use super::LoadOptions;
use super::size::Size;

/// A situation; every one of them ends with all connections closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Scenario {
    /// 15,000 connections at once, one message to all
    Connections,
    /// 1,000 clients a second come, subscribe to five filters, publish and leave
    Churn,
    /// 10,000 clients of persistent sessions are cut off and come back at once
    Reconnect,
    /// Clients fall silent and are found by keep alive
    Silent,
    /// Many sockets want the same client identifier
    Takeover,
    /// Publishers as fast as they can, and somebody else
    Flood,
    /// A subscriber does not read, answers keep alive, and reads at last
    Deaf,
    /// 10,000 peers begin a TLS handshake and say no more
    Stalled,
    /// The config is read again 10,000 times while messages are published
    Reload,
    /// Metrics are read while 10,000 are connected
    Scrape,
}

impl Scenario {
    /// Every scenario, in the order in which they run.
    pub(super) const ALL: [Self; 10] = [
        Self::Connections,
        Self::Churn,
        Self::Reconnect,
        Self::Silent,
        Self::Takeover,
        Self::Flood,
        Self::Deaf,
        Self::Stalled,
        Self::Reload,
        Self::Scrape,
    ];

    /// Returns its name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Churn => "churn",
            Self::Reconnect => "reconnect",
            Self::Silent => "silent",
            Self::Takeover => "takeover",
            Self::Flood => "flood",
            Self::Deaf => "deaf",
            Self::Stalled => "stalled",
            Self::Reload => "reload",
            Self::Scrape => "scrape",
        }
    }

    /// Says whether the broker is to be started from a file, with a door for TLS and metrics.
    pub(super) const fn needs_file(self) -> bool {
        match self {
            Self::Stalled | Self::Reload | Self::Scrape => true,
            Self::Connections
            | Self::Churn
            | Self::Reconnect
            | Self::Silent
            | Self::Takeover
            | Self::Flood
            | Self::Deaf => false,
        }
    }

    /// Returns how many clients it has, if that is all its time depends on: then it may be run often.
    pub(super) const fn clients(self, size: &Size) -> Option<usize> {
        match self {
            Self::Connections => Some(size.connections),
            Self::Reconnect => Some(size.sessions),
            Self::Churn
            | Self::Silent
            | Self::Takeover
            | Self::Flood
            | Self::Deaf
            | Self::Stalled
            | Self::Reload
            | Self::Scrape => None,
        }
    }

    /// Runs it; returns lines that say what came of it.
    ///
    /// # Errors
    ///
    /// When the broker does not do what it must.
    pub(super) fn run(self, options: &LoadOptions, size: &Size) -> Result<Vec<String>> {
        let (address, broker) = (options.addr, options.broker);
        match self {
            Self::Connections => connections(address, size),
            Self::Churn => churn::churn(address, size),
            Self::Reconnect => reconnect::reconnect(address, size),
            Self::Silent => silent::silent(address, size),
            Self::Takeover => takeover::takeover(address, size),
            Self::Flood => flood::flood(address, size),
            Self::Deaf => deaf::deaf(address, broker, size),
            Self::Stalled => stalled::stalled(options, size),
            Self::Reload => reload::reload(options, size),
            Self::Scrape => scrape::scrape(options, size),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_command_line() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::from_str(scenario.name(), false), Ok(scenario));
        }
        assert_eq!(Scenario::ALL, Scenario::value_variants());
    }
}
