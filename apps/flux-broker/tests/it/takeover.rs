//! Two who want the same client identifier, a thousand times, while messages come.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, DEADLINE, PINGREQ, Publish, Received, Stopwatch, puback,
};

scenarios! {
    nothing_is_lost_while_two_fight_for_a_session,
    one_of_many_clean_starts_is_left,
}

/// How often each of the two connects.
const ROUNDS: u32 = 500;

fn nothing_is_lost_while_two_fight_for_a_session(broker: &Broker) {
    let mut first = Client::connect(broker, &contested());
    first.subscribe("numbers", 1);
    first.disconnect();
    let is_over = AtomicBool::new(false);
    let (count, fighters) = thread::scope(|scope| {
        let publisher = scope.spawn(|| publish_numbers(broker, &is_over));
        let fighters = [(); 2].map(|()| scope.spawn(|| fight(broker)));
        let fighters = fighters.map(|fighter| fighter.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        (publisher.join().unwrap(), fighters)
    });
    let Fighter { client: mut survivor, mut seen } = the_last(fighters);
    let expected: BTreeSet<u32> = (0..count).collect();
    while seen != expected {
        seen.insert(survivor.receive_and_acknowledge().number());
    }
    survivor.expect_nothing();
}

/// Publishes 0, 1, 2 and so on until it is over; returns how many.
fn publish_numbers(broker: &Broker, is_over: &AtomicBool) -> u32 {
    let mut publisher = Client::connect(broker, &Connect::new(V5, "publisher"));
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        publisher.send(&Publish::new("numbers", count.to_string()).qos(1, 1).bytes(V5));
        publisher.expect(&puback(1));
        count += 1;
    }
    count
}

struct Fighter {
    client: Client,
    seen: BTreeSet<u32>,
}

/// Connects again and again, and reads a few messages in between, unless it is displaced.
fn fight(broker: &Broker) -> Fighter {
    let mut fighter =
        Fighter { client: Client::resume(broker, &contested()), seen: BTreeSet::new() };
    for round in 1..ROUNDS {
        for _ in 0..round % 5 {
            if fighter.read() != Some(0x30) {
                break;
            }
        }
        fighter.client = Client::resume(broker, &contested());
    }
    fighter
}

impl Fighter {
    /// Reads a packet and returns its type; acknowledges and remembers a PUBLISH.
    fn read(&mut self) -> Option<u8> {
        let packet = self.client.try_packet()?;
        if packet[0] >> 4 == 3 {
            let publish = Received::parse(V5, &packet);
            self.seen.insert(publish.number());
            // Displaced meanwhile, it comes again.
            self.client.try_send(&puback(publish.id));
        }
        Some(packet[0] & 0xF0)
    }

    /// Whether the connection lives; the other was told that its session is taken over.
    fn is_alive(&mut self) -> bool {
        self.client.try_send(&PINGREQ);
        loop {
            match self.read() {
                Some(0x30) => {}
                Some(0xD0) => return true,
                Some(0xE0) | None => return false,
                other => panic!("unexpected packet {other:?}"),
            }
        }
    }
}

/// Exactly one is connected in the end; it is returned with what all of them have seen.
///
/// One that is displaced may answer until its worker hears of it, so they are asked again.
fn the_last<const N: usize>(fighters: [Fighter; N]) -> Fighter {
    let patience = Stopwatch::start();
    let (mut alive, mut seen) = (Vec::from(fighters), BTreeSet::new());
    while alive.len() > 1 {
        assert!(patience.elapsed() < DEADLINE, "{} are connected", alive.len());
        alive.retain_mut(|fighter| {
            let is_alive = fighter.is_alive();
            seen.append(&mut fighter.seen);
            is_alive
        });
    }
    let mut last = alive.pop().expect("one is connected");
    assert!(last.is_alive());
    last.seen.append(&mut seen);
    last
}

/// A small window: what is in flight comes again on every connection.
fn contested() -> Connect {
    Connect::persistent(V5, "contested").receive_maximum(16)
}

fn one_of_many_clean_starts_is_left(broker: &Broker) {
    let fighters = thread::scope(|scope| {
        let fighters = [(); 4].map(|()| {
            scope.spawn(|| {
                let connect = || Client::connect(broker, &Connect::new(V5, "contested"));
                let mut client = connect();
                for _ in 0..100 {
                    client = connect();
                }
                client
            })
        });
        fighters.map(|fighter| fighter.join().unwrap())
    });
    the_last(fighters.map(|client| Fighter { client, seen: BTreeSet::new() }));
}
