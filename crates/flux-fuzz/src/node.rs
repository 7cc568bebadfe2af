//! A worker with its connections and its mailbox, driven as the ntex driver does.

use std::collections::VecDeque;

use flux_auth::{
    AccessRequest, Authentication, Authorizer as _, Decision, Identity, Refusal, Verdict,
};
use flux_mqtt::{ConnectionId, Core, Input, Letter, Worker, WorkerId};
use flux_session::Timestamp;

use crate::effects::Hands;
use crate::rights::{BYSTANDER, Rights};
use crate::socket::Socket;

/// A worker with what surrounds it.
pub(crate) struct Node {
    pub(crate) worker: Worker,
    pub(crate) hands: Hands,
    pub(crate) mail: VecDeque<Letter>,
    packet_size: usize,
    /// The connection of the client that alone may call itself the bystander.
    pub(crate) bystander: Option<ConnectionId>,
    /// Places that connections left, and how many there are.
    free: Vec<u32>,
    places: u32,
    stamp: u32,
}

impl Node {
    pub(crate) fn new(core: &Core, id: usize, packet_size: u32) -> Self {
        Self {
            worker: core.worker(WorkerId(id), 7),
            hands: Hands::default(),
            mail: VecDeque::new(),
            packet_size: usize::try_from(packet_size).unwrap_or(usize::MAX),
            bystander: None,
            free: Vec::new(),
            places: 0,
            stamp: 0,
        }
    }

    pub(crate) fn open(&mut self, now: Timestamp) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places += 1;
            self.places - 1
        });
        self.stamp += 1;
        let connection = ConnectionId { index, stamp: self.stamp };
        self.hands.sockets.insert(connection, Socket::new());
        self.input(now, Input::Opened { connection, peer: None, listener: None, terms: None });
        connection
    }

    pub(crate) fn socket(&mut self, id: ConnectionId) -> Option<&mut Socket> {
        self.hands.sockets.get_mut(&id)
    }

    /// Hands one input to the worker and looks at what it did.
    pub(crate) fn input(&mut self, now: Timestamp, input: Input) {
        self.worker.handle(now, input, &mut self.hands);
        self.look();
    }

    /// The network connection is gone.
    pub(crate) fn close(&mut self, now: Timestamp, id: ConnectionId) {
        if !self.hands.sockets.contains_key(&id) {
            return;
        }
        self.input(now, Input::Closed(id));
        self.hands.sockets.remove(&id);
        self.hands.asked_who.retain(|(asked, _)| *asked != id);
        self.hands.asked_rights.retain(|(asked, ..)| *asked != id);
        self.free.push(id.index);
    }

    /// Hands over what arrived on one connection; returns whether anything was taken.
    pub(crate) fn receive(&mut self, now: Timestamp, id: ConnectionId) -> bool {
        let mut progress = false;
        while let Some(socket) = self.hands.sockets.get_mut(&id)
            && socket.is_readable()
        {
            let mut bytes = std::mem::take(&mut socket.arrived);
            let received = self.worker.receive(now, id, &bytes, &mut self.hands);
            assert!(received.consumed <= bytes.len(), "more was taken than there is");
            let taken: Vec<u8> = bytes.drain(..received.consumed).collect();
            if let Some(socket) = self.hands.sockets.get_mut(&id) {
                socket.conversation.took(&taken);
                socket.arrived = bytes;
                socket.has_more = received.again;
                let waits = socket.arrived.len();
                assert!(
                    !socket.is_readable() || received.again || waits <= self.packet_size,
                    "{waits} bytes wait, a packet has at most {}",
                    self.packet_size
                );
            }
            self.look();
            progress |= !taken.is_empty();
            if taken.is_empty() || received.again {
                break;
            }
        }
        progress
    }

    /// Ends the turn, and tells of connections that are closed by now.
    pub(crate) fn finish_turn(&mut self, now: Timestamp) {
        self.worker.finish_turn(now, &mut self.hands);
        self.look();
        for id in self.ids() {
            if self.socket(id).is_some_and(|socket| socket.is_closing) {
                self.close(now, id);
            }
        }
    }

    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        self.hands.sockets.keys().copied().collect()
    }

    /// Delivers a letter, if there is one.
    pub(crate) fn deliver(&mut self, now: Timestamp) -> bool {
        let Some(letter) = self.mail.pop_front() else { return false };
        self.input(now, Input::Letter(letter));
        true
    }

    /// Tells the worker of connections that it may send to again.
    pub(crate) fn tell_writable(&mut self, now: Timestamp) -> bool {
        let mut progress = false;
        for id in self.ids() {
            if let Some(socket) = self.socket(id)
                && socket.is_writable()
                && !socket.is_closing
            {
                socket.wants_writable = false;
                self.input(now, Input::Writable(id));
                progress = true;
            }
        }
        progress
    }

    /// Answers who somebody is. Nobody but the bystander is the bystander.
    pub(crate) fn introduce(&mut self, now: Timestamp, answer: Option<Refusal>) -> bool {
        if self.hands.asked_who.is_empty() {
            return false;
        }
        let (connection, credentials) = self.hands.asked_who.remove(0);
        let is_forged = &*credentials.client_id == BYSTANDER && self.bystander != Some(connection);
        let authentication = match answer {
            _ if is_forged => Authentication::Refused(Refusal::NotAuthorized),
            Some(refusal) => Authentication::Refused(refusal),
            None => Authentication::Accepted(Identity::anonymous()),
        };
        self.input(now, Input::Authenticated { connection, authentication, valid_for: None });
        true
    }

    /// Answers what somebody may do: each bit is a verdict.
    pub(crate) fn authorize(&mut self, now: Timestamp, bits: u8) -> bool {
        if self.hands.asked_rights.is_empty() {
            return false;
        }
        let (connection, client, requests) = self.hands.asked_rights.remove(0);
        let verdict = |(request, index): (&AccessRequest, usize)| {
            let decision = Rights { asks: true }.decide(&client, request.as_access());
            assert_eq!(decision, Decision::Ask, "what is decided is asked: {request:?}");
            if bits >> (index % 8) & 1 == 1 { Verdict::Allow } else { Verdict::Deny }
        };
        let verdicts = requests.iter().zip(0..).map(verdict).collect();
        self.input(now, Input::Authorized { connection, verdicts });
        true
    }

    /// Time has passed; whoever waits for it is told.
    pub(crate) fn tell_time(&mut self, now: Timestamp) {
        if self.worker.next_deadline().is_some_and(|due| due <= now) {
            self.input(now, Input::Time);
        }
    }

    /// Reads what was sent.
    fn look(&mut self) {
        assert_eq!(self.hands.panics, 0, "a panic was caught");
        assert!(self.hands.lost.is_empty(), "sent where it is closed: {:02x?}", self.hands.lost);
        for (id, socket) in &mut self.hands.sockets {
            if !socket.sent.is_empty() {
                let sent = std::mem::take(&mut socket.sent);
                socket.conversation.hear(&sent);
                let is_over = socket.conversation.is_over;
                assert!(!is_over || socket.is_closing, "{id:?} has said goodbye and stays");
            }
        }
    }
}
