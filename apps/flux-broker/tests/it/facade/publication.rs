//! Publishing with everything that a PUBLISH can hold, and hearing what became of it.

use std::time::Duration;

use flux_eventbus::{Event, EventKind};
use flux_mqtt::{ManagerError, Publication, PublishOutcome, QoS, ReasonCode, Settings, WhenFull};

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Events, Publish, Version, block_on};

scenarios! {
    its_properties_arrive_in_the_words_of_the_standard,
    what_the_standard_does_not_allow_is_not_published,
    a_full_queue_is_told with one_message,
    more_calls_than_may_be_under_way_wait_for_their_turn,
    it_blocks_a_thread_that_may_be_blocked,
}

scenarios_of_both_versions! {
    it_goes_to_everybody_at_its_qos_and_says_how_many,
}

fn publish(broker: &Broker, publication: &Publication) -> Result<PublishOutcome, ManagerError> {
    block_on(broker.handle.manager().publish(publication))
}

fn it_goes_to_everybody_at_its_qos_and_says_how_many(broker: &Broker, version: Version) {
    let mut events = Events::of(broker, EventKind::Published);
    let mut clients = [0, 1, 2].map(|qos| {
        let mut client = Client::connect(broker, &Connect::new(version, ""));
        client.subscribe("a/+", qos);
        client
    });
    let nobody = publish(broker, &Publication::new("b", "x")).unwrap();
    assert_eq!((nobody.matched, nobody.reason_code()), (0, ReasonCode::NoMatchingSubscribers));
    for (number, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].iter().enumerate() {
        let publication = Publication::new("a/b", "x").qos(*qos).retain();
        let outcome = publish(broker, &publication).unwrap();
        assert_eq!((outcome.matched, outcome.taken), (3, 3));
        assert_eq!(outcome.reason_code(), ReasonCode::Success);
        for (granted, client) in clients.iter_mut().enumerate() {
            let received = client.receive_and_acknowledge();
            assert_eq!(usize::from(received.qos), granted.min(number));
            assert!(!received.retain);
        }
    }
    assert!(broker.handle.retained().get("a/b").is_some());
    let Event::Published { client_id: None, retain: false, .. } = events.expect() else {
        panic!("the broker itself published it")
    };
}

fn its_properties_arrive_in_the_words_of_the_standard(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a"));
    client.subscribe("a", 0);
    let publication = Publication::new("a", "x")
        .text()
        .content_type("text/plain")
        .response_topic("answers/1")
        .correlation_data(&[0, 0xFF][..])
        .user_property("name", "first")
        .user_property("name", "second")
        .message_expiry_interval(Duration::from_secs(3600));
    publish(broker, &publication).unwrap();
    let received = client.receive();
    let properties = &received.properties;
    assert_eq!(properties.get(0x01), Some(&[1][..]));
    assert_eq!(properties.text(0x03).as_deref(), Some("text/plain"));
    assert_eq!(properties.text(0x08).as_deref(), Some("answers/1"));
    assert_eq!(properties.get(0x09), Some(&[0, 2, 0, 0xFF][..]));
    let pairs: Vec<_> = properties.all(0x26).collect();
    assert_eq!(pairs, [&b"\0\x04name\0\x05first"[..], &b"\0\x04name\0\x06second"[..]]);
    assert!(properties.number(0x02).is_some_and(|left| (1..=3600).contains(&left)));
}

fn what_the_standard_does_not_allow_is_not_published(broker: &Broker) {
    let long = "x".repeat(65_536);
    let publication = || Publication::new("a", "x");
    for (publication, name) in [
        (publication().content_type(&long), "content type"),
        (publication().content_type("a\0"), "content type"),
        (publication().response_topic("a/+"), "response topic"),
        (publication().correlation_data(long.clone()), "correlation data"),
        (publication().user_property("a", &long), "user property"),
        (Publication::new("a", vec![0; 268_435_456]), "message"),
    ] {
        let error = publish(broker, &publication).unwrap_err();
        assert!(error.to_string().starts_with(&format!("the {name} is not ")), "{error}");
    }
    let error = publish(broker, &Publication::new("a/#", "x")).unwrap_err();
    assert!(matches!(error, ManagerError::Topic(_)), "{error}");
}

fn one_message(settings: &mut Settings) {
    settings.session.queued_messages = 1;
    settings.session.when_full = WhenFull::Refuse;
}

fn a_full_queue_is_told(broker: &Broker) {
    let mut client = Client::connect(broker, &Connect::new(V5, "a").receive_maximum(1));
    client.subscribe("t", 1);
    let publication = Publication::new("t", "x").qos(QoS::AtLeastOnce);
    publish(broker, &publication).unwrap();
    client.expect_publish(&Publish::new("t", "x").qos(1, 1));
    let outcome = publish(broker, &publication).unwrap();
    assert_eq!(outcome.reason_code(), ReasonCode::Success, "it waits");
    let outcome = publish(broker, &publication).unwrap();
    assert_eq!((outcome.matched, outcome.taken), (1, 0));
    assert!(outcome.is_full && outcome.is_refused);
    assert_eq!(outcome.reason_code(), ReasonCode::QuotaExceeded);
}

fn more_calls_than_may_be_under_way_wait_for_their_turn(broker: &Broker) {
    let mut subscriber =
        block_on(broker.handle.manager().subscriber().subscribe("t", QoS::AtLeastOnce).open())
            .unwrap();
    let calls = 3 * flux_mqtt::MqttManager::PENDING;
    block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..calls {
            let manager = broker.handle.manager().clone();
            tasks.spawn(async move {
                let publication = Publication::new("t", number.to_string()).qos(QoS::AtLeastOnce);
                manager.publish(&publication).await.unwrap()
            });
        }
        while let Some(outcome) = tasks.join_next().await {
            assert_eq!(outcome.unwrap().taken, 1);
        }
    });
    let taken = std::iter::from_fn(|| subscriber.try_recv());
    let mut numbers: Vec<usize> = taken
        .map(|incoming| str::from_utf8(incoming.payload()).unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..calls).collect::<Vec<_>>(), "each once");
}

/// On a plain thread, and on one that runs a runtime, where it stands still meanwhile.
fn it_blocks_a_thread_that_may_be_blocked(broker: &Broker) {
    let publication = Publication::new("t", "x");
    let manager = broker.handle.manager();
    assert_eq!(manager.publish_blocking(&publication).unwrap().matched, 0);
    block_on(async {
        // More often than a task of tokio may go on without a pause.
        for _ in 0..300 {
            assert_eq!(manager.publish_blocking(&publication).unwrap().matched, 0);
        }
    });
}
