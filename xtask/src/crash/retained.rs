//! Clients that write retained messages, one after the other, and what must be there after a crash.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use flux_conformance::{Connect, Publish, Received, Version};

use super::link::{Link, STALL, Session, ack, version};
use super::random::Random;
use super::stage::Stage;

/// Writes numbers to a retained message, and clears it now and then.
#[derive(Debug)]
pub(super) struct Writer {
    number: u32,
    version: Version,
    random: Random,
    had_session: bool,
    written: u64,
    /// What the last acknowledged write left.
    stands: Option<u64>,
    /// A write that is not acknowledged, and what it leaves.
    open: Option<Option<u64>>,
    pub(super) acknowledged: u64,
}

impl Writer {
    pub(super) fn new(number: u32, seed: u64) -> Self {
        Self {
            number,
            version: version(number),
            random: Random(seed),
            had_session: false,
            written: 0,
            stands: None,
            open: None,
            acknowledged: 0,
        }
    }

    /// Writes until the broker is gone.
    pub(super) fn load(&mut self, stage: &Stage) -> Result<()> {
        let mut link = self.resume(stage)?;
        loop {
            self.written += 1;
            let is_cleared = self.random.below(10) == 0;
            let open = (!is_cleared).then_some(self.written);
            self.open = Some(open);
            link.send(&self.publish(open).bytes(self.version))?;
            self.wait(&mut link)?;
        }
    }

    /// Has the last write acknowledged.
    pub(super) fn settle(&mut self, stage: &Stage) -> Result<()> {
        self.resume(stage).map(drop)
    }

    fn resume(&mut self, stage: &Stage) -> Result<Link> {
        let connect = Connect::persistent(self.version, &format!("writer-{}", self.number));
        let (mut link, session) = Link::connect(stage, &connect)?;
        let is_kept = session == Session::Present || !self.had_session;
        ensure!(is_kept, "the session of writer {} is lost", self.number);
        self.had_session = true;
        if let Some(open) = self.open {
            link.send(&self.publish(open).dup().bytes(self.version))?;
            self.wait(&mut link)?;
        }
        Ok(link)
    }

    fn publish(&self, value: Option<u64>) -> Publish {
        let payload = value.map_or_else(String::new, |value| value.to_string());
        Publish::new(&format!("r/{}", self.number), payload).qos(1, 1).retain()
    }

    fn wait(&mut self, link: &mut Link) -> Result<()> {
        let puback = link.expect(0x40)?;
        let code = ack(&puback).map_or(0, |(_, code)| code);
        ensure!(code < 0x80, "writer {} is refused: {puback:02x?}", self.number);
        self.acknowledged += 1;
        if let Some(open) = self.open.take() {
            self.stands = open;
        }
        Ok(())
    }
}

/// Every topic has what its last acknowledged write left, or a later one that was not acknowledged.
pub(super) fn check(writers: &[Writer], stage: &Stage) -> Result<()> {
    let version = Version::V311;
    let (mut link, _) = Link::connect(stage, &Connect::new(version, "reader"))?;
    link.send(&version.subscribe(1, &[("r/#", 0)]))?;
    link.expect(0x90)?;
    let mut found = BTreeMap::new();
    let is_right = |writer: &Writer, found: &BTreeMap<String, u64>| {
        let value = found.get(&format!("r/{}", writer.number)).copied();
        value == writer.stands || writer.open == Some(value)
    };
    // What is there comes soon; that nothing comes takes a while to know.
    let may_be_absent =
        |writer: &Writer| writer.stands.is_none() || writer.open.is_some_and(|open| open.is_none());
    loop {
        let must_come = writers.iter().any(|writer| {
            !may_be_absent(writer) && !found.contains_key(&format!("r/{}", writer.number))
        });
        let wait = if must_come { STALL } else { QUIET };
        let Some(packet) = link.next(wait)? else { break };
        let received = Received::parse(version, &packet);
        ensure!(received.retain, "{} is no retained message", received.topic);
        let number = received.text().parse()?;
        found.insert(received.topic, number);
    }
    match writers.iter().find(|writer| !is_right(writer, &found)) {
        Some(writer) => bail!(
            "r/{} should be {:?}{}, and is {:?}",
            writer.number,
            writer.stands,
            writer.open.map_or_else(String::new, |open| format!(" or {open:?}")),
            found.get(&format!("r/{}", writer.number))
        ),
        None => Ok(()),
    }
}

/// So long nothing comes if there is nothing.
const QUIET: Duration = Duration::from_millis(100);
