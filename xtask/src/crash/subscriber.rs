//! A client that receives, resumes its session, and knows what it is owed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use flux_conformance::{Connect, Publish, Received, Version, puback, pubcomp, pubrec};

use super::link::{BREATH, Link, STALL, Session, ack, version};
use super::publisher::Publisher;
use super::random::Random;
use super::stage::Stage;
use crate::clock::{self, Stopwatch};

/// Receives from all publishers, connected all the time or now and then.
#[derive(Debug)]
pub(super) struct Subscriber {
    number: u32,
    version: Version,
    qos: u8,
    is_often_away: bool,
    random: Random,
    had_session: bool,
    /// The last number that came of each publisher.
    last: Vec<u64>,
    /// QoS 2 messages that the broker has not released.
    held: BTreeSet<u16>,
    /// Subscriptions that come and go.
    filters: BTreeMap<u64, Standing>,
    /// A SUBSCRIBE or UNSUBSCRIBE that is not answered.
    asked: Option<(u64, Standing)>,
    /// The probes that came, and the last fence.
    probed: BTreeSet<u64>,
    fence: u64,
    pub(super) delivered: u64,
    pub(super) repeated: u64,
}

/// What is known of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    In,
    Out,
    Unknown,
}

impl Subscriber {
    pub(super) fn new(number: u32, publishers: u32, seed: u64) -> Self {
        Self {
            number,
            version: version(number / 2),
            qos: if number.is_multiple_of(2) { 2 } else { 1 },
            is_often_away: number >= 2,
            random: Random(seed),
            had_session: false,
            last: (0..publishers).map(|_| 0).collect(),
            held: BTreeSet::new(),
            filters: BTreeMap::new(),
            asked: None,
            probed: BTreeSet::new(),
            fence: 0,
            delivered: 0,
            repeated: 0,
        }
    }

    /// Receives until the broker is gone, or stays away.
    pub(super) fn load(&mut self, stage: &Stage) -> Result<()> {
        if self.is_often_away && self.random.below(3) > 0 {
            return Ok(());
        }
        if self.is_often_away {
            clock::settle(Duration::from_millis(self.random.below(200)));
        }
        let mut link = self.resume(stage)?;
        loop {
            if self.asked.is_none() && self.random.below(20) == 0 {
                self.ask(&mut link)?;
            }
            let mut wait = BREATH;
            // All that has come, so that there is time to ask.
            while let Some(packet) = link.next(wait)? {
                self.take(&packet, &mut link)?;
                wait = Duration::from_nanos(1);
            }
        }
    }

    /// Receives all that the publishers had acknowledged, and what was sent after it as a fence.
    pub(super) fn settle(
        &mut self,
        stage: &Stage,
        publishers: &[Publisher],
        settled: u64,
    ) -> Result<()> {
        let mut link = self.resume(stage)?;
        let watch = Stopwatch::start();
        let owed = |last: &[u64], publisher: &Publisher, place: usize| {
            let reached = last.get(place).copied().unwrap_or(0);
            (reached + 1..=publisher.sent).find(|number| !publisher.refused.contains(number))
        };
        // Before the first time there was nobody to send a fence to.
        while self.fence < settled && settled > 1
            || (0..)
                .zip(publishers)
                .any(|(at, publisher)| owed(&self.last, publisher, at).is_some())
        {
            let Some(packet) = link.next(STALL)?.filter(|_| watch.elapsed() < STALL * 3) else {
                let missing = publishers.iter().enumerate().find_map(|(at, publisher)| {
                    owed(&self.last, publisher, at).map(|number| (at, number))
                });
                bail!(
                    "subscriber {} waits in vain: (publisher, number) {missing:?}, fence {} of {settled}",
                    self.number,
                    self.fence
                );
            };
            self.take(&packet, &mut link)?;
        }
        self.judge_filters(settled)?;
        // What was acknowledged reaches the broker before the next life begins.
        link.send(&[0xC0, 0])?;
        while let Some(packet) = link.next(STALL)? {
            if packet == [0xD0, 0] {
                return Ok(());
            }
            self.take(&packet, &mut link)?;
        }
        bail!("no PINGRESP")
    }

    fn resume(&mut self, stage: &Stage) -> Result<Link> {
        let connect = Connect::persistent(self.version, &self.client_id());
        let (mut link, session) = Link::connect(stage, &connect)?;
        let is_kept = session == Session::Present || !self.had_session;
        ensure!(is_kept, "the session of subscriber {} is lost", self.number);
        if !self.had_session {
            let fence = format!("f/{}", self.number);
            let filters = [("c/#", self.qos), (&fence, 1)];
            link.send(&self.version.subscribe(1, &filters))?;
            let suback = link.expect(0x90)?;
            ensure!(suback.ends_with(&[self.qos, 1]), "SUBSCRIBE is refused: {suback:02x?}");
            self.had_session = true;
        }
        // Nobody knows whether it was done.
        if let Some((filter, _)) = self.asked.take() {
            self.filters.insert(filter, Standing::Unknown);
        }
        Ok(link)
    }

    fn client_id(&self) -> String {
        format!("subscriber-{}", self.number)
    }

    /// Subscribes or unsubscribes.
    fn ask(&mut self, link: &mut Link) -> Result<()> {
        let filter = self.random.below(FILTERS);
        let name = format!("s/{}/{filter}", self.number);
        let wanted = if self.random.below(3) == 0 { Standing::Out } else { Standing::In };
        let packet = if wanted == Standing::In {
            self.version.subscribe(2, &[(&name, 1)])
        } else {
            self.version.unsubscribe(2, &[&name])
        };
        self.filters.insert(filter, Standing::Unknown);
        self.asked = Some((filter, wanted));
        link.send(&packet)
    }

    fn take(&mut self, packet: &[u8], link: &mut Link) -> Result<()> {
        let first = packet.first().copied().unwrap_or(0);
        match first >> 4 {
            3 => self.receive(&Received::parse(self.version, packet), link),
            6 => {
                let (id, _) = ack(packet).context("half a PUBREL")?;
                self.held.remove(&id);
                link.send(&pubcomp(id))
            }
            9 | 11 => {
                if let Some((filter, standing)) = self.asked.take() {
                    self.filters.insert(filter, standing);
                }
                Ok(())
            }
            _ => bail!("subscriber {} got {packet:02x?}", self.number),
        }
    }

    fn receive(&mut self, received: &Received, link: &mut Link) -> Result<()> {
        if received.qos == 2 {
            if self.held.insert(received.id) {
                self.note(received)?;
            }
            return link.send(&pubrec(received.id));
        }
        self.note(received)?;
        link.send(&puback(received.id))
    }

    /// Judges one delivery, as the application behind the client sees it.
    fn note(&mut self, received: &Received) -> Result<()> {
        let text = received.text();
        let number: u64 = text.split(' ').next().unwrap_or(text).parse()?;
        let mut levels = received.topic.split('/');
        match (levels.next(), levels.next(), levels.next()) {
            (Some("c"), Some(publisher), None) => {
                self.judge(publisher.parse()?, number, received.qos)
            }
            (Some("s"), Some(_), Some(filter)) => {
                self.probed.insert(filter.parse()?);
                Ok(())
            }
            (Some("f"), ..) => {
                self.fence = self.fence.max(number);
                Ok(())
            }
            _ => bail!("subscriber {} did not ask for {}", self.number, received.topic),
        }
    }

    fn judge(&mut self, publisher: usize, number: u64, qos: u8) -> Result<()> {
        let last = self.last.get_mut(publisher).context("an unknown publisher")?;
        self.delivered += 1;
        if number <= *last {
            self.repeated += 1;
            ensure!(
                qos < 2,
                "subscriber {} got message {number} of publisher {publisher} after {last}, at QoS 2",
                self.number
            );
            return Ok(());
        }
        ensure!(
            number == *last + 1,
            "subscriber {} got message {number} of publisher {publisher} after {last}, at QoS {qos}",
            self.number
        );
        *last = number;
        Ok(())
    }

    /// All probes have come, because the fence behind them has.
    fn judge_filters(&mut self, settled: u64) -> Result<()> {
        let probed = std::mem::take(&mut self.probed);
        if settled == 1 {
            return Ok(());
        }
        for (filter, standing) in &self.filters {
            let (came, number) = (probed.contains(filter), self.number);
            match standing {
                Standing::In => ensure!(came, "subscription s/{number}/{filter} is lost"),
                Standing::Out => ensure!(!came, "subscription s/{number}/{filter} is back"),
                Standing::Unknown => {}
            }
        }
        Ok(())
    }
}

/// Sends a message to each subscription that may be there, and a fence behind them.
pub(super) fn probe(subscribers: &[Subscriber], settled: u64, stage: &Stage) -> Result<()> {
    let version = Version::V311;
    let (mut link, _) = Link::connect(stage, &Connect::new(version, "probe"))?;
    for subscriber in subscribers {
        let probes = (0..FILTERS).map(|filter| format!("s/{}/{filter}", subscriber.number));
        let topics = probes.chain([format!("f/{}", subscriber.number)]);
        for topic in topics {
            let publish = Publish::new(&topic, settled.to_string()).qos(1, 1);
            link.send(&publish.bytes(version))?;
            link.expect(0x40)?;
        }
    }
    Ok(())
}

/// Topic filters of each subscriber that come and go.
const FILTERS: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[(u64, u8)]) -> Result<Subscriber> {
        let mut subscriber = Subscriber::new(0, 2, 1);
        for (number, qos) in numbers {
            subscriber.judge(1, *number, *qos)?;
        }
        Ok(subscriber)
    }

    #[test]
    fn what_is_lost_repeated_or_mixed_up_is_told() {
        assert_eq!(after(&[(1, 2), (2, 2), (3, 2)]).unwrap().last, [0, 3]);
        assert_eq!(after(&[(1, 1), (2, 1), (1, 1), (2, 1), (3, 1)]).unwrap().repeated, 2);
        for wrong in
            [&[(2, 1)][..], &[(1, 2), (3, 2)], &[(1, 2), (1, 2)], &[(1, 2), (2, 2), (1, 2)]]
        {
            let error = after(wrong).unwrap_err().to_string();
            assert!(error.contains("of publisher 1 after"), "{error}");
        }
    }

    #[test]
    fn a_subscription_must_stand_as_it_was_acknowledged() {
        let judged = |standing, came: bool| {
            let mut subscriber = Subscriber::new(0, 1, 1);
            subscriber.filters.insert(3, standing);
            subscriber.probed.extend(came.then_some(3));
            subscriber.judge_filters(2).map_err(|error| error.to_string())
        };
        assert_eq!(judged(Standing::In, false).unwrap_err(), "subscription s/0/3 is lost");
        assert_eq!(judged(Standing::Out, true).unwrap_err(), "subscription s/0/3 is back");
        for (standing, came) in [
            (Standing::In, true),
            (Standing::Out, false),
            (Standing::Unknown, true),
            (Standing::Unknown, false),
        ] {
            assert_eq!(judged(standing, came), Ok(()));
        }
    }
}
