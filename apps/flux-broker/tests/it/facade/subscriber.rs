//! Receiving in the process that the broker runs in, beside clients of the network.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use flux_eventbus::{Event, EventKind, SessionEnd};
use flux_mqtt::{
    DisconnectReason, Incoming, ManagerError, Publication, QoS, RetainHandling, SessionExpiry,
    SessionLimits, Subscriber, SubscriberBuilder, SubscriptionOptions,
};

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, DEADLINE, Events, Publish, Version, block_on, puback, u32_property,
};

scenarios! {
    everything_that_a_publish_holds_is_there,
    no_local_and_retain_handling_are_as_for_any_client,
    a_slow_one_bounds_memory_and_its_publishers_hear_of_it,
    what_is_not_acknowledged_comes_again_to_the_next,
    a_client_that_comes_with_its_identifier_takes_over,
    it_takes_over_from_a_client_and_goes_on_with_its_session,
    it_shares_with_a_client,
    it_works_on_a_current_thread_runtime_together_with_its_publisher,
    threads_that_publish_keep_their_order,
    nothing_is_lost_or_doubled_while_one_takes_over_from_another,
    a_stopped_broker_ends_it_whether_or_not_it_waits,
    who_gives_up_opening_leaves_nothing_behind,
    it_can_be_subscribed_and_kicked_like_any_client,
    what_cannot_be_is_an_error,
}

scenarios_of_both_versions! {
    a_plain_thread_receives_from_a_client,
}

fn builder(broker: &Broker) -> SubscriberBuilder {
    broker.handle.manager().subscriber()
}

/// A subscriber to `filter` at QoS 2.
fn open(broker: &Broker, filter: &str) -> Subscriber {
    builder(broker).subscribe(filter, QoS::ExactlyOnce).open_blocking().unwrap()
}

/// The next message, which must come.
#[track_caller]
fn receive(subscriber: &mut Subscriber) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let next = runtime.block_on(async { tokio::time::timeout(DEADLINE, subscriber.recv()).await });
    let incoming = next.expect("no message comes").expect("it has not ended");
    String::from_utf8(incoming.payload().to_vec()).unwrap()
}

fn publish(broker: &Broker, topic: &str, payload: &str) {
    let publication = Publication::new(topic, payload.to_owned()).qos(QoS::AtLeastOnce);
    broker.handle.manager().publish_blocking(&publication).unwrap();
}

fn a_plain_thread_receives_from_a_client(broker: &Broker, version: Version) {
    let mut subscriber = open(broker, "t/+");
    let received = thread::spawn(move || {
        let take = |_| {
            let incoming = subscriber.blocking_recv().unwrap();
            (incoming.topic().to_owned(), incoming.qos().as_u8(), incoming.payload().to_vec())
        };
        [0, 1, 2].map(take)
    });
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    for qos in 0..=2 {
        client.publish(&format!("t/{qos}"), "x", qos);
    }
    let expected = [0, 1, 2].map(|qos| (format!("t/{qos}"), qos, b"x".to_vec()));
    assert_eq!(received.join().unwrap(), expected);
}

fn everything_that_a_publish_holds_is_there(broker: &Broker) {
    let mut delivered = Events::of(broker, EventKind::Delivered);
    let options = |id| SubscriptionOptions {
        subscription_id: Some(id),
        retain_as_published: true,
        ..SubscriptionOptions::new(QoS::AtLeastOnce)
    };
    let mut subscriber = builder(broker)
        .client_id("in")
        .subscribe_with("a/b", options(1))
        .subscribe_with("a/#", options(300))
        .open_blocking()
        .unwrap();
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    let packet = Publish::new("a/b", "payload")
        .qos(1, 1)
        .retain()
        .property(&[0x01, 1])
        .property(b"\x03\0\x04json")
        .property(b"\x08\0\x07answers")
        .property(b"\x09\0\x02\0\xFF")
        .property(b"\x26\0\x01a\0\x01b")
        .property(b"\x26\0\x01a\0\x01c")
        .property(&u32_property(0x02, 100));
    client.publish_packet(&packet, 1);
    let incoming = subscriber.try_recv().expect("it is acknowledged, so it is here");
    assert_eq!((incoming.topic(), incoming.payload()), ("a/b", &b"payload"[..]));
    assert_eq!(incoming.qos(), QoS::AtLeastOnce);
    assert!(incoming.retain() && incoming.is_text() && !incoming.is_duplicate());
    assert_eq!(incoming.content_type(), Some("json"));
    assert_eq!(incoming.response_topic(), Some("answers"));
    assert_eq!(incoming.correlation_data(), Some(&[0, 0xFF][..]));
    assert_eq!(incoming.user_properties().collect::<Vec<_>>(), [("a", "b"), ("a", "c")]);
    assert!(incoming.message_expiry_interval().is_some_and(|left| (1..=100).contains(&left)));
    let mut identifiers = incoming.subscription_identifiers().to_vec();
    identifiers.sort_unstable();
    assert_eq!(identifiers, [1, 300]);
    assert!(incoming.acknowledge(), "it is");
    let (client_id, topic) = ("in".into(), "a/b".into());
    assert_eq!(delivered.expect(), Event::Delivered { client_id, topic, qos: 1 });
}

fn no_local_and_retain_handling_are_as_for_any_client(broker: &Broker) {
    let retained = Publication::new("t", "retained").retain();
    broker.handle.manager().publish_blocking(&retained).unwrap();
    let options = |no_local, retain_handling| SubscriptionOptions {
        no_local,
        retain_handling,
        ..SubscriptionOptions::new(QoS::AtLeastOnce)
    };
    let open = |options| builder(broker).subscribe_with("t", options).open_blocking().unwrap();
    let mut deaf = open(options(true, RetainHandling::Never));
    let mut other = open(options(false, RetainHandling::OnSubscribe));
    let outcome = block_on(deaf.publish(&Publication::new("t", "own"))).unwrap();
    assert_eq!((outcome.matched, outcome.taken), (2, 1));
    assert_eq!(receive(&mut other), "retained");
    assert_eq!(receive(&mut other), "own");
    publish(broker, "t", "somebody's");
    assert_eq!(receive(&mut deaf), "somebody's");
}

fn a_slow_one_bounds_memory_and_its_publishers_hear_of_it(broker: &Broker) {
    let limits = SessionLimits { queued_messages: 10, ..SessionLimits::default() };
    let slow = builder(broker).limits(limits).subscribe("t", QoS::AtLeastOnce);
    let mut slow = slow.open_blocking().unwrap();
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    for number in 1..=20_u16 {
        let packet = Publish::new("t", number.to_string()).qos(1, number);
        client.send(&packet.bytes(V5));
        if number <= 10 {
            client.expect(&puback(number));
        } else {
            client.expect_ack(0x40, number, 0x97);
        }
    }
    for number in 1..=10 {
        assert_eq!(receive(&mut slow), number.to_string());
    }
    assert!(slow.try_recv().is_none());
    client.publish("t", "again", 1);
    assert_eq!(receive(&mut slow), "again");
}

fn what_is_not_acknowledged_comes_again_to_the_next(broker: &Broker) {
    let open = || {
        let kept = SessionExpiry::from_secs(60);
        let builder = builder(broker).client_id("in").session_expiry(kept).receive_maximum(2);
        let builder = builder.subscribe("t", QoS::ExactlyOnce).acknowledge_explicitly();
        builder.open_blocking().unwrap()
    };
    let mut gone = Events::of(broker, EventKind::Disconnected);
    let mut first = open();
    for payload in ["1", "2", "3"] {
        publish(broker, "t", payload);
    }
    let one = first.try_recv().unwrap();
    let two = first.try_recv().unwrap();
    assert!(first.try_recv().is_none(), "two are under way");
    assert!(two.acknowledge());
    drop(one);
    assert_eq!(receive(&mut first), "3", "and is not acknowledged either");
    drop(first);
    gone.expect();
    let mut second = open();
    assert!(second.session_present());
    for payload in ["1", "3"] {
        let incoming = second.try_recv().unwrap();
        assert_eq!(incoming.payload(), payload.as_bytes());
        assert!(incoming.is_duplicate());
        assert!(incoming.acknowledge());
    }
    let held = {
        publish(broker, "t", "4");
        second.try_recv().unwrap()
    };
    drop(second);
    gone.expect();
    assert!(!held.acknowledge(), "it is too late");
}

fn a_client_that_comes_with_its_identifier_takes_over(broker: &Broker) {
    let kept = SessionExpiry::from_secs(60);
    let builder = builder(broker).client_id("in").session_expiry(kept);
    let mut subscriber = builder.subscribe("t", QoS::AtLeastOnce).open_blocking().unwrap();
    publish(broker, "t", "1");
    let mut client = Client::resume(broker, &Connect::persistent(V5, "in"));
    assert_eq!(client.receive_and_acknowledge().text(), "1");
    assert!(subscriber.blocking_recv().is_none());
    assert_eq!(subscriber.end(), Some(DisconnectReason::TakenOver));
    let published = block_on(subscriber.publish(&Publication::new("t", "not its own any more")));
    assert!(matches!(published, Err(ManagerError::UnknownClient { .. })));
    drop(subscriber);
    publish(broker, "t", "2");
    assert_eq!(client.receive_and_acknowledge().text(), "2");
}

fn it_takes_over_from_a_client_and_goes_on_with_its_session(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::persistent(V5, "in"));
    client.subscribe("t", 1);
    publish(broker, "t", "1");
    client.expect_publish(&Publish::new("t", "1").qos(1, 1));
    let mut subscriber = builder(broker).client_id("in").open_blocking().unwrap();
    client.expect_disconnect(0x8E);
    assert!(subscriber.session_present());
    assert_eq!(subscriber.client_id(), "in");
    let again = subscriber.try_recv().unwrap();
    assert!(again.is_duplicate() && again.payload() == b"1");
    let mut ended = Events::of(broker, EventKind::SessionEnded);
    drop(subscriber);
    let reason = SessionEnd::Disconnected;
    assert_eq!(ended.expect(), Event::SessionEnded { client_id: "in".into(), reason });
}

fn it_shares_with_a_client(broker: &Broker) {
    let mut member = open(broker, "$share/g/t");
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("$share/g/t", 1);
    for number in 1..=10 {
        publish(broker, "t", &number.to_string());
    }
    for number in 1..=5 {
        assert_eq!(receive(&mut member), (2 * number - 1).to_string());
        assert_eq!(client.receive_and_acknowledge().number(), 2 * number);
    }
    publish(broker, "t", "not taken");
    drop(member);
    assert_eq!(client.receive_and_acknowledge().text(), "not taken");
}

/// One thread for all: nothing here may wait for something that waits for it.
fn it_works_on_a_current_thread_runtime_together_with_its_publisher(broker: &Broker) {
    let manager = broker.handle.manager().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let received = runtime.block_on(async move {
        let mut subscriber =
            manager.subscriber().subscribe("t", QoS::ExactlyOnce).open().await.unwrap();
        let publisher = tokio::spawn(async move {
            for number in 0..500 {
                let publication = Publication::new("t", number.to_string()).qos(QoS::ExactlyOnce);
                manager.publish(&publication).await.unwrap();
                manager.publish_blocking(&publication).unwrap();
            }
        });
        let mut received = Vec::new();
        while received.len() < 1000 {
            // A wait that is given up now and then loses nothing.
            let next = tokio::time::timeout(Duration::from_millis(1), subscriber.recv()).await;
            if let Ok(incoming) = next {
                let incoming = incoming.unwrap();
                received.push(String::from_utf8(incoming.payload().to_vec()).unwrap());
            }
        }
        publisher.await.unwrap();
        received
    });
    let expected: Vec<String> = (0..500).flat_map(|n| [n.to_string(), n.to_string()]).collect();
    assert_eq!(received, expected);
}

fn threads_that_publish_keep_their_order(broker: &Broker) {
    const PUBLISHERS: usize = 4;
    const EACH: u32 = 200;
    let subscribers: Vec<_> = (0..3).map(|_| open(broker, "t/+")).collect();
    thread::scope(|scope| {
        for publisher in 0..PUBLISHERS {
            scope.spawn(move || {
                for number in 0..EACH {
                    publish(broker, &format!("t/{publisher}"), &number.to_string());
                }
            });
        }
        for mut subscriber in subscribers {
            scope.spawn(move || {
                let mut next = [0; PUBLISHERS];
                for _ in 0..PUBLISHERS * EACH as usize {
                    let incoming = subscriber.blocking_recv().unwrap();
                    let publisher: usize =
                        incoming.topic().strip_prefix("t/").unwrap().parse().unwrap();
                    let expected = next[publisher].to_string();
                    assert_eq!(incoming.payload(), expected.as_bytes());
                    next[publisher] += 1;
                }
                assert!(subscriber.try_recv().is_none());
            });
        }
    });
}

/// Each holds the session for a moment, on a thread of its own, while two others publish to it.
fn nothing_is_lost_or_doubled_while_one_takes_over_from_another(broker: &Broker) {
    const EACH: u32 = 500;
    let open = || {
        let kept = SessionExpiry::from_secs(60);
        let builder = builder(broker).client_id("in").session_expiry(kept);
        builder.subscribe("t/+", QoS::ExactlyOnce).open_blocking().unwrap()
    };
    let first = open();
    let mut received: Vec<String> = thread::scope(|scope| {
        let publishers = ["a", "b"].map(|publisher| {
            scope.spawn(move || {
                for number in 0..EACH {
                    publish(broker, &format!("t/{publisher}"), &format!("{publisher}{number}"));
                }
            })
        });
        let receive_all = |mut subscriber: Subscriber| {
            scope.spawn(move || {
                let next = || subscriber.blocking_recv();
                let text = |incoming: Incoming| String::from_utf8(incoming.payload().to_vec());
                std::iter::from_fn(next).map(|incoming| text(incoming).unwrap()).collect::<Vec<_>>()
            })
        };
        let mut holders = vec![receive_all(first)];
        while publishers.iter().any(|publisher| !publisher.is_finished()) {
            holders.push(receive_all(open()));
        }
        // The last one finds what is left, then there is nobody.
        let mut last = open();
        let rest = std::iter::from_fn(|| last.try_recv());
        let rest = rest.map(|incoming| String::from_utf8(incoming.payload().to_vec()).unwrap());
        let mut received: Vec<String> = rest.collect();
        for holder in holders {
            received.append(&mut holder.join().unwrap());
        }
        received
    });
    received.sort_unstable();
    let all = (0..EACH).flat_map(|number| [format!("a{number}"), format!("b{number}")]);
    let mut expected: Vec<String> = all.collect();
    expected.sort_unstable();
    assert_eq!(received, expected);
}

fn a_stopped_broker_ends_it_whether_or_not_it_waits(broker: &Broker) {
    let (mut waiting, mut late) = (open(broker, "t"), open(broker, "t"));
    let thread = thread::spawn(move || (waiting.blocking_recv().is_none(), waiting.end()));
    publish(broker, "elsewhere", "x");
    broker.handle.stop();
    broker.handle.wait();
    let stopped = Some(DisconnectReason::ServerShutdown);
    assert_eq!(thread.join().unwrap(), (true, stopped));
    assert!(block_on(late.recv()).is_none());
    assert_eq!(late.end(), stopped);
    assert!(matches!(builder(broker).open_blocking(), Err(ManagerError::Stopped)));
}

fn who_gives_up_opening_leaves_nothing_behind(broker: &Broker) {
    let mut gone = Events::of(broker, EventKind::Disconnected);
    {
        let mut opening = pin!(builder(broker).client_id("in").open());
        let polled = opening.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "a worker has not had its turn");
    }
    let reason = DisconnectReason::ByClient;
    assert_eq!(
        gone.expect(),
        Event::Disconnected {
            client_id: "in".into(),
            username: None,
            peer: None,
            listener: None,
            reason
        }
    );
}

fn it_can_be_subscribed_and_kicked_like_any_client(broker: &Broker) {
    let manager = broker.handle.manager();
    let mut unsubscribed = Events::of(broker, EventKind::Unsubscribed);
    let mut subscriber = builder(broker).client_id("in").open_blocking().unwrap();
    block_on(manager.subscribe("in", "t")).unwrap();
    publish(broker, "t", "x");
    assert_eq!(receive(&mut subscriber), "x");
    manager.unsubscribe("in", "t").unwrap();
    let expected = Event::Unsubscribed { client_id: "in".into(), filter: "t".into() };
    assert_eq!(unsubscribed.expect(), expected);
    publish(broker, "t", "y");
    assert!(subscriber.try_recv().is_none());
    block_on(manager.kick("in")).unwrap();
    assert!(subscriber.blocking_recv().is_none());
    assert_eq!(subscriber.end(), Some(DisconnectReason::Kicked));
}

fn what_cannot_be_is_an_error(broker: &Broker) {
    let error = |builder: SubscriberBuilder| builder.open_blocking().unwrap_err();
    let filter = error(builder(broker).subscribe("a#", QoS::AtMostOnce));
    assert!(matches!(filter, ManagerError::Filter(_)), "{filter}");
    let with = |filter: &str, options| error(builder(broker).subscribe_with(filter, options));
    let identifier = SubscriptionOptions { subscription_id: Some(0), ..Default::default() };
    let no_local = SubscriptionOptions { no_local: true, ..Default::default() };
    for error in [
        with("a", identifier),
        with("$share/g/a", no_local),
        error(builder(broker).client_id("a\0")),
    ] {
        assert!(matches!(error, ManagerError::Invalid { .. }), "{error}");
    }
}
