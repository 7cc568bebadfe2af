//! What lookups cost among ten thousand retained messages.

use std::error::Error;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use flux_retained::{RetainedMessage, RetainedStore, RetainedTree};
use flux_topic::{TopicFilter, TopicName};

/// How many devices there are, with [`READINGS`] retained messages each.
const DEVICES: u64 = 2_500;
const READINGS: [&str; 4] = ["temperature", "humidity", "battery", "position"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    tree(&mut criterion)?;
    store(&mut criterion);
    criterion.final_summary();
    Ok(())
}

/// The pure tree: by name, and by filters that find none, one, few and all.
fn tree(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut tree = RetainedTree::new();
    for topic in topics() {
        tree.set(TopicName::parse(&topic)?, message(&topic));
    }

    let mut group = criterion.benchmark_group("tree_of_10000");
    let name = TopicName::parse("fleet/device-1234/battery")?;
    group.bench_function("get", |bencher| bencher.iter(|| tree.get(black_box(name)).is_some()));

    for filter in ["none/+/battery", "fleet/device-1234/+", "fleet/+/battery", "#"] {
        let parsed = TopicFilter::parse(filter)?;
        let found = count_matches(&tree, &parsed);
        group.throughput(Throughput::Elements(found));
        group.bench_function(format!("{filter} finds {found}"), |bencher| {
            bencher.iter(|| count_matches(&tree, black_box(&parsed)));
        });
    }
    Ok(())
}

/// The shared store, which copies what it finds.
fn store(criterion: &mut Criterion) {
    let store: RetainedStore = RetainedStore::new();
    for topic in topics() {
        let RetainedMessage { topic, payload, qos } = message(&topic);
        store.set(topic, payload, qos);
    }

    let mut group = criterion.benchmark_group("store_of_10000");
    group.bench_function("get", |bencher| {
        bencher.iter(|| store.get(black_box("fleet/device-1234/battery")));
    });
    group.bench_function("get_matching 4", |bencher| {
        bencher.iter(|| store.get_matching(black_box("fleet/device-1234/+")));
    });
    group.bench_function("set", |bencher| {
        bencher.iter(|| {
            store.set("fleet/device-1234/battery".to_owned(), Bytes::from_static(b"81"), 1);
        });
    });
}

fn topics() -> impl Iterator<Item = String> {
    (0..DEVICES)
        .flat_map(|device| READINGS.map(|reading| format!("fleet/device-{device}/{reading}")))
}

fn message(topic: &str) -> RetainedMessage {
    RetainedMessage { topic: topic.to_owned(), payload: Bytes::from_static(b"80"), qos: 1 }
}

fn count_matches(tree: &RetainedTree<RetainedMessage>, filter: &TopicFilter) -> u64 {
    let mut count = 0;
    tree.for_each_match(filter, |_| count += 1);
    count
}
