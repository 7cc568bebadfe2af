//! What a lookup costs: beside many subscriptions that do not match, and with hits.

use std::error::Error;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use flux_topic::{SubscriptionTree, TopicFilter, TopicName};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default().configure_from_args();
    misses(&mut criterion)?;
    hits(&mut criterion)?;
    changes(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// A lookup among subscriptions of other devices, which share the first level and the last.
fn misses(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("match_none");
    for count in [1_000, 100_000] {
        let tree = fleet(count)?;
        let topic = TopicName::parse("fleet/device-absent/state/position")?;
        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
            bencher.iter(|| count_matches(&tree, black_box(topic)));
        });
    }
    Ok(())
}

/// A lookup that finds one subscriber, a few through wildcards, and a thousand of one filter.
fn hits(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("match_some");
    let topic = TopicName::parse("fleet/device-500/state/position")?;

    let mut tree = fleet(100_000)?;
    group.bench_function("one_of_100000", |bencher| {
        bencher.iter(|| count_matches(&tree, black_box(topic)));
    });

    for (key, filter) in (1_000_000..).zip(["#", "fleet/#", "fleet/+/state/+", "+/+/+/position"]) {
        tree.insert(&TopicFilter::parse(filter)?, key, 0);
    }
    group.bench_function("five_through_wildcards", |bencher| {
        bencher.iter(|| count_matches(&tree, black_box(topic)));
    });

    let alarm = TopicFilter::parse("alarm")?;
    for key in 0..1_000 {
        tree.insert(&alarm, key, 0);
    }
    let topic = TopicName::parse("alarm")?;
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("thousand_of_one_filter", |bencher| {
        bencher.iter(|| count_matches(&tree, black_box(topic)));
    });
    Ok(())
}

/// A device that comes and goes: four nodes made and pruned.
fn changes(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut tree = fleet(100_000)?;
    let filter = TopicFilter::parse("visitors/device-1/state/#")?;
    criterion.bench_function("insert_and_remove", |bencher| {
        bencher.iter(|| {
            tree.insert(black_box(&filter), 0, 0);
            tree.remove(black_box(&filter), &0)
        });
    });
    Ok(())
}

/// Returns a tree with one subscription for each of `count` devices.
fn fleet(count: u64) -> Result<SubscriptionTree<u64, u8>, Box<dyn Error>> {
    let mut tree = SubscriptionTree::new();
    for device in 0..count {
        tree.insert(
            &TopicFilter::parse(&format!("fleet/device-{device}/state/position"))?,
            device,
            0,
        );
    }
    Ok(tree)
}

fn count_matches(tree: &SubscriptionTree<u64, u8>, topic: TopicName<'_>) -> usize {
    let mut count = 0;
    tree.for_each_match(topic, |_, _| count += 1);
    count
}
