//! A client is admitted: its session goes on or a new one begins.

use super::answers::Answer;
use super::session::{Session, Will};
use super::{Judgement, Model};
use crate::hands::{Done, LinkId};
use crate::packet::{Connect, Sent, Version};

impl Model {
    /// Applies an admission at the start of the unit in which it is told: what else is done there is
    /// done after it.
    pub(super) fn admit(&mut self, id: LinkId, done: &[Done]) -> Judgement {
        let Some(link) = self.links.get(&id) else { return Ok(()) };
        let Some(present) = done.iter().find_map(|done| self.admission(link, done)) else {
            return Ok(());
        };
        let client = link.client;
        while let Some(Sent::Connect(connect)) =
            self.frames.pop_front_if(|frame| matches!(frame, Sent::Connect(_)))
        {
            self.connects(id, connect);
        }
        let Some(connect) = self.links.get(&id).and_then(|link| link.connect.clone()) else {
            return Err(format!("c{client} was admitted without CONNECT"));
        };
        let expected = self.goes_on(client, connect.clean_start);
        if !self.is_cheater(client) && present != expected {
            let was =
                if expected { "was there and does not go on" } else { "goes on, and is over" };
            return Err(format!("the session of c{client} {was}"));
        }
        if present {
            self.resume(client);
        } else {
            self.replace(client);
        }
        let window = usize::from(connect.receive_maximum.unwrap_or(u16::MAX));
        let cap = usize::from(self.settings.session.receive_maximum_cap.max(1));
        let cheats = self.is_cheater(client);
        let session = self.sessions.entry(client).or_insert_with(Session::new);
        session.holder = Some(id);
        session.expiry = connect.expiry;
        session.window = window.min(cap);
        let will = connect.will.as_ref().filter(|_| !cheats);
        session.will = will.map(|(publish, delay)| Will {
            message: crate::plan::PublishPlan {
                topic: publish.topic.clone(),
                payload: publish.payload.clone(),
                qos: publish.qos,
                retain: publish.retain,
                expiry: publish.expiry,
            },
            delay: u64::from(*delay) * 1_000,
        });
        for exchange in &mut session.in_flight {
            exchange.is_carried = false;
        }
        if let Some(link) = self.links.get_mut(&id) {
            link.is_online = true;
            link.heard = self.now;
        }
        // MQTT 3.1 has no flag for it.
        let present = present && self.clients[client].version != Version::V31;
        self.expect(id, Answer::Welcome { present });
        Ok(())
    }

    /// CONNECT was taken.
    pub(super) fn connects(&mut self, id: LinkId, connect: Connect) {
        if let Some(link) = self.links.get_mut(&id) {
            link.connect = Some(connect);
        }
    }

    /// Whether the session of a client goes on with a CONNECT that is admitted now.
    fn goes_on(&self, client: usize, clean_start: bool) -> bool {
        self.sessions.get(&client).is_some_and(|session| {
            let has_expired = session.end_moment().is_some_and(|moment| moment <= self.now);
            !clean_start && !session.is_over && session.expiry > 0 && !has_expired
        })
    }

    /// The session goes on: the will of the connection before is due, or it is not any more.
    fn resume(&mut self, client: usize) {
        self.judged.resumed += 1;
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&client) else { return };
        let is_due = match session.holder {
            Some(_) => session.will.as_ref().is_some_and(|will| will.delay == 0),
            None => session.will_moment().is_some_and(|moment| moment <= now),
        };
        if let Some(will) = session.will.take_if(|_| is_due) {
            self.wills_due.push((client, will));
        }
    }

    /// A new session begins; the end of the one before is still to be told.
    fn replace(&mut self, client: usize) {
        if let Some(mut session) = self.sessions.remove(&client) {
            session.holder = None;
            self.losses[client] += 1;
            self.ending.push((client, session));
        }
    }
}
