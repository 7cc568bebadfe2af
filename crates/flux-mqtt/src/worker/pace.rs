//! Who publishes faster than agreed on is not read for a while.
//!
//! A packet that came is handled, and what it took is paid for by not reading: nothing of QoS 1 and 2 is lost. Only who
//! has to wait has a moment at which it is read again, and there are few of those for each second of a connection.

use std::collections::BTreeSet;
use std::time::Duration;

use flux_eventbus::{DropReason, Limit};
use flux_session::{QoS, Timestamp};

use super::Worker;
use super::connection::Online;
use super::tell::{tell_limit, tell_not_accepted};
use crate::effects::Effects;
use crate::limits::WhenTooFast;
use crate::names::ConnectionId;
use crate::terms::Terms;
use crate::token_bucket::TokenBucket;
use crate::wire::Publish;

/// What a connection may still publish.
#[derive(Debug)]
pub(super) struct Meter {
    messages: Option<TokenBucket>,
    bytes: Option<TokenBucket>,
    drops_qos0: bool,
}

impl Meter {
    /// Returns none where nothing is limited.
    pub(super) fn new(now: Timestamp, terms: &Terms) -> Option<Box<Self>> {
        let messages = terms.publishes_per_second.map(|rate| TokenBucket::new(now, rate.into()));
        let bytes = terms.publish_bytes_per_second.map(|rate| TokenBucket::new(now, rate));
        if messages.is_none() && bytes.is_none() {
            return None;
        }
        let drops_qos0 = match terms.when_too_fast {
            WhenTooFast::Wait => false,
            WhenTooFast::DropQos0 => true,
        };
        Some(Box::new(Self { messages, bytes, drops_qos0 }))
    }

    /// Returns which limit a message finds used up, if it is not to wait for that.
    fn drops(&mut self, now: Timestamp, qos: QoS) -> Option<Limit> {
        if !self.drops_qos0 || qos > QoS::AtMostOnce {
            return None;
        }
        let is_empty = |bucket: &mut Option<TokenBucket>| {
            bucket.as_mut().is_some_and(|bucket| bucket.is_empty(now))
        };
        if is_empty(&mut self.messages) {
            return Some(Limit::PublishesPerSecond);
        }
        is_empty(&mut self.bytes).then_some(Limit::PublishBytesPerSecond)
    }

    /// Takes a packet of so many bytes, and returns how long its sender has to wait, and for which limit.
    fn spend(&mut self, now: Timestamp, len: usize) -> Option<(Duration, Limit)> {
        let len = u64::try_from(len).unwrap_or(u64::MAX);
        let messages = self.messages.as_mut().and_then(|bucket| bucket.spend(now, 1));
        let bytes = self.bytes.as_mut().and_then(|bucket| bucket.spend(now, len));
        let messages = messages.map(|wait| (wait, Limit::PublishesPerSecond));
        let bytes = bytes.map(|wait| (wait, Limit::PublishBytesPerSecond));
        messages.into_iter().chain(bytes).max_by_key(|(wait, _)| *wait)
    }
}

/// The connections that are not read because they published too fast, by the moment at which they are read again.
#[derive(Default)]
pub(super) struct Paced {
    due: BTreeSet<(Timestamp, ConnectionId)>,
    /// One was added: whoever sets the alarm must look.
    pub(super) is_moment_new: bool,
}

impl Paced {
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(moment, _)| *moment)
    }

    fn add(&mut self, moment: Timestamp, id: ConnectionId) {
        self.due.insert((moment, id));
        self.is_moment_new = true;
    }

    fn pop_due(&mut self, now: Timestamp) -> Option<ConnectionId> {
        self.next().filter(|moment| *moment <= now)?;
        self.due.pop_first().map(|(_, id)| id)
    }
}

impl Worker {
    /// Returns whether a message is to be dropped, because it came too fast; and takes it into account otherwise.
    pub(super) fn comes_too_fast(
        &mut self,
        now: Timestamp,
        id: ConnectionId,
        online: &mut Online,
        publish: &Publish<'_>,
        len: usize,
        fx: &mut impl Effects,
    ) -> bool {
        let Some(meter) = &mut online.meter else { return false };
        let (client_id, peer) = (&online.client.client_id, online.client.peer);
        if let Some(limit) = meter.drops(now, publish.qos) {
            tell_limit(limit, Some(client_id), peer, fx);
            tell_not_accepted(&online.session, publish.topic, DropReason::QuotaExceeded, fx);
            return true;
        }
        let drops_qos0 = meter.drops_qos0 && publish.qos == QoS::AtMostOnce;
        if let Some((wait, limit)) = meter.spend(now, len)
            && !drops_qos0
            && !online.is_paced
        {
            tell_limit(limit, Some(client_id), peer, fx);
            online.is_paced = true;
            fx.pause(id);
            self.paced.add(now + wait.max(SHORTEST), id);
        }
        false
    }

    /// Reads again from those that have waited long enough.
    pub(super) fn read_paced(&mut self, now: Timestamp, fx: &mut impl Effects) {
        while let Some(id) = self.paced.pop_due(now) {
            // Until now it was we who did not read.
            self.connections.heard(id, now);
            let Some(online) = self.connections.online(id) else { continue };
            online.is_paced = false;
            if online.reads() {
                fx.resume(id);
            }
        }
    }
}

/// The shortest pause: fewer, longer ones cost less, and as much gets through.
const SHORTEST: Duration = Duration::from_millis(20);
