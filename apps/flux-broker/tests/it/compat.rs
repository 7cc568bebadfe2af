//! Metrics under the names of another broker.

use flux_admin::{AdminSettings, Compat, EMQX, start_admin};

use crate::admin::{admin_of, scrape};
use crate::support::Version::{V5, V311};
use crate::support::{Broker, Client, Connect, Publish};

#[test]
fn metrics_have_the_names_of_another_broker_if_that_is_wanted() {
    let broker = Broker::start(2, |_| {});
    assert!(!scrape(&admin_of(&broker)).keys().any(|name| name.starts_with("emqx")));
    let mut settings = AdminSettings::new("127.0.0.1:0".parse().unwrap());
    settings.compat = vec![Compat::Emqx];
    let admin = start_admin(settings, broker.handle.clone()).unwrap();
    // Of a session without a connection EMQX says that it is a connection that does not live.
    Client::connect(&broker, &Connect::persistent(V5, "away")).disconnect();
    let mut subscriber = Client::connect(&broker, &Connect::new(V5, "subscriber"));
    subscriber.subscribe("a", 2);
    subscriber.send(&V5.subscribe(1, &[("denied/a", 0)]));
    subscriber.packet();
    let mut publisher = Client::connect(&broker, &Connect::new(V311, "publisher"));
    for qos in 0..3 {
        publisher.publish("a", "x", qos);
        subscriber.receive_and_acknowledge();
    }
    publisher.publish_packet(&Publish::new("kept", "x").retain(), 0);
    publisher.publish("denied/a", "x", 0);
    publisher.disconnect();
    subscriber.ping();
    let mut numbers = scrape(&admin);
    while numbers["emqx_live_connections_count"] > 1 {
        numbers = scrape(&admin);
    }
    let mut names: Vec<_> = WANTED.iter().map(|(name, _)| *name).collect();
    names.extend(["bytes_received", "bytes_sent"]);
    names.sort_unstable();
    let mut all: Vec<_> = EMQX.iter().map(|alias| alias.name).collect();
    all.sort_unstable();
    assert_eq!(names, all);
    let of = |name: &str| numbers[&format!("emqx_{name}")];
    let wrong: Vec<_> = WANTED.iter().filter(|(name, number)| of(name) != *number).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(of("bytes_received"), numbers["flux_received_bytes_total"]);
    assert_eq!(of("bytes_sent"), numbers["flux_sent_bytes_total"]);
}

/// All but bytes.
const WANTED: [(&str, i64); 47] = [
    ("connections_count", 2),
    ("live_connections_count", 1),
    ("sessions_count", 2),
    ("channels_count", 2),
    ("retained_count", 1),
    // Three CONNECT, two SUBSCRIBE, five PUBLISH, three acknowledgements each way, four PINGREQ, two DISCONNECT.
    ("packets_received", 20),
    ("packets_sent", 16),
    ("packets_connect", 3),
    ("packets_connack_sent", 3),
    ("packets_publish_received", 5),
    ("packets_publish_sent", 3),
    ("packets_publish_auth_error", 1),
    ("packets_puback_received", 1),
    ("packets_puback_sent", 1),
    ("packets_pubrec_received", 1),
    ("packets_pubrec_sent", 1),
    ("packets_pubrel_received", 1),
    ("packets_pubrel_sent", 1),
    ("packets_pubcomp_received", 1),
    ("packets_pubcomp_sent", 1),
    ("packets_subscribe_received", 2),
    ("packets_suback_sent", 2),
    ("packets_unsubscribe_received", 0),
    ("packets_unsuback_sent", 0),
    ("packets_pingreq_received", 4),
    ("packets_pingresp_sent", 4),
    ("packets_disconnect_received", 2),
    ("packets_disconnect_sent", 0),
    ("packets_auth_received", 0),
    ("packets_auth_sent", 0),
    ("messages_received", 5),
    ("messages_sent", 3),
    ("messages_qos0_received", 3),
    ("messages_qos1_received", 1),
    ("messages_qos2_received", 1),
    ("messages_qos0_sent", 1),
    ("messages_qos1_sent", 1),
    ("messages_qos2_sent", 1),
    ("delivery_dropped_too_large", 0),
    ("delivery_dropped_expired", 0),
    ("client_connect", 3),
    ("client_connected", 3),
    ("client_disconnected", 2),
    ("authentication_success", 3),
    ("authentication_failure", 0),
    ("authorization_allow", 5),
    ("authorization_deny", 2),
];
