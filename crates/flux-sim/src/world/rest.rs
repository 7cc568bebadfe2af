//! The end of a world: faults stop, everybody comes back, everything promised arrives, nothing is left.

use std::collections::BTreeMap;

use super::World;
use super::agenda::Happening;
use crate::model::Judgement;
use crate::plan::{ConnectPlan, Manners};

impl World {
    /// Faults end: who keeps to the rules comes back and reads, the others leave.
    pub(super) fn calm_down(&mut self) {
        self.note(|| "faults are over".to_owned());
        self.is_calm = true;
        for client in 0..self.clients.len() {
            self.clients[client].is_calm = true;
            if self.clients[client].plan.manners == Manners::Cheating {
                if let Some(link) = self.clients[client].link {
                    self.cut(link);
                }
                continue;
            }
            match self.clients[client].link {
                Some(link) if !self.wires[link].is_half_open => self.read_again(link),
                _ => self.agenda.add(self.now, Happening::Return(client)),
            }
        }
        self.agenda.add(self.now + TIME_TO_REST, Happening::Rest(20));
    }

    /// A client comes back to the session that it had.
    pub(super) fn come_back(&mut self, client: usize) {
        let has_link = self.clients[client]
            .link
            .is_some_and(|link| self.wires[link].is_alive && !self.wires[link].is_half_open);
        let cheats = self.clients[client].plan.manners == Manners::Cheating;
        if has_link || cheats || self.clients[client].is_leaving {
            return;
        }
        let worker = self.random.index(self.plan.workers);
        let (clean_start, expiry, keep_alive, will) = (false, 3_600, 0, None);
        self.connect(client, &ConnectPlan { worker, clean_start, expiry, keep_alive, will });
    }

    /// Everything must be at rest, and everything promised must have come.
    pub(super) fn rest(&mut self, tries: u64) -> Judgement {
        self.note(|| "everything must be at rest".to_owned());
        if let Some(worker) = self.nodes.iter().position(|node| !node.is_idle()) {
            if tries == 0 {
                return Err(format!("worker {worker} is not at rest"));
            }
            // Somebody said that it is there.
            self.agenda.add(self.now + 70_000, Happening::Rest(tries - 1));
            return Ok(());
        }
        self.model.nothing_is_owed()?;
        for client in &self.clients {
            if client.plan.manners != Manners::Cheating && !client.is_idle() {
                return Err(format!("{} was not acknowledged what it published", client.plan.name));
            }
        }
        let unsent = self.core.ledger().unsent;
        if unsent > 0 && self.unsent() == 0 {
            return Err(format!("the ledger has {unsent} unsent bytes, and all are sent"));
        }
        self.promises_were_kept()?;
        self.leave();
        Ok(())
    }

    /// Returns how many bytes the network has not taken: who is half-open never takes them.
    fn unsent(&mut self) -> usize {
        let mut sum = 0;
        for wire in self.wires.iter().filter(|wire| wire.is_open) {
            let socket = self.nodes[wire.worker].hands.socket(wire.id);
            sum += socket.map_or(0, |socket| socket.unsent.len());
        }
        sum
    }

    /// What the applications were given, against what was sent to their clients and acknowledged.
    fn promises_were_kept(&self) -> Judgement {
        for (index, client) in self.clients.iter().enumerate() {
            if client.plan.manners == Manners::Cheating {
                continue;
            }
            let mut given: BTreeMap<&[u8], [usize; 3]> = BTreeMap::new();
            for heard in &client.log {
                given.entry(&heard.payload).or_default()[usize::from(heard.qos)] += 1;
            }
            let name = &client.plan.name;
            for (payload, given) in &given {
                let known = self.model.deliveries(index, payload);
                let what = crate::plan::shown(payload);
                if given[2] > known.sent[2] {
                    return Err(format!("{name} was given {what} {} times at QoS 2", given[2]));
                }
                if given[0] > known.sent[0] {
                    return Err(format!("{name} was given {what} {} times at QoS 0", given[0]));
                }
            }
            for (payload, known) in self.model.all_deliveries(index) {
                let given = given.get(payload.as_slice()).copied().unwrap_or_default();
                let is_lazy = client.plan.manners == Manners::Lazy;
                let missing = known.acknowledged[2].saturating_sub(given[2])
                    + known.acknowledged[1].saturating_sub(given[1]);
                if missing > 0 && !is_lazy {
                    let what = crate::plan::shown(payload);
                    return Err(format!("{name} acknowledged {what} and was not given it"));
                }
            }
            self.is_in_order(index)?;
        }
        Ok(())
    }

    /// First deliveries of one publisher on one topic at one QoS come in the order of their numbers, as
    /// long as nobody lost a session on the way.
    fn is_in_order(&self, index: usize) -> Judgement {
        let client = &self.clients[index];
        let is_plain = client.plan.manners == Manners::Correct
            && self.model.is_simple(index)
            && self.model.losses.iter().all(|n| *n == 0);
        if !is_plain || self.clients.iter().any(|client| client.losses > 1) {
            return Ok(());
        }
        let mut publishers = BTreeMap::new();
        for step in &self.plan.steps {
            if let crate::plan::Act::Publish(publisher, message) = &step.act {
                let is_5 = self.clients[*publisher].plan.version.is_5();
                let max = if is_5 { self.plan.settings.max_qos.as_u8() } else { 2 };
                publishers.insert(&message.payload, (*publisher, message.qos.min(max)));
            }
        }
        let mut last: BTreeMap<(usize, &str, u8, u8), &[u8]> = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for heard in client.log.iter().filter(|heard| !heard.retain && !heard.payload.is_empty()) {
            let Some((publisher, qos)) = publishers.get(&heard.payload) else { continue };
            // At QoS 1 it may have been sent again after a later one had come.
            if *qos == 1 || !seen.insert((&heard.payload, heard.qos)) {
                continue;
            }
            let key = (*publisher, heard.topic.as_str(), *qos, heard.qos);
            let before = last.insert(key, heard.payload.get(..4).unwrap_or_default());
            if before > Some(heard.payload.get(..4).unwrap_or_default()) {
                let what = crate::plan::shown(&heard.payload);
                return Err(format!("{} was given {what} after a later one", client.plan.name));
            }
        }
        Ok(())
    }

    /// Everybody ends the session that it has.
    fn leave(&mut self) {
        for client in 0..self.clients.len() {
            self.clients[client].is_leaving = true;
            let worker = self.random.index(self.plan.workers);
            let (clean_start, expiry, keep_alive, will) = (true, 0, 0, None);
            self.connect(client, &ConnectPlan { worker, clean_start, expiry, keep_alive, will });
        }
        self.agenda.add(self.now + TIME_TO_LEAVE, Happening::Empty);
    }

    /// Nothing may be left of anybody, but what is retained.
    pub(super) fn is_empty(&mut self) -> Judgement {
        self.note(|| "nothing may be left".to_owned());
        let held = self.core.ledger();
        let sum = |count: fn(&flux_mqtt::Worker) -> usize| {
            self.nodes.iter().map(|node| count(&node.worker)).sum::<usize>()
        };
        let left = [
            ("sessions", self.core.sessions().len()),
            ("shared subscriptions", self.core.shares().len()),
            ("routes", self.core.routes()),
            ("due sessions", self.core.due_sessions()),
            ("connections", sum(flux_mqtt::Worker::connections)),
            ("timers", sum(flux_mqtt::Worker::timers)),
            ("bytes of sessions", usize::try_from(held.sessions).unwrap_or(usize::MAX)),
            ("bytes of shared subscriptions", usize::try_from(held.shared).unwrap_or(usize::MAX)),
            ("unsent bytes", usize::try_from(held.unsent).unwrap_or(usize::MAX)),
        ];
        match left.into_iter().find(|(_, count)| *count > 0) {
            Some((what, count)) => Err(format!("{count} {what} are left, and nobody is there")),
            None => {
                self.agenda.clear();
                Ok(())
            }
        }
    }

    /// What the broker shows is what the model thinks, and its ledger is right.
    pub(super) fn compare(&mut self) -> Judgement {
        let views = self.core.sessions();
        let shares = self.core.shares();
        let held = self.core.ledger();
        let sessions: usize = views.iter().map(|view| view.held_bytes).sum();
        if u64::try_from(sessions) != Ok(held.sessions) {
            return Err(format!(
                "the ledger has {} bytes of sessions, they hold {sessions}",
                held.sessions
            ));
        }
        let waiting: usize = shares.iter().map(|view| view.queued_bytes).sum();
        if u64::try_from(waiting) != Ok(held.shared) {
            return Err(format!("the ledger has {} shared bytes, {waiting} wait", held.shared));
        }
        for topic in std::mem::take(&mut self.model.touched) {
            let kept = self.core.retained().get(&topic);
            let is_right = match self.model.retained(&topic) {
                None => kept.is_none(),
                Some((payload, is_old)) => {
                    is_old || kept.is_some_and(|kept| kept.payload[..] == *payload)
                }
            };
            if !is_right {
                return Err(format!("what is retained of {topic} is not what was set last"));
            }
        }
        for (worker, node) in self.nodes.iter().enumerate() {
            let (timers, connections) = (node.worker.timers(), node.worker.connections());
            if timers > connections {
                return Err(format!(
                    "worker {worker} has {timers} timers for {connections} connections"
                ));
            }
        }
        self.model.compare(&views, &shares)
    }
}

/// In which everything promised must arrive.
const TIME_TO_REST: u64 = 30_000_000;

/// In which everybody can leave.
const TIME_TO_LEAVE: u64 = 5_000_000;
