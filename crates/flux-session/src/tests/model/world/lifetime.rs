//! Connections begin and end, and so does the session.

use super::World;
use crate::tests::model::{Connect, Numbered};
use crate::{Connection, Delivery, Departure, Dropped, Due, SessionExpiry, Will};

impl World {
    /// A client connects: to this session if it continues, else to a new one.
    pub(super) fn connect(&mut self, connect: Connect) {
        let Connect { clean_start, receive_maximum, expiry, will_delay } = connect;
        let continues = self.life.continues(self.now, clean_start);
        assert_eq!(self.session.continues(self.now, clean_start), continues);
        if !continues {
            self.end();
        }
        self.client.disconnect();
        self.last_again = None;
        let will =
            will_delay.map(|delay| Will { message: self.message(50, None), delay, expiry: None });
        let connection = Connection {
            receive_maximum,
            expiry: SessionExpiry::from_secs(expiry),
            will: will.clone(),
        };
        let before = self.session.attach(self.now, connection);
        assert_eq!(before, self.life.attach(self.now, expiry, will));
        self.promises.attach(self.now, receive_maximum);
    }

    pub(super) fn detach(&mut self, discard_will: bool, expiry: Option<u32>) {
        self.client.disconnect();
        let departure = Departure { discard_will, expiry: expiry.map(SessionExpiry::from_secs) };
        let unsent = self.session.detach(self.now, departure);
        self.life.detach(self.now, discard_will, expiry);
        let expected = self.promises.detach();
        self.check_given_back(&unsent, &expected);
    }

    /// Somebody does what is due.
    pub(super) fn look(&mut self) {
        loop {
            let due = self.session.due(self.now);
            assert_eq!(due, self.life.due(self.now));
            match due {
                Some(Due::Will(_)) => {}
                Some(Due::End) => self.end(),
                None => return,
            }
        }
    }

    /// The session ends, and a new one takes its place; the client forgets its own.
    pub(super) fn end(&mut self) {
        let mut remains = self.session.end();
        self.client.forget();
        self.inbound.clear();
        self.subscriptions.clear();
        self.last_again = None;
        assert_eq!(remains.will, self.life.end());
        self.check_dropped(&remains.dropped);
        let given_back: Vec<_> = remains.take_shared().iter().map(number).collect();
        let ended = self.promises.end();
        assert_eq!(given_back, ended.given_back);
        let mut lost: Vec<_> = remains.messages().map(|message| message.number).collect();
        lost.sort_unstable();
        assert_eq!((remains.len(), lost), (ended.lost.len(), ended.lost));
    }

    /// What comes back unsent was never on its way.
    pub(super) fn check_given_back(&self, given_back: &[Delivery<Numbered>], expected: &[u32]) {
        let numbers: Vec<_> = given_back.iter().map(number).collect();
        assert_eq!(numbers, expected);
        for number in numbers {
            assert_eq!(self.client.delivered(number), 0, "message {number} was sent");
        }
    }

    pub(super) fn check_dropped(&mut self, dropped: &[Dropped<Numbered>]) {
        let dropped: Vec<_> = dropped.iter().map(|d| (number(&d.delivery), d.reason)).collect();
        assert_eq!(dropped, std::mem::take(&mut self.promises.dropped));
    }
}

fn number(delivery: &Delivery<Numbered>) -> u32 {
    delivery.message.number
}
