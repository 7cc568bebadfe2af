//! Spans of messages at a collector.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use flux_conformance::Version::{V5, V311};
use flux_conformance::{Client, Publish, puback, string};
use flux_otlp::OtlpSettings;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use crate::collector::Collector;
use crate::metrics::{metrics, number};
use crate::site::Site;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Makes spans of this part of what has no trace, and sends no metrics before the end.
fn with_ratio(ratio: f64) -> impl FnOnce(&mut OtlpSettings) {
    move |otlp| otlp.sample_ratio = Some(ratio)
}

fn user(name: &str, value: &str) -> Vec<u8> {
    [&[0x26][..], &string(name), &string(value)].concat()
}

fn traceparent(flags: &str) -> Vec<u8> {
    user("traceparent", &format!("00-{TRACE}-{PARENT}-{flags}"))
}

/// Ends what sends, and returns the spans that came until then.
fn spans(mut site: Site, collector: &Collector) -> Vec<Span> {
    site.end_sending();
    let mut spans = Vec::new();
    while let Some(request) = collector.last("/v1/traces") {
        spans.extend(spans_of(&request.decode()));
    }
    spans
}

fn spans_of(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let scopes = request.resource_spans.iter().flat_map(|it| &it.scope_spans);
    scopes.flat_map(|it| it.spans.clone()).collect()
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let shown = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    let all = span.attributes.iter();
    all.map(|it| (&*it.key, shown(it.value.as_ref().unwrap().value.as_ref().unwrap()))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn publish(client: &mut Client, message: &Publish, id: u16) {
    client.send(&message.clone().qos(1, id).bytes(V5));
    client.expect(&puback(id));
}

#[test]
fn a_message_with_a_trace_becomes_a_span_of_it_and_goes_on_unaltered() {
    let collector = Collector::start();
    let site = Site::start(&collector.url(), with_ratio(0.0));
    let mut readers: Vec<_> = (0..2).map(|n| site.connect(V5, &format!("reader-{n}"))).collect();
    readers.iter_mut().for_each(|reader| reader.subscribe("a/+", 1));
    let mut writer = site.connect(V5, "writer");
    let properties = [
        user("tracestate", "vendor=x, other=y"),
        user("b", "1"),
        traceparent("01"),
        user("b", "2"),
    ]
    .concat();
    let message = Publish::new("a/b", "payload").property(&properties);
    publish(&mut writer, &message, 1);
    for reader in &mut readers {
        reader.expect_publish(&message.clone().qos(1, 1));
    }
    let spans = spans(site, &collector);
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.into(), PARENT.into()));
    assert_eq!(span.span_id.len(), 8);
    assert_ne!(hex(&span.span_id), PARENT);
    assert_eq!((&*span.trace_state, &*span.name), ("vendor=x,other=y", "publish"));
    assert_eq!((span.kind(), span.flags), (SpanKind::Server, 0x301));
    assert!(0 < span.start_time_unix_nano && span.start_time_unix_nano < span.end_time_unix_nano);
    assert_eq!(span.status, None);
    let expected = [
        ("messaging.client.id", "writer"),
        ("messaging.destination.name", "a/b"),
        ("messaging.message.body.size", "7"),
        ("messaging.operation.name", "publish"),
        ("messaging.system", "mqtt"),
        ("mqtt.qos", "1"),
        ("mqtt.retain", "false"),
        ("mqtt.subscribers.matched", "2"),
        ("mqtt.subscribers.taken", "2"),
        ("network.protocol.name", "mqtt"),
        ("network.protocol.version", "5.0"),
    ];
    assert_eq!(attributes(span), expected.map(|(name, value)| (name, value.to_owned())).into());
}

#[test]
fn what_its_publisher_does_not_follow_is_not_followed() {
    let collector = Collector::start();
    let site = Site::start(&collector.url(), with_ratio(1.0));
    let mut reader = site.connect(V5, "reader");
    reader.subscribe("#", 0);
    let mut writer = site.connect(V5, "writer");
    publish(&mut writer, &Publish::new("unseen", "").property(&traceparent("00")), 1);
    publish(&mut writer, &Publish::new("seen", "").property(&traceparent("03")), 2);
    let spans = spans(site, &collector);
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(attributes(span)["messaging.destination.name"], "seen");
}

#[test]
fn without_a_trace_the_ratio_decides() {
    for (ratio, expected) in [(0.0, 0), (1.0, 30)] {
        let collector = Collector::start();
        let site = Site::start(&collector.url(), with_ratio(ratio));
        for version in [V5, V311] {
            let mut writer = site.connect(version, "");
            for id in 1..=5 {
                for qos in 0..3 {
                    writer.send(
                        &Publish::new("a", "x").qos(qos, id * 3 + u16::from(qos)).bytes(version),
                    );
                }
            }
            writer.send(&[0xC0, 0]);
            // All is handled with this.
            while writer.packet()[0] != 0xD0 {}
        }
        let spans = spans(site, &collector);
        assert_eq!(spans.len(), expected);
        let traces: std::collections::BTreeSet<_> =
            spans.iter().map(|span| &span.trace_id).collect();
        assert_eq!(traces.len(), expected, "each is a trace of its own");
        for span in &spans {
            assert_eq!((span.parent_span_id.len(), span.flags), (0, 0x101));
            assert_eq!(attributes(span)["mqtt.subscribers.matched"], "0");
        }
    }
}

#[test]
fn what_is_malformed_is_as_if_it_were_not_there() {
    for (ratio, expected) in [(0.0, 0), (1.0, 4)] {
        let collector = Collector::start();
        let site = Site::start(&collector.url(), with_ratio(ratio));
        let mut reader = site.connect(V5, "reader");
        reader.subscribe("#", 0);
        let mut writer = site.connect(V5, "writer");
        let wrong = [
            user("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"),
            user("traceparent", &"-".repeat(60_000)),
            user("Traceparent", &format!("00-{TRACE}-{PARENT}-01")),
            [traceparent("01"), traceparent("01")].concat(),
        ];
        for (id, property) in (1..).zip(&wrong) {
            let message = Publish::new("a", "").property(property);
            publish(&mut writer, &message, id);
            reader.expect_publish(&message);
        }
        let spans = spans(site, &collector);
        assert_eq!(spans.len(), expected);
        assert!(spans.iter().all(|span| hex(&span.trace_id) != TRACE));
    }
}

#[test]
fn who_is_refused_has_a_span_that_says_so() {
    let collector = Collector::start();
    let site = Site::start(&collector.url(), with_ratio(1.0));
    let mut writer = site.connect(V5, "writer");
    writer.send(&Publish::new("$SYS/x", "secret payload").qos(1, 1).bytes(V5));
    writer.expect_ack(0x40, 1, 0x90);
    let spans = spans(site, &collector);
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(span.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(attributes(span)["error.type"], "144");
    assert!(!format!("{span:?}").contains("secret"));
}

#[test]
fn without_a_ratio_there_are_no_traces() {
    let collector = Collector::start();
    let site = Site::start(&collector.url(), |_| {});
    let mut reader = site.connect(V5, "reader");
    reader.subscribe("#", 0);
    let mut writer = site.connect(V5, "writer");
    publish(&mut writer, &Publish::new("a", "").property(&traceparent("01")), 1);
    assert_eq!(spans(site, &collector), []);
}

#[test]
fn spans_come_while_the_broker_runs_and_those_that_were_not_taken_come_again() {
    let collector = Collector::start();
    collector.answer(503);
    let site = Site::start(&collector.url(), with_ratio(1.0));
    let mut writer = site.connect(V5, "writer");
    writer.send(&Publish::new("first", "").bytes(V5));
    let first = spans_of(&collector.next("/v1/traces").decode());
    collector.answer(200);
    writer.send(&Publish::new("second", "").bytes(V5));
    let again = spans_of(&collector.next("/v1/traces").decode());
    assert_eq!((first.len(), &again[0]), (1, &first[0]));
}

#[test]
fn what_was_not_taken_at_the_end_is_counted_and_the_last_metrics_say_so() {
    let collector = Collector::start();
    collector.answer(503);
    let mut site = Site::start(&collector.url(), with_ratio(1.0));
    let mut writer = site.connect(V5, "writer");
    for _ in 0..3 {
        writer.send(&Publish::new("a", "").bytes(V5));
    }
    writer.ping();
    site.end_sending();
    assert_eq!(site.exported.spans_dropped(), 3);
    let request = collector.metrics();
    assert_eq!(number(&metrics(&request), "flux_otlp_spans_dropped", ""), 3);
}

#[test]
fn a_collector_that_is_away_costs_spans_and_no_memory() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut site = Site::start(&format!("http://{gone}"), |otlp| {
        otlp.sample_ratio = Some(1.0);
        otlp.interval = Duration::from_millis(10);
    });
    let mut writer = site.connect(V5, "writer");
    let flood: Vec<u8> = (0..6_000).flat_map(|_| Publish::new("a", "x").bytes(V5)).collect();
    writer.send(&flood);
    writer.ping();
    let collector = Collector::start_at(gone);
    // What there was room for comes, and what there was none for is counted.
    let mut came = 0;
    while came < ROOM {
        came += spans_of(&collector.next("/v1/traces").decode()).len();
    }
    loop {
        let request = collector.metrics();
        let dropped = number(&metrics(&request), "flux_otlp_spans_dropped", "");
        if dropped > 0 {
            let dropped = usize::try_from(dropped).unwrap();
            assert!((6_000 - ROOM - BATCH..=6_000 - ROOM).contains(&dropped), "{dropped}");
            break;
        }
    }
    site.end_sending();
}

/// So many spans wait, and so many are being sent.
const ROOM: usize = 4_096;
const BATCH: usize = 512;

#[test]
fn metrics_come_while_there_are_always_spans_to_send() {
    let collector = Collector::start();
    let site = Site::start(&collector.url(), |otlp| {
        otlp.sample_ratio = Some(1.0);
        otlp.interval = Duration::from_millis(10);
    });
    let mut writer = site.connect(V5, "writer");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // More than can be sent, for many times what three intervals take, and it ends whatever comes.
            for _ in 0..1_000_000 {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                writer.send(&Publish::new("a", "x").bytes(V5));
            }
            panic!("no metrics came meanwhile");
        });
        for _ in 0..3 {
            collector.next("/v1/traces");
            collector.metrics();
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
