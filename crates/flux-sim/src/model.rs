//! A broker written down slowly: what each thing that happens must lead to, and what must not be.
//!
//! The model is told, one after the other, what a worker was given and what it did: the frames it took,
//! the bytes it sent, the events it told. From that it keeps what every client is owed, with a matcher of
//! its own, and says in a sentence what does not fit. It never looks into the broker; numbers that the
//! broker shows (`Core::sessions`) are compared with its own by [`Model::compare`].
//!
//! Where the standard or the broker leaves a choice (which member of a shared subscription, which of
//! several retained values first), the model waits for the choice and judges that.

mod answers;
mod arrive;
mod compare;
mod end;
mod frames;
mod happen;
mod link;
mod route;
mod send;
mod session;
mod share;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use flux_eventbus::{DisconnectReason, DropReason, Event, SessionEnd};
use flux_mqtt::Settings;

pub(crate) use self::link::{Link, reader};
pub(crate) use self::session::Session;
use self::session::{Publication, Will};
use crate::hands::{Done, LinkId};
use crate::packet::Sent;
use crate::plan::{ClientPlan, Manners};

/// What is wrong, in a sentence.
pub(crate) type Judgement<T = ()> = Result<T, String>;

/// Everything that the model knows.
#[derive(Debug)]
pub(crate) struct Model {
    settings: Settings,
    clients: Vec<ClientPlan>,
    has_cheaters: bool,
    /// Broker time in milliseconds.
    now: u64,
    /// By client.
    sessions: BTreeMap<usize, Session>,
    /// Sessions that others took the place of and whose end is still to be told.
    ending: Vec<(usize, Session)>,
    shares: BTreeMap<String, Share>,
    /// A member may have given messages back, which goes beyond the limits: they had been accepted.
    gives_back: bool,
    /// Messages that came by one shared subscription and could have come by another.
    doubts: Vec<session::Doubt>,
    /// All messages of which that was ever so.
    doubted: Vec<Rc<Publication>>,
    retained: BTreeMap<String, Rc<Publication>>,
    links: BTreeMap<LinkId, Link>,
    /// Wills that must be published in this unit.
    wills_due: Vec<(usize, Will)>,
    /// Frames of this unit that nothing was made of yet.
    frames: VecDeque<Sent>,
    subject: Option<LinkId>,
    /// Clients that are told in this unit that their session had no room and is over.
    overflowed: Vec<usize>,
    /// Filters that were granted and are still to be told, in this order.
    granted: VecDeque<String>,
    /// Topics whose retained message changed in this unit.
    pub touched: Vec<String>,
    /// Numbers publications and shares.
    counter: u64,
    /// Until when what is due may be late: somebody was kept from working.
    grace: u64,
    /// What each client was sent and has acknowledged, over all its sessions.
    ledgers: Vec<BTreeMap<Vec<u8>, Deliveries>>,
    /// How many sessions of each client ended.
    pub losses: Vec<usize>,
    /// How much was judged, so that nobody takes silence for a proof.
    pub judged: Judged,
}

/// How often each kind of thing was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Messages that were offered to everybody they match.
    pub publications: u64,
    /// Deliveries to one client.
    pub deliveries: u64,
    /// Deliveries that were sent again.
    pub again: u64,
    /// Deliveries by a shared subscription.
    pub shared: u64,
    /// Retained messages that a subscription brought.
    pub retained: u64,
    /// Wills.
    pub wills: u64,
    /// Sessions that went on.
    pub resumed: u64,
    /// Sessions that ended.
    pub ended: u64,
    /// Messages that were lost with a reason.
    pub dropped: u64,
}

impl Judged {
    /// Adds what was judged in another world.
    pub const fn add(&mut self, other: Self) {
        self.publications += other.publications;
        self.deliveries += other.deliveries;
        self.again += other.again;
        self.shared += other.shared;
        self.retained += other.retained;
        self.wills += other.wills;
        self.resumed += other.resumed;
        self.ended += other.ended;
        self.dropped += other.dropped;
    }
}

/// A shared subscription.
#[derive(Debug)]
pub(crate) struct Share {
    /// Tells it from another with the same filter, earlier or later.
    number: u64,
    /// How each member is, or was, subscribed: what waits in its session came by one of these.
    members: BTreeMap<usize, Vec<session::Subscription>>,
    /// Messages that no member was sent yet, wherever they wait.
    pool: Vec<session::Pooled>,
}

/// How often one message was sent to a client, and acknowledged by it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deliveries {
    /// First sends, by QoS.
    pub sent: [usize; 3],
    /// Of these, those that PUBACK or PUBREC came for.
    pub acknowledged: [usize; 3],
}

/// One thing that a worker was given, and what it did.
#[derive(Debug)]
pub(crate) struct Unit<'a> {
    /// Broker time in milliseconds.
    pub now: u64,
    /// Which connection it was about.
    pub link: Option<LinkId>,
    /// Frames that it took from there.
    pub frames: Vec<Sent>,
    /// What it did, in order.
    pub done: &'a [Done],
}

impl Model {
    /// Creates the model of a broker that has just started.
    #[must_use]
    pub(crate) fn new(settings: Settings, clients: Vec<ClientPlan>) -> Self {
        let len = clients.len();
        Self {
            settings,
            has_cheaters: clients.iter().any(|client| client.manners == Manners::Cheating),
            clients,
            now: 0,
            sessions: BTreeMap::new(),
            ending: Vec::new(),
            shares: BTreeMap::new(),
            doubts: Vec::new(),
            doubted: Vec::new(),
            gives_back: false,
            retained: BTreeMap::new(),
            links: BTreeMap::new(),
            wills_due: Vec::new(),
            frames: VecDeque::new(),
            subject: None,
            overflowed: Vec::new(),
            granted: VecDeque::new(),
            touched: Vec::new(),
            counter: 0,
            grace: 0,
            ledgers: vec![BTreeMap::new(); len],
            losses: vec![0; len],
            judged: Judged::default(),
        }
    }

    /// A client opens a network connection.
    pub(crate) fn opened(&mut self, id: LinkId, client: usize) {
        let plan = &self.clients[client];
        self.links.insert(id, Link::new(client, plan, self.now));
    }

    /// Somebody is kept from working until this moment, or was until now.
    pub(crate) fn excuse(&mut self, until: u64) {
        self.grace = self.grace.max(until);
    }

    /// Judges one unit of work.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub(crate) fn judge(&mut self, unit: Unit<'_>) -> Judgement {
        self.now = unit.now;
        self.subject = unit.link;
        self.touched.clear();
        let overflowed = unit.done.iter().filter_map(|done| self.overflow(done));
        self.overflowed = overflowed.collect();
        self.frames = unit.frames.into();
        if let Some(id) = unit.link {
            if let Some(link) = self.links.get_mut(&id).filter(|_| !self.frames.is_empty()) {
                link.heard = self.now;
            }
            self.park(id, unit.done);
            self.admit(id, unit.done)?;
        }
        // What is too large, or old, is told after what was sent behind it.
        for done in unit.done.iter().filter(|done| is_told_late(done)) {
            if let Done::Event(event) = done {
                self.event(event)?;
            }
        }
        let done = ends_first(unit.done);
        for done in done.into_iter().filter(|done| !is_told_late(done)) {
            match done {
                Done::Sent(link, bytes) => self.sent(*link, bytes)?,
                Done::Closed(link) => self.closed(*link)?,
                Done::Event(event) => self.event(event)?,
                Done::Panicked => return Err("the broker panicked".to_owned()),
                Done::Letter(..) | Done::Authenticate(_) | Done::Authorize(..) => {}
                // The others only over a store.
                Done::Paused(_) | Done::Persist(..) | Done::Load(..) => {}
            }
        }
        self.finish()
    }

    /// A frame that the authorizer is asked about is handled with its answer.
    fn park(&mut self, id: LinkId, done: &[Done]) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Some(parked) = link.parked.take_if(|_| self.frames.is_empty() && link.answered) {
            self.frames.push_front(parked);
        }
        link.answered = false;
        let asks =
            done.iter().any(|done| matches!(done, Done::Authorize(asked, _) if *asked == id));
        if asks && link.is_online {
            link.parked = self.frames.pop_back();
        }
    }

    /// The authorizer has answered about this connection: what is parked is handled in this unit.
    pub(crate) fn answered(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.answered = true;
        }
    }

    /// What must have happened by the end of a unit.
    fn finish(&mut self) -> Judgement {
        while let Some(frame) = self.frames.pop_front() {
            self.silent(frame)?;
        }
        self.nothing_granted_is_left()?;
        if let Some((client, will)) = self.wills_due.first() {
            return Err(format!("the will {:?} of c{client} was not published", will.message));
        }
        if let Some(link) = self.subject.and_then(|id| self.links.get(&id))
            && link.is_online
            && let Some(answer) = link.answers.front()
        {
            return Err(format!("{answer:?} was not sent to c{}", link.client));
        }
        self.nothing_is_late()
    }

    fn is_cheater(&self, client: usize) -> bool {
        self.clients[client].manners == Manners::Cheating
    }

    /// Returns the client of this name.
    fn client(&self, name: &str) -> Option<usize> {
        self.clients.iter().position(|client| client.name == name)
    }

    /// Returns the next number.
    fn number(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// The broker is gone, and what was in it.
    pub(crate) fn crashed(&mut self) {
        self.sessions.clear();
        self.ending.clear();
        self.shares.clear();
        self.doubts.clear();
        self.retained.clear();
        self.links.clear();
        for losses in &mut self.losses {
            *losses += 1;
        }
    }

    /// Whose session had no room and is over, if this tells of one.
    fn overflow(&self, done: &Done) -> Option<usize> {
        let reason = DisconnectReason::QuotaExceeded;
        match done {
            Done::Event(Event::Disconnected { client_id, reason: is, .. }) if *is == reason => {
                self.client(client_id)
            }
            Done::Event(Event::SessionEnded { client_id, reason: SessionEnd::QueueFull }) => {
                self.client(client_id)
            }
            _ => None,
        }
    }

    /// Whether the event tells that this connection was admitted, and whether its session went on.
    fn admission(&self, link: &Link, done: &Done) -> Option<bool> {
        match done {
            Done::Event(Event::Connected { client_id, session_present, .. }) => {
                (self.client(client_id) == Some(link.client)).then_some(*session_present)
            }
            _ => None,
        }
    }
}

/// Returns what was done, with goodbye and the closing of a connection where its end began: that is told, and its
/// session let go, before the client hears of it.
fn ends_first(done: &[Done]) -> Vec<&Done> {
    let mut all: Vec<&Done> = done.iter().collect();
    for at in 0..all.len() {
        let Done::Closed(closed) = all[at] else { continue };
        let is_its_end = |done: &&Done| matches!(done, Done::Paused(link) if link == closed);
        let Some(began) = all[..at].iter().rposition(is_its_end) else { continue };
        let is_its_own = |done: &&Done| matches!(done, Done::Sent(link, _) | Done::Closed(link) if link == closed);
        let (own, others): (Vec<_>, Vec<_>) = all[began..=at].iter().copied().partition(is_its_own);
        all.splice(began..=at, own.into_iter().chain(others));
    }
    all
}

fn is_told_late(done: &Done) -> bool {
    let reason = match done {
        Done::Event(Event::Dropped { reason, .. }) => Some(*reason),
        _ => None,
    };
    matches!(reason, Some(DropReason::PacketTooLarge | DropReason::Expired))
}
