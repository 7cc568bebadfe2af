//! Metrics are read while many are connected.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::super::crowd::Crowd;
use super::super::probe::Probe;
use super::super::size::Size;
use super::super::{LoadOptions, packets};
use crate::bench::processor;
use crate::clock::{Stopwatch, settle};
use crate::http::get;

/// Connects and subscribes everybody, and reads metrics many times; says what a time costs the broker, and how long another's
/// messages take with it and without.
pub(super) fn scrape(options: &LoadOptions, size: &Size) -> Result<Vec<String>> {
    let admin = options.admin.context("the broker serves no metrics")?;
    let mut crowd = Crowd::new(options.addr)?;
    crowd.each(0..size.scraped, AT_ONCE, (packets::SUBACK, 1), |crowd, number| {
        let mut hello = packets::connect(&format!("crowd-{number}"));
        hello.extend(packets::subscribe(&[&format!("to/{number}")], 0));
        crowd.connect(hello).map(drop)
    })?;
    let probe = Probe::start(options.addr)?;
    let (_, alone) = during(options, || {
        settle(PAUSE * TIMES);
        Ok(())
    })?;
    let without = probe.finish()?;
    let (mut bytes, mut longest) = (0, Duration::ZERO);
    let probe = Probe::start(options.addr)?;
    let ((), scraped) = during(options, || {
        for _ in 0..TIMES {
            let watch = Stopwatch::start();
            bytes = read_metrics(admin, size.scraped)?;
            longest = longest.max(watch.elapsed());
            settle(PAUSE.saturating_sub(watch.elapsed()));
        }
        Ok(())
    })?;
    let with = probe.finish()?;
    crowd.close_all();
    let each = scraped.saturating_sub(alone) / TIMES;
    ensure!(each <= ALLOWED, "a scrape takes {each:?} of CPU, and {ALLOWED:?} are allowed");
    Ok(vec![
        format!(
            "{} connected: a scrape of {} KiB takes {:.1} ms of CPU, {:.1} ms at most on the clock, of {TIMES}",
            size.scraped,
            bytes / 1024,
            each.as_secs_f64() * 1000.0,
            longest.as_secs_f64() * 1000.0,
        ),
        format!("another's messages meanwhile: {with}; without: {without}"),
    ])
}

/// Returns the processor time that the broker used meanwhile.
fn during<T>(options: &LoadOptions, work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let before = processor::time_of(options.broker)?;
    let result = work()?;
    Ok((result, processor::time_of(options.broker)?.saturating_sub(before)))
}

/// Returns how many bytes came.
fn read_metrics(admin: SocketAddr, connected: usize) -> Result<usize> {
    let text = get(admin, "/metrics")?;
    let sessions =
        text.lines().find_map(|line| line.strip_prefix("flux_sessions{state=\"online\"} "));
    let sessions: usize = sessions.context("no sessions are told")?.parse()?;
    // With the probe.
    ensure!(
        sessions == connected + 1,
        "{sessions} sessions are told, there are {connected} and one"
    );
    Ok(text.len())
}

const AT_ONCE: usize = 500;
/// Processor time of a scrape.
const ALLOWED: Duration = Duration::from_millis(50);
/// How often, to have more than the ticks in which processor time is counted.
const TIMES: u32 = 50;
/// From one to the next.
const PAUSE: Duration = Duration::from_millis(50);
