//! PUBLISH packets that somebody follows: which, what is told of them, and when that is over.

use std::mem;
use std::sync::Arc;

use flux_auth::{AllowAll, Decision};
use flux_storage::Fault;
use parking_lot::Mutex;

use super::client;
use super::cluster::Cluster;
use super::rights::Rights;
use super::stored::Durable;
use crate::outcome::PublishOutcome;
use crate::reason::ReasonCode;
use crate::settings::Settings;
use crate::trace::{Arrival, PublishTrace, Tracer};

/// Follows what is about topics that begin with `seen`, and writes down what it is told.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

struct Note {
    text: String,
    notes: Notes,
}

impl Tracer for Notes {
    fn begin(&self, publish: &Arrival<'_>) -> Option<Box<dyn PublishTrace>> {
        let properties: Vec<_> =
            publish.user_properties().map(|(name, value)| format!(" {name}={value}")).collect();
        let text = format!(
            "{} {} {}{}{}",
            publish.client_id,
            publish.topic,
            publish.qos.as_u8(),
            publish.payload_len,
            properties.concat()
        );
        let note = || Note { text, notes: self.clone() };
        publish.topic.starts_with("seen").then(|| Box::new(note()) as Box<dyn PublishTrace>)
    }
}

impl PublishTrace for Note {
    fn routed(&mut self, outcome: &PublishOutcome) {
        self.text += &format!(" to {} of {}", outcome.taken, outcome.matched);
    }

    fn refused(&mut self, reason: ReasonCode) {
        self.text += &format!(" refused {:02x}", reason as u8);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.notes.0.lock().push(mem::take(&mut self.text));
    }
}

impl Notes {
    fn settings(&self) -> Settings {
        Settings { tracer: Some(Arc::new(self.clone())), ..Settings::default() }
    }

    #[track_caller]
    fn check(&self, expected: &[&str]) {
        assert_eq!(mem::take(&mut *self.0.lock()), expected);
    }
}

#[test]
fn who_is_followed_is_told_whom_it_reached() {
    let notes = Notes::default();
    let mut c = Cluster::with(2, notes.settings(), Arc::new(AllowAll));
    let (here, there) = (c.connect(0, "here"), c.connect(1, "there"));
    c.subscribe(here, "#", 2);
    c.subscribe(there, "seen/#", 0);
    for (qos, id) in [(0, 0), (1, 1), (2, 2)] {
        c.publish(here, qos, id, "seen/a", "xyz");
        notes.check(&[&format!("here seen/a {qos}3 to 2 of 2")]);
    }
    c.publish(here, 0, 0, "unseen", "");
    c.publish(here, 1, 3, "seen", "");
    notes.check(&["here seen 10 to 2 of 2"]);
}

#[test]
fn the_properties_of_a_user_are_seen_wherever_they_stand() {
    let notes = Notes::default();
    let mut c = Cluster::with(1, notes.settings(), Arc::new(AllowAll));
    let a = c.connect(0, "a");
    for (before, behind) in
        [(&[][..], &[][..]), (&[2, 0, 0, 0, 9], &[1, 0]), (&[1, 0], &[2, 0, 0, 0, 9])]
    {
        let properties = [before, b"\x26\0\x01b\0\x011", b"\x26\0\x01b\0\x012", behind].concat();
        let len = u8::try_from(properties.len()).unwrap();
        c.send(a, &client::packet(0x30, &[b"\0\x04seen", &[len], &properties, b"xy"]));
        notes.check(&["a seen 02 b=1 b=2 to 0 of 0"]);
    }
}

#[test]
fn who_is_refused_is_followed_to_the_refusal() {
    let notes = Notes::default();
    let denied = Rights::new(&[("publish seen", Decision::Deny)]);
    let mut c = Cluster::with(1, notes.settings(), denied);
    let a = c.connect(0, "a");
    for qos in 0..3 {
        c.publish(a, qos, 1, "seen", "");
        notes.check(&[&format!("a seen {qos}0 refused 87")]);
    }
    // Nobody else is told what the first did.
    c.publish(a, 1, 2, "other", "");
    notes.check(&[]);
}

#[test]
fn over_a_store_it_is_over_when_the_acknowledgement_is_sent() {
    let notes = Notes::default();
    let mut d = Durable::with(1, notes.settings());
    let keeper = d.connect(0, "keeper");
    d.subscribe(keeper, "#", 1);
    d.c.publish(keeper, 1, 1, "seen", "");
    notes.check(&[]);
    d.sync();
    notes.check(&["keeper seen 10 to 1 of 1"]);
    d.fail(Fault::Full);
    d.c.publish(keeper, 1, 3, "seen", "");
    d.sync();
    notes.check(&["keeper seen 10 to 1 of 1 refused 97"]);
    d.fail(Fault::None);
    d.sync();
    // Whoever goes before takes it along.
    d.c.publish(keeper, 1, 2, "seen", "");
    d.c.lose(keeper);
    notes.check(&["keeper seen 10 to 1 of 1"]);
}

#[test]
fn what_waits_beside_a_refusal_goes_on() {
    let notes = Notes::default();
    let mut d = Durable::with(1, notes.settings());
    let keeper = d.connect(0, "keeper");
    d.subscribe(keeper, "#", 2);
    // What was written may be safe all the same: PUBREC waits, and PUBACK becomes a refusal.
    d.fail(Fault::Sync);
    d.c.publish(keeper, 2, 1, "seen/2", "");
    d.c.publish(keeper, 1, 2, "seen/1", "");
    d.sync();
    notes.check(&["keeper seen/1 10 to 1 of 1 refused 97"]);
    d.fail(Fault::None);
    d.sync();
    notes.check(&["keeper seen/2 20 to 1 of 1"]);
}
