//! What the store should hold: plain maps, and records that change them.

use std::collections::{BTreeMap, BTreeSet};

use flux_session::{PacketId, QoS, RetainHandling, SessionExpiry, SubscriptionIds};
use flux_session::{SubscriptionOptions, Timestamp};

use super::ALL;
use super::random::Random;
use crate::{
    Content, MessageRecord, Owner, Record, Sequence, SessionKey, SessionRecord, Store, Target,
    WillRecord,
};

/// All that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct World {
    pub(super) sessions: BTreeMap<u64, Session>,
    retained: BTreeMap<String, (u64, Vec<u8>)>,
    groups: BTreeMap<u64, (String, BTreeMap<u64, Waiting>)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    owner: Owner<String>,
    detached_since: Option<u64>,
    subscriptions: BTreeMap<String, SubscriptionOptions>,
    receipts: BTreeSet<PacketId>,
    /// Delay, payload, and who left it.
    will: Option<(u32, Vec<u8>, Vec<u8>)>,
    queue: BTreeMap<u64, Waiting>,
}

/// Packet identifier, and payload and identifiers unless it is released.
type Waiting = (Option<PacketId>, Option<(Vec<u8>, bool, Vec<u32>)>);

impl World {
    /// Reads a whole store.
    pub(super) fn read(store: &mut impl Store) -> Self {
        let mut world = Self::default();
        for stored in store.groups().expect("groups can be read") {
            let queue = read_queue(store, stored.group, stored.queued);
            world.groups.insert(stored.group.0, (stored.filter.into(), queue));
        }
        let mut after = None;
        loop {
            let part = store.sessions(after, 2).expect("sessions can be read");
            let Some(last) = part.last() else { break };
            after = Some(last.session);
            for stored in part {
                let key = stored.session;
                let queue = read_queue(store, key, stored.queued);
                let subscriptions = stored.subscriptions.into_iter();
                let will = stored.will.map(|will| {
                    (will.delay, will.content.payload.to_vec(), will.testator.to_vec())
                });
                let session = Session {
                    owner: stored.owner.map(ToString::to_string),
                    detached_since: stored.detached_since.map(Timestamp::as_millis),
                    subscriptions: subscriptions.map(|(f, o)| (f.into(), o)).collect(),
                    receipts: stored.receipts.into_iter().collect(),
                    will,
                    queue,
                };
                world.sessions.insert(key.0, session);
            }
        }
        for message in store.retained(None, ALL).expect("retained messages can be read") {
            let topic = String::from_utf8(message.content.topic.to_vec()).expect("topics are text");
            let value = (message.sequence.0, message.content.payload.to_vec());
            world.retained.insert(topic, value);
        }
        world
    }

    /// Says where another world differs.
    pub(super) fn differences(&self, other: &Self) -> String {
        let lines = |world: &Self| {
            let text = format!("{world:#?}").replace(",\n                                ", " ");
            text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        let (here, there) = (lines(self), lines(other));
        let same = here.iter().zip(&there).take_while(|(here, there)| here == there).count();
        let around = |lines: &[String]| {
            lines
                .iter()
                .skip(same.saturating_sub(9))
                .take(14)
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        };
        format!("{} / {}", around(&here), around(&there))
    }

    pub(super) fn apply(&mut self, record: &Record<'_>) {
        match record {
            Record::Message(message) => self.message(message),
            Record::Sent { session, sequence, packet_id } => {
                self.queue(*session).get_mut(&sequence.0).unwrap().0 = Some(*packet_id);
            }
            Record::Released { session, sequence, packet_id } => {
                self.queue(*session).insert(sequence.0, (Some(*packet_id), None));
            }
            Record::Done { session, sequence } => {
                self.queue(*session).remove(&sequence.0);
            }
            Record::Moved { group, sequence, to } => {
                let (_, mut body) = self.queue(*group).remove(&sequence.0).unwrap();
                if let Some((_, retain, ids)) = &mut body {
                    (*retain, *ids) = (to.retain, to.subscription_ids.as_slice().to_vec());
                }
                if let Some(session) = self.sessions.get_mut(&to.session.0) {
                    session.queue.insert(sequence.0, (to.sent, body));
                }
            }
            Record::Group { group, filter } => {
                self.groups.entry(group.0).or_default().0 = (*filter).to_owned();
            }
            Record::Session(record) => {
                let session = self.sessions.entry(record.session.0).or_insert_with(|| Session {
                    owner: Owner::Unknown,
                    detached_since: None,
                    subscriptions: BTreeMap::new(),
                    receipts: BTreeSet::new(),
                    will: None,
                    queue: BTreeMap::new(),
                });
                session.owner = record.owner.map(|owner| (*owner).to_owned());
                session.detached_since = record.detached_since.map(Timestamp::as_millis);
            }
            Record::SessionEnded { session } => {
                self.sessions.remove(&session.0);
                self.groups.remove(&session.0);
            }
            Record::Subscribed { session, filter, options } => {
                self.session(*session).subscriptions.insert((*filter).into(), *options);
            }
            Record::Unsubscribed { session, filter } => {
                self.session(*session).subscriptions.remove(*filter);
            }
            Record::ReceiptOpened { session, packet_id } => {
                self.session(*session).receipts.insert(*packet_id);
            }
            Record::ReceiptClosed { session, packet_id } => {
                self.session(*session).receipts.remove(packet_id);
            }
            Record::Will(will) => {
                self.session(will.session).will =
                    Some((will.delay, will.content.payload.into(), will.testator.into()));
            }
            Record::WillCleared { session } => self.session(*session).will = None,
            Record::RetainedCleared { topic, .. } => {
                self.retained.remove(*topic);
            }
            Record::Floor { .. } => {}
        }
    }

    fn message(&mut self, message: &MessageRecord<'_>) {
        let payload = message.content.payload.to_vec();
        if message.retained {
            let value = (message.sequence.0, payload.clone());
            self.retained.insert(message.content.topic.into(), value);
        }
        if let Some((session, packet_id)) = message.receipt {
            self.session(session).receipts.insert(packet_id);
        }
        for target in &message.targets {
            let ids = target.subscription_ids.as_slice().to_vec();
            let body = Some((payload.clone(), target.retain, ids));
            self.queue(target.session).insert(target.number(message.sequence).0, (None, body));
        }
    }

    fn session(&mut self, key: SessionKey) -> &mut Session {
        self.sessions.get_mut(&key.0).expect("records are about sessions that live")
    }

    fn queue(&mut self, key: SessionKey) -> &mut BTreeMap<u64, Waiting> {
        if key.group().is_some() {
            return &mut self.groups.get_mut(&key.0).expect("records are about groups that live").1;
        }
        &mut self.session(key).queue
    }

    /// Makes up a record that is legal now, and hands it on.
    pub(super) fn invent(
        &self,
        random: &mut Random,
        next: (u64, u64),
        with: &mut impl FnMut(&Record<'_>),
    ) {
        let keys: Vec<u64> = self.sessions.keys().copied().collect();
        let topic = random.pick(&["a", "a/b", "c/d/e"]).unwrap();
        let payload = vec![
            u8::try_from(random.below(256)).unwrap();
            usize::try_from(random.below(90)).unwrap()
        ];
        let content = content(topic, &payload, random.percent(50));
        // Those in between are for groups.
        let sequence = Sequence(next.0 * 4);
        let packet_id = packet_id(random);
        let key = random.pick(&keys);
        let Some(session) = key.map(SessionKey).filter(|_| random.percent(95)) else {
            let session = SessionKey(if keys.len() < 5 { next.1 } else { keys[0] });
            return with(&new_session(random, session));
        };
        match random.below(28) {
            0..8 => self.invent_message(random, sequence, session, content, with),
            8..16 => self.step(random, session, packet_id, with),
            24..27 => self.step_of_group(random, session, packet_id, with),
            27 => self.invent_group(random, next.1, with),
            16 => with(&Record::SessionEnded { session }),
            17 => with(&new_session(random, session)),
            18 => {
                let options = SubscriptionOptions {
                    subscription_id: random.percent(50).then_some(9),
                    retain_handling: RetainHandling::Never,
                    no_local: random.percent(50),
                    ..SubscriptionOptions::new(QoS::AtLeastOnce)
                };
                with(&Record::Subscribed { session, filter: topic, options });
            }
            19 => with(&Record::Unsubscribed { session, filter: topic }),
            20 => with(&Record::ReceiptOpened { session, packet_id }),
            21 => with(&Record::ReceiptClosed { session, packet_id }),
            22 if random.percent(70) => {
                let (delay, expiry) =
                    (u32::try_from(random.below(9)).unwrap(), random.percent(50).then_some(5));
                let testator = random.pick(&[&b""[..], b"somebody"]).unwrap();
                with(&Record::Will(WillRecord { session, delay, expiry, content, testator }));
            }
            22 => with(&Record::WillCleared { session }),
            _ => with(&Record::RetainedCleared { topic, sequence }),
        }
    }

    fn invent_message(
        &self,
        random: &mut Random,
        sequence: Sequence,
        session: SessionKey,
        content: Content<'_>,
        with: &mut impl FnMut(&Record<'_>),
    ) {
        let (qos, retain) = (content.qos, content.retain);
        let packet_id = packet_id(random);
        let retained = random.percent(20);
        let receipt = random.percent(30).then_some((session, packet_id));
        let mut targets = Vec::new();
        for key in self.sessions.keys().copied() {
            if random.percent(40) {
                continue;
            }
            let ids: SubscriptionIds = (1..=u32::try_from(random.below(4)).unwrap()).collect();
            let session = SessionKey(key);
            targets.push(Target {
                session,
                offset: 0,
                qos,
                retain,
                subscription_ids: ids,
                sent: None,
            });
        }
        for (offset, group) in (1..=3).zip(self.groups.keys()) {
            let session = SessionKey(*group);
            let subscription_ids = SubscriptionIds::NONE;
            let target = Target { session, offset, qos, retain, subscription_ids, sent: None };
            targets.extend(random.percent(50).then_some(target));
        }
        with(&Record::Message(MessageRecord { sequence, content, retained, receipt, targets }));
    }

    fn invent_group(&self, random: &mut Random, next: u64, with: &mut impl FnMut(&Record<'_>)) {
        let groups: Vec<u64> = self.groups.keys().copied().collect();
        if groups.len() < 3 {
            let group = SessionKey::of_group(u32::try_from(next).unwrap());
            return with(&Record::Group { group, filter: "$share/g/a" });
        }
        let session = SessionKey(random.pick(&groups).unwrap());
        if random.percent(30) {
            with(&Record::SessionEnded { session });
        } else {
            with(&Record::Group { group: session, filter: "$share/g/b" });
        }
    }

    /// A session takes a message that waits in a group, or it is over there.
    fn step_of_group(
        &self,
        random: &mut Random,
        session: SessionKey,
        packet_id: PacketId,
        with: &mut impl FnMut(&Record<'_>),
    ) {
        let waiting = self.groups.iter().flat_map(|(group, (_, queue))| {
            queue.keys().take(3).map(|number| (SessionKey(*group), Sequence(*number)))
        });
        let Some((group, sequence)) = random.pick(&waiting.collect::<Vec<_>>()) else { return };
        if random.percent(30) {
            return with(&Record::Done { session: group, sequence });
        }
        let retain = random.percent(50);
        let subscription_ids = (1..=u32::try_from(random.below(3)).unwrap()).collect();
        let (qos, sent) = (QoS::ExactlyOnce, Some(packet_id));
        let to = Target { session, offset: 0, qos, retain, subscription_ids, sent };
        with(&Record::Moved { group, sequence, to });
    }

    /// Goes a step on with some message of a session.
    fn step(
        &self,
        random: &mut Random,
        session: SessionKey,
        packet_id: PacketId,
        with: &mut impl FnMut(&Record<'_>),
    ) {
        let queue = &self.sessions[&session.0].queue;
        let numbers: Vec<u64> = queue.keys().copied().take(4).collect();
        let Some(number) = random.pick(&numbers) else { return };
        let (sequence, is_released) = (Sequence(number), queue[&number].1.is_none());
        match random.below(5) {
            0 if !is_released => with(&Record::Sent { session, sequence, packet_id }),
            1 => with(&Record::Released { session, sequence, packet_id }),
            _ => with(&Record::Done { session, sequence }),
        }
    }
}

fn packet_id(random: &mut Random) -> PacketId {
    PacketId::new(1 + u16::try_from(random.below(6)).unwrap()).unwrap()
}

fn read_queue(store: &mut impl Store, key: SessionKey, queued: usize) -> BTreeMap<u64, Waiting> {
    let queue = store.queue(key, None, ALL).expect("queues can be read");
    assert_eq!(queue.len(), queued);
    let waiting = queue.into_iter().map(|message| {
        let ids = message.subscription_ids.as_slice().to_vec();
        let body = message.content.map(|content| content.payload.to_vec());
        let body = body.map(|payload| (payload, message.retain, ids));
        (message.sequence.0, (message.packet_id, body))
    });
    waiting.collect()
}

fn content<'a>(topic: &'a str, payload: &'a [u8], retain: bool) -> Content<'a> {
    let expires_at = retain.then(|| Timestamp::from_millis(77));
    Content { topic, properties: &[1, 2], payload, qos: QoS::ExactlyOnce, retain, expires_at }
}

fn new_session(random: &mut Random, session: SessionKey) -> Record<'static> {
    Record::Session(SessionRecord {
        session,
        client_id: "client",
        owner: random
            .pick(&[Owner::Unknown, Owner::Nobody, Owner::User(""), Owner::User("alice")])
            .unwrap(),
        expiry: SessionExpiry::from_secs(60),
        detached_since: random.percent(50).then(|| Timestamp::from_millis(1_000)),
    })
}
