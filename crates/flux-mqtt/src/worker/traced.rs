//! The PUBLISH packets that somebody follows.

use flux_session::{PacketId, QoS, Timestamp};

use super::Worker;
use super::connection::Online;
use crate::effects::Effects;
use crate::latency::{Latency, Span, Stamp};
use crate::reason::ReasonCode;
use crate::trace::{Arrival, PublishTrace};
use crate::wire::Publish;

/// Something that is over once packets are sent.
pub(super) struct Ending {
    what: Over,
    /// The PUBACK among them that it is over with, if it is one.
    pub(super) puback: Option<PacketId>,
}

enum Over {
    Timed(Span),
    Followed(Box<dyn PublishTrace>),
}

impl Ending {
    /// Ends what was timed.
    pub(super) const fn of(span: Span) -> Self {
        Self { what: Over::Timed(span), puback: None }
    }

    /// Says of a PUBLISH what acknowledges it.
    pub(super) fn by(mut self, publish: &Publish<'_>) -> Self {
        self.puback = publish.packet_id.filter(|_| publish.qos == QoS::AtLeastOnce);
        self
    }

    pub(super) fn tell(self, fx: &mut impl Effects) {
        match self.what {
            Over::Timed(span) => fx.ended(span),
            Over::Followed(trace) => drop(trace),
        }
    }

    /// Ends it otherwise than by an acknowledgement that the message was taken.
    pub(super) fn refuse(self, code: ReasonCode) {
        match self.what {
            Over::Timed(_) => {}
            Over::Followed(mut trace) => trace.refused(code),
        }
    }
}

impl Worker {
    /// Looks whether a PUBLISH that is about to be handled is followed, and whether it is timed: then returns when it came.
    /// Without a tracer nobody looks more often than some are timed.
    #[cold]
    pub(super) fn look(
        &mut self,
        now: Timestamp,
        online: &Online,
        publish: &Publish<'_>,
        fx: &mut impl Effects,
    ) -> Option<Stamp> {
        if let Some(tracer) = &self.tracer {
            self.trace = tracer.begin(&Arrival {
                client_id: &online.client.client_id,
                version: online.version,
                topic: publish.topic.as_str(),
                qos: publish.qos,
                retain: publish.retain,
                payload_len: publish.payload.len(),
                properties: publish.properties(),
            });
            if now < self.times_from {
                return None;
            }
        }
        self.times_from = now + Latency::EVERY;
        if self.tracer.is_none() {
            self.looks_from = self.times_from;
        }
        fx.stamp()
    }

    /// Ends what follows a PUBLISH that was handled: with the answers, if it is acknowledged.
    #[cold]
    pub(super) fn end_trace(&mut self, publish: &Publish<'_>, is_handled: bool) {
        let trace = self.trace.take();
        if is_handled && publish.packet_id.is_some() {
            let ending = |trace| Ending { what: Over::Followed(trace), puback: None };
            self.endings.extend(trace.map(|trace| ending(trace).by(publish)));
        }
    }
}
