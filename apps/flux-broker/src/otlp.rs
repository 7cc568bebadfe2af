//! What an OpenTelemetry collector is sent, by a broker that was built for that.

#[cfg_attr(feature = "otlp", path = "otlp/built_in.rs")]
#[cfg_attr(not(feature = "otlp"), path = "otlp/left_out.rs")]
mod exporter;

pub(crate) use self::exporter::{Otlp, open};
