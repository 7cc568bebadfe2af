//! What comes is what is delivered, waits or is dropped: over the real counters, for random traffic that is known.

use std::collections::BTreeMap;

use crate::admin::{admin_of, scrape};
use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, PINGREQ, PINGRESP, Publish, Received, puback, pubcomp, pubrec, pubrel,
    u32_property,
};

#[test]
fn what_comes_is_delivered_waits_or_is_dropped() {
    let mut why = BTreeMap::new();
    for seed in 0..SEEDS {
        let broker = Broker::start(2, |settings| settings.session.queued_messages = 3);
        let mut world = World::new(&broker, seed);
        for _ in 0..STEPS {
            world.step();
        }
        for (series, number) in world.check(seed) {
            *why.entry(series).or_insert(0) += number;
        }
    }
    // The traffic is such that it tells something.
    for reason in ["queue_full", "expired", "offline", "packet_too_large", "session_ended"] {
        assert!(why[&format!("{DROPPED}reason=\"{reason}\"}}")] > 0, "{reason}: {why:?}");
    }
    // What is retained no longer is lost to none of them.
    for series in [&*format!("{NOT_RETAINED}reason=\"retained_expired\"}}"), REPLAYED] {
        assert!(why[series] > 0, "{series}: {why:?}");
    }
}

/// Four subscribers, of whom some read, some do not and some are away, and who publishes.
struct World<'b> {
    broker: &'b Broker,
    random: Random,
    publisher: Client,
    /// Whether it has a session, and its connection.
    subscribers: [(bool, Option<Client>); 4],
    published: i64,
    /// How often a session should have had a message that was published.
    offered: i64,
    denied: i64,
    /// Whether what is retained has expired, by topic.
    retained: BTreeMap<String, bool>,
    /// How often a new session should have had a retained message.
    replayed: i64,
}

impl<'b> World<'b> {
    fn new(broker: &'b Broker, seed: u64) -> Self {
        let publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
        let subscribers = [const { (false, None) }; 4];
        let random = Random(seed);
        let (retained, [published, offered, denied, replayed]) = (BTreeMap::new(), [0; 4]);
        Self {
            broker,
            random,
            publisher,
            subscribers,
            published,
            offered,
            denied,
            retained,
            replayed,
        }
    }

    fn step(&mut self) {
        let who = self.random.below(4);
        match self.random.below(20) {
            0..=11 => self.publish(),
            12..=13 => self.come(who),
            14 => self.subscribers[who].1 = None,
            15 => self.end(who),
            _ => {
                if let Some(client) = &mut self.subscribers[who].1 {
                    read(client);
                }
            }
        }
    }

    fn publish(&mut self) {
        let (qos, which) = (u8::try_from(self.random.below(3)).unwrap(), self.random.below(2));
        let payload = if self.random.below(8) == 0 { "x".repeat(200) } else { "x".to_owned() };
        self.published += 1;
        if self.random.below(10) == 0 {
            self.denied += 1;
            return send(&mut self.publisher, Publish::new("denied/t", &payload), qos);
        }
        let mut publish = Publish::new(&format!("t/{which}"), &payload);
        let is_old = self.random.below(10) == 0;
        if is_old {
            // It has expired as soon as it is there.
            publish = publish.property(&u32_property(0x02, 0));
        }
        if self.random.below(4) == 0 {
            publish = publish.retain();
            self.retained.insert(format!("t/{which}"), is_old);
        }
        send(&mut self.publisher, publish, qos);
        let names = [format!("t/{which}"), "t/+".to_owned()];
        let have = self.subscribers.iter().zip(FILTERS);
        let matching = have.filter(|((is_there, _), (filter, _))| {
            *is_there && names.iter().any(|name| name == filter)
        });
        self.offered += i64::try_from(matching.count()).unwrap();
    }

    fn come(&mut self, who: usize) {
        let (is_there, connection) = &mut self.subscribers[who];
        if connection.is_some() {
            return;
        }
        let connect =
            Connect::persistent(V5, NAMES[who]).receive_maximum(2).maximum_packet_size(150);
        let mut client = Client::open(self.broker.address(), V5);
        client.send(&connect.bytes());
        // What was sent before comes right behind it.
        assert_eq!(client.packet()[0], 0x20);
        if !*is_there {
            let (filter, qos) = FILTERS[who];
            client.subscribe(filter, qos);
            *is_there = true;
            let retained = self.retained.iter().filter(|(_, is_old)| !**is_old);
            let brought = retained.filter(|(topic, _)| *topic == filter || filter == "t/+");
            self.replayed += i64::try_from(brought.count()).unwrap();
            // All of it is there before it can be replaced.
            read(&mut client);
        }
        *connection = Some(client);
    }

    fn end(&mut self, who: usize) {
        self.subscribers[who] = (false, None);
        Client::connect(self.broker, &Connect::new(V5, NAMES[who])).disconnect();
    }

    /// Returns what was dropped, by reason.
    fn check(mut self, seed: u64) -> Vec<(String, i64)> {
        for client in self.subscribers.iter_mut().filter_map(|(_, client)| client.as_mut()) {
            // It reads and acknowledges nothing: all that it may be sent has been.
            while exchange(client).1 > 0 {}
        }
        let admin = admin_of(self.broker);
        let mut seen = BTreeMap::new();
        for _ in 0..LOOKS {
            let numbers = scrape(&admin);
            let sum = |name: &str| {
                let series = numbers.iter().filter(|(series, _)| series.starts_with(name));
                series.map(|(_, number)| number).sum::<i64>()
            };
            let ended =
                |packet| numbers[&format!("flux_packets_received_total{{type=\"{packet}\"}}")];
            let delivered =
                numbers["flux_messages_sent_total{qos=\"0\"}"] + ended("PUBACK") + ended("PUBCOMP");
            let (waiting, in_flight) =
                (sum("flux_queued_messages{"), sum("flux_inflight_messages"));
            let dropped = sum(DROPPED);
            seen = BTreeMap::from([
                ("received", (sum("flux_messages_received_total{"), self.published)),
                (
                    "denied",
                    (
                        numbers["flux_messages_dropped_total{reason=\"not_authorized\"}"],
                        self.denied,
                    ),
                ),
                (
                    "accounted for",
                    (
                        delivered + waiting + in_flight + dropped,
                        self.offered + self.denied + self.replayed,
                    ),
                ),
                ("replayed", (numbers[REPLAYED], self.replayed)),
            ]);
            if seen.values().all(|(is, should)| is == should) {
                let tells = |name: &str| {
                    [DROPPED, NOT_RETAINED, REPLAYED].iter().any(|it| name.starts_with(it))
                };
                return numbers.into_iter().filter(|(name, _)| tells(name)).collect();
            }
        }
        panic!("seed {seed}: {seen:?}");
    }
}

/// Publishes, whatever is answered.
fn send(publisher: &mut Client, publish: Publish, qos: u8) {
    if qos == 0 {
        publisher.send(&publish.bytes(V5));
        return publisher.ping();
    }
    publisher.send(&publish.qos(qos, 1).bytes(V5));
    let answer = publisher.packet();
    if qos == 2 && answer.get(4).is_none_or(|code| *code < 0x80) {
        publisher.send(&pubrel(1));
        publisher.packet();
    }
}

/// Reads all that is there, and acknowledges it.
fn read(client: &mut Client) {
    loop {
        let (answers, _) = exchange(client);
        if answers.is_empty() {
            return;
        }
        client.send(&answers);
    }
}

/// Reads what is there; returns the acknowledgements that it asks for, and how many packets it were.
fn exchange(client: &mut Client) -> (Vec<u8>, usize) {
    client.send(&PINGREQ);
    let (mut answers, mut count) = (Vec::new(), 0);
    loop {
        let packet = client.packet();
        if packet == PINGRESP {
            return (answers, count);
        }
        count += 1;
        match packet[0] >> 4 {
            3 => {
                let received = Received::parse(V5, &packet);
                match received.qos {
                    0 => {}
                    1 => answers.extend(puback(received.id)),
                    _ => answers.extend(pubrec(received.id)),
                }
            }
            6 => answers.extend(pubcomp(u16::from_be_bytes([packet[2], packet[3]]))),
            other => panic!("a packet of type {other}"),
        }
    }
}

/// The same numbers for the same seed: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap() % limit
    }
}

const DROPPED: &str = "flux_messages_dropped_total{";
const NOT_RETAINED: &str = "flux_retained_messages_dropped_total{";
const REPLAYED: &str = "flux_retained_messages_replayed_total";
const NAMES: [&str; 4] = ["s0", "s1", "s2", "s3"];
/// What each subscribes to, and at which QoS.
const FILTERS: [(&str, u8); 4] = [("t/+", 0), ("t/0", 1), ("t/+", 2), ("t/1", 1)];
const SEEDS: u64 = 12;
const STEPS: usize = 150;
/// Each takes a request: more than enough time.
const LOOKS: usize = 1_000;
