//! What the cost of a message or a connection grows with, and what it does not grow with: subscriptions
//! that do not match, receivers, sessions.

use std::cell::{LazyCell, RefCell};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput};
use flux_bench::{Version, Work, connects, delivery_among, fan_out, play};

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();

    let mut group = criterion.benchmark_group("a message among subscriptions that do not match");
    for others in [10, 1_000, 100_000, 1_000_000] {
        time(&mut group, &format!("remembered topic/{others}"), 1_000, |units| {
            delivery_among(others, false, units)
        });
        // More topics than a worker remembers: each is new every time.
        time(&mut group, &format!("new topic/{others}"), 150_000, |units| {
            delivery_among(others, true, units)
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("a delivery");
    for receivers in [1, 10, 100, 1_000, 10_000] {
        time(&mut group, &format!("receivers/{receivers}"), 100_000, |units| {
            fan_out(receivers, 0, units / receivers)
        });
    }
    group.finish();

    let mut group = criterion.benchmark_group("a connection that comes and goes");
    for others in [10, 1_000, 100_000] {
        time(&mut group, &format!("sessions/{others}"), 1_000, |units| {
            connects(Version::V311, others, units)
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Plays a path again and again: one that is the same every time, as those at QoS 0 are.
fn time(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    units: u64,
    prepare: impl Fn(u64) -> Work,
) {
    group.throughput(Throughput::Elements(units));
    // The scene may be large: only if it is asked for.
    let prepared = LazyCell::new(|| {
        let Work { scene, measured, .. } = prepare(units);
        (RefCell::new(scene), measured)
    });
    group.bench_function(name, |bencher| {
        let (scene, measured) = &*prepared;
        let forget_answers = || scene.borrow_mut().take_answers();
        let play = |_| play(&mut scene.borrow_mut(), measured);
        bencher.iter_batched(forget_answers, play, BatchSize::PerIteration);
        assert_eq!(scene.borrow_mut().take_answers(), measured.answers(), "{name}");
    });
}
