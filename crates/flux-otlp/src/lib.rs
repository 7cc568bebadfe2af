//! Metrics of a broker, sent to an OpenTelemetry collector by OTLP over HTTP, in protobuf.
//!
//! [`Otlp`] sends the metrics that `flux-admin` defines ([`Family`](flux_admin::Family), [`Times`](flux_admin::Times)),
//! under the same names and from the same snapshot, again and again. Counters and histograms are cumulative from the start
//! of the broker.
//!
//! What is sent is made of the messages of `opentelemetry-proto`, and not through the instruments of an SDK: the broker
//! has its numbers already, and no instrument takes a histogram that is there.
//!
//! While the collector is away the broker serves as before: one thread sends, one request at a time, and nothing is kept
//! for later. That it fails is logged once, and once more when that is over.

mod exporter;
mod metrics;
mod outage;
mod resource;

pub use self::exporter::{Otlp, OtlpSettings};
