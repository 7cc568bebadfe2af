//! A client library that we did not write: rumqttc, in both versions.

mod peer;
mod v4;
mod v5;

use std::sync::Arc;

use rustls::ClientConfig;

use self::peer::{Message, Options, Peer};
use crate::support::{Broker, Version};

scenarios_of_both_versions! {
    messages_go_round_at_every_qos,
    retained_messages_reach_who_comes_later,
    a_will_is_sent_when_the_client_vanishes,
    a_session_goes_on_after_a_reconnect,
}

/// Runs a scenario with the client of that version.
macro_rules! run {
    ($scenario:ident, $broker:expr, $version:expr) => {
        peer::block_on(async {
            match $version {
                Version::V31 | Version::V311 => $scenario::<v4::Client>($broker).await,
                Version::V5 => $scenario::<v5::Client>($broker).await,
            }
        })
    };
}

fn messages_go_round_at_every_qos(broker: &Broker, version: Version) {
    run!(round_trip, broker, version);
}

async fn round_trip<P: Peer>(broker: &Broker) {
    let mut publisher = P::connect(broker.address(), Options::new("publisher")).await;
    let mut subscriber = P::connect(broker.address(), Options::new("subscriber")).await;
    subscriber.subscribe("a/#", 2).await;
    for qos in 0..=2 {
        for number in 0..100 {
            publisher.publish("a/b", qos, false, &number.to_string()).await;
        }
        for number in 0..100 {
            let expected = Message::new("a/b", &number.to_string(), qos);
            assert_eq!(subscriber.receive().await, expected);
        }
    }
}

fn retained_messages_reach_who_comes_later(broker: &Broker, version: Version) {
    run!(retained, broker, version);
}

async fn retained<P: Peer>(broker: &Broker) {
    let mut publisher = P::connect(broker.address(), Options::new("publisher")).await;
    publisher.publish("a/b", 1, true, "old").await;
    publisher.publish("a/b", 1, true, "new").await;
    let mut subscriber = P::connect(broker.address(), Options::new("subscriber")).await;
    subscriber.subscribe("a/+", 1).await;
    let expected = Message { retain: true, ..Message::new("a/b", "new", 1) };
    assert_eq!(subscriber.receive().await, expected);
}

fn a_will_is_sent_when_the_client_vanishes(broker: &Broker, version: Version) {
    run!(will, broker, version);
}

async fn will<P: Peer>(broker: &Broker) {
    let mut observer = P::connect(broker.address(), Options::new("observer")).await;
    observer.subscribe("will", 1).await;
    let options = Options { will: Some(("will", "gone")), ..Options::new("mortal") };
    drop(P::connect(broker.address(), options).await);
    assert_eq!(observer.receive().await, Message::new("will", "gone", 1));
}

fn a_session_goes_on_after_a_reconnect(broker: &Broker, version: Version) {
    run!(session, broker, version);
}

async fn session<P: Peer>(broker: &Broker) {
    let mut publisher = P::connect(broker.address(), Options::new("publisher")).await;
    let options = || Options { is_persistent: true, ..Options::new("subscriber") };
    let mut subscriber = P::connect(broker.address(), options()).await;
    assert!(!subscriber.session_present());
    subscriber.subscribe("a", 2).await;
    subscriber.disconnect().await;
    for number in 0..20_u8 {
        publisher.publish("a", 1 + number % 2, false, &number.to_string()).await;
    }
    let mut subscriber = P::connect(broker.address(), options()).await;
    assert!(subscriber.session_present());
    for number in 0..20_u8 {
        let expected = Message::new("a", &number.to_string(), 1 + number % 2);
        assert_eq!(subscriber.receive().await, expected);
    }
}

/// A message at each QoS, over TLS, with both versions.
pub(crate) fn scenarios_over_tls(broker: &Broker, config: &Arc<ClientConfig>) {
    peer::block_on(async {
        echo_over_tls::<v4::Client>(broker, config).await;
        echo_over_tls::<v5::Client>(broker, config).await;
    });
}

async fn echo_over_tls<P: Peer>(broker: &Broker, config: &Arc<ClientConfig>) {
    let options = Options { tls: Some(config.clone()), ..Options::new("over TLS") };
    let mut client = P::connect(broker.address(), options).await;
    client.subscribe("a", 2).await;
    for qos in 0..=2 {
        client.publish("a", qos, false, "x").await;
        assert_eq!(client.receive().await, Message::new("a", "x", qos));
    }
    client.disconnect().await;
}
