//! The table: who does what, and what moves.

use std::io::Write as _;
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use flux_auth::{Authentication, Authenticator, Credentials, Identity, Refusal};
use flux_mqtt::{Settings, SimpleAuthenticator};
use flux_storage::{Durability, Fault, Log, LogSettings, SimulatedDisk};

use super::{Case, Scene};
use crate::support::Version::{V5, V311};
use crate::support::{
    Broker, Certificates, Client, Connect, Publish, Will, let_pass, only_tls, open_tls, packet,
    u32_property, ws_listener,
};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a message at each quality of service, and one retained",
        start: || plain(|_| {}),
        act: |scene| {
            let mut subscriber = Client::connect(&scene.broker, &Connect::new(V5, "subscriber"));
            subscriber.subscribe("a/#", 2);
            let mut publisher = Client::connect(&scene.broker, &Connect::new(V311, "publisher"));
            // That at QoS 1 is the first, and so is timed.
            for qos in [1, 2, 0] {
                publisher.publish(&format!("a/{qos}"), "x", qos);
                subscriber.receive_and_acknowledge();
            }
            publisher.publish_packet(&Publish::new("b", "kept").retain(), 0);
            publisher.disconnect();
            vec![subscriber]
        },
        moves: &[
            ("flux_connections", by(1)),
            ("flux_listener_connections{listener=\"mqtt\"}", by(1)),
            ("flux_connections_accepted_total", by(2)),
            ("flux_clients{listener=\"mqtt\",version=\"5.0\"}", by(1)),
            ("flux_clients{listener=\"mqtt\",version=\"3.1.1\"}", by(0)),
            ("flux_sessions{state=\"online\"}", by(1)),
            ("flux_sessions{state=\"offline\"}", by(0)),
            ("flux_sessions_ended_total{reason=\"disconnected\"}", by(1)),
            ("flux_subscriptions", by(1)),
            ("flux_retained_messages", by(1)),
            ("flux_held_bytes{kind=\"retained\"}", 5..=1_000),
            ("flux_held_bytes{kind=\"sessions\"}", 50..=10_000),
            ("flux_authentications_total{result=\"accepted\"}", by(2)),
            ("flux_authentications_total{result=\"refused\"}", by(0)),
            ("flux_permissions_total{access=\"connect\"}", by(2)),
            ("flux_permissions_total{access=\"publish\"}", by(4)),
            ("flux_permissions_total{access=\"subscribe\"}", by(1)),
            ("flux_permissions_total{access=\"will\"}", by(0)),
            ("flux_connects_total{version=\"5.0\"}", by(1)),
            ("flux_connects_total{version=\"3.1.1\"}", by(1)),
            ("flux_connects_total{version=\"3.1\"}", by(0)),
            ("flux_disconnects_total{reason=\"by_client\"}", by(1)),
            ("flux_packets_received_total{type=\"CONNECT\"}", by(2)),
            ("flux_packets_received_total{type=\"SUBSCRIBE\"}", by(1)),
            ("flux_packets_received_total{type=\"PUBLISH\"}", by(4)),
            ("flux_packets_received_total{type=\"PUBREL\"}", by(1)),
            ("flux_packets_received_total{type=\"PUBACK\"}", by(1)),
            ("flux_packets_received_total{type=\"PUBREC\"}", by(1)),
            ("flux_packets_received_total{type=\"PUBCOMP\"}", by(1)),
            ("flux_packets_received_total{type=\"PINGREQ\"}", by(2)),
            ("flux_packets_received_total{type=\"DISCONNECT\"}", by(1)),
            ("flux_packets_sent_total{type=\"CONNACK\"}", by(2)),
            ("flux_packets_sent_total{type=\"SUBACK\"}", by(1)),
            ("flux_packets_sent_total{type=\"PUBACK\"}", by(1)),
            ("flux_packets_sent_total{type=\"PUBREC\"}", by(1)),
            ("flux_packets_sent_total{type=\"PUBCOMP\"}", by(1)),
            ("flux_packets_sent_total{type=\"PUBLISH\"}", by(3)),
            ("flux_packets_sent_total{type=\"PUBREL\"}", by(1)),
            ("flux_packets_sent_total{type=\"PINGRESP\"}", by(2)),
            ("flux_messages_received_total{qos=\"0\"}", by(2)),
            ("flux_messages_received_total{qos=\"1\"}", by(1)),
            ("flux_messages_received_total{qos=\"2\"}", by(1)),
            ("flux_messages_sent_total{qos=\"0\"}", by(1)),
            ("flux_messages_sent_total{qos=\"1\"}", by(1)),
            ("flux_messages_sent_total{qos=\"2\"}", by(1)),
            // Header, topic, packet identifier, payload; properties where the version has them.
            ("flux_messages_received_bytes_total", by(8 + 10 + 10 + 9)),
            ("flux_messages_sent_bytes_total", by(9 + 11 + 11)),
            // CONNECT, SUBSCRIBE, five acknowledgements, two PINGREQ, DISCONNECT.
            ("flux_received_bytes_total", by(37 + 25 + 23 + 11 + 4 * 4 + 2 * 2 + 2)),
            // CONNACK, SUBACK, four acknowledgements, two PINGRESP.
            ("flux_sent_bytes_total", by(31 + CONNACK + 4 + 6 + 4 * 4 + 2 * 2)),
            // One message in a while is timed.
            ("flux_delivery_seconds_count", 1..=3),
            ("flux_acknowledgement_seconds_count", 1..=2),
            ("flux_connect_seconds_count", by(2)),
        ],
    },
    Case {
        name: "a connection of nobody yet",
        start: || plain(|_| {}),
        act: |scene| vec![Client::open(scene.broker.address(), V5)],
        moves: &[
            ("flux_connections", by(1)),
            ("flux_listener_connections{listener=\"mqtt\"}", by(1)),
            ("flux_connections_accepted_total", by(1)),
            ("flux_sessions{state=\"online\"}", by(0)),
            ("flux_connects_total{version=\"5.0\"}", by(0)),
            ("flux_packets_received_total{type=\"CONNECT\"}", by(0)),
        ],
    },
    Case {
        name: "subscriptions, and one that two share who are away",
        start: || plain(|_| {}),
        act: |scene| {
            for name in ["one", "other"] {
                let mut member = Client::connect(&scene.broker, &Connect::persistent(V5, name));
                member.subscribe("$share/g/z", 1);
                member.subscribe(name, 1);
                member.disconnect();
            }
            let mut publisher = Client::connect(&scene.broker, &Connect::new(V5, "publisher"));
            for topic in ["z", "z", "one", "one", "one"] {
                publisher.publish(topic, "x", 1);
            }
            vec![publisher]
        },
        moves: &[
            ("flux_subscriptions", by(3)),
            ("flux_retained_messages", by(0)),
            ("flux_sessions{state=\"offline\"}", by(2)),
            ("flux_sessions{state=\"online\"}", by(1)),
            ("flux_queued_messages{in=\"shared\"}", by(2)),
            ("flux_queued_messages{in=\"sessions\"}", by(3)),
            ("flux_inflight_messages", by(0)),
            ("flux_packets_received_total{type=\"SUBSCRIBE\"}", by(4)),
            ("flux_packets_sent_total{type=\"SUBACK\"}", by(4)),
        ],
    },
    Case {
        name: "who is refused, and what is denied",
        start: || started(Broker::start_with(2, NoEve, |_| {})),
        act: |scene| {
            let eve = Connect::new(V5, "e").login("eve", "x").bytes();
            Client::open_with(&scene.broker, V5, &eve).expect_refusal(0x86);
            let will = Connect::new(V5, "w").will(Will::new("denied/w", "x")).bytes();
            Client::open_with(&scene.broker, V5, &will).expect_refusal(0x87);
            let will = Connect::new(V5, "c").will(Will::new("yes", "x"));
            let mut client = Client::connect(&scene.broker, &will);
            client.send(&V5.subscribe(1, &[("denied/a", 0), ("yes", 0), ("denied/b", 0)]));
            client.expect_codes(0x90, 1, &[0x87, 0, 0x87]);
            for topic in ["denied/a", "denied/b", "denied/c", "yes"] {
                client.send(&Publish::new(topic, "x").bytes(V5));
            }
            client.receive();
            vec![client]
        },
        moves: &[
            ("flux_authentications_total{result=\"refused\"}", by(1)),
            ("flux_authentications_total{result=\"accepted\"}", by(2)),
            (
                "flux_connects_refused_total{reason=\"the user name or the password is wrong\"}",
                by(1),
            ),
            ("flux_connects_refused_total{reason=\"the client may not do this\"}", by(1)),
            ("flux_requests_refused_total{reason=\"the client may not do this\"}", by(5)),
            ("flux_messages_dropped_total{reason=\"not_authorized\"}", by(3)),
            ("flux_denials_total{access=\"will\"}", by(1)),
            ("flux_denials_total{access=\"subscribe\"}", by(2)),
            ("flux_denials_total{access=\"publish\"}", by(3)),
            ("flux_permissions_total{access=\"connect\"}", by(1)),
            ("flux_permissions_total{access=\"will\"}", by(1)),
            ("flux_permissions_total{access=\"subscribe\"}", by(1)),
            ("flux_permissions_total{access=\"publish\"}", by(1)),
        ],
    },
    Case {
        name: "a queue in which messages wait, and one that is full",
        start: || {
            plain(|settings| {
                settings.session.receive_maximum_cap = 2;
                settings.session.queued_messages = 4;
            })
        },
        act: |scene| {
            let mut away = Client::connect(&scene.broker, &Connect::persistent(V5, "away"));
            away.subscribe("a", 1);
            away.disconnect();
            let mut slow = Client::connect(&scene.broker, &Connect::new(V5, "slow"));
            slow.subscribe("a", 1);
            let mut publisher = Client::connect(&scene.broker, &Connect::new(V5, "publisher"));
            for _ in 0..2 {
                publisher.publish("a", "x", 1);
                slow.receive();
            }
            for _ in 0..3 {
                publisher.publish("a", "x", 1);
            }
            let_pass(&scene.broker, 2);
            vec![slow, publisher]
        },
        moves: &[
            ("flux_queued_messages{in=\"sessions\"}", by(4 + 3)),
            ("flux_queued_messages{in=\"shared\"}", by(0)),
            ("flux_queued_bytes", 7 * 50..=7 * 1_000),
            ("flux_inflight_messages", by(2)),
            ("flux_inflight_bytes", 2 * 50..=2 * 1_000),
            ("flux_subscriber_behind_messages{rank=\"1\"}", by(3)),
            ("flux_subscriber_behind_seconds{rank=\"1\"}", 2..=60),
            ("flux_messages_dropped_total{reason=\"queue_full\"}", by(1)),
        ],
    },
    Case {
        name: "what is retained is brought, finds no room, and expires",
        start: || plain(|settings| settings.retained.messages = 2),
        act: |scene| {
            let mut publisher = Client::connect(&scene.broker, &Connect::new(V5, "publisher"));
            // The third finds no room, and the last takes that of the second.
            for (topic, payload) in [("a/1", "x"), ("a/2", "x"), ("a/3", "x"), ("a/2", "")] {
                publisher.publish_packet(&Publish::new(topic, payload).retain(), 0);
            }
            let old = Publish::new("a/2", "x").retain().property(&u32_property(0x02, 0));
            publisher.publish_packet(&old, 0);
            let mut subscriber = Client::connect(&scene.broker, &Connect::new(V5, "subscriber"));
            subscriber.subscribe("a/#", 0);
            subscriber.receive();
            vec![publisher, subscriber]
        },
        moves: &[
            ("flux_retained_messages", by(1)),
            ("flux_retained_messages_replayed_total", by(1)),
            ("flux_retained_messages_dropped_total{reason=\"not_retained\"}", by(1)),
            ("flux_retained_messages_dropped_total{reason=\"retained_expired\"}", by(1)),
            ("flux_messages_dropped_total{reason=\"expired\"}", by(0)),
            ("flux_messages_sent_total{qos=\"0\"}", by(1)),
        ],
    },
    Case {
        name: "a client that publishes too fast",
        start: || plain(|settings| settings.limits.client_publishes.messages = NonZeroU32::new(1)),
        act: |scene| {
            let mut hasty = Client::connect(&scene.broker, &Connect::new(V5, "hasty"));
            // All at once: the second has to wait, and what is behind it is not even read.
            hasty.send(&Publish::new("a", "x").bytes(V5).repeat(3));
            hasty.ping();
            vec![hasty]
        },
        moves: &[
            ("flux_limits_reached_total{limit=\"client_publishes_per_second\"}", 1..=3),
            ("flux_messages_received_total{qos=\"0\"}", by(3)),
        ],
    },
    Case {
        name: "topics with too many levels",
        start: || plain(|settings| settings.limits.topic_levels = 2),
        act: |scene| {
            let mut client = Client::connect(&scene.broker, &Connect::new(V5, "a"));
            client.send(&V5.subscribe(1, &[("a/b/c", 0)]));
            client.packet();
            client.send(&Publish::new("a/b/c", "x").bytes(V5));
            client.ping();
            vec![client]
        },
        moves: &[
            ("flux_limits_reached_total{limit=\"topic_levels\"}", by(2)),
            ("flux_requests_refused_total{reason=\"the topic filter is not valid here\"}", by(1)),
        ],
    },
    Case {
        name: "code that panics",
        start: || plain(|_| {}),
        act: |scene| {
            let mut victim = Client::connect(&scene.broker, &Connect::new(V5, "victim"));
            victim.try_send(&Publish::new("panic/now", "x").bytes(V5));
            while victim.try_packet().is_some() {}
            Vec::new()
        },
        moves: &[
            ("flux_panics_total", by(1)),
            ("flux_disconnects_total{reason=\"server_error\"}", by(1)),
        ],
    },
    Case {
        name: "TLS, and what is none",
        start: || {
            let certificates = Certificates::new();
            let broker = Broker::start(1, |settings| only_tls(settings, certificates.settings()));
            Scene { certificates: Some(certificates), ..started(broker) }
        },
        act: |scene| {
            let config = scene.certificates.as_ref().unwrap().client();
            let open = |name| {
                let connect = Connect::new(V5, name);
                open_tls(scene.broker.address(), V5, &config).connected(&connect)
            };
            let clients = vec![open("a"), open("b")];
            send(scene, &packet(0xC0, &[]));
            clients
        },
        moves: &[
            ("flux_tls_handshakes_total", by(2)),
            ("flux_tls_handshakes_failed_total", by(1)),
            ("flux_clients{listener=\"mqtts\",version=\"5.0\"}", by(2)),
        ],
    },
    Case {
        name: "what is no WebSocket",
        start: || plain(|settings| settings.listeners = vec![ws_listener()]),
        act: |scene| {
            send(scene, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            Vec::new()
        },
        moves: &[("flux_websocket_requests_failed_total", by(1))],
    },
    Case {
        name: "a load balancer that does not say for whom it speaks",
        start: || {
            plain(|settings| settings.listeners[0].proxies = vec!["127.0.0.0/8".parse().unwrap()])
        },
        act: |scene| {
            send(scene, b"PROXY TCP4 a b c d\r\n");
            Vec::new()
        },
        moves: &[("flux_proxy_headers_failed_total", by(1))],
    },
    Case {
        name: "a message that is stored",
        start: stored,
        act: |scene| {
            let mut client = Client::connect(&scene.broker, &Connect::new(V5, "a"));
            let large = "x".repeat(10_000);
            client.publish_packet(&Publish::new("t", &large).qos(1, 1).retain(), 1);
            vec![client]
        },
        moves: &[
            ("flux_store_records_total", by(1)),
            ("flux_store_commit_seconds_count", by(1)),
            ("flux_store_fsync_seconds_count", by(1)),
            ("flux_store_disk_bytes", 10_000..=11_000),
            ("flux_store_failing", by(0)),
            ("flux_store_unsynced_bytes", by(0)),
        ],
    },
    Case {
        name: "three messages that come at once and are stored at once",
        start: stored,
        act: |scene| {
            let mut client = Client::connect(&scene.broker, &Connect::new(V5, "a"));
            let publish = |id| Publish::new("t", "x").qos(1, id).retain().bytes(V5);
            client.send(&[1, 2, 3].map(publish).concat());
            (0..3).for_each(|_| drop(client.packet()));
            vec![client]
        },
        moves: &[
            ("flux_store_records_total", by(3)),
            ("flux_store_commit_seconds_count", by(1)),
            ("flux_store_fsync_seconds_count", by(1)),
        ],
    },
    Case {
        name: "a message that cannot be stored",
        start: stored,
        act: |scene| {
            let mut client = Client::connect(&scene.broker, &Connect::new(V5, "a"));
            scene.disk.as_ref().unwrap().set_fault(Fault::Full);
            client.send(&Publish::new("t", "x").qos(1, 1).retain().bytes(V5));
            vec![client]
        },
        moves: &[
            ("flux_store_failing", by(1)),
            ("flux_store_unsynced_bytes", 20..=1_000),
            ("flux_store_commit_seconds_count", 1..=1_000),
            ("flux_store_fsync_seconds_count", by(0)),
        ],
    },
];

/// Bytes of a CONNACK of MQTT 5.0, with properties of eight.
const CONNACK: i64 = 13;

/// Nobody named eve gets in.
#[derive(Debug)]
struct NoEve;

impl Authenticator for NoEve {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        match credentials.username.as_deref() {
            Some("eve") => Authentication::Refused(Refusal::BadUserNameOrPassword),
            _ => Authentication::Accepted(Identity::anonymous()),
        }
    }
}

fn plain(change: impl FnOnce(&mut Settings)) -> Scene {
    started(Broker::start_with(2, SimpleAuthenticator::new(), change))
}

const fn started(broker: Broker) -> Scene {
    Scene { broker, disk: None, certificates: None }
}

fn stored() -> Scene {
    let settings =
        LogSettings { segment_bytes: 1 << 20, new_log_id: 7, durability: Durability::Disk };
    let disk = SimulatedDisk::default();
    let (log, _) = Log::open(disk.clone(), settings).unwrap();
    Scene { disk: Some(disk), ..started(Broker::over(log, 1, |_| {})) }
}

/// Sends what is not answered.
fn send(scene: &Scene, bytes: &[u8]) {
    TcpStream::connect(scene.broker.address()).unwrap().write_all(bytes).unwrap();
}

const fn by(number: i64) -> RangeInclusive<i64> {
    number..=number
}
