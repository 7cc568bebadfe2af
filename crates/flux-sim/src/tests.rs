//! Worlds as tests: the same seed is the same world, and some that must hold at every commit.

use crate::{DurableOutcome, Hazard, Judged, Plan, run, run_durable};

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let plan = Plan::draw(seed);
        let [first, second] = [run(&plan, true), run(&plan, true)];
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(first.work, second.work);
    }
}

#[test]
fn a_few_worlds_hold_and_everything_is_judged_in_them() {
    let mut judged = Judged::default();
    for seed in 0..150 {
        let outcome = run(&Plan::draw(seed), false);
        assert_eq!(outcome.failure, None, "seed {seed}");
        judged.add(outcome.judged);
    }
    let Judged {
        publications,
        deliveries,
        again,
        shared,
        retained,
        wills,
        resumed,
        ended,
        dropped,
    } = judged;
    let counts =
        [publications, deliveries, again, shared, retained, wills, resumed, ended, dropped];
    assert!(counts.iter().all(|count| *count > 10), "{judged:?}");
}

#[test]
fn a_world_with_fewer_steps_is_a_world_too() {
    for seed in 0..60 {
        let mut plan = Plan::draw(seed);
        let kept: Vec<usize> = (0..plan.steps.len()).filter(|number| number % 3 > 0).collect();
        plan.keep(&kept);
        assert_eq!(run(&plan, false).failure, None, "seed {seed}");
    }
}

#[test]
fn promises_hold_over_power_cuts_and_failing_disks() {
    let mut sum = DurableOutcome::default();
    for seed in 0..60 {
        let outcome = run_durable(seed, Hazard::default(), false);
        assert_eq!(outcome.failure, None, "seed {seed}");
        sum.add(&outcome);
    }
    let counts = [sum.crashes, sum.syncs, sum.acknowledged, sum.delivered, sum.refused];
    assert!(counts.iter().all(|count| *count > 100), "{sum:?}");
}

/// Its refusal waited behind what was not safe yet, and went with the connection; a later one was taken.
#[test]
fn a_message_that_was_refused_unheard_may_come_late() {
    assert_eq!(run_durable(114_144, Hazard::default(), false).failure, None);
}

#[test]
fn the_same_seed_cuts_the_power_alike() {
    for seed in 0..5 {
        let runs = [0; 2].map(|_| run_durable(seed, Hazard::default(), true));
        assert_eq!(runs[0], runs[1], "seed {seed}");
    }
}

#[test]
fn a_disk_that_only_says_that_it_synced_is_found_out() {
    let hazard = Hazard { silent_sync: true };
    let failed = (0..20).filter(|seed| run_durable(*seed, hazard, false).failure.is_some());
    assert!(failed.count() > 10);
}
