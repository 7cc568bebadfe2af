//! QoS 2 with the connection lost at every step: each message arrives once, in both directions
//! (sections 4.3.3 and 4.4).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Shutdown;

use crate::support::{
    Broker, Client, Connect, PINGREQ, PINGRESP, Publish, Received, Version, pubcomp, pubrec, pubrel,
};

scenarios_of_all_versions! {
    what_a_client_sends_arrives_once,
    what_a_client_is_sent_arrives_once,
}

/// Messages whose handshakes run side by side.
const MESSAGES: u16 = 3;
/// What happens in their handshakes, seen from one end: PUBLISH, PUBREC, PUBREL and PUBCOMP of each
/// are sent or read.
const STEPS: u16 = 4 * MESSAGES;

/// How a connection ends before its handshakes do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// What was sent last may not have arrived.
    Lost,
    /// Half of what would have been sent next has.
    Torn,
    /// Everything that was sent has arrived.
    Closed,
    /// By another connection, while this one goes on.
    TakenOver,
}

const CUTS: [Cut; 4] = [Cut::Lost, Cut::Torn, Cut::Closed, Cut::TakenOver];

/// A client that does a number of steps on each connection, and all that is left on the last.
struct Peer<'a> {
    broker: &'a Broker,
    connect: Connect,
    client: Client,
    cut: Cut,
    /// Steps until the cut.
    left: u16,
}

impl<'a> Peer<'a> {
    fn new(broker: &'a Broker, version: Version, cut: Cut, steps: u16) -> Self {
        let connect = Connect::persistent(version, "peer");
        let client = Client::connect(broker, &connect);
        Self { broker, connect, client, cut, left: steps }
    }

    /// Sends a packet, if the connection lasts.
    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.client.send(bytes);
            return Some(());
        }
        if self.cut == Cut::Torn {
            self.client.send(&bytes[..bytes.len() / 2]);
        }
        None
    }

    /// Reads a packet, if the connection lasts.
    fn read(&mut self) -> Option<Vec<u8>> {
        self.left = self.left.checked_sub(1)?;
        Some(self.client.packet())
    }

    /// Connects again, for so many steps.
    fn cut(&mut self, steps: u16) {
        self.left = steps;
        match self.cut {
            Cut::Lost | Cut::Torn => self.client.stream().shutdown(Shutdown::Both).unwrap(),
            Cut::Closed => {
                self.client.send(&[0xE0, 0]);
                while self.client.try_packet().is_some() {}
            }
            Cut::TakenOver => {}
        }
        self.client = Client::resume(self.broker, &self.connect);
    }
}

/// Every cut after every number of steps, and another after some more.
fn for_each_cut(mut check: impl FnMut(Cut, [u16; 2])) {
    for cut in CUTS {
        for first in 0..=STEPS {
            for second in [0, 1, 4, STEPS] {
                check(cut, [first, second]);
            }
        }
    }
}

fn what_a_client_sends_arrives_once(broker: &Broker, version: Version) {
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("a", 0);
    for_each_cut(|cut, [first, second]| {
        let case = format!("{cut:?} {first} {second}");
        let mut sender = Sender {
            peer: Peer::new(broker, version, cut, first),
            open: (1..=MESSAGES).map(|id| (id, Stage::New)).collect(),
            case: &case,
        };
        for steps in [second, u16::MAX] {
            if sender.run().is_none() {
                sender.peer.cut(steps);
            }
        }
        sender.run().expect("the last connection lasts");
        for id in 1..=MESSAGES {
            observer.expect_publish(&Publish::new("a", format!("{case} {id}")));
        }
        observer.expect_nothing();
    });
}

/// A client that sends all its messages, as the standard says.
struct Sender<'a> {
    peer: Peer<'a>,
    /// By packet identifier.
    open: BTreeMap<u16, Stage>,
    case: &'a str,
}

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Sent,
    Received,
}

impl Sender<'_> {
    /// Goes on with what is open, after CONNECT; `None` if the connection ends before all is done.
    fn run(&mut self) -> Option<()> {
        let version = self.peer.client.version;
        for (id, stage) in self.open.clone() {
            let publish = Publish::new("a", format!("{} {id}", self.case)).qos(2, id);
            if stage == Stage::New {
                // It may arrive, even if the connection does not last.
                self.open.insert(id, Stage::Sent);
            }
            self.peer.send(&match stage {
                Stage::New => publish.bytes(version),
                Stage::Sent => publish.dup().bytes(version),
                Stage::Received => pubrel(id),
            })?;
        }
        while !self.open.is_empty() {
            let packet = self.peer.read()?;
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            match packet[0] {
                0x50 => {
                    self.open.insert(id, Stage::Received);
                    self.peer.send(&pubrel(id))?;
                }
                0x70 => assert_eq!(self.open.remove(&id), Some(Stage::Received)),
                _ => panic!("unexpected packet {packet:02x?}"),
            }
        }
        Some(())
    }
}

fn what_a_client_is_sent_arrives_once(broker: &Broker, version: Version) {
    let mut publisher = Client::connect(broker, &Connect::new(version, "publisher"));
    for_each_cut(|cut, [first, second]| {
        let mut receiver = Receiver {
            peer: Peer::new(broker, version, cut, first),
            open: BTreeSet::new(),
            got: Vec::new(),
        };
        receiver.peer.client.subscribe("a", 2);
        for number in 0..MESSAGES {
            publisher.publish("a", number.to_string(), 2);
        }
        for steps in [second, u16::MAX] {
            if receiver.run().is_none() {
                receiver.peer.cut(steps);
            }
        }
        receiver.finish().expect("the last connection lasts");
        let case = format!("{cut:?} {first} {second}");
        assert_eq!(receiver.got, (0..MESSAGES.into()).collect::<Vec<u32>>(), "{case}");
    });
}

/// A client that receives, as the standard says.
struct Receiver<'a> {
    peer: Peer<'a>,
    /// Identifiers of messages that it has and that were not released.
    open: BTreeSet<u16>,
    got: Vec<u32>,
}

impl Receiver<'_> {
    /// Reads and answers; `None` if the connection ends before all seems done.
    fn run(&mut self) -> Option<()> {
        while self.got.len() < MESSAGES.into() || !self.open.is_empty() {
            let packet = self.peer.read()?;
            self.answer(&packet)?;
        }
        Some(())
    }

    /// The same until nothing is left: PUBCOMP may not have arrived.
    fn finish(&mut self) -> Option<()> {
        self.peer.left = u16::MAX;
        self.peer.send(&PINGREQ)?;
        loop {
            let packet = self.peer.read()?;
            if packet == PINGRESP {
                break;
            }
            self.answer(&packet)?;
        }
        self.run()?;
        self.peer.client.expect_nothing();
        Some(())
    }

    fn answer(&mut self, packet: &[u8]) -> Option<()> {
        if packet[0] == 0x62 {
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            self.open.remove(&id);
            return self.peer.send(&pubcomp(id));
        }
        let received = Received::parse(self.peer.client.version, packet);
        if self.open.insert(received.id) {
            self.got.push(received.number());
        }
        self.peer.send(&pubrec(received.id))
    }
}
