//! Metrics and traces of a broker, sent to an OpenTelemetry collector by OTLP over HTTP, in protobuf.
//!
//! [`Otlp`] sends the metrics that `flux-admin` defines ([`Family`](flux_admin::Family), [`Times`](flux_admin::Times)),
//! under the same names and from the same snapshot, again and again. Counters and histograms are cumulative from the start
//! of the broker.
//!
//! [`Otlp::tracer`] makes spans of PUBLISH packets of clients: from the moment when one is handled until its message was
//! offered to all subscribers and, with QoS 1 or 2, PUBACK or PUBREC is sent, over a store once the message is safe. What a
//! span says follows OpenTelemetry's conventions for messaging; what they have no name for is under `mqtt`. The payload is
//! in none.
//!
//! **Trace context.** MQTT 5.0 carries it in the user properties `traceparent` and `tracestate` (W3C Trace Context). A PUBLISH
//! with a context continues that trace if its publisher follows it, and is not followed if its publisher does not: the span
//! is a child of the publisher's. What is malformed is as if it were not there. A PUBLISH without a context begins a trace
//! of its own, one in so many.
//!
//! The broker alters no user property, as [MQTT-3.3.2-17] demands. So subscribers see the context of the publisher, and what
//! they do is its child, beside the span of the broker; where the broker begins a trace, subscribers know nothing of it.
//!
//! What is sent is made of the messages of `opentelemetry-proto`, and not through the instruments of an SDK: the broker
//! has its numbers already, and no instrument takes a histogram that is there.
//!
//! While the collector is away the broker serves as before: one thread sends, one request at a time. Metrics are not kept for
//! later. Spans wait, 4096 of them, none with more than some kilobytes that a client chose; further ones are dropped and
//! counted, as are the requests that fail ([`Otlp::exported`]). That it fails is logged once, and once more when that is over.

mod exporter;
mod metrics;
mod outage;
mod patience;
mod resource;
mod spans;
mod trace_parent;
mod tracer;

pub use self::exporter::{Otlp, OtlpSettings};
