//! The numbers of a broker at a collector.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flux_admin::{Family, Snapshot, Times};
use flux_conformance::Version::V5;
use flux_conformance::{Publish, puback};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, NumberDataPoint};

use crate::collector::Collector;
use crate::site::Site;

pub(crate) fn metrics(request: &ExportMetricsServiceRequest) -> BTreeMap<&str, &Metric> {
    let all = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    all.flat_map(|it| &it.metrics).map(|metric| (&*metric.name, metric)).collect()
}

fn text(attribute: &KeyValue) -> (&str, &str) {
    match &attribute.value {
        Some(AnyValue { value: Some(Any::StringValue(value)) }) => (&attribute.key, value),
        other => panic!("{other:?}"),
    }
}

fn points(metric: &Metric) -> &[NumberDataPoint] {
    match metric.data.as_ref().unwrap() {
        Data::Sum(sum) => &sum.data_points,
        Data::Gauge(gauge) => &gauge.data_points,
        other => panic!("{other:?}"),
    }
}

/// Returns the number of the series whose label has this value; of the only one, if it is empty.
#[track_caller]
pub(crate) fn number(metrics: &BTreeMap<&str, &Metric>, name: &str, label: &str) -> i64 {
    let is_it = |point: &&NumberDataPoint| match &*point.attributes {
        [] => label.is_empty(),
        attributes => attributes.iter().any(|it| text(it).1 == label),
    };
    match points(metrics[name]).iter().find(is_it).unwrap().value {
        Some(Value::AsInt(number)) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn they_arrive_with_the_values_of_known_traffic() {
    let collector = Collector::start();
    let mut site = Site::start(&collector.url(), |otlp| {
        otlp.headers = vec![("authorization".to_owned(), "Bearer s3cret".to_owned())];
        otlp.attributes = vec![("site".to_owned(), "north".to_owned())];
    });
    let mut reader = site.connect(V5, "reader");
    reader.subscribe("a/#", 1);
    let mut writer = site.connect(V5, "writer");
    for id in 1..=5 {
        writer.send(&Publish::new("a/b", "x").qos(1, id).bytes(V5));
        writer.expect(&puback(id));
        reader.receive();
    }
    let mut snapshot = Snapshot::of(&site.broker);
    snapshot.exported = Some(site.exported.clone());
    let known: BTreeSet<String> = names(&snapshot);
    site.end_sending();
    let request = collector.next("/v1/metrics");
    assert!(request.head.contains("\r\nauthorization: bearer s3cret\r\n"), "{}", request.head);
    assert!(
        request.head.contains("\r\ncontent-type: application/x-protobuf\r\n"),
        "{}",
        request.head
    );
    let request: ExportMetricsServiceRequest = request.decode();
    let resource = request.resource_metrics[0].resource.as_ref().unwrap();
    let resource: BTreeMap<_, _> = resource.attributes.iter().map(text).collect();
    assert_eq!((resource["service.name"], resource["site"]), ("flux", "north"));
    assert!(!resource["service.instance.id"].is_empty());

    let metrics = metrics(&request);
    let came: BTreeSet<_> = metrics.keys().map(|name| (*name).to_owned()).collect();
    assert_eq!(came, known, "the families of /metrics, no more and no less");
    assert_eq!(number(&metrics, "flux_packets_received", "PUBLISH"), 5);
    assert_eq!(number(&metrics, "flux_packets_sent", "PUBACK"), 5);
    assert_eq!(number(&metrics, "flux_sessions", "online"), 2);
    assert_eq!(number(&metrics, "flux_subscriptions", ""), 1);

    let Some(Data::Sum(sum)) = &metrics["flux_packets_received"].data else { panic!("no sum") };
    assert!(sum.is_monotonic);
    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &sum.data_points[0];
    assert!(0 < point.start_time_unix_nano && point.start_time_unix_nano < point.time_unix_nano);

    let Some(Data::Histogram(times)) = &metrics["flux_connect_seconds"].data else {
        panic!("no histogram")
    };
    assert_eq!(metrics["flux_connect_seconds"].unit, "s");
    assert_eq!(times.aggregation_temporality(), AggregationTemporality::Cumulative);
    let point = &times.data_points[0];
    assert_eq!((point.count, point.bucket_counts.iter().sum::<u64>()), (2, 2));
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    assert!(point.sum.unwrap() > 0.0);
}

/// The names that there are to send.
fn names(snapshot: &Snapshot) -> BTreeSet<String> {
    let families = Family::ALL.iter().filter(|family| !(family.read)(snapshot).is_empty());
    let times = Times::ALL.iter().filter(|times| (times.read)(snapshot).is_some());
    let names = families.map(|family| family.name).chain(times.map(|times| times.name));
    names.map(|name| format!("flux_{name}")).collect()
}

#[test]
fn they_are_sent_again_and_again_and_what_was_lost_is_made_good() {
    let collector = Collector::start();
    collector.answer(503);
    let site = Site::start(&collector.url(), |otlp| otlp.interval = Duration::from_millis(1));
    let connects = |request: &ExportMetricsServiceRequest| {
        number(&metrics(request), "flux_packets_received", "CONNECT")
    };
    let failures = |request: &ExportMetricsServiceRequest| {
        ["metrics", "traces"].map(|it| number(&metrics(request), "flux_otlp_exports_failed", it))
    };
    let first = collector.metrics();
    assert_eq!((connects(&first), failures(&first)), (0, [0, 0]));
    // Each says how many before it were not taken.
    assert_eq!(failures(&collector.metrics()), [1, 0]);
    assert_eq!(failures(&collector.metrics()), [2, 0]);
    let _client = site.connect(V5, "a");
    while connects(&collector.metrics()) < 1 {}
    collector.answer(200);
    for _ in 0..3 {
        assert_eq!(connects(&collector.metrics()), 1);
    }
}

#[test]
fn a_collector_that_is_away_or_silent_is_nobodys_trouble() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Collector::start();
    silent.answer(0);
    for url in [format!("http://{gone}"), silent.url()] {
        let site = Site::start(&url, |otlp| otlp.interval = Duration::from_millis(1));
        if url == silent.url() {
            silent.metrics();
        }
        let mut client = site.connect(V5, "a");
        client.subscribe("a", 0);
        client.send(&Publish::new("a", "x").bytes(V5));
        client.receive();
        drop(site);
    }
    // It comes back: what was counted meanwhile is there.
    let site =
        Site::start(&format!("http://{gone}"), |otlp| otlp.interval = Duration::from_millis(1));
    let _client = site.connect(V5, "a");
    let collector = Collector::start_at(gone);
    while number(&metrics(&collector.metrics()), "flux_packets_received", "CONNECT") < 1 {}
}
