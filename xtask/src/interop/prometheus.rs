//! Debian's Prometheus scrapes a broker under load: what alerts and panels ask for is there, and moves.

mod load;
mod questions;
mod server;
mod site;

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use rlimit::Resource;

use self::load::Load;
use self::questions::{Question, metrics};
use self::server::Server;
use self::site::Site;
use super::tally::Tally;
use super::{mosquitto, openssl};
use crate::background::Background;
use crate::clock::poll;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::http::get;
use crate::repository;

/// Returns how to install what is not there.
pub(super) fn hint_if_missing() -> Option<&'static str> {
    let is_there = ["prometheus", "promtool"]
        .iter()
        .all(|program| repository::succeeds(Command::new(program).arg("--version")));
    let is_there = is_there && mosquitto::is_installed() && openssl::is_installed();
    (!is_there).then_some("apt-get install prometheus mosquitto-clients openssl")
}

/// Loads a broker of its own while Prometheus scrapes it, and asks Prometheus.
///
/// # Errors
///
/// When one of the programs does not start, or the load meets what it does not expect.
pub(super) fn run(binary: &Path, certificates: &Certificates) -> Result<Tally> {
    let mut tally = Tally::default();
    let rules = repository::root().join("deploy/prometheus/flux.rules.yml");
    report(&mut tally, "promtool check rules", promtool(&["check", "rules"], Some(&rules), ""));

    let site = Site::make(binary, certificates)?;
    let broker = site.broker(binary)?;
    let admin = broker.metrics_address().context("the broker does not say where metrics are")?;
    let server = Server::start(&site, admin)?;
    server.wait("min(count_over_time(flux_build_info[10m])) >= 2").context("no second scrape")?;

    // The slow client stays until all is asked.
    let _stuck = load_all(&site, &broker, &server)?;
    let text = get(admin, "/metrics")?;
    report(&mut tally, "promtool check metrics", promtool(&["check", "metrics"], None, &text));

    let questions = questions::all()?;
    let named = questions.iter().flat_map(|question| metrics(&question.expression));
    for metric in named.collect::<BTreeSet<_>>() {
        moved(&server, &metric, &mut tally);
    }
    for question in &questions {
        report(&mut tally, &question.to_string(), answered(&server, question));
    }
    for alert in questions.iter().filter_map(|question| question.alert.as_deref()) {
        match STAY_QUIET.iter().find(|(name, _)| *name == alert) {
            Some((_, reason)) => println!("          {alert} stays quiet: {reason}"),
            None => report(&mut tally, &format!("{alert} is raised"), raised(&server, alert)),
        }
    }
    report(&mut tally, "each rule can be evaluated", server.rules_are_healthy());
    tally.add(Tally::of_end(broker.stop()));
    Ok(tally)
}

/// Does what moves each number, and waits until Prometheus has seen what lasts a moment only.
fn load_all(site: &Site, broker: &Broker, server: &Server) -> Result<Vec<TcpStream>> {
    let load = Load::of(site, broker)?;
    let stuck = load.clients_that_stay(server)?;
    load.refused_clients()?;
    load.messages(SLOW_CLIENT_HAS_WAITING)?;
    server.wait("max(flux_subscriber_behind_messages) > 10000").context("nobody is behind")?;

    site.certificate_for(Days(5))?;
    let hang_up = ["-HUP", &broker.id().to_string()];
    ensure!(repository::succeeds(Command::new("kill").args(hang_up)), "cannot send SIGHUP");
    server
        .wait("min(flux_certificate_expiry_timestamp_seconds) - time() < 14 * 24 * 60 * 60")
        .context("no new certificate")?;

    full_disk(broker, true)?;
    load.message_that_is_not_stored()?;
    server.wait("max(flux_store_failing) == 1").context("the store does not fail")?;
    server.wait("count(ALERTS{alertname=\"FluxStoreFails\"}) > 0").context("no alert")?;
    full_disk(broker, false)?;
    server.wait("max(flux_store_failing) == 0").context("the store does not recover")?;
    Ok(stuck)
}

/// Lets no file of the broker grow any more, or grow again.
fn full_disk(broker: &Broker, is_full: bool) -> Result<()> {
    let process = i32::try_from(broker.id()).context("no such process")?;
    let limit = if is_full { 0 } else { rlimit::INFINITY };
    rlimit::prlimit(process, Resource::FSIZE, Some((limit, rlimit::INFINITY)), None)
        .context("cannot limit the size of the broker's files")
}

/// Days that a certificate is valid for.
#[derive(Clone, Copy, Debug)]
struct Days(u32);

fn moved(server: &Server, metric: &str, tally: &mut Tally) {
    if let Some((_, reason)) = STAND_STILL.iter().find(|(name, _)| *name == metric) {
        let is_there = server.numbers(metric).and_then(|numbers| {
            ensure!(!numbers.is_empty(), "no series");
            Ok(())
        });
        println!("          {metric} need not move: {reason}");
        return report(tally, &format!("{metric} is there"), is_there);
    }
    let by = format!("max(max_over_time({metric}[1h]) - min_over_time({metric}[1h]))");
    let outcome = server.numbers(&by).and_then(|numbers| {
        ensure!(numbers.iter().any(|by| *by > 0.0), "it moved by {numbers:?}");
        Ok(())
    });
    report(tally, &format!("{metric} moves"), outcome);
}

fn answered(server: &Server, question: &Question) -> Result<()> {
    let numbers = server.numbers(&question.asked())?;
    ensure!(numbers.iter().any(|number| number.is_finite()), "the answer is {numbers:?}");
    Ok(())
}

fn raised(server: &Server, alert: &str) -> Result<()> {
    let asked = format!("count_over_time(ALERTS{{alertname=\"{alert}\"}}[1h])");
    ensure!(!server.numbers(&asked)?.is_empty(), "it never was pending");
    Ok(())
}

/// Runs promtool with a file or with what it reads from its input.
fn promtool(arguments: &[&str], file: Option<&Path>, input: &str) -> Result<()> {
    use std::io::Write as _;

    let mut command = Command::new("promtool");
    command.args(arguments).args(file).stdin(Stdio::piped());
    let mut promtool = Background::start(&mut command)?;
    let mut stdin = promtool.stdin().context("promtool has no input")?;
    // It reads none when it is given a file.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let status = promtool.finish(DEADLINE)?;
    ensure!(status.success(), "{status}: {}", promtool.text());
    Ok(())
}

fn report(tally: &mut Tally, check: &str, outcome: Result<()>) {
    match outcome {
        Ok(()) => tally.pass(check),
        Err(error) => tally.fail(check, &format!("{error:#}")),
    }
}

/// Asks until the answer is yes.
fn wait_for(what: &str, mut ask: impl FnMut() -> bool) -> Result<()> {
    poll(DEADLINE, || ask().then_some(())).ok_or_else(|| anyhow!("in vain waited for: {what}"))
}

/// Metrics that no load moves, and why.
const STAND_STILL: &[(&str, &str)] = &[
    ("flux_panics_total", "only a mistake of the broker's own would move it"),
    ("flux_store_waiting_seconds", "only a disk that hangs would move it"),
];
/// Alerts that no load raises, and why.
const STAY_QUIET: &[(&str, &str)] = &[
    ("FluxPanicked", "only a mistake of the broker's own would raise it"),
    (
        "FluxDiskHangs",
        "it needs a disk that hangs; a test of the broker has one that moves its metric",
    ),
    ("FluxStoreIsSlow", "it needs a disk that is slow for a while; its histogram moves"),
];
/// More than the alert about subscribers allows.
const SLOW_CLIENT_HAS_WAITING: usize = 13_000;
const DEADLINE: Duration = Duration::from_secs(60);
