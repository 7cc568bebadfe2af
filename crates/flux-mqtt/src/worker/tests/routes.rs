//! The cached routes of a worker and the subscriptions that others make meanwhile.

use super::client;
use super::cluster::Cluster;

/// Worker 0 has the topic's routes cached; worker 1 changes them with `filter`.
#[track_caller]
fn check(topic: &str, filter: &str) {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.publish(publisher, 1, 8, topic, "noted");
    c.publish(publisher, 1, 1, topic, "cached");
    assert_eq!(c.heard(publisher), ["PUBACK 8 10", "PUBACK 1 10"]);

    c.subscribe(subscriber, filter, 0);
    c.publish(publisher, 1, 2, topic, "seen");
    c.settle();
    assert_eq!(c.heard(publisher), ["PUBACK 2 00"], "{filter} for {topic}");
    assert_eq!(c.heard(subscriber), [format!("{topic}=seen")]);

    c.send(subscriber, &client::subscribe(subscriber.version, 3, &[(filter, 1)]));
    c.publish(publisher, 1, 3, topic, "again");
    c.settle();
    assert_eq!(c.heard(subscriber), ["SUBACK 3 [01]".to_owned(), format!("{topic}=again q1 #1")]);
    c.heard(publisher);

    c.send(subscriber, &client::unsubscribe(subscriber.version, 4, filter));
    c.publish(publisher, 1, 4, topic, "gone");
    c.settle();
    assert_eq!(c.heard(publisher), ["PUBACK 4 10"], "{filter} for {topic}");
    assert_eq!(c.heard(subscriber), ["UNSUBACK 4 [00]"]);
    assert_eq!(c.broker.routes.len(), 0);
}

#[test]
fn a_change_is_seen_by_a_worker_that_had_the_topic_cached() {
    check("a/b", "a/b");
    check("a/b", "a/+");
    check("a/b", "a/#");
    check("a", "a/#");
    check("a/b", "+/b");
    check("a/b", "#");
    check("/b", "/b");
    check("/b", "+/b");
    check("/", "/+");
    check("$internal/x", "$internal/#");
}

#[test]
fn wildcards_do_not_see_topics_that_begin_with_a_dollar() {
    let mut c = Cluster::new(2);
    let (publisher, subscriber) = (c.connect(0, "pub"), c.connect(1, "sub"));
    c.subscribe(subscriber, "#", 0);
    c.subscribe(subscriber, "+/x", 0);
    c.publish(publisher, 1, 1, "$internal/x", "hidden");
    c.settle();
    assert_eq!(c.heard(publisher), ["PUBACK 1 10"]);
    assert_eq!(c.heard(subscriber), [""; 0]);
}

#[test]
fn unsubscribing_what_was_not_subscribed_says_so_and_changes_nothing() {
    let mut c = Cluster::new(1);
    let peer = c.connect(0, "a");
    c.subscribe(peer, "t/#", 0);
    c.send(peer, &client::unsubscribe(peer.version, 1, "t/+"));
    c.publish(peer, 0, 0, "t/x", "here");
    assert_eq!(c.heard(peer), ["UNSUBACK 1 [11]", "t/x=here"]);
}
