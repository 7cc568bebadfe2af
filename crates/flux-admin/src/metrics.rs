//! [`Metrics`]: the numbers of a broker in the formats that Prometheus reads.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use flux_mqtt::{BrokerHandle, Histogram};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::{Compat, EMQX, Exported, Family, Kind, Sample, Snapshot, Times};

/// Reads a broker's numbers and writes them down.
#[derive(Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// Returns the metrics of a broker and of its exporter, if it has one, and some of them once more under the names of
    /// others.
    #[must_use]
    pub fn of(broker: BrokerHandle, exported: Option<Arc<Exported>>, compat: Vec<Compat>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Numbers { broker, exported, compat }));
        Self(registry)
    }

    /// Returns them as OpenMetrics 1.0.
    ///
    /// # Errors
    ///
    /// When a name or a label breaks the format, which is a mistake of this crate.
    pub fn open_metrics(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.0)?;
        Ok(out)
    }

    /// Returns them in Prometheus' text format, version 0.0.4.
    ///
    /// # Errors
    ///
    /// As [`Metrics::open_metrics`].
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        prometheus_text::encode(&mut out, &self.0)?;
        Ok(out)
    }
}

/// Asks the broker for its numbers at each scrape.
#[derive(Debug)]
struct Numbers {
    broker: BrokerHandle,
    exported: Option<Arc<Exported>>,
    compat: Vec<Compat>,
}

impl Collector for Numbers {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut snapshot = Snapshot::of(&self.broker);
        snapshot.exported.clone_from(&self.exported);
        for family in Family::ALL {
            let samples = (family.read)(&snapshot);
            if samples.is_empty() {
                continue;
            }
            let kind = match family.kind {
                Kind::Counter | Kind::Seconds => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let name = format!("flux_{}", family.name);
            let mut series = encoder.encode_descriptor(&name, family.help, None, kind)?;
            for Sample { values, number } in samples {
                let values = values.iter().map(AsRef::as_ref);
                let labels: Vec<(&str, &str)> = family.labels.iter().copied().zip(values).collect();
                if labels.is_empty() {
                    write(&mut series, family.kind, number)?;
                } else {
                    write(&mut series.encode_family(&labels)?, family.kind, number)?;
                }
            }
        }
        for times in Times::ALL {
            let Some(histogram) = (times.read)(&snapshot) else { continue };
            let kind = MetricType::Histogram;
            let name = format!("flux_{}", times.name);
            let mut series = encoder.encode_descriptor(&name, times.help, None, kind)?;
            let bounds = Histogram::BOUNDS.iter().map(Duration::as_secs_f64);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(histogram.counts().iter().copied()).collect();
            let sum = histogram.total().as_secs_f64();
            series.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)?;
        }
        if self.compat.contains(&Compat::Emqx) {
            for alias in EMQX {
                let name = format!("emqx_{}", alias.name);
                // Its counters have no `_total` behind them, which the format asks of counters.
                let kind = MetricType::Unknown;
                let mut series = encoder.encode_descriptor(&name, alias.help, None, kind)?;
                series.encode_gauge(&(alias.read)(&snapshot))?;
            }
        }
        Ok(())
    }
}

fn write(series: &mut MetricEncoder<'_>, kind: Kind, number: i64) -> Result<(), fmt::Error> {
    match kind {
        Kind::Counter => {
            let number = u64::try_from(number).unwrap_or_default();
            series.encode_counter::<NoLabelSet, u64, u64>(&number, None)
        }
        Kind::Seconds => {
            let nanos = u64::try_from(number).unwrap_or_default();
            let seconds = Duration::from_nanos(nanos).as_secs_f64();
            series.encode_counter::<NoLabelSet, f64, u64>(&seconds, None)
        }
        Kind::Gauge => series.encode_gauge(&number),
    }
}
