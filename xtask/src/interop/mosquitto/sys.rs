//! The broker's numbers under `$SYS`, as mosquitto's own clients find mosquitto's.

use anyhow::{Context as _, Result, ensure};

use super::programs::Clients;

/// Every name that mosquitto 2.0 and 2.1 publish by themselves is there, retained.
pub(super) fn names(clients: &Clients) -> Result<()> {
    let subscriber = clients.subscribe(&["-t", "$SYS/#", "-q", "2"])?;
    let mut wanted: Vec<_> = NAMES.iter().map(|name| format!("$SYS/broker/{name}|")).collect();
    for load in LOADS {
        wanted.extend(["1min", "5min", "15min"].map(|it| format!("$SYS/broker/load/{load}/{it}|")));
    }
    let is_there = |seen: &[String], name: &String| seen.iter().any(|it| it.starts_with(name));
    let seen = subscriber.wait_for(|seen| wanted.iter().all(|name| is_there(seen, name)));
    let seen = seen.with_context(|| format!("wanted {wanted:?}"))?;
    for (topic, words) in [("version", "flux-broker version "), ("uptime", " seconds")] {
        let topic = format!("$SYS/broker/{topic}|0|1|");
        let text = seen.iter().find_map(|it| it.strip_prefix(&topic)).context("not retained")?;
        ensure!(text.contains(words), "{topic}{text}");
    }
    Ok(())
}

const NAMES: [&str; 25] = [
    "version",
    "uptime",
    "clients/total",
    "clients/maximum",
    "clients/connected",
    "clients/active",
    "clients/disconnected",
    "clients/inactive",
    "clients/expired",
    "messages/received",
    "messages/sent",
    "messages/stored",
    "store/messages/count",
    "store/messages/bytes",
    "bytes/received",
    "bytes/sent",
    "publish/messages/received",
    "publish/messages/sent",
    "publish/messages/dropped",
    "publish/bytes/received",
    "publish/bytes/sent",
    "retained messages/count",
    "subscriptions/count",
    "shared_subscriptions/count",
    "connections/socket/count",
];

const LOADS: [&str; 9] = [
    "messages/received",
    "messages/sent",
    "publish/received",
    "publish/sent",
    "publish/dropped",
    "bytes/received",
    "bytes/sent",
    "sockets",
    "connections",
];
