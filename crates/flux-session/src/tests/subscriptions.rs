//! The map of subscriptions.

use flux_topic::TopicFilter;

use super::{QOS0, QOS1, QOS2, attached, detach};
use crate::{
    FILTER_LEVEL_OVERHEAD, RetainHandling, SESSION_OVERHEAD, SUBSCRIPTION_OVERHEAD,
    SubscriptionOptions,
};

#[test]
fn the_same_filter_replaces_and_returns_the_old_options() {
    let mut session = attached(1);
    let filter = TopicFilter::parse("a/+").unwrap();
    let first = SubscriptionOptions::new(QOS1);
    let second = SubscriptionOptions {
        no_local: true,
        retain_handling: RetainHandling::Never,
        subscription_id: Some(9),
        ..SubscriptionOptions::new(QOS2)
    };
    assert_eq!(session.subscribe(filter.clone(), first), None);
    assert_eq!(session.subscribe(filter.clone(), second), Some(first));
    assert_eq!(session.unsubscribe(&filter), Some(second));
    assert_eq!(session.unsubscribe(&filter), None);
}

#[test]
fn subscriptions_come_in_the_order_of_their_filters_and_outlive_the_connection() {
    let mut session = attached(1);
    for filter in ["b", "a/#", "$share/g/a", "a/+"] {
        let filter = TopicFilter::parse(filter).unwrap();
        session.subscribe(filter, SubscriptionOptions::new(QOS0));
    }
    detach(&mut session, super::NOW);
    let filters: Vec<_> = session.subscriptions().map(|(filter, _)| filter.clone()).collect();
    assert_eq!(filters.len(), 4);
    assert!(filters.is_sorted());
}

#[test]
fn a_subscription_counts_its_filter_and_its_levels_for_as_long_as_it_is_there() {
    let mut session = attached(1);
    assert_eq!(session.held_bytes(), SESSION_OVERHEAD);
    let filter = TopicFilter::parse("$share/g/a/+").unwrap();
    let costs = 12 + SUBSCRIPTION_OVERHEAD + 2 * FILTER_LEVEL_OVERHEAD;
    for _ in 0..2 {
        session.subscribe(filter.clone(), SubscriptionOptions::new(QOS0));
        assert_eq!(session.held_bytes(), SESSION_OVERHEAD + costs);
    }
    for _ in 0..2 {
        session.unsubscribe(&filter);
        assert_eq!(session.held_bytes(), SESSION_OVERHEAD);
    }
    session.subscribe(filter, SubscriptionOptions::new(QOS0));
    let _ = session.end();
    assert_eq!(session.held_bytes(), SESSION_OVERHEAD);
}
