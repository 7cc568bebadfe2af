//! `flux-broker clients`: who is there, what waits for it, why it lost messages.

use std::io::Write;

use clap::Subcommand;
use flux_admin::{ClientEntry, EndedSessions, LossEntry};

use crate::admin_client::{AdminClient, escaped, parse, write_json};

/// What there is to do with the clients of a broker that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Clients {
    /// List all that have a session, connected or not
    List {
        /// Only those who are furthest behind: connected, and most messages wait for them. So many, ten without a number
        #[arg(long, value_name = "MOST", num_args = 0..=1, default_missing_value = "10")]
        behind: Option<u16>,
        #[command(flatten)]
        broker: AdminClient,
        /// Print JSON, one client a line
        #[arg(long)]
        json: bool,
    },
    /// Show one: who it is, what waits for it, and what it lost and why
    Show {
        /// Its client identifier
        client: String,
        #[command(flatten)]
        broker: AdminClient,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List what those lost whose sessions are over, the last first: the broker keeps the last thousand in mind
    Lost {
        /// A client identifier, of which alone is told
        client: Option<String>,
        #[command(flatten)]
        broker: AdminClient,
        /// Print JSON, one session a line
        #[arg(long)]
        json: bool,
    },
    /// Disconnect one; its session goes on as after any loss of its connection
    Kick {
        /// Its client identifier
        #[arg(required_unless_present_any = ["owner", "owned"])]
        client: Option<String>,
        /// End its session too, connected or not: what waits for it is dropped, its client identifier is free
        #[arg(long)]
        session: bool,
        /// With --session: all sessions that belong to this user
        #[arg(long, value_name = "USER", requires = "session", conflicts_with = "client")]
        owner: Option<String>,
        /// With --session: all sessions that belong to any user, as when users have other names now
        #[arg(long, requires = "session", conflicts_with_all = ["client", "owner"])]
        owned: bool,
        #[command(flatten)]
        broker: AdminClient,
    },
}

impl Clients {
    /// Does it; `false` when there is no such client.
    pub(crate) fn run(&self, out: &mut impl Write) -> anyhow::Result<bool> {
        match self {
            Self::List { behind: Some(most), broker, json } => {
                write_head(*json, out)?;
                let path = format!("/api/v1/clients?behind={most}");
                list(broker, &path, *json, out).map(|_| true)
            }
            Self::List { behind: None, broker, json } => {
                list_all(broker, *json, out).map(|()| true)
            }
            Self::Show { client, broker, json } => {
                let (status, body) = broker.ask("GET", &path(client))?;
                let is_there = status != 404;
                if is_there {
                    let entry: ClientEntry = parse((status, body))?;
                    if *json { write_json(&entry, out)? } else { show(&entry, out)? }
                }
                if !json {
                    list_lost(broker, Some(client), false, out)?;
                }
                Ok(is_there)
            }
            Self::Lost { client, broker, json } => list_lost(broker, client.as_deref(), *json, out),
            Self::Kick { client: Some(client), session, broker, .. } => {
                let path = format!("{}&session={session}", path(client));
                broker.delete(&path)
            }
            Self::Kick { client: None, owner, broker, .. } => {
                end_sessions(broker, owner.as_deref(), out)
            }
        }
    }
}

fn list_all(broker: &AdminClient, json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    write_head(json, out)?;
    let mut after = String::new();
    loop {
        let path = format!("/api/v1/clients?limit={PAGE}&after={}", escaped(&after));
        match list(broker, &path, json, out)? {
            Some(last) => after = last.client_id,
            None => return Ok(()),
        }
    }
}

fn write_head(json: bool, out: &mut impl Write) -> anyhow::Result<()> {
    if !json {
        writeln!(out, "{}", row(&HEAD.map(str::to_owned)))?;
    }
    Ok(())
}

/// Lists a page; returns the last of it.
fn list(
    broker: &AdminClient,
    path: &str,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<Option<ClientEntry>> {
    let page: Vec<ClientEntry> = parse(broker.ask("GET", path)?)?;
    for entry in &page {
        if json { write_json(entry, out)? } else { writeln!(out, "{}", row(&cells(entry)))? }
    }
    Ok(page.into_iter().last())
}

/// Ends the sessions of a user, or of all; `false` if there are none.
fn end_sessions(
    broker: &AdminClient,
    owner: Option<&str>,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let whose = owner.map_or("owned=true".to_owned(), |owner| format!("owner={}", escaped(owner)));
    let (mut ended, mut after) = (0, String::new());
    loop {
        let path =
            format!("/api/v1/clients?{whose}&session=true&limit={FEW}&after={}", escaped(&after));
        let page: EndedSessions = parse(broker.ask("DELETE", &path)?)?;
        ended += page.ended;
        match page.after {
            Some(last) => after = last,
            None => break,
        }
    }
    writeln!(out, "{ended} sessions ended")?;
    Ok(ended > 0)
}

fn show(entry: &ClientEntry, out: &mut impl Write) -> anyhow::Result<()> {
    let cells = cells(entry);
    for (name, value) in HEAD.iter().zip(&cells) {
        writeln!(out, "{name:<14}{value}")?;
    }
    let listener = entry.listener.as_deref().unwrap_or("-");
    writeln!(out, "{:<14}{listener}", "LISTENER")?;
    writeln!(out, "{:<14}{} s", "WAITING", entry.waiting_seconds)?;
    let owner = entry.owner.as_deref().unwrap_or("-").escape_debug();
    writeln!(out, "{:<14}{owner}", "OWNER")?;
    for (reason, count) in &entry.lost {
        writeln!(out, "lost {count} messages: {reason}")?;
    }
    Ok(())
}

/// Lists what sessions had lost that are over; `false` if there are none.
fn list_lost(
    broker: &AdminClient,
    client: Option<&str>,
    json: bool,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let of = client.map_or_else(String::new, |client| format!("?id={}", escaped(client)));
    let entries: Vec<LossEntry> = parse(broker.ask("GET", &format!("/api/v1/losses{of}"))?)?;
    for entry in &entries {
        if json {
            write_json(entry, out)?;
            continue;
        }
        let LossEntry { client_id, ended_seconds_ago, reason, lost, .. } = entry;
        let client_id = client_id.escape_debug();
        for (why, count) in lost {
            writeln!(
                out,
                "{client_id}, whose session ended {ended_seconds_ago} s ago ({reason}), had lost {count} messages: {why}"
            )?;
        }
    }
    Ok(!entries.is_empty())
}

fn path(client: &str) -> String {
    format!("/api/v1/clients?id={}", escaped(client))
}

fn cells(entry: &ClientEntry) -> [String; 9] {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    [
        // What clients call themselves must not draw on the terminal.
        entry.client_id.escape_debug().to_string(),
        if entry.connected { "online" } else { "offline" }.to_owned(),
        text(&entry.username).escape_debug().to_string(),
        text(&entry.peer),
        text(&entry.version),
        entry.subscriptions.to_string(),
        entry.queued.to_string(),
        entry.in_flight.to_string(),
        entry.lost.values().sum::<u64>().to_string(),
    ]
}

fn row(cells: &[String; 9]) -> String {
    let widths = [24, 8, 16, 22, 8, 6, 8, 9, 6];
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

const HEAD: [&str; 9] =
    ["CLIENT", "STATE", "USER", "ADDRESS", "VERSION", "SUBS", "QUEUED", "IN-FLIGHT", "LOST"];
/// How many are asked for at once.
const PAGE: usize = 500;
/// Of those that are to end: each is safe before the broker answers.
const FEW: usize = 100;
