//! Each metric has something that makes it move, by the right amount: a table, and a look whether one is missing.

mod cases;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use flux_admin::{AdminServer, Family, Times};

use self::cases::CASES;
use crate::admin::{admin_of, scrape};
use crate::support::{Broker, Client};
use crate::{disk, metrics, program};

/// What somebody does with a broker, and which series it moves.
pub(crate) struct Case {
    name: &'static str,
    start: fn() -> Scene,
    /// Returns the clients that stay until it was looked.
    act: fn(&Scene) -> Vec<Client>,
    moves: &'static [(&'static str, RangeInclusive<i64>)],
}

/// A broker, and what is known of what is below it.
pub(crate) struct Scene {
    broker: Broker,
    disk: Option<flux_storage::SimulatedDisk>,
    certificates: Option<crate::support::Certificates>,
}

#[test]
fn each_metric_moves_when_it_should_by_as_much_as_it_should() {
    let mut wrong = BTreeMap::new();
    for case in CASES {
        let scene = (case.start)();
        let admin = admin_of(&scene.broker);
        let before = scrape(&admin);
        let _stay = (case.act)(&scene);
        if let Err(numbers) = wait_for(case, &admin, &before) {
            wrong.insert(case.name, numbers);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Looks until all has moved, a peer hears of some things before they are counted, and once more, whether it goes on.
fn wait_for(
    case: &Case,
    admin: &AdminServer,
    before: &BTreeMap<String, i64>,
) -> Result<(), BTreeMap<String, i64>> {
    let (mut wrong, mut was_right) = (BTreeMap::new(), false);
    for _ in 0..LOOKS {
        let after = scrape(admin);
        let of = |numbers: &BTreeMap<String, i64>, name| numbers.get(name).copied().unwrap_or(0);
        let moved = case.moves.iter().filter_map(|(name, by)| {
            let moved = of(&after, *name) - of(before, *name);
            (!by.contains(&moved) || !after.contains_key(*name))
                .then(|| ((*name).to_owned(), moved))
        });
        wrong = moved.collect();
        if wrong.is_empty() && was_right {
            return Ok(());
        }
        was_right = wrong.is_empty();
    }
    Err(wrong)
}

#[test]
fn each_metric_is_in_the_table_or_has_a_test_of_its_own() {
    let moves = CASES.iter().flat_map(|case| case.moves).filter(|(_, by)| !by.contains(&0));
    let series = moves.map(|(series, _)| *series);
    let tested: BTreeSet<_> =
        series.map(family_of).chain(ELSEWHERE.map(|(name, _)| name)).collect();
    let families = Family::ALL.iter().map(Family::full_name);
    let times = Times::ALL.iter().map(|times| format!("flux_{}", times.name));
    let all: BTreeSet<_> = families.chain(times).collect();
    let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
    let missing: Vec<_> = all.difference(&tested).collect();
    assert!(missing.is_empty(), "nothing moves {missing:?}");
    let unknown: Vec<_> = tested.difference(&all).collect();
    assert!(unknown.is_empty(), "there is no {unknown:?}");
}

/// Returns the name of the metric that a series is of.
fn family_of(series: &str) -> &str {
    let name = series.split('{').next().unwrap_or(series);
    let is_histogram = name.ends_with("_seconds_count");
    name.strip_suffix("_count").filter(|_| is_histogram).unwrap_or(name)
}

/// What does not move by a number that can be said beforehand, and the test that looks at it all the same.
const ELSEWHERE: [(&str, fn()); 9] = [
    ("flux_build_info", metrics::the_version_is_the_one_that_runs),
    ("flux_certificate_expiry_timestamp_seconds", metrics::a_certificate_says_when_it_expires),
    ("flux_held_bytes_limit", metrics::the_limits_of_bytes_are_those_that_hold),
    ("flux_worker_busy_seconds_total", metrics::workers_say_how_long_they_were_awake),
    ("flux_worker_mailbox_letters", metrics::what_waits_for_a_worker_that_does_not_answer_is_seen),
    ("flux_store_waiting_seconds", disk::a_disk_that_hangs_is_seen_while_it_does),
    ("flux_otlp_exports_failed_total", metrics::what_a_collector_does_not_get_is_scraped),
    ("flux_otlp_spans_dropped_total", metrics::what_a_collector_does_not_get_is_scraped),
    (
        "flux_accept_errors_total",
        program::descriptors::connections_beyond_the_descriptors_wait_without_a_busy_loop,
    ),
];

/// Each takes a request: more than enough time.
const LOOKS: usize = 1_000;
