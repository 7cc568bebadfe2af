//! A client has as many subscriptions as it may, and no more.

use flux_eventbus::{Event, EventKind, Limit};
use flux_mqtt::Settings;

use crate::support::Version::{V5, V31, V311};
use crate::support::{Broker, Client, Connect, Events, Publish, Version};

scenarios_of_all_versions! {
    one_subscription_too_many_is_refused_beside_others with two_subscriptions,
}

fn two_subscriptions(settings: &mut Settings) {
    settings.limits.subscriptions_per_client = 2;
}

fn one_subscription_too_many_is_refused_beside_others(broker: &Broker, version: Version) {
    let mut reached = Events::of(broker, EventKind::LimitReached);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    let refusal = match version {
        V31 => 0,
        V311 => 0x80,
        V5 => 0x97,
    };
    client.subscribe("a", 0);
    // What is there already, or twice in the packet, takes no place.
    let filters = [("a", 0), ("b", 0), ("b", 0), ("c", 0), ("a", 0), ("d", 0)];
    client.send(&version.subscribe(1, &filters));
    client.expect_codes(0x90, 1, &[0, 0, 0, refusal, 0, refusal]);
    let peer = Some(client.stream().local_addr().unwrap());
    let (limit, client_id) = (Limit::SubscriptionsPerClient, Some("a".into()));
    for _ in ["c", "d"] {
        let client_id = client_id.clone();
        assert_eq!(reached.expect(), Event::LimitReached { limit, client_id, peer });
    }
    assert_eq!(broker.handle.counters().reached(limit), 2);
    for topic in ["a", "b", "c"] {
        client.send(&Publish::new(topic, "x").bytes(version));
    }
    client.expect_publish(&Publish::new("a", "x"));
    client.expect_publish(&Publish::new("b", "x"));
    client.ping();
    // A place that is given back is free.
    client.send(&version.unsubscribe(2, &["a"]));
    client.expect(&version.unsuback(2, &[0]));
    client.subscribe("c", 0);
    client.send(&Publish::new("c", "y").bytes(version));
    client.expect_publish(&Publish::new("c", "y"));
}
