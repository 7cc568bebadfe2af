//! What happens in a world, drawn from its seed before anything happens.
//!
//! Swarm testing: each seed first draws which operations and faults there are and how often, so that
//! rare ones meet in some worlds instead of drowning each other in all. A plan is a list of steps: any
//! of them can be left out, and what is left is a world too. That is how a failure is made shorter.

mod draw;

pub(crate) use self::draw::LONGEST_STALL;

use std::fmt;

use flux_mqtt::Settings;

use crate::packet::{Options, Version};

/// Virtual time in microseconds since the world began.
pub(crate) type Micros = u64;

/// A world before it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What everything was drawn from, and what is left to chance while it runs.
    pub seed: u64,
    /// How many workers there are.
    pub workers: usize,
    /// The settings of the broker: mostly small limits.
    pub settings: Settings,
    /// Whether the authorizer has to be asked, which takes time.
    pub asks: bool,
    /// How many of a hundred CONNECTs the authenticator refuses while faults happen.
    pub refuses: u64,
    /// Whether a worker is given several frames at once.
    pub batches: bool,
    /// The shortest and the longest way of bytes.
    pub delay: (Micros, Micros),
    /// How long a worker takes for one thing at most.
    pub pace: Micros,
    /// Who takes part.
    pub clients: Vec<ClientPlan>,
    /// What they do, in the order of time.
    pub steps: Vec<Step>,
    /// When faults end.
    pub calm_at: Micros,
}

/// One client.
#[derive(Clone, Debug)]
pub struct ClientPlan {
    /// Its client identifier.
    pub name: String,
    /// Which version it speaks.
    pub version: Version,
    /// How it behaves.
    pub manners: Manners,
    /// Its Receive Maximum, in MQTT 5.0.
    pub receive_maximum: Option<u16>,
    /// Its Maximum Packet Size, in MQTT 5.0.
    pub packet_size: Option<u32>,
    /// Its Topic Alias Maximum.
    pub aliases: u16,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// It keeps to the rules and answers soon and in order.
    Correct,
    /// It keeps to the rules, but late and in any order, and refuses messages now and then.
    Lazy,
    /// It breaks the rules. Nobody else may suffer.
    Cheating,
}

/// Something that happens at a moment.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number among the steps that were drawn, by which it can be kept.
    pub number: usize,
    /// When.
    pub at: Micros,
    /// What.
    pub act: Act,
}

/// What happens. The first number names a client.
#[derive(Clone, Debug)]
pub enum Act {
    /// The client connects to a worker, over a new network connection whether or not it has one.
    Connect(usize, ConnectPlan),
    /// It says goodbye, perhaps so that its will is published, perhaps with another expiry.
    Disconnect(usize, bool, Option<u32>),
    /// It subscribes.
    Subscribe(usize, String, Options, Option<u32>),
    /// It unsubscribes.
    Unsubscribe(usize, String),
    /// It publishes.
    Publish(usize, PublishPlan),
    /// Its network connection breaks: what is under way is lost, both ways.
    Cut(usize),
    /// Its network connection swallows everything from here on, and says nothing.
    HalfOpen(usize),
    /// It stops reading for so long.
    StopReading(usize, Micros),
    /// It does something that is against the rules.
    Cheat(usize, u64),
    /// An administrator disconnects it; the command goes to this worker.
    Kick(usize, usize),
    /// A worker does nothing for so long.
    Stall(usize, Micros),
    /// The clock jumps ahead by so much.
    ClockJump(Micros),
    /// The broker is told to stop, and is started again.
    Restart,
    /// The broker is gone from one moment to the next, and is started again.
    Crash,
}

/// How a client connects.
#[derive(Clone, Debug)]
pub struct ConnectPlan {
    /// To which worker.
    pub worker: usize,
    /// Clean Start.
    pub clean_start: bool,
    /// Session Expiry Interval in seconds.
    pub expiry: u32,
    /// Keep Alive in seconds.
    pub keep_alive: u16,
    /// The will, and its delay in seconds.
    pub will: Option<(PublishPlan, u32)>,
}

/// What is published.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishPlan {
    /// Topic name.
    pub topic: String,
    /// Unlike that of any other message, or empty to clear a retained one.
    pub payload: Vec<u8>,
    /// Quality of service.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// Message Expiry Interval in seconds.
    pub expiry: Option<u32>,
}

impl fmt::Debug for PublishPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, payload, qos, retain, expiry } = self;
        write!(f, "{} to {topic} at QoS {qos}, {} bytes", shown(payload), payload.len())?;
        if *retain {
            f.write_str(", retained")?;
        }
        expiry.map_or(Ok(()), |secs| write!(f, ", expires in {secs} s"))
    }
}

/// Returns the name of a message by its payload.
#[must_use]
pub(crate) fn shown(payload: &[u8]) -> String {
    match payload.first_chunk() {
        Some(number) => format!("m{}", u32::from_be_bytes(*number)),
        None => "a message without content".to_owned(),
    }
}

impl Plan {
    /// Leaves only these steps, by their numbers.
    pub fn keep(&mut self, numbers: &[usize]) {
        self.steps.retain(|step| numbers.contains(&step.number));
    }

    /// Whether there is a client that breaks the rules.
    #[must_use]
    pub fn has_cheaters(&self) -> bool {
        self.clients.iter().any(|client| client.manners == Manners::Cheating)
    }
}
