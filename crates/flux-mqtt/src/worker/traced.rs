//! The PUBLISH packets that somebody follows.

use flux_session::Timestamp;

use super::Worker;
use super::connection::Online;
use crate::effects::Effects;
use crate::latency::{Latency, Span, Stamp};
use crate::reason::ReasonCode;
use crate::trace::{Arrival, PublishTrace};
use crate::wire::Publish;

/// Something that is over once packets are sent.
pub(super) enum Ending {
    Timed(Span),
    Followed(Box<dyn PublishTrace>),
}

impl Ending {
    pub(super) fn tell(self, fx: &mut impl Effects) {
        match self {
            Self::Timed(span) => fx.ended(span),
            Self::Followed(trace) => drop(trace),
        }
    }

    /// It ends otherwise than by an acknowledgement that the message was taken.
    pub(super) fn refused(&mut self, code: ReasonCode) {
        match self {
            Self::Timed(_) => {}
            Self::Followed(trace) => trace.refused(code),
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
    pub(super) fn end_trace(&mut self, is_acknowledged: bool) {
        let trace = self.trace.take();
        if is_acknowledged {
            self.endings.extend(trace.map(Ending::Followed));
        }
    }
}
