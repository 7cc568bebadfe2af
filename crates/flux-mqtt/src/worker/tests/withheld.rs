//! Messages of a shared subscription that some of its members may not have: who gets them, what waits, and what
//! is dropped.

use std::sync::Arc;

use flux_auth::Decision::{Allow, Deny};
use flux_eventbus::{DropReason, Event};
use flux_session::GroupFull;

use super::client::{self, Peer, ack, disconnect};
use super::cluster::Cluster;
use super::rights::Rights;
use crate::input::Command;
use crate::settings::Settings;

const FILTER: &str = "$share/g/#";
const NOTHING: [&str; 0] = [];

/// A publisher, and members `a`, who may not have "secret", and `b`, each on a worker of its own.
struct Scene {
    c: Cluster,
    rights: Arc<Rights>,
    publisher: Peer,
    a: Peer,
    b: Peer,
}

impl Scene {
    fn new(settings: Settings) -> Self {
        let rights = Rights::new(&[("receive secret by a", Deny)]);
        let mut c = Cluster::with(2, settings, rights.clone());
        let publisher = c.connect(0, "publisher");
        let (a, b) = (c.connect(0, "a"), c.connect(1, "b"));
        for member in [a, b] {
            c.subscribe(member, FILTER, 1);
        }
        Self { c, rights, publisher, a, b }
    }

    fn publish(&mut self, id: u16, topic: &str) {
        self.c.publish(self.publisher, 1, id, topic, &id.to_string());
        self.c.settle();
    }

    /// Why messages were dropped since this was asked last.
    fn dropped(&mut self) -> Vec<DropReason> {
        let reason = |event| match event {
            Event::Dropped { reason, .. } => Some(reason),
            _ => None,
        };
        self.c.events().into_iter().filter_map(reason).collect()
    }

    fn queued(&self) -> (usize, usize) {
        let filters = [flux_topic::TopicFilter::parse(FILTER).unwrap()];
        let share = self.c.broker.routes.shares(&filters)[0].clone();
        let members = share.lock();
        (members.queued(), members.queued_bytes())
    }
}

/// So many members who may not have "secret", all on one worker.
fn guests(count: usize) -> (Cluster, Arc<Rights>, Vec<Peer>) {
    let names: Vec<String> = (0..count).map(|number| format!("guest{number}")).collect();
    let rights = Rights::new(&[]);
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    let join = |name: &String| {
        rights.set(&format!("receive secret by {name}"), Deny);
        let guest = c.connect(0, name);
        c.subscribe(guest, FILTER, 1);
        guest
    };
    let guests = names.iter().map(join).collect();
    (c, rights, guests)
}

/// The payloads of what was heard.
fn payloads(heard: &[String]) -> Vec<&str> {
    heard.iter().filter_map(|it| it.split_once('=')?.1.split(' ').next()).collect()
}

#[test]
fn what_one_may_not_have_comes_to_another_in_its_order() {
    let mut scene = Scene::new(Settings::default());
    // All in one turn.
    let version = scene.publisher.version;
    let packets = (1..=8).map(|id| client::publish(version, 2, id, "secret", &id.to_string()));
    scene.c.send(scene.publisher, &packets.collect::<Vec<_>>().concat());
    scene.c.settle();
    assert_eq!(scene.c.heard(scene.a), NOTHING);
    let heard = scene.c.heard(scene.b);
    assert_eq!(payloads(&heard), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(scene.queued(), (0, 0));
}

#[test]
fn who_may_not_have_one_message_keeps_its_turn_for_the_others() {
    let mut scene = Scene::new(Settings::default());
    for id in 1..=12 {
        scene.publish(id, if id % 3 == 0 { "secret" } else { "open" });
    }
    let (a, b) = (scene.c.heard(scene.a), scene.c.heard(scene.b));
    assert_eq!(a.len() + b.len(), 12);
    assert!(a.len() >= 3 && a.iter().all(|it| it.starts_with("open")), "{a:?}");
}

/// One user with many connections may not keep a worker busy with what none of them may have.
#[test]
fn what_many_may_not_have_is_offered_to_each_once_a_little_at_a_time() {
    let (mut c, rights, guests) = guests(300);
    let publisher = c.connect(0, "publisher");
    c.events();
    rights.take_judged();
    c.send_for_one_turn(publisher, &client::publish(publisher.version, 2, 1, "secret", "x"));
    assert_eq!(rights.take_judged(), 16 + 64, "at once, and in the rest of the turn");
    c.settle();
    assert_eq!(rights.take_judged(), 300 - 16 - 64);
    let is_withheld =
        |event: &Event| matches!(event, Event::Dropped { reason: DropReason::Withheld, .. });
    assert_eq!(c.events().iter().filter(|event| is_withheld(event)).count(), 1);
    // All are there for what they may have.
    for id in 2..=301 {
        c.publish(publisher, 1, id, "open", "x");
    }
    c.settle();
    for guest in guests {
        assert_eq!(c.heard(guest).len(), 1);
    }
}

/// A turn has so many questions for all shares, and not for each: one client may have thousands.
#[test]
fn however_many_a_guest_shares_a_turn_asks_so_many_times() {
    let rights = Rights::new(&[("receive secret by guest", Deny)]);
    let mut c = Cluster::with(1, Settings::default(), rights.clone());
    let [guest, worker, publisher] = ["guest", "worker", "publisher"].map(|it| c.connect(0, it));
    for number in 0..10 {
        for member in [guest, worker] {
            c.subscribe(member, &format!("$share/s{number}/#"), 1);
        }
    }
    c.lose(worker);
    for id in 1..=100 {
        c.publish(publisher, 1, id, "secret", "x");
    }
    c.settle();
    rights.take_judged();
    c.command_for_one_turn(0, Command::RecheckRights(Arc::default()));
    assert_eq!(rights.take_judged(), 64);
    c.settle();
    assert_eq!(rights.take_judged(), 10 * 100 - 64);
}

/// It got 1,024 of them, for a guest that joined before it was back had the others dropped.
#[test]
fn a_guest_takes_nothing_from_a_worker_that_is_away() {
    let mut scene = Scene::new(Settings::default());
    let (a, b) = (scene.a, scene.b);
    scene.c.send(a, &disconnect(0, None));
    scene.c.lose(b);
    for id in 1..=3_000 {
        scene.c.publish(scene.publisher, 1, id, "secret", "x");
    }
    scene.c.settle();
    assert_eq!(scene.queued().0, 3_000);
    let guest = scene.c.connect(0, "a");
    scene.c.subscribe(guest, FILTER, 1);
    scene.c.settle();
    assert_eq!(scene.c.heard(guest), NOTHING);
    assert_eq!((scene.dropped(), scene.queued().0), (Vec::new(), 3_000));
    // What it may have comes to it at once, behind all that.
    scene.publish(3_001, "open");
    assert_eq!(payloads(&scene.c.heard(guest)), ["3001"]);

    let mut packet = client::connect("b").receive_max(65_535);
    packet.clean_start = false;
    let again = scene.c.dial(1, packet);
    let mut got = 0;
    loop {
        scene.c.settle();
        let heard = payloads(&scene.c.heard(again)).len();
        if heard == 0 {
            break;
        }
        for id in got + 1..=got + heard {
            scene.c.send(again, &ack(0x40, u16::try_from(id).unwrap()));
        }
        got += heard;
    }
    assert_eq!((got, scene.queued(), scene.dropped()), (3_000, (0, 0), Vec::new()));
}

/// Each second message was dropped, for the guests were asked first.
#[test]
fn any_number_of_guests_takes_nothing_from_a_worker_with_room() {
    let (mut c, _, _) = guests(40);
    let [publisher, worker] = ["publisher", "worker"].map(|name| c.connect(0, name));
    c.subscribe(worker, FILTER, 0);
    c.events();
    for id in 1..=400 {
        c.publish(publisher, 1, id, "secret", &id.to_string());
    }
    c.settle();
    let heard = c.heard(worker);
    let numbers: Vec<u16> = payloads(&heard).iter().map(|it| it.parse().unwrap()).collect();
    assert_eq!(numbers, (1..=400).collect::<Vec<_>>());
    assert!(!c.events().iter().any(|event| matches!(event, Event::Dropped { .. })));
}

#[test]
fn what_waits_for_who_may_have_it_is_under_the_limits_of_the_group() {
    for when_full in [GroupFull::Newest, GroupFull::Oldest] {
        for by_bytes in [false, true] {
            let mut settings = Settings::default();
            let limits = &mut settings.shared.limits;
            limits.when_full = when_full;
            match by_bytes {
                true => limits.queued_bytes = 4 * (flux_session::QUEUED_OVERHEAD + 10),
                false => limits.queued_messages = 4,
            }
            let mut scene = Scene::new(settings);
            scene.c.lose(scene.b);
            scene.dropped();
            for id in 1..=3 {
                scene.publish(id, "secret");
            }
            assert_eq!(scene.queued().0, 2, "{when_full:?} {by_bytes}, {:?}", scene.queued());
            assert_eq!(scene.dropped(), [DropReason::QueueFull]);
            let answers = scene.c.heard(scene.publisher);
            let again = scene.c.dial(1, client::connect("b"));
            scene.c.settle();
            let heard = scene.c.heard(again);
            match when_full {
                GroupFull::Newest => {
                    assert_eq!(answers[2], "PUBACK 3 97");
                    assert_eq!(payloads(&heard), ["1", "2"]);
                }
                GroupFull::Oldest => {
                    assert_eq!(answers[2], "PUBACK 3 00");
                    assert_eq!(payloads(&heard), ["2", "3"]);
                }
            }
            assert_eq!(scene.queued(), (0, 0));
        }
    }
}

/// The queue was full of what was for one who was away, and all was refused that another would have had a moment later.
#[test]
fn what_waits_for_who_may_have_it_leaves_half_of_the_queue_to_the_others() {
    let mut settings = Settings::default();
    settings.shared.limits.queued_messages = 20;
    let mut scene = Scene::new(settings);
    scene.c.lose(scene.b);
    for id in 1..=30 {
        scene.publish(id, "secret");
    }
    let answers = scene.c.heard(scene.publisher);
    assert_eq!(answers.iter().filter(|it| it.ends_with("00")).count(), 10, "{answers:?}");
    scene.c.lose(scene.a);
    for id in 31..=40 {
        scene.publish(id, "open");
    }
    let answers = scene.c.heard(scene.publisher);
    assert!(answers.iter().all(|it| it.ends_with("00")), "{answers:?}");
    for (member, expected) in [("a", 31..=40), ("b", 1..=10)] {
        let again = scene.c.dial(1, client::connect(member));
        scene.c.settle();
        let heard = scene.c.heard(again);
        let expected: Vec<String> = expected.map(|id| id.to_string()).collect();
        assert_eq!(payloads(&heard), expected);
    }
    assert_eq!(scene.queued(), (0, 0));
}

#[test]
fn what_waits_for_who_may_have_it_goes_when_that_one_does() {
    let mut scene = Scene::new(Settings::default());
    scene.c.lose(scene.b);
    for id in 1..=3 {
        scene.publish(id, "secret");
    }
    assert_eq!((scene.queued().0, scene.dropped().len()), (3, 0));
    let again = scene.c.dial(1, client::connect("b").receive_max(1));
    scene.c.settle();
    assert_eq!(payloads(&scene.c.heard(again)), ["1"]);
    scene.c.send(again, &client::unsubscribe(again.version, 7, FILTER));
    scene.c.settle();
    assert_eq!(scene.dropped(), [DropReason::Withheld; 2]);
    assert_eq!(scene.queued(), (0, 0));
    scene.publish(4, "secret");
    assert_eq!(scene.dropped(), [DropReason::Withheld]);
    scene.publish(5, "open");
    assert_eq!(payloads(&scene.c.heard(scene.a)), ["5"]);
}

#[test]
fn what_waits_for_nobody_any_more_goes_a_part_at_a_time() {
    let mut scene = Scene::new(Settings::default());
    let b = scene.b;
    scene.c.lose(b);
    for id in 1..=3_000 {
        scene.c.publish(scene.publisher, 1, id, "secret", "x");
    }
    scene.c.settle();
    assert_eq!((scene.queued().0, scene.dropped().len()), (3_000, 0));
    let mut packet = client::connect("b");
    packet.clean_start = true;
    scene.c.dial(b.worker, packet);
    scene.c.settle();
    assert_eq!(scene.dropped(), [DropReason::Withheld; 3_000]);
    assert_eq!(scene.queued(), (0, 0));
}

#[test]
fn what_expired_while_it_waited_for_who_may_have_it_makes_room() {
    let mut settings = Settings::default();
    settings.shared.limits.queued_messages = 4;
    let mut scene = Scene::new(settings);
    scene.c.lose(scene.b);
    scene.publish(1, "secret");
    let expiring = client::publish_that_expires(2, "secret", "2", 10);
    scene.c.send(scene.publisher, &expiring);
    scene.c.settle();
    assert_eq!(scene.queued().0, 2);
    scene.c.sleep(10_000);
    scene.dropped();
    scene.publish(3, "secret");
    assert_eq!(scene.dropped(), [DropReason::Expired]);
    let again = scene.c.dial(1, client::connect("b"));
    scene.c.settle();
    assert_eq!(payloads(&scene.c.heard(again)), ["1", "3"]);
}

/// What it may not have any more, and has not been sent, is for others.
#[test]
fn who_loses_a_right_gives_what_it_was_not_sent_to_another() {
    let mut scene = Scene::new(Settings::default());
    scene.rights.set("receive secret by b", Deny);
    scene.rights.set("receive secret by a", Allow);
    scene.c.socket(scene.a).stalled = Some(0);
    let payload = "x".repeat(40_000);
    for id in 1..=4 {
        scene.c.publish(scene.publisher, 1, id, "secret", &payload);
    }
    assert_eq!(scene.c.heard(scene.a).len(), 2, "then 64 KiB are unsent");
    scene.rights.set("receive secret by b", Allow);
    scene.rights.set("receive secret by a", Deny);
    let a = scene.a;
    scene.c.socket(a).stalled = None;
    scene.c.input(a.worker, crate::input::Input::Writable(a.id));
    scene.c.settle();
    assert_eq!((scene.c.heard(a).len(), scene.c.heard(scene.b).len()), (0, 2));
    assert_eq!(scene.dropped(), []);
    // What was sent may have been taken: it is nobody else's.
    scene.c.send(a, &ack(0x40, 1));
    scene.c.send(a, &disconnect(0, None));
    scene.c.settle();
    assert_eq!(scene.c.heard(scene.b), NOTHING);
}

/// It was sent: what had expired was passed over, and what stood behind it not looked at again.
#[test]
fn what_expired_before_it_does_not_let_a_message_through_that_may_not_be_had_any_more() {
    let mut scene = Scene::new(Settings::default());
    scene.rights.set("receive secret by a", Allow);
    scene.rights.set("receive secret by b", Deny);
    let a = scene.a;
    scene.c.subscribe(a, "own", 1);
    scene.c.socket(a).stalled = Some(0);
    let payload = "x".repeat(40_000);
    for id in 1..=2 {
        scene.c.publish(scene.publisher, 1, id, "own", &payload);
    }
    scene.c.send(scene.publisher, &client::publish_that_expires(3, "own", "3", 1));
    scene.publish(4, "secret");
    scene.rights.set("receive secret by a", Deny);
    scene.rights.set("receive secret by b", Allow);
    scene.c.sleep(1_000);
    scene.c.socket(a).stalled = None;
    scene.c.input(a.worker, crate::input::Input::Writable(a.id));
    scene.c.settle();
    assert!(scene.c.heard(a).iter().all(|it| it.starts_with("own")));
    let heard = scene.c.heard(scene.b);
    assert_eq!(heard.iter().filter(|it| it.starts_with("secret=4")).count(), 1);
}

/// It was barred, and is not any more: while it is there, and while it was away.
#[test]
fn whoever_is_given_a_right_has_what_waited() {
    for is_there in [true, false] {
        let mut scene = Scene::new(Settings::default());
        let (a, b) = (scene.a, scene.b);
        scene.c.lose(b);
        for id in 1..=3 {
            scene.publish(id, "secret");
        }
        assert_eq!(scene.c.heard(a), NOTHING);
        if !is_there {
            scene.c.lose(a);
        }
        scene.rights.set("receive secret by a", Allow);
        let again = if is_there {
            scene.c.command(0, Command::RecheckRights(Arc::default()));
            a
        } else {
            scene.c.dial(0, client::connect("a"))
        };
        scene.c.settle();
        let heard = scene.c.heard(again);
        assert_eq!(payloads(&heard), ["1", "2", "3"], "{heard:?}");
        assert_eq!((scene.dropped(), scene.queued().0), (Vec::new(), 0));
    }
}
