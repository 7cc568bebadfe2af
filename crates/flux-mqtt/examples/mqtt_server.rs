//! A broker inside an application, with the names that users of the first version know.
//!
//! Run it with `cargo run -p flux-mqtt --example mqtt_server` and, beside it,
//! `mosquitto_sub -t 'demo/#' -v`. `FLUX_PORT` chooses another port than 1883.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use flux_mqtt::{
    EventBus, Publication, QoS, RetainedStore, SimpleAuthenticator, TopicMatcher, matches,
    start_broker,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    // Matching works without a broker.
    assert!(matches("demo/+/temperature", "demo/kitchen/temperature"));
    let kitchen = TopicMatcher::new("demo/kitchen/#")?;
    println!("demo/kitchen/door matches: {}", kitchen.matches("demo/kitchen/door"));

    let events = Arc::new(EventBus::new());
    let broker = start_broker(events, Arc::new(SimpleAuthenticator::new()))?;
    for address in broker.local_addrs() {
        println!("listening on {address}");
    }

    // Retained messages: what a new subscriber sees first.
    let retained: &RetainedStore = broker.retained();
    retained.set("demo/kitchen/temperature".to_owned(), Bytes::from_static(b"21.5"), 1);
    println!("retained below demo: {}", retained.get_matching("demo/#").len());

    // Receiving in the process the broker runs in, as a client without a connection: retained
    // messages, shared subscriptions and limits are as for any other.
    let manager = broker.manager();
    let mut subscriber = manager.subscriber().subscribe("demo/#", QoS::AtLeastOnce).open().await?;
    let receiving = tokio::spawn(async move {
        // Ends with the broker.
        while let Some(message) = subscriber.recv().await {
            let payload = String::from_utf8_lossy(message.payload());
            println!("received {}: {payload} {:?}", message.topic(), message.content_type());
        }
    });

    // Publishing from the process, in short and in full.
    manager.publish_to_subscribers("demo/started", Bytes::from_static(b"yes"), true).await?;
    let publication = Publication::new("demo/kitchen/door", "open")
        .qos(QoS::AtLeastOnce)
        .content_type("text/plain")
        .user_property("sensor", "7");
    let outcome = manager.publish(&publication).await?;
    println!("{} of {} took it", outcome.taken, outcome.matched);

    broker.stopped().await;
    receiving.await?;
    Ok(())
}
