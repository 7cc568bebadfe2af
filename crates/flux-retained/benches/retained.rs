//! What lookups cost among ten thousand retained messages, and cursors among up to a million.

use std::error::Error;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use flux_retained::{
    Cursor, Progress, Retain, RetainedMessage, RetainedStore, RetainedTree, Timestamp,
};
use flux_topic::{TopicFilter, TopicName};

/// How many devices there are, with [`READINGS`] retained messages each.
const DEVICES: u64 = 2_500;
const READINGS: [&str; 4] = ["temperature", "humidity", "battery", "position"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    tree(&mut criterion)?;
    store(&mut criterion);
    cursor(&mut criterion, 100_000)?;
    cursor(&mut criterion, 1_000_000)?;
    criterion.final_summary();
    Ok(())
}

/// The pure tree: by name, and by filters that find none, one, few and all.
fn tree(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut tree = RetainedTree::new();
    for topic in topics() {
        tree.set(NOW, TopicName::parse(&topic)?, message(&topic))?;
    }

    let mut group = criterion.benchmark_group("tree_of_10000");
    let name = TopicName::parse("fleet/device-1234/battery")?;
    group
        .bench_function("get", |bencher| bencher.iter(|| tree.get(NOW, black_box(name)).is_some()));

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

/// A value of eight bytes, as a pointer to a message.
struct Pointer(u64);

impl Retain for Pointer {
    fn size(&self) -> usize {
        100
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A cursor over all of `messages` in batches of 64, and a writer while none and many cursors are
/// open.
fn cursor(criterion: &mut Criterion, messages: u64) -> Result<(), Box<dyn Error>> {
    let mut tree = RetainedTree::new();
    for number in 0..messages {
        let topic = format!("fleet/{}/device-{number}", number % 100);
        tree.set(NOW, TopicName::parse(&topic)?, Pointer(number))?;
    }

    let mut group = criterion.benchmark_group(format!("cursor_of_{messages}"));
    group.sample_size(10).throughput(Throughput::Elements(messages));
    let all = TopicFilter::parse("#")?;
    group.bench_function("batches of 64", |bencher| {
        bencher.iter(|| {
            let mut cursor = tree.open(&all);
            let mut sum = 0;
            while advance(&mut tree, &mut cursor, &mut sum) == Progress::More {}
            sum
        });
    });

    group.sample_size(50).throughput(Throughput::Elements(1));
    let name = TopicName::parse("fleet/34/device-1234")?;
    for open in [0, 1_000] {
        let mut cursors: Vec<_> = (0..open).map(|_| tree.open(&all)).collect();
        for (number, cursor) in cursors.iter_mut().enumerate() {
            for _ in 0..number {
                let _more = advance(&mut tree, cursor, &mut 0);
            }
        }
        group.bench_function(format!("set, {open} cursors open"), |bencher| {
            bencher.iter(|| tree.set(NOW, black_box(name), Pointer(1)).is_ok());
        });
        cursors.into_iter().for_each(|cursor| tree.close(cursor));
    }
    group.bench_function("set and remove a new topic", |bencher| {
        let name = TopicName::parse("fleet/34/new").ok();
        bencher.iter(|| {
            let name = black_box(name)?;
            tree.set(NOW, name, Pointer(1)).ok()?;
            tree.remove(name)
        });
    });
    Ok(())
}

fn advance(tree: &mut RetainedTree<Pointer>, cursor: &mut Cursor, sum: &mut u64) -> Progress {
    tree.advance(cursor, NOW, 64, |pointer| *sum += pointer.0)
}

const NOW: Timestamp = Timestamp::from_millis(0);

fn topics() -> impl Iterator<Item = String> {
    (0..DEVICES)
        .flat_map(|device| READINGS.map(|reading| format!("fleet/device-{device}/{reading}")))
}

fn message(topic: &str) -> RetainedMessage {
    RetainedMessage { topic: topic.to_owned(), payload: Bytes::from_static(b"80"), qos: 1 }
}

fn count_matches(tree: &RetainedTree<RetainedMessage>, filter: &TopicFilter) -> u64 {
    let mut count = 0;
    tree.for_each_match(NOW, filter, |_| count += 1);
    count
}
