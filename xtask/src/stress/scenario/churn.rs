//! Clients come and go, others work.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, bail};

use super::super::crowd::{Crowd, Happening};
use super::super::packets;
use super::super::probe::Probe;
use super::super::size::Size;
use crate::clock::Stopwatch;

/// So many clients a second connect, subscribe to five filters, publish to one of them at QoS 1,
/// get the message and its acknowledgement, and leave.
pub(super) fn churn(address: SocketAddr, size: &Size) -> Result<Vec<String>> {
    let probe = Probe::start(address)?;
    let mut crowd = Crowd::new(address)?;
    let (mut begun, mut left, mut most) = (0_u64, 0_u64, 0);
    let watch = Stopwatch::start();
    let mut answers: Vec<Answers> = Vec::new();
    let mut tell = |crowd: &mut Crowd, number: usize, happening: Happening| {
        let Some(got) = answers_of(&mut answers, number) else { return Ok(()) };
        match happening {
            Happening::Packet(packet) => match packet.kind {
                packets::CONNACK => {}
                packets::SUBACK => {
                    crowd.send(number, &packets::publish_qos_1(&topic(number), b"once"));
                }
                packets::PUBACK => got.acknowledged = true,
                packets::PUBLISH => got.received = true,
                other => bail!("client {number} got a packet of type {other}"),
            },
            Happening::Closed if got.is_complete() => left += 1,
            Happening::Closed => bail!("client {number} was closed with {got:?}"),
        }
        if got.is_complete() {
            crowd.send(number, &packets::DISCONNECT);
        }
        Ok(())
    };
    while watch.elapsed() < size.time {
        let elapsed = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = elapsed * size.arrivals_per_second / 1000;
        while begun < due && crowd.open() < INSIDE {
            let filters = [
                topic(usize::try_from(begun)?),
                format!("churn/{begun}/+"),
                format!("churn/{begun}/#"),
                "churn/all".to_owned(),
                "churn/+/all".to_owned(),
            ];
            let mut hello = packets::connect(&format!("churn-{begun}"));
            hello.extend(packets::subscribe(&filters.each_ref().map(String::as_str), 0));
            crowd.connect(hello)?;
            begun += 1;
        }
        most = most.max(crowd.open());
        crowd.poll(Duration::from_millis(1), &mut tell)?;
    }
    let time = watch.elapsed();
    crowd.poll_until("the last leave", |crowd| crowd.open() == 0, &mut tell)?;
    let latency = probe.finish()?;
    Ok(vec![
        format!(
            "{left} came and left, {:.0} a second, {most} inside at most",
            begun as f64 / time.as_secs_f64()
        ),
        format!("another's messages: {latency}"),
    ])
}

/// What a client has got.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    acknowledged: bool,
    received: bool,
}

impl Answers {
    const fn is_complete(self) -> bool {
        self.acknowledged && self.received
    }
}

fn answers_of(answers: &mut Vec<Answers>, number: usize) -> Option<&mut Answers> {
    if answers.len() <= number {
        answers.resize(number + 1, Answers::default());
    }
    answers.get_mut(number)
}

fn topic(number: usize) -> String {
    format!("churn/{number}")
}

/// Clients that are inside at once; beyond that the next wait.
const INSIDE: usize = 4_000;
