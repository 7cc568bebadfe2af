//! What a lookup and a change cost in a tree of a thousand, a hundred thousand and a million
//! subscriptions: what does not match should not count.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use flux_topic::{SubscriptionTree, TopicFilter, TopicName};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for count in [1_000, 100_000, 1_000_000] {
        fleet(&mut criterion, count)?;
        let tree = tree_of(count, |site| format!("site/{site}/+/temperature"))?;
        scattered(&mut criterion, "plus_in_the_middle", &tree, |site| {
            format!("site/{site}/oven/temperature")
        })?;
        let tree = tree_of(count, |tenant| format!("tenant-{tenant}/#"))?;
        scattered(&mut criterion, "hash_per_tenant", &tree, |tenant| {
            format!("tenant-{tenant}/any/thing/below")
        })?;
    }
    several_hits(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

/// One exact subscription for each of `count` devices, which share all levels but one.
fn fleet(criterion: &mut Criterion, count: u64) -> Result<(), Box<dyn Error>> {
    let mut tree = tree_of(count, device_state)?;
    scattered(criterion, "exact", &tree, device_state)?;

    let topic = TopicName::parse("fleet/device-absent/state/position")?;
    criterion.bench_function(&format!("no_match/{count}"), |bencher| {
        bencher.iter(|| count_matches(&tree, black_box(topic)));
    });

    let filter = TopicFilter::parse("fleet/visitor/state/#")?;
    criterion.bench_function(&format!("insert_and_remove/{count}"), |bencher| {
        bencher.iter(|| {
            tree.insert(black_box(&filter), 0, 0);
            tree.remove(black_box(&filter), &0)
        });
    });
    Ok(())
}

/// Looks up topics that lie far apart in the tree, each of which has one match.
fn scattered(
    criterion: &mut Criterion,
    name: &str,
    tree: &SubscriptionTree<u64, u8>,
    topic: fn(u64) -> String,
) -> Result<(), Box<dyn Error>> {
    let count = u64::try_from(tree.len())?;
    let topics: Vec<_> = (0..100_000).map(|n| topic(n * 7_919 % count)).collect();
    let names: Result<Vec<_>, _> = topics.iter().map(|text| TopicName::parse(text)).collect();
    let names = names?;
    let mut names = names.iter().cycle();
    criterion.bench_function(&format!("{name}/{count}"), |bencher| {
        bencher.iter(|| names.next().map(|name| count_matches(tree, *name)));
    });
    Ok(())
}

/// A lookup that finds five subscribers through wildcards, and a thousand of one filter.
fn several_hits(criterion: &mut Criterion) -> Result<(), Box<dyn Error>> {
    let mut group = criterion.benchmark_group("several_hits");
    let mut tree = tree_of(100_000, device_state)?;
    for (key, filter) in (1_000_000..).zip(["#", "fleet/#", "fleet/+/state/+", "+/+/+/position"]) {
        tree.insert(&TopicFilter::parse(filter)?, key, 0);
    }
    let topic = TopicName::parse("fleet/device-500/state/position")?;
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

fn device_state(device: u64) -> String {
    format!("fleet/device-{device}/state/position")
}

/// Returns a tree with `count` subscriptions, each with a filter of its own.
fn tree_of(
    count: u64,
    filter: fn(u64) -> String,
) -> Result<SubscriptionTree<u64, u8>, Box<dyn Error>> {
    let mut tree = SubscriptionTree::new();
    for key in 0..count {
        tree.insert(&TopicFilter::parse(&filter(key))?, key, 0);
    }
    Ok(tree)
}

fn count_matches(tree: &SubscriptionTree<u64, u8>, topic: TopicName<'_>) -> usize {
    let mut count = 0;
    tree.for_each_match(topic, |_, _| count += 1);
    count
}
