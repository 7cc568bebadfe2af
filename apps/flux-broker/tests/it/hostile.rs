//! Bytes that are not MQTT, or that never become a packet: their connection ends, and others do not
//! notice (section 4.13).

use std::net::Shutdown;
use std::time::Duration;

use flux_mqtt::Settings;

use crate::support::Version::{V5, V31, V311};
use crate::support::{
    Broker, Client, Connect, PINGREQ, Publish, Version, puback, pubcomp, pubrec, pubrel,
};

scenarios! {
    bytes_at_random_end_their_connection,
    other_protocols_are_closed_without_a_byte,
    a_connect_that_never_ends_is_closed with impatient,
    a_length_of_256_megabytes_is_refused_at_its_header,
}

scenarios_of_all_versions! {
    packets_cut_off_anywhere_leave_nothing_behind,
    bytes_at_random_behind_connect_end_the_connection,
}

fn impatient(settings: &mut Settings) {
    settings.connect_timeout = Duration::from_millis(300);
}

/// Two clients that go on working, whatever happens beside them.
struct Bystanders {
    publisher: Client,
    subscriber: Client,
    sent: u32,
}

impl Bystanders {
    fn new(broker: &Broker) -> Self {
        let publisher = Client::connect(broker, &Connect::new(V5, "bystander publisher"));
        let mut subscriber = Client::connect(broker, &Connect::new(V311, "bystander subscriber"));
        subscriber.subscribe("bystander", 1);
        Self { publisher, subscriber, sent: 0 }
    }

    #[track_caller]
    fn work(&mut self) {
        self.sent += 1;
        self.publisher.publish("bystander", self.sent.to_string(), 1);
        assert_eq!(self.subscriber.receive_and_acknowledge().number(), self.sent);
    }
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = self.next() % 200 + 1;
        (0..len).map(|_| u8::try_from(self.next() % 256).unwrap()).collect()
    }
}

/// Sends what may not be read to its end, and waits until the broker is done with it.
fn throw(client: &mut Client, bytes: &[u8]) {
    client.try_send(bytes);
    let _may_be_closed = client.stream().shutdown(Shutdown::Write);
    while client.try_packet().is_some() {}
}

fn bytes_at_random_end_their_connection(broker: &Broker) {
    let mut bystanders = Bystanders::new(broker);
    let mut noise = Noise(0x0DD_B17E5);
    for _ in 0..300 {
        throw(&mut Client::open(broker.address(), V311), &noise.bytes());
        bystanders.work();
    }
}

fn bytes_at_random_behind_connect_end_the_connection(broker: &Broker, version: Version) {
    let mut bystanders = Bystanders::new(broker);
    let mut noise = Noise(0xB17E5);
    for _ in 0..200 {
        let mut client = Client::connect(broker, &Connect::new(version, "noisy"));
        throw(&mut client, &noise.bytes());
        bystanders.work();
    }
}

/// Every packet that a client sends, cut off behind each of its bytes.
fn packets_cut_off_anywhere_leave_nothing_behind(broker: &Broker, version: Version) {
    let mut bystanders = Bystanders::new(broker);
    let packets = [
        Publish::new("a/b", "payload").bytes(version),
        Publish::new("a/b", "payload").qos(2, 7).retain().bytes(version),
        version.subscribe(1, &[("a/+", 1), ("$share/g/a", 0)]),
        version.unsubscribe(1, &["a/+"]),
        puback(1),
        pubrec(1),
        pubrel(1),
        pubcomp(1),
        PINGREQ.to_vec(),
        vec![0xE0, 0],
    ];
    for packet in packets {
        for len in 0..packet.len() {
            let mut client = Client::connect(broker, &Connect::new(version, "cut"));
            throw(&mut client, &packet[..len]);
        }
        bystanders.work();
    }
    let connect = Connect::new(version, "cut").bytes();
    for len in 0..connect.len() {
        throw(&mut Client::open(broker.address(), version), &connect[..len]);
    }
    bystanders.work();
    assert!(broker.handle.retained().is_empty(), "no half PUBLISH was taken");
}

/// A TLS ClientHello and requests of HTTP, as they come to a port that somebody mistook.
fn other_protocols_are_closed_without_a_byte(broker: &Broker) {
    let mut bystanders = Bystanders::new(broker);
    let hello = [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC, 0x03, 0x03];
    let strangers: [&[u8]; 5] = [
        &hello,
        b"GET /mqtt HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\n\r\n",
        b"POST / HTTP/1.0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\0\0\0\0",
    ];
    for bytes in strangers {
        let mut client = Client::open_with(broker, V311, bytes);
        client.expect_closed();
        bystanders.work();
    }
}

/// Many connections that begin a CONNECT and never end it, a byte now and then.
fn a_connect_that_never_ends_is_closed(broker: &Broker) {
    let mut bystanders = Bystanders::new(broker);
    let connect = Connect::new(V5, "slow").bytes();
    let mut slow: Vec<Client> =
        (0..50).map(|_| Client::open_with(broker, V5, &connect[..1])).collect();
    for byte in &connect[1..connect.len() - 1] {
        for client in &mut slow {
            client.try_send(&[*byte]);
        }
        bystanders.work();
        Client::connect(broker, &Connect::new(V5, "in between")).ping();
    }
    for client in &mut slow {
        client.expect_closed();
    }
    bystanders.work();
}

fn a_length_of_256_megabytes_is_refused_at_its_header(broker: &Broker) {
    let mut bystanders = Bystanders::new(broker);
    for version in [V31, V311, V5] {
        for first in [0x30, 0x32, 0x82] {
            let mut client = Client::connect(broker, &Connect::new(version, "huge"));
            client.send(&[first, 0xFF, 0xFF, 0xFF, 0x7F]);
            client.expect_disconnect(0x95);
        }
        let mut client = Client::open_with(broker, version, &[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
        client.expect_closed();
        bystanders.work();
    }
}
