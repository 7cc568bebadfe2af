//! What the questions about single names and filters cost: parse, match, cover, scopes.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use flux_topic::{TopicFilter, TopicName};

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let text = "fleet/device-500/state/position";
    let topic = TopicName::parse(text)?;
    let filter = TopicFilter::parse("fleet/+/state/#")?;
    let narrow = TopicFilter::parse("fleet/device-500/state/+")?;

    criterion.bench_function("parse_name", |bencher| {
        bencher.iter(|| TopicName::parse(black_box(text)));
    });
    criterion.bench_function("parse_filter", |bencher| {
        bencher.iter(|| TopicFilter::parse(black_box("fleet/+/state/#")));
    });
    criterion.bench_function("matches", |bencher| {
        bencher.iter(|| black_box(&filter).matches(black_box(topic)));
    });
    criterion.bench_function("covers", |bencher| {
        bencher.iter(|| black_box(&filter).covers(black_box(&narrow)));
    });
    criterion.bench_function("overlaps", |bencher| {
        bencher.iter(|| black_box(&filter).overlaps(black_box(&narrow)));
    });
    criterion.bench_function("scope_of_a_filter", |bencher| {
        bencher.iter(|| black_box(&filter).scope());
    });
    criterion.bench_function("scopes_of_a_topic", |bencher| {
        bencher.iter(|| black_box(topic).scopes());
    });

    let counters = vec![1_u64; 4_096];
    criterion.bench_function("version_of_a_topic", |bencher| {
        bencher.iter(|| version(&counters, black_box(topic)));
    });
    criterion.final_summary();
    Ok(())
}

/// Returns the sum of the changes in the scopes of a topic, as a cache of matches asks for it.
fn version(counters: &[u64], topic: TopicName<'_>) -> u64 {
    let changes = topic.scopes().map(|scope| counters.get(scope.index(counters.len())));
    changes.into_iter().flatten().sum()
}
