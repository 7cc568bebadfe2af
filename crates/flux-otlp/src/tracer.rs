//! [`SpanTracer`]: which PUBLISH becomes a span, and what stands in it.

use std::mem;
use std::time::Instant;

use flux_mqtt::{Arrival, PublishOutcome, PublishTrace, ReasonCode, Tracer};
use opentelemetry::trace::{SpanKind as Kind, TraceState};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample,
};

use crate::exporter::now;
use crate::resource::{attribute, text};
use crate::spans::SpanSink;
use crate::trace_parent::TraceParent;

/// Has spans made of PUBLISH packets: of those whose publisher follows the trace, and of some of those without a trace.
#[derive(Debug)]
pub(crate) struct SpanTracer {
    /// Chooses among those without a trace.
    sampler: Sampler,
    ids: RandomIdGenerator,
    sink: SpanSink,
}

impl SpanTracer {
    /// Of PUBLISH packets without a trace this part, from 0 to 1, begins one.
    pub(crate) fn new(ratio: f64, sink: SpanSink) -> Self {
        let sampler = Sampler::TraceIdRatioBased(ratio);
        Self { sampler, ids: RandomIdGenerator::default(), sink }
    }

    /// Returns the identifier of a trace that begins here, if one does.
    fn begins(&self) -> Option<[u8; 16]> {
        let id = self.ids.new_trace_id();
        let sampled = self.sampler.should_sample(None, id, NAME, &Kind::Server, &[], &[]);
        (sampled.decision == SamplingDecision::RecordAndSample).then(|| id.to_bytes())
    }
}

impl Tracer for SpanTracer {
    fn begin(&self, publish: &Arrival<'_>) -> Option<Box<dyn PublishTrace>> {
        let (parent, state) = context(publish);
        let trace_id = match parent {
            Some(parent) => parent.is_sampled.then_some(parent.trace_id)?,
            None => self.begins()?,
        };
        if !self.sink.may_begin() {
            return None;
        }
        let is_remote = if parent.is_some() { IS_REMOTE } else { 0 };
        let span = Span {
            trace_id: trace_id.to_vec(),
            span_id: self.ids.new_span_id().to_bytes().to_vec(),
            parent_span_id: parent.map_or_else(Vec::new, |parent| parent.span_id.to_vec()),
            trace_state: parent.and(state).map_or_else(String::new, |state| state.header()),
            flags: SAMPLED | HAS_IS_REMOTE | is_remote,
            name: NAME.to_owned(),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: now(),
            attributes: attributes(publish),
            ..Span::default()
        };
        #[expect(clippy::disallowed_methods, reason = "only the time between two moments counts")]
        let since = Instant::now();
        Some(Box::new(Begun { span, since, sink: self.sink.clone() }))
    }
}

/// A span that has begun. It ends when this is dropped.
struct Begun {
    span: Span,
    since: Instant,
    sink: SpanSink,
}

impl PublishTrace for Begun {
    fn routed(&mut self, outcome: &PublishOutcome) {
        self.span.attributes.extend([
            number("mqtt.subscribers.matched", outcome.matched),
            number("mqtt.subscribers.taken", outcome.taken),
        ]);
    }

    fn refused(&mut self, reason: ReasonCode) {
        self.span.attributes.push(text("error.type", (reason as u8).to_string()));
        let message = reason.description().to_owned();
        self.span.status = Some(Status { message, code: StatusCode::Error.into() });
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut span = mem::take(&mut self.span);
        let took = u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        span.end_time_unix_nano = span.start_time_unix_nano.saturating_add(took);
        self.sink.put(span);
    }
}

/// Returns the trace that a PUBLISH belongs to. What is malformed, or there twice, is as if it were not there.
fn context(publish: &Arrival<'_>) -> (Option<TraceParent>, Option<TraceState>) {
    let (mut parent, mut state, mut parents) = (None, None, 0);
    for (name, value) in publish.user_properties() {
        match name {
            "traceparent" => {
                parents += 1;
                parent = TraceParent::parse(value);
            }
            "tracestate" => state = Some(value),
            _others => {}
        }
    }
    let parent = parent.filter(|_| parents == 1);
    let is_followed = parent.is_some_and(|parent| parent.is_sampled);
    // Nobody else needs it.
    let state = state.filter(|state| is_followed && state.len() <= MAX_STATE);
    (parent, state.and_then(|state| state.parse().ok()))
}

/// Returns what is known when it comes: the conventions for messaging, and what they have no name for under `mqtt`. Never the
/// payload.
fn attributes(publish: &Arrival<'_>) -> Vec<KeyValue> {
    vec![
        text("messaging.system", "mqtt"),
        text("messaging.operation.name", NAME),
        text("messaging.destination.name", start_of(publish.topic)),
        text("messaging.client.id", start_of(publish.client_id)),
        number("messaging.message.body.size", publish.payload_len),
        text("network.protocol.name", "mqtt"),
        text("network.protocol.version", publish.version.name()),
        attribute("mqtt.qos", Value::IntValue(publish.qos.as_u8().into())),
        attribute("mqtt.retain", Value::BoolValue(publish.retain)),
    ]
}

fn number(name: &str, number: usize) -> KeyValue {
    attribute(name, Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)))
}

/// What a client chooses may be 64 KiB long, and many spans wait.
fn start_of(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

/// The same for all topics: a name is to group spans.
const NAME: &str = "publish";
/// Flags of a span: it is followed; it is known whether its parent is elsewhere; it is.
const SAMPLED: u32 = 1;
const HAS_IS_REMOTE: u32 = 1 << 8;
const IS_REMOTE: u32 = 1 << 9;
const MAX_TEXT: usize = 1_024;
/// As much as W3C Trace Context says everybody should take.
const MAX_STATE: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_choose_is_cut_between_characters() {
        assert_eq!(start_of("a/b"), "a/b");
        let long = "é".repeat(1_000);
        assert_eq!(start_of(&long).len(), MAX_TEXT);
        let odd = format!("a{long}");
        assert_eq!(start_of(&odd).len(), MAX_TEXT - 1);
    }
}
