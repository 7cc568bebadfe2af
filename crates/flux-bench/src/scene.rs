//! The broker core with its clients, and how a script is played there.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::sync::Arc;

use flux_auth::{AllowAll, Authentication, Authorizer, Identity};
use flux_mqtt::{
    ConnectionId, Core, Input, Letter, PublishRates, SessionExpiry, Settings, Terms, Timestamp,
    Worker, WorkerId,
};

use crate::hands::Hands;
use crate::packets::{self, Version};
use crate::script::{Script, Step};

/// A broker core in one thread, in which time stands still.
pub struct Scene {
    nodes: Vec<Node>,
    /// Of the one listener.
    terms: Option<Arc<Terms>>,
}

/// A client's connection, and the packet identifiers that come next on it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub(crate) worker: usize,
    pub(crate) connection: ConnectionId,
    pub(crate) version: Version,
    /// Those that the client gives out.
    pub(crate) own: Identifiers,
    /// Those that the broker gives out to it.
    pub(crate) brokers: Identifiers,
}

/// Packet identifiers that are given out in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Identifiers(u16);

impl Identifiers {
    pub(crate) fn take(&mut self, count: u16) -> Vec<u16> {
        (0..count).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> u16 {
        self.0 = self.0.checked_add(1).unwrap_or(1);
        self.0
    }
}

/// A worker with what surrounds it.
struct Node {
    worker: Worker,
    hands: Hands,
    mail: Vec<Letter>,
}

impl Scene {
    /// Creates a broker of so many workers, without clients.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self::under(workers, Arc::new(AllowAll))
    }

    /// Creates a broker with each limit set that is not by itself: so high that nobody reaches it.
    #[must_use]
    pub fn limited(workers: usize) -> Self {
        let mut settings = Settings::default();
        let rates =
            PublishRates { messages: NonZeroU32::new(1 << 30), bytes: NonZeroU64::new(1 << 40) };
        settings.limits.publishes = rates;
        settings.limits.client_publishes = rates;
        settings.min_keep_alive = NonZeroU16::new(1);
        settings.max_keep_alive = NonZeroU16::new(u16::MAX);
        settings.max_session_expiry = SessionExpiry::from_secs(u32::MAX - 1);
        let mut terms = settings.terms();
        terms.publishes = rates;
        terms.subscriptions_per_client = Some(1_000);
        terms.topic_levels = Some(100);
        let mut scene = Self::with(workers, settings, Arc::new(AllowAll));
        scene.terms = Some(Arc::new(terms));
        scene
    }

    /// The same where somebody says what clients may do.
    #[must_use]
    pub fn under(workers: usize, authorizer: Arc<dyn Authorizer>) -> Self {
        Self::with(workers, Settings::default(), authorizer)
    }

    fn with(workers: usize, mut settings: Settings, authorizer: Arc<dyn Authorizer>) -> Self {
        settings.workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
        let core = Core::with_seed(settings, authorizer, 7);
        let node = |id| Node {
            worker: core.worker(WorkerId(id), 7),
            hands: Hands::default(),
            mail: Vec::new(),
        };
        Self { nodes: (0..workers.max(1)).map(node).collect(), terms: None }
    }

    /// Returns a place for a connection, which is not open yet.
    pub fn place(&mut self, worker: usize, version: Version) -> Peer {
        let mut index = 0;
        if let Some(node) = self.nodes.get_mut(worker) {
            index = u32::try_from(node.hands.sent.len()).unwrap_or(u32::MAX);
            node.hands.sent.push(Vec::new());
        }
        let connection = ConnectionId { index, stamp: 0 };
        let (own, brokers) = Default::default();
        Peer { worker, connection, version, own, brokers }
    }

    /// Connects a client with a session that ends with the connection.
    pub fn connect(&mut self, worker: usize, version: Version, client_id: &str) -> Peer {
        let peer = self.place(worker, version);
        let mut script = Script::default();
        script.open(&peer, &packets::connect(version, client_id, false));
        self.act(&script);
        peer
    }

    /// Subscribes a client to filters, a hundred in each packet.
    pub fn subscribe(&mut self, peer: &Peer, filters: &[String], qos: u8) {
        let mut script = Script::default();
        for filters in filters.chunks(100) {
            script.receive(peer, &packets::subscribe(peer.version, filters, qos), 1);
            script.turn();
        }
        self.act(&script);
    }

    /// Plays a script before anything is measured, and looks at what it led to.
    ///
    /// # Panics
    ///
    /// When the broker does not do what the script expects.
    pub fn act(&mut self, script: &Script) {
        self.run(script);
        assert_eq!(self.take_answers(), script.answers(), "packets of the broker");
    }

    /// Returns how many packets the broker sent since the last call, and forgets them. Buffers stay
    /// as large as they became.
    ///
    /// # Panics
    ///
    /// When it sent half a packet, or did what no script asks for.
    pub fn take_answers(&mut self) -> u64 {
        let mut answers = 0;
        for node in &mut self.nodes {
            assert_eq!(node.hands.surprises, 0, "the broker does what nobody asked for");
            assert!(!node.worker.has_dirty() && node.mail.is_empty(), "the turn is not over");
            for index in node.hands.sent_to.drain(..) {
                let Some(sent) = node.hands.sent.get_mut(index) else { continue };
                let packets = packets::count(sent);
                assert!(packets.is_some(), "half a packet");
                answers += packets.unwrap_or_default();
                sent.clear();
            }
        }
        answers
    }

    fn run(&mut self, script: &Script) {
        for step in &script.steps {
            match step {
                Step::Open { worker, connection } => {
                    self.input(
                        *worker,
                        Input::Opened {
                            connection: *connection,
                            peer: None,
                            listener: self.terms.as_ref().map(|_| "mqtt".into()),
                            terms: self.terms.clone(),
                        },
                    );
                }
                Step::Receive { worker, connection, bytes } => {
                    self.receive(*worker, *connection, bytes);
                    self.post(*worker);
                }
                Step::Close { worker, connection } => {
                    self.input(*worker, Input::Closed(*connection));
                }
                Step::Turn => self.turn(),
            }
        }
    }

    fn input(&mut self, worker: usize, input: Input) {
        if let Some(node) = self.nodes.get_mut(worker) {
            node.worker.handle(NOW, input, &mut node.hands);
        }
    }

    fn receive(&mut self, worker: usize, connection: ConnectionId, mut bytes: &[u8]) {
        let Some(node) = self.nodes.get_mut(worker) else { return };
        loop {
            let received = node.worker.receive(NOW, connection, bytes, &mut node.hands);
            bytes = bytes.get(received.consumed..).unwrap_or_default();
            if bytes.is_empty() || received.consumed == 0 {
                break;
            }
        }
        if let Some(connection) = node.hands.asked_who.take() {
            let authentication = Authentication::Accepted(Identity::anonymous());
            let input = Input::Authenticated { connection, authentication, valid_for: None };
            node.worker.handle(NOW, input, &mut node.hands);
        }
    }

    /// Until nobody has anything to do.
    fn turn(&mut self) {
        loop {
            let mut is_quiet = true;
            for index in 0..self.nodes.len() {
                is_quiet &= self.turn_of(index);
            }
            if is_quiet {
                return;
            }
        }
    }

    fn turn_of(&mut self, index: usize) -> bool {
        let Some(node) = self.nodes.get_mut(index) else { return true };
        for letter in node.mail.drain(..) {
            node.worker.handle(NOW, Input::Letter(letter), &mut node.hands);
        }
        if !node.worker.has_dirty() {
            return true;
        }
        node.worker.finish_turn(NOW, &mut node.hands);
        while let Some(connection) = node.hands.writable.pop() {
            node.worker.handle(NOW, Input::Writable(connection), &mut node.hands);
        }
        self.post(index);
        false
    }

    /// Takes the letters that a worker wrote to where they go.
    fn post(&mut self, index: usize) {
        while let Some((to, letter)) =
            self.nodes.get_mut(index).and_then(|node| node.hands.letters.pop())
        {
            if let Some(node) = self.nodes.get_mut(to.0) {
                node.mail.push(letter);
            }
        }
    }
}

/// Plays a script: what is to be measured, and nothing else. It is inlined nowhere, so that who counts
/// instructions can count those between its call and its return.
#[inline(never)]
pub fn play(scene: &mut Scene, script: &Script) {
    scene.run(script);
}

const NOW: Timestamp = Timestamp::from_millis(1_000);
