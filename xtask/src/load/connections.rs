//! Clients that connect, that are there, and that subscribe.

use anyhow::{Context as _, Result};

use super::Target;
use super::beside::{AT_ONCE, FILTERS_EACH, filter, holders};
use super::meter::Meter;
use super::outcome::Outcome;
use super::packets::{CONNACK, SUBACK};
use super::scenario::Names;
use crate::stress::crowd::Crowd;
use crate::stress::visitors::{Visit, Visitors};

/// Has clients connect, and again, until the time is over; what their leaving takes does not count.
pub(super) fn connect(target: &Target, clients: usize, sessions: usize) -> Result<Outcome> {
    let mut first = 0;
    while first < sessions {
        let mut crowd = Crowd::new(target.address)?;
        let part = clients.min(sessions - first);
        crowd.each(0..part, AT_ONCE, (CONNACK, 1), |crowd, number| {
            let name = format!("away-{}", first + number);
            crowd.connect(target.version.connect_kept(&name)).map(drop)
        })?;
        crowd.close_all();
        first += part;
    }
    let mut meter = Meter::new(target.broker);
    let mut done = 0;
    while meter.time() < target.time || done == 0 {
        meter.wait_for_rest();
        let mut crowd = Crowd::new(target.address)?;
        meter.measure(|| arrive(target, &mut crowd, 0..clients))?;
        done += crowd.open() as u64;
        crowd.close_all();
    }
    Ok(meter.outcome_of_passes(done, done))
}

/// Has clients connect, subscribe to a topic, get their own message, and leave, until the time is over.
pub(super) fn visit(target: &Target, clients: usize) -> Result<Outcome> {
    let visit = Visit { version: target.version, filters: 1, publish: Some(0) };
    let (mut meter, mut expected, mut done) = (Meter::new(target.broker), 0, 0);
    while meter.time() < target.time || expected == 0 {
        let mut visitors = Visitors::new(target.address, visit)?;
        meter.measure(|| visitors.come(clients, AT_ONCE))?;
        expected += clients as u64;
        done += visitors.left();
    }
    Ok(meter.outcome_of_passes(expected, done))
}

/// Has clients be there and do nothing; notes how much memory that takes.
pub(super) fn hold(target: &Target, clients: usize) -> Result<Outcome> {
    let mut crowd = Crowd::new(target.address)?;
    // The first connections bring what is there once.
    arrive(target, &mut crowd, 0..FIRST_CLIENTS)?;
    let all = FIRST_CLIENTS..FIRST_CLIENTS + clients;
    growth(target, clients, || arrive(target, &mut crowd, all))
}

/// Has clients that are there subscribe to so many filters each; notes how much memory that takes.
pub(super) fn hold_filters(
    target: &Target,
    clients: usize,
    filters: usize,
    names: Names,
) -> Result<Outcome> {
    let mut crowd = Crowd::new(target.address)?;
    arrive(target, &mut crowd, 0..clients)?;
    let name = |client: usize, filter: usize| match names {
        Names::OfClient => format!("fleet/{client}/{filter}"),
        Names::OfFilter => format!("fleet/{}/state", client * filters + filter),
    };
    growth(target, clients * filters, || {
        crowd.each(0..clients, AT_ONCE, (SUBACK, 1), |crowd, client| {
            let names: Vec<_> = (0..filters).map(|filter| name(client, filter)).collect();
            crowd.send(client, &target.version.subscribe(&names, 0));
            Ok(())
        })
    })
}

/// Does something, and notes how much memory the broker needs for each unit of it.
fn growth(target: &Target, units: usize, work: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let (mut meter, units) = (Meter::new(target.broker), units as u64);
    meter.wait_for_rest();
    let before = meter.resident()?;
    meter.measure(work)?;
    meter.wait_for_rest();
    let grown = meter.resident()?.saturating_sub(before);
    Ok(Outcome { bytes: grown / units.max(1), ..meter.outcome(units, units) })
}

/// Has clients subscribe to a thousand filters, each with a SUBSCRIBE of its own, twice as many clients as
/// have done so before.
pub(super) fn subscribe(target: &Target, clients: usize) -> Result<Outcome> {
    let present = clients * FILTERS_EACH;
    let _holders = holders(target.address, target.version, present)?;
    let mut crowd = Crowd::new(target.address)?;
    arrive(target, &mut crowd, 0..2 * clients)?;
    let mut meter = Meter::new(target.broker);
    meter.wait_for_rest();
    meter.measure(|| {
        crowd.each(0..2 * clients, SUBSCRIBING, (SUBACK, FILTERS_EACH), |crowd, number| {
            let first = present + number * FILTERS_EACH;
            let packets = (first..first + FILTERS_EACH)
                .flat_map(|number| target.version.subscribe(&[filter(number)], 0));
            crowd.send(number, &packets.collect::<Vec<_>>());
            Ok(())
        })
    })?;
    let units = 2 * present as u64;
    Ok(meter.outcome(units, units))
}

/// Connects clients with these numbers.
fn arrive(target: &Target, crowd: &mut Crowd, clients: std::ops::Range<usize>) -> Result<()> {
    crowd
        .each(clients, AT_ONCE, (CONNACK, 1), |crowd, number| {
            crowd.connect(target.version.connect(&format!("crowd-{number}"))).map(drop)
        })
        .context("not everybody could connect")
}

/// A new connection goes to the thread that has the fewest: more than there are threads.
const FIRST_CLIENTS: usize = 100;
/// Clients that subscribe at the same time, each to as much as it likes.
const SUBSCRIBING: usize = 10;
