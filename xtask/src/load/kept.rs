//! What a broker keeps: retained messages, and those for a session that is away.

use anyhow::{Result, bail, ensure};

use super::Target;
use super::client::Client;
use super::meter::Meter;
use super::outcome::Outcome;
use super::packets::{PUBACK, PUBLISH, Retain, STAMP, Stamp, Version, ack};
use super::subscriber::take;

/// Has messages retained, each under a topic of its own; then fetches them, to see that none is lost.
pub(super) fn retain(target: &Target, messages: usize) -> Result<Outcome> {
    let mut meter = Meter::new(target.broker);
    let mut publisher = connect(target, &target.version.connect("publisher"))?;
    meter.measure(|| deposit(target.version, &mut publisher, messages, Retain::Yes))?;
    let done = fetch_all(target, messages)?;
    Ok(meter.outcome_of_passes(messages as u64, done))
}

/// Has messages retained, and one new subscriber after the other get all of them; notes how much memory they
/// take beside their topics and payloads.
pub(super) fn fetch(target: &Target, messages: usize) -> Result<Outcome> {
    let mut meter = Meter::new(target.broker);
    let mut publisher = connect(target, &target.version.connect("publisher"))?;
    meter.wait_for_rest();
    let before = meter.resident()?;
    deposit(target.version, &mut publisher, messages, Retain::Yes)?;
    meter.wait_for_rest();
    let grown = meter.resident()?.saturating_sub(before);
    let own: usize = (0..messages).map(|number| topic(number).len() + PAYLOAD).sum();
    let bytes = grown.saturating_sub(own as u64) / messages.max(1) as u64;

    let (mut expected, mut done) = (0, 0);
    while (meter.time() < target.time && done == expected) || expected == 0 {
        done += meter.measure(|| fetch_all(target, messages))?;
        expected += messages as u64;
    }
    Ok(Outcome { bytes, ..meter.outcome_of_passes(expected, done) })
}

/// Has messages come for a session that is away, and then takes them, until the time is over; measures one of
/// these two.
pub(super) fn queue(target: &Target, messages: usize, measured: Half) -> Result<Outcome> {
    let mut publisher = connect(target, &target.version.connect("publisher"))?;
    let hello = target.version.connect_kept("away");
    connect(target, &hello)?.subscribe(target.version, "kept/+", 1)?;
    let (mut fill, mut drain) = (Meter::new(target.broker), Meter::new(target.broker));
    let (mut expected, mut done) = (0, 0);
    let time = |fill: &Meter, drain: &Meter| match measured {
        Half::Fill => fill.time(),
        Half::Drain => drain.time(),
    };
    while (time(&fill, &drain) < target.time && done == expected) || expected == 0 {
        fill.wait_for_rest();
        fill.measure(|| deposit(target.version, &mut publisher, messages, Retain::No))?;
        fill.wait_for_rest();
        done += drain.measure(|| drain_all(target, messages))?;
        expected += messages as u64;
    }
    let meter = if measured == Half::Fill { fill } else { drain };
    Ok(meter.outcome_of_passes(expected, done))
}

/// What is measured of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Fill,
    Drain,
}

/// Publishes messages of QoS 1, as many ahead of their acknowledgements as the window allows, and waits until
/// all are acknowledged.
fn deposit(
    version: Version,
    publisher: &mut Client,
    messages: usize,
    retain: Retain,
) -> Result<()> {
    let mut payload = [b'x'; PAYLOAD];
    let (mut sent, mut acknowledged) = (0, 0);
    while acknowledged < messages {
        let mut packets = Vec::new();
        while sent < messages.min(acknowledged + WINDOW) {
            let stamp = Stamp { publisher: 0, number: u32::try_from(sent)?, due: 0 };
            let (head, _) = payload.split_at_mut(STAMP);
            head.copy_from_slice(&stamp.bytes());
            let id = u16::try_from(sent % 65_535 + 1)?;
            packets.extend(version.publish_qos_1(&topic(sent), retain, id, &payload));
            sent += 1;
        }
        publisher.send(&packets)?;
        let came = publisher.read(|first, body| {
            // In MQTT 5.0 a reason may follow the packet identifier.
            let is_good = body.get(2).is_none_or(|reason| *reason < 0x80);
            acknowledged += usize::from(first >> 4 == PUBACK && is_good);
        })?;
        ensure!(came, "{} messages were not acknowledged", sent - acknowledged);
    }
    Ok(())
}

/// Subscribes to everything, and returns how many of the retained messages came, each once.
fn fetch_all(target: &Target, messages: usize) -> Result<u64> {
    let version = target.version;
    let mut client = connect(target, &version.connect("fetcher"))?;
    client.send(&version.subscribe(&["#"], 1))?;
    let mut seen = vec![false; messages];
    receive(version, &mut client, messages, |number| match seen.get_mut(number) {
        Some(seen) if !*seen => {
            *seen = true;
            true
        }
        _ => false,
    })
}

/// Takes what has come for the session that was away, in order, and acknowledges it.
fn drain_all(target: &Target, messages: usize) -> Result<u64> {
    let version = target.version;
    let mut client = connect(target, &version.connect_kept("away"))?;
    let mut next = 0;
    receive(version, &mut client, messages, |number| {
        next += 1;
        number + 1 == next
    })
}

/// Receives so many messages and acknowledges those of QoS 1; returns how many came. `is_right` judges the
/// number of each.
fn receive(
    version: Version,
    client: &mut Client,
    messages: usize,
    mut is_right: impl FnMut(usize) -> bool,
) -> Result<u64> {
    let (properties, mut came) = (usize::from(version == Version::V5), 0);
    let (mut acknowledgements, mut wrong) = (Vec::new(), None);
    while came < messages {
        let is_more = client.read(|first, body| {
            if first >> 4 != PUBLISH {
                return;
            }
            came += 1;
            let Some((id, payload)) = take(first, body, properties) else {
                wrong = Some(None);
                return;
            };
            if let Some(id) = id {
                acknowledgements.extend(ack(PUBACK, id));
            }
            let stamp = Stamp::parse(payload).filter(|_| payload.len() == PAYLOAD);
            let number = stamp.map(|stamp| stamp.number);
            if !number.is_some_and(|number| is_right(usize::try_from(number).unwrap_or_default())) {
                wrong = Some(number);
            }
        })?;
        if let Some(number) = wrong {
            bail!("message {number:?} came twice, changed or out of order, after {came}");
        }
        client.send(&acknowledgements)?;
        acknowledgements.clear();
        if !is_more {
            break;
        }
    }
    Ok(came as u64)
}

fn connect(target: &Target, hello: &[u8]) -> Result<Client> {
    Client::connect(target.address, hello, target.patience)
}

fn topic(number: usize) -> String {
    format!("kept/{number}")
}

const PAYLOAD: usize = 64;
/// Messages that are not acknowledged yet: as many as ten pairs have under way.
const WINDOW: usize = 1_000;
