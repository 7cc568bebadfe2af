//! The numbers of a broker as metrics of OTLP: the families that Prometheus scrapes, from the same definitions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flux_admin::{Family, Kind, Sample, Snapshot, Times};
use flux_mqtt::Histogram as Counted;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::resource::{scope, text};

/// From when to when was counted, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Returns what is sent of a snapshot. All sums are cumulative: what is lost
/// on the way is made good by the next.
pub(crate) fn request(
    snapshot: &Snapshot,
    resource: Resource,
    interval: Interval,
) -> ExportMetricsServiceRequest {
    let families = Family::ALL.iter().filter_map(|family| {
        let samples = (family.read)(snapshot);
        (!samples.is_empty()).then(|| number(family, samples, interval))
    });
    let times = Times::ALL
        .iter()
        .filter_map(|times| Some(histogram(times, (times.read)(snapshot)?, interval)));
    let metrics = ScopeMetrics {
        scope: Some(scope()),
        metrics: families.chain(times).collect(),
        ..Default::default()
    };
    let resource = Some(resource);
    let all = ResourceMetrics { resource, scope_metrics: vec![metrics], ..Default::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![all] }
}

/// Returns the nanoseconds since the Unix epoch.
pub(crate) fn nanos(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn number(family: &Family, samples: Vec<Sample>, interval: Interval) -> Metric {
    let point = |Sample { values, number }: Sample| NumberDataPoint {
        attributes: family
            .labels
            .iter()
            .zip(values)
            .map(|(label, value)| text(label, value))
            .collect(),
        start_time_unix_nano: if family.kind == Kind::Gauge { 0 } else { interval.start },
        time_unix_nano: interval.end,
        value: Some(match family.kind {
            Kind::Counter | Kind::Gauge => Value::AsInt(number),
            Kind::Seconds => Value::AsDouble(seconds(number)),
        }),
        ..NumberDataPoint::default()
    };
    let data_points = samples.into_iter().map(point).collect();
    let data = match family.kind {
        Kind::Counter | Kind::Seconds => Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Kind::Gauge => Data::Gauge(Gauge { data_points }),
    };
    metric(family.name, family.help, data)
}

fn histogram(times: &Times, counted: &Counted, interval: Interval) -> Metric {
    let point = HistogramDataPoint {
        start_time_unix_nano: interval.start,
        time_unix_nano: interval.end,
        count: counted.count(),
        sum: Some(counted.total().as_secs_f64()),
        bucket_counts: counted.counts().to_vec(),
        explicit_bounds: Counted::BOUNDS.iter().map(Duration::as_secs_f64).collect(),
        ..HistogramDataPoint::default()
    };
    let data = Histogram {
        data_points: vec![point],
        aggregation_temporality: AggregationTemporality::Cumulative.into(),
    };
    metric(times.name, times.help, Data::Histogram(data))
}

/// The name has no `_total` behind it: whoever makes Prometheus' metrics of OTLP's adds it to what only grows.
fn metric(name: &str, help: &str, data: Data) -> Metric {
    Metric {
        name: format!("flux_{name}"),
        description: help.to_owned(),
        unit: unit(name).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// Only where the name ends with it: elsewhere it would become part of the name on the way to Prometheus.
fn unit(name: &str) -> &'static str {
    match name.rsplit_once('_') {
        Some((_, "seconds")) => "s",
        Some((_, "bytes")) => "By",
        Some(_) | None => "",
    }
}

fn seconds(nanos: i64) -> f64 {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_said_where_the_name_ends_with_it() {
        for (name, expected) in [
            ("worker_busy_seconds", "s"),
            ("queued_bytes", "By"),
            ("bytes_received", ""),
            ("connections", ""),
        ] {
            assert_eq!(unit(name), expected, "{name}");
        }
    }
}
