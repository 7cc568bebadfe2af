//! A worker does one thing after the other, in any order that its driver could have chosen.

use std::collections::VecDeque;

use flux_auth::{Authentication, Identity, Refusal};
use flux_eventbus::Event;
use flux_mqtt::{Input, Letter, Worker};

use super::agenda::Happening;
use super::network::Question;
use super::{World, shown};
use crate::hands::{Done, Hands, LinkId};
use crate::model::{Judgement, Unit};
use crate::plan::Micros;
use crate::rules::Rules;

/// A worker and what surrounds it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) worker: Worker,
    pub(super) hands: Hands,
    /// Letters, by who wrote them; the last are from outside.
    pub(super) mail: Vec<VecDeque<Letter>>,
    /// What else it is to be told, in order.
    pub(super) inputs: VecDeque<Input>,
    /// Which connection each of these is about.
    pub(super) subjects: VecDeque<Option<LinkId>>,
    /// Its turn is to be finished.
    is_turn_due: bool,
    /// When it wants to be told the time, by the broker's clock.
    alarm: Option<u64>,
    pub(super) stalled_until: Micros,
    is_scheduled: bool,
}

/// One thing that a worker could do next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Mail(usize),
    Input,
    Read(LinkId),
    Close(LinkId),
    Turn,
}

impl Node {
    pub(super) fn new(worker: Worker, workers: usize) -> Self {
        Self {
            worker,
            hands: Hands::default(),
            mail: (0..=workers).map(|_| VecDeque::new()).collect(),
            inputs: VecDeque::new(),
            subjects: VecDeque::new(),
            is_turn_due: false,
            alarm: None,
            stalled_until: 0,
            is_scheduled: false,
        }
    }

    /// Whether it has nothing to do before its alarm.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_turn_due
            && !self.worker.has_dirty()
            && self.inputs.is_empty()
            && self.mail.iter().all(VecDeque::is_empty)
    }
}

impl World {
    /// Has a worker do something soon.
    pub(super) fn wake(&mut self, worker: usize) {
        let node = &mut self.nodes[worker];
        if !std::mem::replace(&mut node.is_scheduled, true) {
            let at = node.stalled_until.max(self.now) + self.random.below(self.plan.pace + 1);
            self.agenda.add(at, Happening::Work(worker));
        }
    }

    /// A worker does one of the things that it could do.
    pub(super) fn work(&mut self, worker: usize) -> Judgement {
        self.nodes[worker].is_scheduled = false;
        if self.nodes[worker].stalled_until > self.now {
            self.wake(worker);
            return Ok(());
        }
        let choices = self.choices(worker);
        if choices.is_empty() {
            return Ok(());
        }
        self.work += 1;
        let choice = choices[self.random.index(choices.len())];
        if choices.len() > 1 {
            self.wake(worker);
        }
        match choice {
            Choice::Mail(from) => {
                let Some(letter) = self.nodes[worker].mail[from].pop_front() else { return Ok(()) };
                self.note(|| format!("worker {worker} reads {letter:?}"));
                self.input(worker, Input::Letter(letter), None)
            }
            Choice::Input => {
                let node = &mut self.nodes[worker];
                let subject = node.subjects.pop_front().flatten();
                let Some(input) = node.inputs.pop_front() else { return Ok(()) };
                self.note(|| format!("worker {worker} is told {input:?}"));
                self.input(worker, input, subject)
            }
            Choice::Read(link) => self.receive(worker, link),
            Choice::Close(link) => self.close(worker, link),
            Choice::Turn => self.finish_turn(worker),
        }
    }

    fn choices(&mut self, worker: usize) -> Vec<Choice> {
        let node = &mut self.nodes[worker];
        let mut choices = Vec::new();
        for (from, letters) in node.mail.iter().enumerate() {
            if !letters.is_empty() {
                choices.push(Choice::Mail(from));
            }
        }
        if !node.inputs.is_empty() {
            choices.push(Choice::Input);
        }
        if node.is_turn_due {
            choices.push(Choice::Turn);
        }
        // What is told before a connection is opened is not about it.
        for (link, wire) in self.wires.iter().enumerate().skip(self.oldest) {
            if !wire.is_open || wire.worker != worker || !wire.is_known {
                continue;
            }
            let Some(socket) = node.hands.socket(wire.id) else { continue };
            if socket.is_closing || wire.is_gone {
                choices.push(Choice::Close(link));
            }
            if !socket.is_closing && !socket.is_paused && wire.is_fresh {
                choices.push(Choice::Read(link));
            }
        }
        choices
    }

    /// A worker is given one input.
    fn input(&mut self, worker: usize, input: Input, subject: Option<LinkId>) -> Judgement {
        if let Input::Opened { connection, .. } = &input {
            let opened = self.nodes[worker].hands.socket(*connection).map(|socket| socket.link);
            if let Some(link) = opened {
                self.wires[link].is_known = true;
            }
        }
        if let (Some(link), Input::Authorized { .. }) = (subject, &input) {
            self.model.answered(link);
        }
        let now = self.timestamp();
        let node = &mut self.nodes[worker];
        node.worker.handle(now, input, &mut node.hands);
        node.is_turn_due = true;
        self.judge(worker, subject, Vec::new())
    }

    /// A worker is given some of the bytes that arrived.
    fn receive(&mut self, worker: usize, link: LinkId) -> Judgement {
        let now = self.timestamp();
        let len = self.piece(link);
        let wire = &mut self.wires[link];
        let node = &mut self.nodes[worker];
        let received = node.worker.receive(now, wire.id, &wire.inbound[..len], &mut node.hands);
        node.is_turn_due |= node.worker.has_dirty();
        wire.inbound.drain(..received.consumed);
        wire.taken += u64::try_from(received.consumed).unwrap_or_default();
        // Nothing was complete in all that there is.
        wire.is_fresh = received.consumed > 0 || len < wire.inbound.len();
        let mut frames = Vec::new();
        while let Some((_, frame)) = wire.frames.pop_front_if(|(end, _)| *end <= wire.taken) {
            frames.push(frame);
        }
        if !frames.is_empty() {
            self.note(|| format!("worker {worker} takes {frames:?} from {}", shown(link)));
        }
        self.judge(worker, Some(link), frames)
    }

    /// How much of what arrived a worker is given: all, or not more than one packet and a bit.
    fn piece(&mut self, link: LinkId) -> usize {
        let wire = &self.wires[link];
        let all = wire.inbound.len();
        if self.plan.batches || self.random.chance(10) {
            return all;
        }
        let ends = wire.frames.iter().map(|(end, _)| end - wire.taken).take(2);
        let ends: Vec<usize> = ends.map(|end| usize::try_from(end).unwrap_or(all)).collect();
        match ends.as_slice() {
            [first, second] if *second <= all => first + self.random.index(second - first),
            _ => all,
        }
    }

    /// A worker is told that a connection is gone, or finds it closed by itself.
    fn close(&mut self, worker: usize, link: LinkId) -> Judgement {
        let now = self.timestamp();
        let id = self.wires[link].id;
        let node = &mut self.nodes[worker];
        let unsent = node.hands.socket(id).map(|socket| std::mem::take(&mut socket.unsent));
        self.note(|| format!("worker {worker} is told that {} is closed", shown(link)));
        let node = &mut self.nodes[worker];
        node.worker.handle(now, Input::Closed(id), &mut node.hands);
        node.is_turn_due = true;
        self.judge_closed(worker, link)?;
        self.nodes[worker].hands.close(id);
        self.hang_up(link, unsent.unwrap_or_default());
        Ok(())
    }

    fn finish_turn(&mut self, worker: usize) -> Judgement {
        let now = self.timestamp();
        let node = &mut self.nodes[worker];
        node.worker.finish_turn(now, &mut node.hands);
        node.is_turn_due = node.worker.has_dirty();
        let next = node.worker.next_deadline().map(flux_mqtt::Timestamp::as_millis);
        if node.alarm != next {
            node.alarm = next;
            self.set_alarm(worker);
        }
        self.judge(worker, None, Vec::new())
    }

    /// Has a worker woken when it wants to be.
    pub(super) fn set_alarm(&mut self, worker: usize) {
        if let Some(moment) = self.nodes[worker].alarm {
            self.agenda.add(self.moment(moment), Happening::Alarm(worker, moment));
        }
    }

    /// The alarm of a worker.
    pub(super) fn ring(&mut self, worker: usize, moment: u64) {
        let node = &mut self.nodes[worker];
        if node.alarm == Some(moment) {
            node.alarm = None;
            node.inputs.push_back(Input::Time);
            node.subjects.push_back(None);
            self.wake(worker);
        }
    }

    /// The authenticator or the authorizer answers.
    pub(super) fn answered(&mut self, link: LinkId) {
        let refuses = if self.is_calm { 0 } else { self.plan.refuses };
        let is_refused = self.random.chance(refuses);
        let wire = &mut self.wires[link];
        let connection = wire.id;
        let input = match wire.question.take() {
            None => return,
            Some(Question::Who) => Input::Authenticated {
                valid_for: None,
                connection,
                authentication: match is_refused {
                    true => Authentication::Refused(Refusal::ServerUnavailable),
                    false => Authentication::Accepted(Identity::anonymous()),
                },
            },
            Some(Question::May(requests)) => {
                let verdicts = requests.iter().map(|r| Rules::verdict(r.as_access())).collect();
                Input::Authorized { connection, verdicts }
            }
        };
        let worker = wire.worker;
        self.nodes[worker].inputs.push_back(input);
        self.nodes[worker].subjects.push_back(Some(link));
        self.wake(worker);
    }

    /// The model is told that a connection is gone, beside what the worker did about it.
    fn judge_closed(&mut self, worker: usize, link: LinkId) -> Judgement {
        self.nodes[worker].hands.done.insert(0, Done::Closed(link));
        self.judge(worker, Some(link), Vec::new())
    }

    /// Judges what a worker did, then does what it wanted done.
    fn judge(
        &mut self,
        worker: usize,
        link: Option<LinkId>,
        frames: Vec<crate::packet::Sent>,
    ) -> Judgement {
        let done = std::mem::take(&mut self.nodes[worker].hands.done);
        if self.trace.is_some() {
            for done in &done {
                self.note(|| format!("  worker {worker}: {}", told(done)));
            }
        }
        self.model.judge(Unit { now: self.clock(), link, frames, done: &done })?;
        self.compare()?;
        for done in done {
            if let (Some(link), Done::Event(Event::Connected { session_present, .. })) =
                (link, &done)
            {
                self.wires[link].is_present = *session_present;
            }
            self.carry_out(worker, done);
        }
        if !self.choices(worker).is_empty() {
            self.wake(worker);
        }
        Ok(())
    }

    fn carry_out(&mut self, worker: usize, done: Done) {
        match done {
            Done::Sent(link, _) => self.pump_soon(link),
            Done::Letter(to, letter) => {
                self.nodes[to.0].mail[worker].push_back(letter);
                self.wake(to.0);
            }
            Done::Authenticate(link) => self.ask(link, Question::Who),
            Done::Authorize(link, requests) => self.ask(link, Question::May(requests)),
            Done::Closed(_)
            | Done::Paused(_)
            | Done::Persist(..)
            | Done::Load(..)
            | Done::Event(_)
            | Done::Panicked => {}
        }
    }

    fn ask(&mut self, link: LinkId, question: Question) {
        self.wires[link].question = Some(question);
        let delay = self.random.pick(&[0, 500, 100_000]);
        self.agenda.add(self.now + self.random.below(delay + 1), Happening::Answer(link));
    }
}

/// What a worker did, for who reads a trace.
fn told(done: &Done) -> String {
    match done {
        Done::Sent(link, bytes) => format!("sends {bytes:02x?} over {}", shown(*link)),
        Done::Closed(link) => format!("closes {}", shown(*link)),
        other => format!("{other:?}"),
    }
}
