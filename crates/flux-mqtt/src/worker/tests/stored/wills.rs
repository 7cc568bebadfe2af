//! A will whose session is over is in the store, or its message is.

use flux_auth::{Access, Client, Decision, Identity};
use flux_eventbus::{Denial, Event};
use flux_storage::{Record, WillRecord};

use super::*;

#[test]
fn a_will_is_stored_until_its_message_is() {
    let mut settings = Settings::default();
    settings.session.queued_messages = 1;
    settings.session.when_full = flux_session::WhenFull::EndSession;
    let mut d = Durable::with(2, settings);
    let watcher = d.connect(0, "watcher");
    d.subscribe(watcher, "w", 1);
    let gone = d.c.dial(0, client::connect_with_will("gone", "w", "of gone", Some(100)));
    d.sync();
    assert_eq!(d.heard(gone), ["CONNACK 00"]);
    d.subscribe(gone, "t", 1);
    d.c.lose(gone);
    let publisher = d.visit(0, "publisher");
    d.c.publish(publisher, 1, 1, "t", "the last that fits");
    d.sync();
    // Its session ends; before the worker comes to the will, another gives the store what there is.
    let one_more = client::publish(Version::V5, 1 << 1, 2, "t", "x");
    let node = &mut d.c.nodes[0];
    node.worker.receive(d.c.now, publisher.id, &one_more, &mut node.fx);
    assert!(d.c.broker.clients.get("gone").unwrap().lock().ended);
    d.c.turn(1);
    let mut d = d.restart_with_all();
    let watcher = d.come_back(1, "watcher");
    d.c.sleep(100_000);
    d.sync();
    assert_eq!(d.heard(watcher), ["CONNACK 00 present", "w=of gone q1 #1"]);
    assert!(d.c.broker.clients.contains("gone"), "that it is over is not stored either");
}

/// Rules that allow a will to some, and everything else to all.
struct WillsOf(fn(&Client) -> Decision);

impl Authorizer for WillsOf {
    fn decide(&self, client: &Client, access: Access<'_>) -> Decision {
        if matches!(access, Access::Will { .. }) { self.0(client) } else { Decision::Allow }
    }
}

/// A client that is known by name, role, claim and listener leaves a will, and the broker ends. Returns what becomes of
/// the will under these rules when it is due.
#[track_caller]
fn after_a_restart(rules: fn(&Client) -> Decision, expected: &[&str]) {
    let mut d = Durable::new(2);
    let watcher = d.connect(0, "watcher");
    d.subscribe(watcher, "w", 0);
    d.c.believes = |name| {
        let mut identity = Identity::user(name);
        identity.roles = vec!["device".into()];
        identity.attributes.insert("claim.site", "north");
        identity
    };
    let gone = client::connect_with_will("gone", "w", "of gone", Some(10));
    let gone =
        d.c.dial(0, ntex_mqtt::v5::codec::Connect { username: Some("alice".into()), ..gone });
    d.sync();
    assert_eq!(d.heard(gone), ["CONNACK 00"]);
    // Again and again: it is written down anew when the session is found without its connection.
    let d = d.restart(1_000);
    let mut d = d.restart_with(1_000, Arc::new(WillsOf(rules)));
    let watcher = d.come_back(1, "watcher");
    assert_eq!(d.heard(watcher), ["CONNACK 00 present"]);
    d.c.sleep(10_000);
    d.sync();
    assert_eq!(d.heard(watcher), expected);
    let events = d.c.events();
    let denied = events.iter().filter(|event| {
        matches!(event, Event::Denied { client_id, username, denial: Denial::Will, topic }
            if (&**client_id, username.as_deref(), &**topic) == ("gone", Some("alice"), "w"))
    });
    assert_eq!(denied.count(), usize::from(expected.is_empty()));
    let sent = events.iter().filter(|event| matches!(event, Event::WillSent { .. }));
    assert_eq!(sent.count(), expected.len());
    // It was for once.
    let mut d = d.restart(1_000_000);
    let watcher = d.come_back(1, "watcher");
    d.c.sleep(10_000);
    assert_eq!(d.heard(watcher), ["CONNACK 00 present"]);
}

#[test]
fn a_will_is_judged_by_the_rules_of_the_process_in_which_it_is_due() {
    after_a_restart(|_| Decision::Allow, &["w=of gone"]);
    after_a_restart(|_| Decision::Deny, &[]);
    // Nobody can wait for an answer; it was asked about at CONNECT.
    after_a_restart(|_| Decision::Ask, &["w=of gone"]);
    after_a_restart(
        |client| if is_gone(client) { Decision::Allow } else { Decision::Deny },
        &["w=of gone"],
    );
}

fn is_gone(client: &Client) -> bool {
    let identity = &client.identity;
    identity.owner().is_some_and(|owner| &**owner == "alice")
        && identity.roles == ["device".into()]
        && identity.attributes.single("claim.site") == Some("north")
        && &*client.client_id == "gone"
}

/// What is written about who left a will, whether that is there after a restart, and whether it is published where no
/// rule allows it.
#[track_caller]
fn check_testator(testator: &[u8], is_kept: bool, is_published: bool) {
    let mut d = Durable::new(1);
    let watcher = d.connect(0, "watcher");
    d.subscribe(watcher, "w", 0);
    d.c.dial(0, client::connect_with_will("gone", "w", "of gone", Some(10)));
    d.sync();
    {
        let log = &mut d.store.0.lock().unwrap().log;
        let stored = log.sessions(None, 9).unwrap();
        let gone = stored.iter().find(|session| &*session.client_id == "gone").unwrap();
        let content = flux_storage::Content {
            topic: "w",
            properties: &[],
            payload: b"of gone",
            qos: flux_session::QoS::AtMostOnce,
            retain: false,
            expires_at: None,
        };
        let (session, expiry) = (gone.session, None);
        let mut batch = Batch::new();
        let will = WillRecord { session, delay: 10, expiry, content, testator };
        batch.push(&Record::Will(will)).unwrap();
        log.append(&batch);
        log.sync().unwrap();
    }
    let mut d = d.restart_with(0, Arc::new(WillsOf(|_| Decision::Deny)));
    let watcher = d.come_back(0, "watcher");
    d.sync();
    let stored = d.store.0.lock().unwrap().log.sessions(None, 9).unwrap();
    assert_eq!(stored.iter().any(|session| session.will.is_some()), is_kept);
    d.c.sleep(10_000);
    let heard = d.heard(watcher);
    assert_eq!(heard.iter().any(|it| it == "w=of gone"), is_published, "{heard:?}");
}

#[test]
fn a_will_of_who_cannot_be_read_is_left_out_and_one_of_an_older_store_is_published() {
    check_testator(&[], true, true);
    let known = crate::testator::write(&Client::new("gone", Identity::user("a")));
    check_testator(&known, true, false);
    check_testator(&[0xFF], false, false);
    check_testator(&[9, 9], false, false);
}

#[test]
fn who_proves_anew_who_it_is_leaves_its_will_as_that() {
    let mut d = Durable::new(1);
    let watcher = d.connect(0, "watcher");
    d.subscribe(watcher, "w", 0);
    d.c.nodes[0].fx.exchange = Some(Identity::user("alice"));
    let mut gone = client::connect_with_will("gone", "w", "of gone", Some(10));
    gone.auth_method = Some("m".to_owned().into());
    let gone = d.c.dial(0, gone);
    d.sync();
    let mut identity = Identity::user("alice");
    identity.roles.push("new".into());
    d.c.nodes[0].fx.exchange = Some(identity);
    d.c.send(gone, &client::packet(0xF0, &[&[0x19, 4, 0x15, 0, 1, b'm']]));
    d.sync();
    let rules = |client: &Client| {
        let is_new = client.identity.roles == ["new".into()];
        if is_new { Decision::Deny } else { Decision::Allow }
    };
    let mut d = d.restart_with(0, Arc::new(WillsOf(rules)));
    let watcher = d.come_back(0, "watcher");
    d.c.sleep(10_000);
    assert_eq!(d.heard(watcher), ["CONNACK 00 present"]);
}
