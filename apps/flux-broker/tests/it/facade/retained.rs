//! The retained messages of a running broker, from the process it runs in.

use bytes::Bytes;
use flux_mqtt::RetainedMessage;

use crate::support::{Broker, Client, Connect, Publish, Version};

scenarios_of_both_versions! {
    what_the_store_is_given_subscribers_see,
    what_clients_retain_the_store_shows,
}

fn what_the_store_is_given_subscribers_see(broker: &Broker, version: Version) {
    let retained = broker.handle.retained();
    retained.set("a/b".to_owned(), Bytes::from_static(b"first"), 1);
    retained.set("a/b".to_owned(), Bytes::from_static(b"second"), 1);
    retained.set("a/+".to_owned(), Bytes::from_static(b"no topic name"), 1);
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.subscribe("#", 2);
    let received = client.receive_and_acknowledge();
    assert_eq!((received.topic.as_str(), received.text()), ("a/b", "second"));
    assert_eq!((received.qos, received.retain), (1, true));
    retained.set("a/b".to_owned(), Bytes::new(), 0);
    client.subscribe("a/b", 0);
    client.expect_nothing();
}

fn what_clients_retain_the_store_shows(broker: &Broker, version: Version) {
    let mut client = Client::connect(broker, &Connect::new(version, "a"));
    client.publish_packet(&Publish::new("a/b", "x").qos(1, 1).retain(), 1);
    client.publish_packet(&Publish::new("a/c", "y").retain(), 0);
    client.publish("a/d", "not retained", 1);
    let retained = broker.handle.retained();
    let expected =
        RetainedMessage { topic: "a/b".to_owned(), payload: Bytes::from_static(b"x"), qos: 1 };
    assert_eq!(retained.get("a/b"), Some(expected));
    assert_eq!(retained.get("a/d"), None);
    let mut topics: Vec<String> =
        retained.get_matching("a/#").into_iter().map(|message| message.topic).collect();
    topics.sort();
    assert_eq!(topics, ["a/b", "a/c"]);
    client.publish_packet(&Publish::new("a/b", "").qos(1, 1).retain(), 1);
    assert_eq!(retained.get("a/b"), None);
    assert_eq!(retained.len(), 1);
}
