//! Clients that share a subscription: each message comes to one of them, whoever is there.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use flux_conformance::{Connect, Received, Version, puback, pubcomp, pubrec};

use super::link::{BREATH, Link, STALL, Session, ack, version};
use super::publisher::Publisher;
use super::random::Random;
use super::stage::Stage;
use crate::clock::{self, Stopwatch};

/// What came to any of them.
#[derive(Debug)]
pub(super) struct Group {
    /// The numbers of each publisher.
    came: Mutex<Vec<BTreeSet<u64>>>,
}

impl Group {
    pub(super) fn new(publishers: u32) -> Self {
        Self { came: Mutex::new((0..publishers).map(|_| BTreeSet::new()).collect()) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BTreeSet<u64>>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges one delivery.
    fn note(&self, publisher: usize, number: u64, qos: u8) -> Result<()> {
        let mut came = self.lock();
        let numbers = came.get_mut(publisher).context("an unknown publisher")?;
        ensure!(
            numbers.insert(number) || qos < 2,
            "the group got message {number} of publisher {publisher} again, at QoS 2"
        );
        Ok(())
    }

    /// Returns what was acknowledged and came to none of them.
    fn lacks(&self, publishers: &[Publisher]) -> Option<(usize, u64)> {
        let came = self.lock();
        came.iter().zip(publishers).enumerate().find_map(|(at, (numbers, publisher))| {
            let is_owed =
                |number: &u64| !numbers.contains(number) && !publisher.refused.contains(number);
            // They are few: what came is a range with a hole now and then.
            let is_all = numbers.len() as u64 >= publisher.sent;
            let missing = if is_all { None } else { (1..=publisher.sent).find(is_owed) };
            missing.map(|number| (at, number))
        })
    }

    pub(super) fn delivered(&self) -> usize {
        self.lock().iter().map(BTreeSet::len).sum()
    }
}

/// One of them, mostly away.
#[derive(Debug)]
pub(super) struct Member {
    number: u32,
    version: Version,
    random: Random,
    had_session: bool,
    /// QoS 2 messages that the broker has not released.
    held: BTreeSet<u16>,
}

impl Member {
    pub(super) fn new(number: u32, seed: u64) -> Self {
        let (version, random) = (version(number * 2), Random(seed));
        Self { number, version, random, had_session: false, held: BTreeSet::new() }
    }

    /// Receives until the broker is gone, or stays away.
    pub(super) fn load(&mut self, stage: &Stage, group: &Group) -> Result<()> {
        if self.random.below(2) > 0 {
            return Ok(());
        }
        clock::settle(Duration::from_millis(self.random.below(200)));
        let mut link = self.resume(stage)?;
        loop {
            while let Some(packet) = link.next(BREATH)? {
                self.take(&packet, &mut link, group)?;
            }
        }
    }

    /// Receives until one of them has each message that the publishers had acknowledged.
    pub(super) fn settle(
        &mut self,
        stage: &Stage,
        group: &Group,
        publishers: &[Publisher],
    ) -> Result<()> {
        let mut link = self.resume(stage)?;
        let watch = Stopwatch::start();
        while let Some(missing) = group.lacks(publishers) {
            ensure!(
                watch.elapsed() < STALL * 3,
                "the group waits in vain: (publisher, number) {missing:?}"
            );
            let mut wait = BREATH * 10;
            while let Some(packet) = link.next(wait)? {
                self.take(&packet, &mut link, group)?;
                wait = Duration::from_nanos(1);
            }
        }
        // What was acknowledged reaches the broker before the next life begins.
        link.send(&[0xC0, 0])?;
        while let Some(packet) = link.next(STALL)? {
            if packet == [0xD0, 0] {
                return Ok(());
            }
            self.take(&packet, &mut link, group)?;
        }
        bail!("no PINGRESP")
    }

    fn resume(&mut self, stage: &Stage) -> Result<Link> {
        let connect = Connect::persistent(self.version, &format!("member-{}", self.number));
        let (mut link, session) = Link::connect(stage, &connect)?;
        let is_kept = session == Session::Present || !self.had_session;
        ensure!(is_kept, "the session of member {} is lost", self.number);
        if !self.had_session {
            link.send(&self.version.subscribe(1, &[("$share/g/c/#", 2)]))?;
            let suback = link.expect(0x90)?;
            ensure!(suback.ends_with(&[2]), "SUBSCRIBE is refused: {suback:02x?}");
            self.had_session = true;
        }
        Ok(link)
    }

    fn take(&mut self, packet: &[u8], link: &mut Link, group: &Group) -> Result<()> {
        match packet.first().copied().unwrap_or(0) >> 4 {
            3 => {
                let received = Received::parse(self.version, packet);
                if received.qos < 2 || self.held.insert(received.id) {
                    note(&received, group)?;
                }
                let is_once = received.qos == 2;
                link.send(&if is_once { pubrec(received.id) } else { puback(received.id) })
            }
            6 => {
                let (id, _) = ack(packet).context("half a PUBREL")?;
                self.held.remove(&id);
                link.send(&pubcomp(id))
            }
            _ => bail!("member {} got {packet:02x?}", self.number),
        }
    }
}

fn note(received: &Received, group: &Group) -> Result<()> {
    let text = received.text();
    let number: u64 = text.split(' ').next().unwrap_or(text).parse()?;
    let publisher = received.topic.strip_prefix("c/").context("a topic of no publisher")?;
    group.note(publisher.parse()?, number, received.qos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_at_qos_2_is_told() {
        let group = Group::new(1);
        group.note(0, 1, 1).unwrap();
        group.note(0, 1, 1).unwrap();
        group.note(0, 2, 2).unwrap();
        let error = group.note(0, 2, 2).unwrap_err().to_string();
        assert_eq!(error, "the group got message 2 of publisher 0 again, at QoS 2");
        assert_eq!(group.delivered(), 2);
    }
}
