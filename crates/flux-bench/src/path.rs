//! The hot paths: what brokers do much of, each with its scene and its script.

use std::sync::Arc;

use flux_auth::{AllowAll, Authorizer, Binding, Otherwise, Role, RoleAuthorizer, Rules, Ruleset};

use crate::packets::{self, DISCONNECT, Version};
use crate::scene::{Peer, Scene};
use crate::script::{Burst, Script};

/// One hot path.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// What it is called on the command line and in the baseline.
    pub name: &'static str,
    /// What is counted: instructions for each of these.
    pub unit: &'static str,
    work: fn() -> Work,
}

/// A scene that has seen the same before, and what is measured in it.
pub struct Work {
    /// Where it happens.
    pub scene: Scene,
    /// What happens.
    pub measured: Script,
    /// How many units it is.
    pub units: u64,
}

impl Path {
    /// Every path, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self { name: "pairs-qos0", unit: MESSAGE, work: || pairs(V311, 0, 1) },
        Self { name: "pairs-qos1", unit: MESSAGE, work: || pairs(V311, 1, 1) },
        Self { name: "pairs-qos2", unit: MESSAGE, work: || pairs(V311, 2, 1) },
        Self { name: "pairs-qos0-v5", unit: MESSAGE, work: || pairs(V5, 0, 1) },
        Self { name: "pairs-qos1-v5", unit: MESSAGE, work: || pairs(V5, 1, 1) },
        Self { name: "pairs-qos2-v5", unit: MESSAGE, work: || pairs(V5, 2, 1) },
        Self { name: "limited-qos0", unit: MESSAGE, work: || limited_pairs(0) },
        Self { name: "limited-qos1", unit: MESSAGE, work: || limited_pairs(1) },
        Self { name: "across-qos0", unit: MESSAGE, work: || pairs(V311, 0, 2) },
        Self { name: "roles-qos0", unit: MESSAGE, work: || between(rules(), V311, 0, 1) },
        Self { name: "roles-nobody", unit: MESSAGE, work: || under_rules(0, 1) },
        Self { name: "roles-denied", unit: MESSAGE, work: || under_rules(1, 1) },
        Self { name: "roles-nobody-16", unit: MESSAGE, work: || under_rules(0, 16) },
        Self { name: "roles-denied-16", unit: MESSAGE, work: || under_rules(1, 16) },
        Self { name: "single-qos0", unit: MESSAGE, work: || single(0) },
        Self { name: "single-qos1", unit: MESSAGE, work: || single(1) },
        Self { name: "limited-single-qos0", unit: MESSAGE, work: || limited_single(0) },
        Self { name: "limited-single-qos1", unit: MESSAGE, work: || limited_single(1) },
        Self { name: "fanout-qos0", unit: DELIVERY, work: || fan_out(100, 0, 100) },
        Self { name: "fanout-qos1", unit: DELIVERY, work: || fan_out(100, 1, 100) },
        Self { name: "shared-qos1-v5", unit: MESSAGE, work: shared },
        Self { name: "among-100k", unit: MESSAGE, work: || delivery_among(100_000, true, 1_000) },
        Self { name: "connect", unit: CONNECTION, work: || connects(V311, 1_000, 1_000) },
        Self { name: "connect-v5", unit: CONNECTION, work: || connects(V5, 1_000, 1_000) },
        Self { name: "resume-v5", unit: CONNECTION, work: resume },
        Self { name: "subscribe", unit: "subscription", work: subscribe },
        Self { name: "unsubscribe", unit: "subscription", work: unsubscribe },
        Self { name: "retained-new", unit: MESSAGE, work: || retain(true) },
        Self { name: "retained-again", unit: MESSAGE, work: || retain(false) },
        Self { name: "retained-fetch", unit: DELIVERY, work: fetch },
        Self { name: "offline-fill", unit: MESSAGE, work: fill },
    ];

    /// Returns the path of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|path| path.name == name)
    }

    /// Returns its scene, warm, and what is to be measured.
    #[must_use]
    pub fn prepare(self) -> Work {
        (self.work)()
    }
}

/// Ten publishers to ten subscribers, a topic each; with two workers, on different ones.
fn pairs(version: Version, qos: u8, workers: usize) -> Work {
    between(Arc::new(AllowAll), version, qos, workers)
}

fn between(authorizer: Arc<dyn Authorizer>, version: Version, qos: u8, workers: usize) -> Work {
    pairs_in(Scene::under(workers, authorizer), version, qos, workers)
}

/// The same with every limit set.
fn limited_pairs(qos: u8) -> Work {
    pairs_in(Scene::limited(1), V311, qos, 1)
}

fn pairs_in(mut scene: Scene, version: Version, qos: u8, workers: usize) -> Work {
    let mut pairs: Vec<_> = (0..10)
        .map(|pair| {
            let topic = format!("fleet/device-{pair}/state");
            let publisher = scene.connect(0, version, &format!("publisher-{pair}"));
            let subscriber = scene.connect(workers - 1, version, &format!("subscriber-{pair}"));
            scene.subscribe(&subscriber, std::slice::from_ref(&topic), qos);
            (publisher, subscriber, topic)
        })
        .collect();
    Work::of(scene, 2_000, 160, |script| {
        for (publisher, subscriber, topic) in &mut pairs {
            let burst = Burst { qos, topic, messages: 16, each: 16 };
            script.exchange(publisher, std::slice::from_mut(subscriber), &burst);
        }
    })
}

/// Ten publishers to topics that nobody subscribed to: their own, or those of the one so many further on, which they may not
/// publish to. Each has so many topics, and takes them in turn.
fn under_rules(further: usize, topics: usize) -> Work {
    let mut scene = Scene::under(1, rules());
    let publishers: Vec<_> =
        (0..10).map(|number| scene.connect(0, V311, &format!("publisher-{number}"))).collect();
    let packets: Vec<_> = (0..10)
        .map(|number| {
            let device = number + further;
            let topic = |at: usize| match topics {
                1 => format!("fleet/device-{device}/state"),
                _ => format!("fleet/device-{device}/data/{}", at % topics),
            };
            let packets = (0..16).map(|at| packets::publish(V311, 0, None, &topic(at)));
            packets.collect::<Vec<_>>().concat()
        })
        .collect();
    Work::of(scene, 2_000, 160, |script| {
        for (publisher, packets) in publishers.iter().zip(&packets) {
            script.receive(publisher, packets, 0);
        }
        script.turn();
    })
}

/// A thousand rules: a hundred roles of ten, each for the clients of one number.
#[expect(clippy::expect_used, reason = "what is measured is wrong otherwise")]
fn rules() -> Arc<dyn Authorizer> {
    let mut rules = Rules { default: Some(Otherwise::Deny), ..Rules::default() };
    for number in 0..100 {
        let below = |what: &str| format!("fleet/device-{number}/{what}");
        let role = Role {
            publish: ["state", "data/#", "a", "b", "c"].map(below).to_vec(),
            subscribe: ["state", "cmd/#", "d", "e", "f"].map(below).to_vec(),
            ..Role::default()
        };
        let name = format!("device-{number}");
        let client_id = Some(format!("*-{number}"));
        rules.bind.push(Binding { roles: vec![name.clone()], client_id, ..Binding::default() });
        rules.roles.insert(name, role);
    }
    let ruleset = Ruleset::compile(&rules, Otherwise::Deny).expect("each rule is one");
    assert_eq!(ruleset.rule_count(), 1_000, "rules that are looked among");
    Arc::new(RoleAuthorizer::new(ruleset))
}

/// One publisher to one subscriber, each message in a turn of its own.
fn single(qos: u8) -> Work {
    single_in(Scene::new(1), qos)
}

/// The same with every limit set.
fn limited_single(qos: u8) -> Work {
    single_in(Scene::limited(1), qos)
}

fn single_in(mut scene: Scene, qos: u8) -> Work {
    let mut publisher = scene.connect(0, V311, "publisher");
    let mut subscriber = scene.connect(0, V311, "subscriber");
    let topic = "fleet/device-1/state";
    scene.subscribe(&subscriber, &[topic.to_owned()], qos);
    Work::of(scene, 1_000, 1, |script| {
        let burst = Burst { qos, topic, messages: 1, each: 1 };
        script.exchange(&mut publisher, std::slice::from_mut(&mut subscriber), &burst);
    })
}

/// One publisher to so many subscribers of one topic; a unit is a delivery.
#[must_use]
pub fn fan_out(receivers: u64, qos: u8, messages: u64) -> Work {
    let mut scene = Scene::new(1);
    let mut publisher = scene.connect(0, V311, "publisher");
    let topic = "alarm/all";
    let mut subscribers: Vec<_> = (0..receivers)
        .map(|receiver| {
            let subscriber = scene.connect(0, V311, &format!("subscriber-{receiver}"));
            scene.subscribe(&subscriber, &[topic.to_owned()], qos);
            subscriber
        })
        .collect();
    Work::of(scene, messages * receivers, 10 * receivers, |script| {
        script.exchange(
            &mut publisher,
            &mut subscribers,
            &Burst { qos, topic, messages: 10, each: 10 },
        );
    })
}

/// Ten publishers to a shared subscription of four members.
fn shared() -> Work {
    let mut scene = Scene::new(1);
    let mut publishers: Vec<_> =
        (0..10).map(|number| scene.connect(0, V5, &format!("publisher-{number}"))).collect();
    let mut members: Vec<_> = (0..4)
        .map(|number| {
            let member = scene.connect(0, V5, &format!("member-{number}"));
            scene.subscribe(&member, &["$share/pool/job/+".to_owned()], 1);
            member
        })
        .collect();
    Work::of(scene, 2_000, 160, |script| {
        for publisher in &mut publishers {
            let burst = Burst { qos: 1, topic: "job/new", messages: 16, each: 4 };
            script.exchange(publisher, &mut members, &burst);
        }
    })
}

/// QoS 0 to one subscriber while `others` subscriptions do not match: to topics that the worker does
/// not remember, or to one that it does.
#[must_use]
pub fn delivery_among(others: u64, is_new: bool, messages: u64) -> Work {
    let mut scene = Scene::new(1);
    let publisher = scene.connect(0, V311, "publisher");
    let subscriber = scene.connect(0, V311, "subscriber");
    scene.subscribe(&subscriber, &["site/+/oven/pressure".to_owned()], 0);
    let filters: Vec<_> = (0..others).map(|site| format!("site/{site}/oven/heat")).collect();
    for (number, filters) in filters.chunks(10_000).enumerate() {
        let other = scene.connect(0, V311, &format!("other-{number}"));
        scene.subscribe(&other, filters, 0);
    }
    let mut sites = (0..).map(|site| if is_new { site * 7_919 } else { 0 });
    Work::of(scene, messages, 1, |script| {
        let topic = format!("site/{}/oven/pressure", sites.next().unwrap_or_default());
        script.receive(&publisher, &packets::publish(V311, 0, None, &topic), 1);
        script.turn();
    })
}

/// Clients without session that come and go, while so many others are there.
#[must_use]
pub fn connects(version: Version, others: u64, connections: u64) -> Work {
    let mut scene = Scene::new(1);
    for other in 0..others {
        scene.connect(0, version, &format!("other-{other}"));
    }
    let mut visitor = scene.place(0, version);
    let mut names = (0..).map(|number| format!("visitor-{number}"));
    Work::of(scene, connections, 1, |script| {
        let connect = packets::connect(version, &names.next().unwrap_or_default(), false);
        visit(script, &mut visitor, &connect);
    })
}

/// Clients that come back to their sessions of one subscription, and go.
fn resume() -> Work {
    let mut scene = Scene::new(1);
    let connects: Vec<_> =
        (0..100).map(|number| packets::connect(V5, &format!("regular-{number}"), true)).collect();
    let mut visitor = scene.place(0, V5);
    for (number, connect) in connects.iter().enumerate() {
        let mut script = Script::default();
        visitor.connection.stamp += 1;
        script.open(&visitor, connect);
        let filter = format!("fleet/device-{number}/cmd");
        script.receive(&visitor, &packets::subscribe(V5, &[filter], 1), 1);
        leave(&mut script, &visitor);
        scene.act(&script);
    }
    let mut connects = connects.iter().cycle();
    Work::of(scene, 1_000, 1, |script| {
        visit(script, &mut visitor, connects.next().map_or(&[], Vec::as_slice));
    })
}

/// A client that connects and disconnects.
fn visit(script: &mut Script, visitor: &mut Peer, connect: &[u8]) {
    visitor.connection.stamp += 1;
    script.open(visitor, connect);
    leave(script, visitor);
}

fn leave(script: &mut Script, visitor: &Peer) {
    script.receive(visitor, &DISCONNECT, 0);
    script.close(visitor);
}

/// One filter in each packet, none of them known before.
fn subscribe() -> Work {
    let mut scene = Scene::new(1);
    let subscriber = scene.connect(0, V311, "subscriber");
    let mut filters = (0..).map(device_command);
    Work::of(scene, 1_000, 1, |script| {
        let filter: Vec<_> = filters.by_ref().take(1).collect();
        script.receive(&subscriber, &packets::subscribe(V311, &filter, 1), 1);
        script.turn();
    })
}

/// The same backwards.
fn unsubscribe() -> Work {
    let mut scene = Scene::new(1);
    let subscriber = scene.connect(0, V311, "subscriber");
    let filters: Vec<_> = (0..2_000).map(device_command).collect();
    scene.subscribe(&subscriber, &filters, 1);
    let mut filters = filters.iter();
    Work::of(scene, 1_000, 1, |script| {
        let filter = filters.next().map_or("", String::as_str);
        script.receive(&subscriber, &packets::unsubscribe(V311, filter), 1);
        script.turn();
    })
}

fn device_command(device: u32) -> String {
    format!("fleet/device-{device}/cmd")
}

/// Retained messages to a thousand topics, which have none before, or one each.
fn retain(is_new: bool) -> Work {
    let mut scene = Scene::new(1);
    let publisher = scene.connect(0, V311, "publisher");
    let topics = if is_new { u32::MAX } else { TOPICS };
    let mut devices = (0..topics).cycle();
    // A route is remembered when its topic comes a second time.
    let mut known = Script::default();
    for device in devices.by_ref().take(if is_new { 0 } else { 1_000 }) {
        known.receive(&publisher, &retained(device), 0);
    }
    scene.act(&known);
    Work::of(scene, 1_000, TOPICS.into(), |script| {
        for device in devices.by_ref().take(1_000) {
            script.receive(&publisher, &retained(device), 0);
        }
        script.turn();
    })
}

/// A subscription that brings a thousand retained messages.
fn fetch() -> Work {
    let mut scene = Scene::new(1);
    let publisher = scene.connect(0, V311, "publisher");
    let mut script = Script::default();
    for device in 0..TOPICS {
        script.receive(&publisher, &retained(device), 0);
    }
    scene.act(&script);
    let subscriber = scene.connect(0, V311, "subscriber");
    Work::of(scene, 5_000, TOPICS.into(), |script| {
        let filter = ["fleet/+/state".to_owned()];
        script.receive(&subscriber, &packets::subscribe(V311, &filter, 0), 1 + u64::from(TOPICS));
        script.turn();
    })
}

/// Messages at QoS 1, a topic each, for a session whose client is away.
fn fill() -> Work {
    let mut scene = Scene::new(1);
    let mut publisher = scene.connect(0, V311, "publisher");
    let mut away = scene.place(0, V311);
    let mut script = Script::default();
    away.connection.stamp += 1;
    script.open(&away, &packets::connect(V311, "away", true));
    script.receive(&away, &packets::subscribe(V311, &["kept/+".to_owned()], 1), 1);
    leave(&mut script, &away);
    scene.act(&script);
    let mut topics = (0..).map(|number| format!("kept/{number}"));
    Work::of(scene, 1_000, 10, |script| {
        let ids = publisher.own.take(10);
        let publish = |(id, topic): (&u16, String)| packets::publish(V311, 2, Some(*id), &topic);
        let messages: Vec<_> = ids.iter().zip(topics.by_ref()).map(publish).collect();
        script.receive(&publisher, &messages.concat(), 10);
        script.turn();
    })
}

fn retained(device: u32) -> Vec<u8> {
    packets::publish(V311, 1, None, &format!("fleet/device-{device}/state"))
}

impl Work {
    /// Has `round` add rounds of so many units to a script, until there are `units` or more. Before
    /// that a tenth as much, one round at least, has made the scene warm.
    fn of(mut scene: Scene, units: u64, each: u64, mut round: impl FnMut(&mut Script)) -> Self {
        let rounds = units.div_ceil(each.max(1));
        let mut warm = Script::default();
        (0..rounds.div_ceil(10)).for_each(|_| round(&mut warm));
        scene.act(&warm);
        let mut measured = Script::default();
        (0..rounds).for_each(|_| round(&mut measured));
        Self { scene, measured, units: rounds * each }
    }
}

const V311: Version = Version::V311;
const V5: Version = Version::V5;
const MESSAGE: &str = "message";
const DELIVERY: &str = "delivery";
const CONNECTION: &str = "connection";

/// How many topics have a retained message.
const TOPICS: u32 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::play;

    #[test]
    fn every_path_leads_where_its_script_says() {
        for path in Path::ALL {
            let mut work = path.prepare();
            assert!(work.units >= 1_000, "{}: too little to measure", path.name);
            play(&mut work.scene, &work.measured);
            assert_eq!(work.scene.take_answers(), work.measured.answers(), "{}", path.name);
        }
    }

    #[test]
    fn every_path_is_in_the_baseline() {
        let baseline = include_str!("../../../docs/counts.toml");
        for Path { name, .. } in Path::ALL {
            assert!(baseline.contains(&format!("\n{name} = ")), "{name}: --bless");
        }
        assert_eq!(
            baseline.lines().filter(|line| line.contains(" = ")).count(),
            Path::ALL.len() + 1
        );
    }
}
