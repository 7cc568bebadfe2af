//! Kills a broker with `kill -9` at random moments, again and again, and holds it to what it acknowledged.
//!
//! Clients are as good as clients can be: they remember what they sent and what came, resume their
//! sessions, and send again what was not acknowledged. So whatever is lost, comes twice at QoS 2, or comes in
//! another order was lost, repeated or mixed up by the broker.

mod broker;
mod link;
mod member;
mod publisher;
mod random;
mod retained;
mod stage;
mod subscriber;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use self::broker::{Kind, Process};
use self::member::{Group, Member};
use self::publisher::Publisher;
use self::random::Random;
use self::retained::Writer;
use self::stage::play;
use self::subscriber::Subscriber;
use crate::clock::{self, Stopwatch};
use crate::repository::{self, Profile};

/// How often, for how long, and which broker.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Kill it so many times
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// No new round after so many seconds
    #[arg(long, default_value_t = 3600)]
    seconds: u64,
    /// What happens in a run follows from it, as far as threads and disks allow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A few rounds, with a debug build
    #[arg(long)]
    short: bool,
    /// What our broker is told of durability
    #[arg(long, default_value = "disk")]
    durability: String,
    /// Another broker: its command line with {port} and {dir}
    #[arg(long, value_name = "COMMAND")]
    broker: Option<String>,
    /// Publishers, half of them at QoS 1 and half at QoS 2
    #[arg(long, default_value_t = 8)]
    publishers: u32,
}

/// Runs the rounds, up to the first promise that was broken.
///
/// # Errors
///
/// When the broker cannot be built or started, ends by itself, or breaks a promise.
pub(crate) fn run(options: &Options) -> Result<()> {
    let profile = if options.short { Profile::Debug } else { Profile::Release };
    let kind = match &options.broker {
        Some(line) => Kind::Given(line.clone()),
        None => Kind::Ours {
            binaries: repository::build(&["flux-broker"], profile)?,
            durability: options.durability.clone(),
        },
    };
    let directory = new_directory(options.seed)?;
    let rounds = if options.short { options.rounds.min(SHORT_ROUNDS) } else { options.rounds };
    println!("seed {}, {rounds} rounds, store in {}", options.seed, directory.display());
    let mut run = Run::new(kind, directory.clone(), options);
    let ended = run.rounds(rounds, Duration::from_secs(options.seconds));
    println!("{}", run.summary());
    ended.with_context(|| {
        format!(
            "seed {}, round {}; the store is in {}",
            options.seed,
            run.kills,
            directory.display()
        )
    })?;
    std::fs::remove_dir_all(&directory).context("cannot remove the store")
}

/// Everybody, over all rounds.
struct Run {
    kind: Kind,
    directory: PathBuf,
    random: Random,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    members: Vec<Member>,
    group: Group,
    writers: Vec<Writer>,
    kills: u64,
    settled: u64,
    slowest_start: Duration,
}

impl Run {
    fn new(kind: Kind, directory: PathBuf, options: &Options) -> Self {
        let mut random = Random(options.seed);
        let publishers = (0..options.publishers).map(Publisher::new).collect();
        let subscribers = (0..SUBSCRIBERS)
            .map(|number| Subscriber::new(number, options.publishers, random.next()))
            .collect();
        let members = (0..MEMBERS).map(|number| Member::new(number, random.next())).collect();
        let group = Group::new(options.publishers);
        let writers = (0..WRITERS).map(|number| Writer::new(number, random.next())).collect();
        let (kills, settled, slowest_start) = (0, 0, Duration::ZERO);
        Self {
            kind,
            directory,
            random,
            publishers,
            subscribers,
            members,
            group,
            writers,
            kills,
            settled,
            slowest_start,
        }
    }

    fn rounds(&mut self, rounds: u64, time: Duration) -> Result<()> {
        let watch = Stopwatch::start();
        let first = self.start()?;
        self.settle(&first).context("before the first kill")?;
        let mut process = first;
        while self.kills < rounds && watch.elapsed() < time {
            self.load(&mut process)?;
            self.kills += 1;
            process = self.start()?;
            retained::check(&self.writers, &process.stage()).context("after a restart")?;
            // Some queues live through several crashes.
            if self.random.below(4) == 0 || self.kills == rounds {
                self.settle(&process)?;
            }
            if self.kills.is_multiple_of(20) {
                println!("    {} kills", self.kills);
            }
        }
        self.settle(&process).context("at the end")
    }

    fn start(&mut self) -> Result<Process> {
        let watch = Stopwatch::start();
        let process = Process::start(&self.kind, &self.directory)?;
        self.slowest_start = self.slowest_start.max(watch.elapsed());
        Ok(process)
    }

    /// Everybody at once, until the broker is killed.
    fn load(&mut self, process: &mut Process) -> Result<()> {
        let stage = process.stage();
        let time = Duration::from_millis(20 + self.random.below(800));
        std::thread::scope(|scope| {
            let mut threads = Vec::new();
            for publisher in &mut self.publishers {
                threads.push(scope.spawn(|| play(&stage, || publisher.load(&stage))));
            }
            for writer in &mut self.writers {
                threads.push(scope.spawn(|| play(&stage, || writer.load(&stage))));
            }
            for subscriber in &mut self.subscribers {
                threads.push(scope.spawn(|| play(&stage, || subscriber.load(&stage))));
            }
            let group = &self.group;
            for member in &mut self.members {
                threads.push(scope.spawn(|| play(&stage, || member.load(&stage, group))));
            }
            clock::settle(time);
            stage.kill();
            process.kill();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
            })
        })
    }

    /// Nobody begins anything: all that was sent is acknowledged, then all that is owed must come.
    fn settle(&mut self, process: &Process) -> Result<()> {
        let stage = process.stage();
        std::thread::scope(|scope| {
            let publishers = self
                .publishers
                .iter_mut()
                .map(|publisher| scope.spawn(|| play(&stage, || publisher.settle(&stage))));
            let writers = self
                .writers
                .iter_mut()
                .map(|writer| scope.spawn(|| play(&stage, || writer.settle(&stage))));
            let threads: Vec<_> = publishers.chain(writers).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
            })
        })?;
        retained::check(&self.writers, &stage).context("when all was acknowledged")?;
        self.settled += 1;
        if self.settled > 1 {
            subscriber::probe(&self.subscribers, self.settled, &stage)?;
        }
        let (publishers, settled) = (&self.publishers, self.settled);
        std::thread::scope(|scope| {
            let (stage, group) = (&stage, &self.group);
            let subscribers = self.subscribers.iter_mut().map(|subscriber| {
                scope.spawn(move || play(stage, || subscriber.settle(stage, publishers, settled)))
            });
            let members = self.members.iter_mut().map(|member| {
                scope.spawn(move || play(stage, || member.settle(stage, group, publishers)))
            });
            let threads: Vec<_> = subscribers.chain(members).collect();
            threads.into_iter().try_for_each(|thread| {
                thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))?
            })
        })
    }

    fn summary(&self) -> String {
        let acknowledged: u64 = self.publishers.iter().map(Publisher::acknowledged).sum();
        let refused: usize = self.publishers.iter().map(|publisher| publisher.refused.len()).sum();
        let delivered: u64 = self.subscribers.iter().map(|subscriber| subscriber.delivered).sum();
        let repeated: u64 = self.subscribers.iter().map(|subscriber| subscriber.repeated).sum();
        let written: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        format!(
            "{} kills, {} times settled: {acknowledged} messages acknowledged ({refused} refused), \
             {delivered} delivered to {} subscribers, {repeated} of them again at QoS 1, {} to one of {} that share a \
             subscription; {written} retained \
             writes acknowledged; the slowest start took {} ms",
            self.kills,
            self.settled,
            self.subscribers.len(),
            self.group.delivered(),
            self.members.len(),
            self.slowest_start.as_millis(),
        )
    }
}

fn new_directory(seed: u64) -> Result<PathBuf> {
    let name = format!("flux-crash-{}-{seed}", std::process::id());
    let path = std::env::temp_dir().join(name);
    ensure!(!path.exists(), "{} is there already", path.display());
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

const SHORT_ROUNDS: u64 = 8;
/// A half is connected all the time, the others now and then; of each a half at QoS 1 and a half at QoS 2.
const SUBSCRIBERS: u32 = 4;
/// Clients that share a subscription.
const MEMBERS: u32 = 3;
const WRITERS: u32 = 3;
