//! Drawing a plan.

use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::time::Duration;

use flux_mqtt::{GroupFull, GroupLimits, QoS, SessionLimits, Settings, SharedStrategy, WhenFull};

use super::{Act, ClientPlan, ConnectPlan, Manners, Micros, Plan, PublishPlan, Step};
use crate::packet::{Options, Version};
use crate::random::Random;

impl Plan {
    /// Draws the plan of a seed.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let r = &mut random;
        let workers = usize::try_from(r.between(1, 4)).unwrap_or(1);
        let settings = settings(r, workers);
        let clients: Vec<_> = {
            let cheats = r.chance(25);
            let lazy = r.pick(&[0, 0, 30, 70]);
            let versions = r.pick(&[&ANY[..], &ANY[..], &ANY[2..], &ANY[1..2]]);
            let len = usize::try_from(r.between(2, 6)).unwrap_or(2);
            (0..len)
                .map(|number| client(r, number, cheats && number == 1, lazy, versions))
                .collect()
        };
        let mut deck = Deck::draw(r, workers, &clients);
        let len = usize::try_from(r.between(8, 70)).unwrap_or(8);
        let gap = r.pick(&[1_000, 20_000, 200_000, 3_000_000]);
        let mut at = 0;
        let mut steps = Vec::with_capacity(len + clients.len());
        for number in 0..len {
            at += r.between(0, 2 * gap);
            // They begin by being there.
            let act = if number < clients.len() {
                deck.connect(r, number)
            } else if number < 2 * clients.len() && r.chance(60) {
                deck.subscribe(r, number - clients.len())
            } else {
                deck.act(r, number, &clients)
            };
            steps.push(Step { number, at, act });
        }
        let slow = r.pick(&[0, 300, 20_000]);
        Self {
            seed,
            workers,
            settings,
            asks: r.chance(20),
            refuses: r.pick(&[0, 0, 0, 10]),
            batches: r.chance(40),
            delay: (20, 20 + slow),
            pace: r.pick(&[10, 200, 5_000]),
            clients,
            steps,
            calm_at: at + gap,
        }
    }
}

const ANY: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn client(
    r: &mut Random,
    number: usize,
    cheats: bool,
    lazy: u64,
    versions: &[Version],
) -> ClientPlan {
    let is_lazy = r.chance(lazy);
    let manners = match (cheats, is_lazy) {
        (true, _) => Manners::Cheating,
        (false, true) => Manners::Lazy,
        (false, false) => Manners::Correct,
    };
    let version = if r.chance(50) { Version::V5 } else { r.pick(versions) };
    ClientPlan {
        name: format!("c{number}"),
        version,
        manners,
        receive_maximum: r.pick(&[None, Some(1), Some(2), Some(5)]),
        packet_size: r.pick(&[None, None, None, Some(60)]),
        aliases: r.pick(&[0, 0, 1, 3]),
    }
}

fn settings(r: &mut Random, workers: usize) -> Settings {
    // Asking the machine for its processors takes longer than a small world.
    static DEFAULT: OnceLock<Settings> = OnceLock::new();
    let mut settings = DEFAULT.get_or_init(Settings::default).clone();
    settings.workers = NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN);
    settings.max_qos =
        r.pick(&[QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::AtLeastOnce]);
    settings.connect_timeout = Duration::from_secs(10);
    settings.unsent_for_deliveries = r.pick(&[64 * 1024, 200, 60, 1]);
    settings.unsent_for_answers = r.pick(&[64 * 1024, 64 * 1024, 100]);
    settings.topic_alias_maximum_cap = r.pick(&[16, 2, 0]);
    let bounded = r.chance(30);
    settings.session = SessionLimits {
        receive_maximum_cap: r.pick(&[1_024, 8, 2, 1]),
        queued_messages: if bounded { r.pick(&[1, 2, 5]) } else { 1_000_000 },
        queued_bytes: if bounded { r.pick(&[150, 400, 64 << 20]) } else { 64 << 20 },
        queued_here: 4_096,
        when_full: r.pick(&[
            WhenFull::DropNewest,
            WhenFull::DropOldest,
            WhenFull::Refuse,
            WhenFull::EndSession,
        ]),
        packet_ids: r.pick(&[u16::MAX, 9, 3, 2]),
        inbound_receive_maximum: r.pick(&[u16::MAX, 5, 2, 1]),
    };
    settings.shared.strategy = r.pick(&[
        SharedStrategy::RoundRobin,
        SharedStrategy::Random,
        SharedStrategy::Sticky,
        SharedStrategy::HashClient,
        SharedStrategy::HashTopic,
    ]);
    settings.shared.limits = GroupLimits {
        queued_messages: r.pick(&[1_000, 1_000, 2]),
        queued_bytes: 64 << 20,
        when_full: r.pick(&[GroupFull::Newest, GroupFull::Oldest]),
    };
    settings
}

/// Which operations and faults there are in a world, and how often.
struct Deck {
    /// The kinds of acts, each as often as it weighs.
    kinds: Vec<Kind>,
    workers: usize,
    topics: Vec<&'static str>,
    filters: Vec<&'static str>,
    qos: Vec<u8>,
    retain: u64,
    expiry: Vec<u32>,
    message_expiry: Vec<Option<u32>>,
    keep_alive: Vec<u16>,
    sizes: Vec<u64>,
    clean: u64,
    wills: u64,
    options: u64,
    stays: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Connect,
    Disconnect,
    Subscribe,
    Unsubscribe,
    Publish,
    Cut,
    HalfOpen,
    StopReading,
    Cheat,
    Kick,
    Stall,
    ClockJump,
    Restart,
    Crash,
}

const TOPICS: [&str; 6] = ["a", "a/b", "a/c", "d/b", "d", "d/no"];
const PLAIN: [&str; 8] = ["a", "a/b", "a/+", "+/b", "#", "a/#", "d/#", "d/no"];
const SHARED: [&str; 4] = ["$share/g/a/#", "$share/h/a/#", "$share/g/+/b", "$share/g/d"];

impl Deck {
    fn draw(r: &mut Random, workers: usize, clients: &[ClientPlan]) -> Self {
        let cheats = clients.iter().any(|client| client.manners == Manners::Cheating);
        let mut kinds = Vec::new();
        let mut add = |kind, weight| kinds.extend(std::iter::repeat_n(kind, weight));
        add(Kind::Publish, r.pick(&[10, 30, 60]));
        add(Kind::Subscribe, r.pick(&[3, 10, 20]));
        add(Kind::Connect, r.pick(&[2, 5, 20]));
        for (kind, weights) in [
            (Kind::Unsubscribe, [0, 0, 2, 8]),
            (Kind::Disconnect, [0, 0, 2, 8]),
            (Kind::Cut, [0, 0, 4, 15]),
            (Kind::HalfOpen, [0, 0, 1, 3]),
            (Kind::StopReading, [0, 0, 2, 6]),
            (Kind::Kick, [0, 0, 0, 3]),
            (Kind::Stall, [0, 0, 2, 8]),
            (Kind::ClockJump, [0, 0, 0, 3]),
            (Kind::Restart, [0, 0, 0, 1]),
            (Kind::Crash, [0, 0, 0, 1]),
        ] {
            add(kind, r.pick(&weights));
        }
        if cheats {
            add(Kind::Cheat, r.pick(&[4, 20]));
        }
        let mut filters: Vec<_> = (0..r.between(1, 5)).map(|_| r.pick(&PLAIN)).collect();
        if r.chance(40) {
            filters.extend((0..r.between(1, 3)).map(|_| r.pick(&SHARED)));
        }
        Self {
            kinds,
            workers,
            topics: (0..r.between(1, 4)).map(|_| r.pick(&TOPICS)).collect(),
            filters,
            qos: r.pick(&[vec![0], vec![1], vec![2], vec![0, 1], vec![1, 2], vec![0, 1, 2]]),
            retain: r.pick(&[0, 0, 20, 60]),
            expiry: r.pick(&[
                vec![0],
                vec![3_600],
                vec![0, 2, u32::MAX],
                vec![1, 3],
                vec![u32::MAX],
            ]),
            message_expiry: r.pick(&[
                vec![None],
                vec![None],
                vec![None, Some(1)],
                vec![Some(1), Some(4)],
            ]),
            keep_alive: r.pick(&[vec![0], vec![0, 2], vec![1, 5]]),
            sizes: r.pick(&[vec![4], vec![4, 40], vec![4, 200]]),
            clean: r.pick(&[0, 10, 50]),
            wills: r.pick(&[0, 0, 50]),
            options: r.pick(&[0, 30, 60]),
            stays: r.pick(&[0, 60]),
        }
    }

    fn act(&mut self, r: &mut Random, number: usize, clients: &[ClientPlan]) -> Act {
        let client = r.index(clients.len());
        let worker = r.index(self.workers);
        match r.pick(&self.kinds) {
            Kind::Connect => self.connect(r, client),
            Kind::Disconnect => {
                let expiry = r.chance(30).then(|| r.pick(&self.expiry));
                Act::Disconnect(client, r.chance(30), expiry)
            }
            Kind::Subscribe => self.subscribe(r, client),
            Kind::Unsubscribe => Act::Unsubscribe(client, r.pick(&self.filters).to_owned()),
            Kind::Publish => Act::Publish(client, self.message(r, number)),
            Kind::Cut => Act::Cut(client),
            Kind::HalfOpen => Act::HalfOpen(client),
            Kind::StopReading => Act::StopReading(client, r.between(1_000, 4_000_000)),
            Kind::Cheat => {
                let is_cheater = |client: &ClientPlan| client.manners == Manners::Cheating;
                let cheater = clients.iter().position(is_cheater).unwrap_or_default();
                Act::Cheat(cheater, r.draw())
            }
            Kind::Kick => Act::Kick(client, worker),
            Kind::Stall => Act::Stall(worker, r.between(1_000, 2_000_000)),
            Kind::ClockJump => Act::ClockJump(r.between(100_000, 10_000_000)),
            Kind::Restart => Act::Restart,
            Kind::Crash => Act::Crash,
        }
    }

    fn connect(&mut self, r: &mut Random, client: usize) -> Act {
        let will = r.chance(self.wills).then(|| {
            let delay = r.pick(&[0, 0, 1, 5]);
            // Numbered behind all that steps publish.
            let number = 1_000_000 + usize::try_from(r.below(1_000_000_000)).unwrap_or_default();
            let mut will = self.message(r, number);
            // A will that clears a topic could not be told from another.
            will.payload = payload(number, 4);
            (will, delay)
        });
        let worker =
            if r.chance(self.stays) { client % self.workers } else { r.index(self.workers) };
        Act::Connect(
            client,
            ConnectPlan {
                worker,
                clean_start: r.chance(self.clean),
                expiry: r.pick(&self.expiry),
                keep_alive: r.pick(&self.keep_alive),
                will,
            },
        )
    }

    fn subscribe(&mut self, r: &mut Random, client: usize) -> Act {
        let filter = r.pick(&self.filters);
        let plain = !filter.starts_with("$share");
        let option = |r: &mut Random| r.chance(self.options);
        let options = Options {
            qos: r.pick(&self.qos),
            no_local: option(r) && plain,
            as_published: option(r),
            handling: if option(r) { r.pick(&[1, 2]) } else { 0 },
        };
        let identifier = option(r).then(|| u32::try_from(r.between(1, 300)).unwrap_or(1));
        Act::Subscribe(client, filter.to_owned(), options, identifier)
    }

    fn message(&mut self, r: &mut Random, number: usize) -> PublishPlan {
        let retain = r.chance(self.retain);
        let len = if retain && r.chance(15) { 0 } else { r.pick(&self.sizes) };
        PublishPlan {
            topic: r.pick(&self.topics).to_owned(),
            payload: payload(number, usize::try_from(len).unwrap_or_default()),
            qos: r.pick(&self.qos),
            retain,
            // Two without content could not be told apart.
            expiry: r.pick(&self.message_expiry).filter(|_| len > 0),
        }
    }
}

/// Numbers a message, unless it has no content.
fn payload(number: usize, len: usize) -> Vec<u8> {
    if len == 0 {
        return Vec::new();
    }
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let mut payload = number.to_be_bytes().to_vec();
    payload.resize(len.max(4), b'.');
    payload
}

/// The longest that one worker may be kept from working.
pub(crate) const LONGEST_STALL: Micros = 2_000_000;
