//! What was promised, and what came: one book for a world.

use std::collections::{BTreeMap, BTreeSet};

/// A message, by its publisher and its number there.
pub(super) type Name = (usize, u32);

/// What is known of a message.
#[derive(Debug, Default)]
struct Entry {
    qos: u8,
    is_acknowledged: bool,
    /// Subscribers that had their SUBACK before it was first sent, and whether at QoS 2.
    owed: BTreeMap<usize, u8>,
    /// Somebody shared a subscription by then.
    is_owed_to_group: bool,
}

/// Promises and deliveries.
#[derive(Debug, Default)]
pub(super) struct Book {
    messages: BTreeMap<Name, Entry>,
    /// Messages that the broker may have refused once: sent again, they may come late.
    refused: BTreeSet<Name>,
    /// What came to each subscriber, in order.
    got: BTreeMap<usize, Vec<Name>>,
    /// What came to some member of the shared subscription.
    got_shared: BTreeSet<Name>,
    /// The last retained message that was acknowledged, and the last that was sent, by publisher.
    retained: BTreeMap<usize, (u32, u32)>,
}

impl Book {
    /// A message goes out for the first time.
    pub(super) fn sent(
        &mut self,
        name: Name,
        qos: u8,
        owed: BTreeMap<usize, u8>,
        is_owed_to_group: bool,
    ) {
        self.messages.insert(name, Entry { qos, is_acknowledged: false, owed, is_owed_to_group });
    }

    /// The broker takes packets from a client while it knows that its store fails: it may refuse the messages
    /// among them, whether or not their publisher ever hears of that.
    pub(super) fn may_be_refused(&mut self, publisher: usize, mut packets: &[u8]) {
        while let [first, len, rest @ ..] = packets {
            let Some((body, behind)) = rest.split_at_checked(usize::from(*len)) else { return };
            if let (3, [0, topic, rest @ ..]) = (first >> 4, body)
                && let Some([high, low, ..]) = rest.get(usize::from(*topic)..)
            {
                let number = u32::from(u16::from_be_bytes([*high, *low]));
                self.refused.insert((publisher, number));
            }
            packets = behind;
        }
    }

    /// Its publisher was promised it.
    pub(super) fn acknowledged(&mut self, name: Name) {
        if let Some(entry) = self.messages.get_mut(&name) {
            entry.is_acknowledged = true;
        }
    }

    pub(super) fn retained_sent(&mut self, publisher: usize, number: u32) {
        self.retained.entry(publisher).or_default().1 = number;
    }

    pub(super) fn retained_acknowledged(&mut self, publisher: usize, number: u32) {
        let last = &mut self.retained.entry(publisher).or_default().0;
        *last = number.max(*last);
    }

    /// A message came to a subscriber, as one that it has not had under this identifier.
    ///
    /// # Errors
    ///
    /// When it came before at QoS 2, or out of its order.
    pub(super) fn got(&mut self, subscriber: usize, name: Name, qos: u8) -> Result<(), String> {
        let (publisher, number) = name;
        let before = self.got.entry(subscriber).or_default();
        let is_again = before.contains(&name);
        if is_again && qos == 2 {
            return Err(format!("{publisher}/{number} came to {subscriber} twice at QoS 2"));
        }
        let qos_of = |name: &Name| self.messages.get(name).map(|entry| entry.qos);
        let later = before.iter().find(|(other, later)| {
            *other == publisher && *later > number && qos_of(&(*other, *later)) == qos_of(&name)
        });
        // One from before the subscription may come when it is sent again.
        let entry = self.messages.get(&name);
        let is_owed = entry.is_none_or(|entry| entry.owed.contains_key(&subscriber));
        let may_be_late = is_again || !is_owed || self.refused.contains(&name);
        if let Some((_, later)) = later.filter(|_| !may_be_late) {
            return Err(format!("{publisher}/{number} came to {subscriber} after {later}"));
        }
        before.push(name);
        Ok(())
    }

    /// A message came to a member of the shared subscription, as one that it has not had under this identifier.
    ///
    /// # Errors
    ///
    /// When it came to some member before, at QoS 2.
    pub(super) fn got_shared(&mut self, member: usize, name: Name, qos: u8) -> Result<(), String> {
        let (publisher, number) = name;
        if !self.got_shared.insert(name) && qos == 2 {
            return Err(format!(
                "{publisher}/{number} came to {member} of the group again at QoS 2"
            ));
        }
        Ok(())
    }

    /// Says what is missing, once everything has come to rest.
    ///
    /// # Errors
    ///
    /// When something that was promised did not come.
    pub(super) fn close(&self) -> Result<(), String> {
        for (name, entry) in self.messages.iter().filter(|(_, entry)| entry.is_acknowledged) {
            if entry.is_owed_to_group && !self.got_shared.contains(name) {
                let (publisher, number) = name;
                return Err(format!(
                    "{publisher}/{number} was acknowledged and never came to the group"
                ));
            }
            for subscriber in entry.owed.keys() {
                if !self.got.get(subscriber).is_some_and(|got| got.contains(name)) {
                    let (publisher, number) = name;
                    return Err(format!(
                        "{publisher}/{number} was acknowledged and never came to {subscriber}"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Judges the retained messages that somebody found.
    ///
    /// # Errors
    ///
    /// When one is older than the last that was acknowledged, or was never sent.
    pub(super) fn judge_retained(&self, found: &BTreeMap<usize, u32>) -> Result<(), String> {
        for (publisher, (acknowledged, sent)) in &self.retained {
            let number = found.get(publisher).copied().unwrap_or(0);
            let is_late = self.refused.contains(&(*publisher, number));
            if !is_late && !(*acknowledged..=*sent).contains(&number) {
                return Err(format!(
                    "retained of {publisher} is {number}, acknowledged was {acknowledged}, sent {sent}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn acknowledgements(&self) -> u64 {
        self.messages.values().filter(|entry| entry.is_acknowledged).count() as u64
    }

    pub(super) fn deliveries(&self) -> u64 {
        let distinct = self.got.values().map(|got| got.iter().collect::<BTreeSet<_>>().len());
        (distinct.sum::<usize>() + self.got_shared.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Publish, Sent, Version, write};

    fn publish(id: u16) -> Vec<u8> {
        let packet = Sent::Publish(Publish {
            topic: "t/0".to_owned(),
            payload: format!("0 {id}").into_bytes(),
            qos: 2,
            retain: false,
            dup: false,
            id,
            expiry: None,
            alias: None,
            subscriptions: Vec::new(),
        });
        write(Version::V5, &packet)
    }

    fn book() -> Book {
        let mut book = Book::default();
        for number in 1..4 {
            book.sent((0, number), 2, BTreeMap::from([(5, 2)]), false);
        }
        book
    }

    #[test]
    fn only_what_may_have_been_refused_comes_late() {
        let mut book = book();
        book.may_be_refused(0, &[publish(1), vec![0x62, 2, 0, 2], publish(3)].concat());
        assert_eq!(book.refused, BTreeSet::from([(0, 1), (0, 3)]));
        assert_eq!(book.got(5, (0, 3), 2), Ok(()));
        assert_eq!(book.got(5, (0, 1), 2), Ok(()));
        let late = book.got(5, (0, 2), 2).unwrap_err();
        assert_eq!(late, "0/2 came to 5 after 3");
    }

    #[test]
    fn what_may_have_been_refused_comes_once_and_comes() {
        let mut book = book();
        book.may_be_refused(0, &publish(1));
        book.acknowledged((0, 1));
        assert!(book.close().is_err());
        assert_eq!(book.got(5, (0, 1), 2), Ok(()));
        assert!(book.got(5, (0, 1), 2).is_err());
        assert_eq!(book.close(), Ok(()));
    }
}
