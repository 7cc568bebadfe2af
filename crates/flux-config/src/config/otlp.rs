//! What an OpenTelemetry collector is sent.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::value::{OneOrMore, Period, Ratio, Secret};

/// Metrics and traces for an OpenTelemetry collector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// The address of the collector, `https://` or `http://`; `/v1/metrics` and `/v1/traces` are
    /// added. Without it nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("x-example" = "http://127.0.0.1:4318"))]
    pub endpoint: Option<String>,
    /// What is sent with each request as a header, each as `name=value`.
    #[schemars(extend("x-example" = "authorization=Bearer a long secret", "x-secret" = true))]
    pub headers: OneOrMore<Secret>,
    /// Certificates of the authorities that the collector is held against. Without it: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "PathBuf")]
    pub ca_file: Option<PathBuf>,
    /// How long a request may take.
    #[schemars(extend("x-minimum" = "1ms"))]
    pub timeout: Period,
    /// How often metrics are sent; `0s` is never.
    #[schemars(extend("x-maximum" = "1day"))]
    pub interval: Period,
    /// Of the messages that come without a trace this part begins one; those that come with a trace (`traceparent` among their
    /// user properties) continue it if it says so. With 0 only those do. Without it there are no traces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Ratio", extend("x-example" = 0.01))]
    pub sample_ratio: Option<Ratio>,
    /// What the broker is called among other services (`service.name`).
    pub service_name: String,
    /// Further attributes of the broker (of its resource), each as `name=value`.
    #[schemars(extend("x-example" = "deployment.environment.name=production"))]
    pub attributes: OneOrMore<String>,
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers: OneOrMore::default(),
            ca_file: None,
            timeout: Period(Duration::from_secs(10)),
            interval: Period(Duration::from_secs(60)),
            sample_ratio: None,
            service_name: "flux-broker".to_owned(),
            attributes: OneOrMore::default(),
        }
    }
}

impl Otlp {
    /// Returns the headers, names and values.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.headers)
    }

    /// Returns the attributes, names and values.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        pairs(&self.attributes)
    }
}

/// What has no `=` was refused when the config was read.
fn pairs<T: Deref<Target = str>>(written: &OneOrMore<T>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = written.0.iter().filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim()))
}
