//! What somebody in the process is told when it is safe.

use std::sync::Weak;
use std::sync::mpsc::TryRecvError;

use flux_topic::TopicFilter;

use super::*;
use crate::driver::{Clock, Mailboxes};
use crate::input::Command;
use crate::manager::MqttManager;
use crate::outcome::PublishOutcome;
use crate::worker::tests::commands::{done, publish};

fn with_somebody_away() -> Durable {
    let mut d = Durable::new(1);
    let away = d.connect(0, "away");
    d.subscribe(away, "t", 1);
    d.c.lose(away);
    d.sync();
    d
}

#[test]
fn a_publisher_in_the_process_hears_when_its_message_is_safe() {
    let mut d = with_somebody_away();
    let (command, answer) = publish("t", "x", false);
    d.c.command(0, command);
    assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
    d.sync();
    let expected = PublishOutcome { matched: 1, taken: 1, ..PublishOutcome::default() };
    assert_eq!(answer.try_recv(), Ok(expected));
    let (command, answer) = publish("nobody", "x", false);
    d.c.command(0, command);
    assert_eq!(answer.try_recv(), Ok(PublishOutcome::default()), "nothing is stored of it");
    let (command, answer) = publish("nobody", "x", true);
    d.c.command(0, command);
    assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
    d.sync();
    assert_eq!(answer.try_recv(), Ok(PublishOutcome::default()));
    let mut d = d.restart(0);
    let away = d.come_back(0, "away");
    assert_eq!(d.heard(away), ["CONNACK 00 present", "t=x q1 #1"]);
    assert_eq!(d.c.broker.retained.len(), 1);
}

#[test]
fn a_publisher_in_the_process_hears_when_the_store_fails() {
    let mut d = with_somebody_away();
    d.fail(Fault::Full);
    let (command, answer) = publish("t", "not safe", false);
    d.c.command(0, command);
    d.sync();
    let outcome = answer.try_recv().unwrap();
    assert!(outcome.is_refused && outcome.matched == 1, "{outcome:?}");
    let (command, answer) = publish("t", "not taken", false);
    d.c.command(0, command);
    assert_eq!(answer.try_recv(), Ok(PublishOutcome::TURNED_AWAY));
    d.fail(Fault::None);
    d.sync();
    let mut d = d.restart(0);
    let away = d.come_back(0, "away");
    assert_eq!(d.heard(away), ["CONNACK 00 present", "t=not safe q1 #1"]);
}

#[test]
fn whoever_subscribes_a_client_hears_when_that_is_safe() {
    let mut d = with_somebody_away();
    let subscribe = |d: &mut Durable, filter: &str| {
        let (done, answer) = done();
        let filter = TopicFilter::parse(filter).unwrap();
        d.c.command(0, Command::Subscribe { client_id: "away".into(), filter, done });
        answer
    };
    let answer = subscribe(&mut d, "u");
    assert_eq!(answer.try_recv(), Err(TryRecvError::Empty));
    d.fail(Fault::Sync);
    d.sync();
    assert_eq!(answer.try_recv(), Err(TryRecvError::Empty), "it is written again");
    d.fail(Fault::None);
    d.sync();
    assert_eq!(answer.try_recv(), Ok(true));
    assert_eq!(d.restart(0).c.broker.routes.len(), 2);
}

#[test]
fn what_the_process_unsubscribes_stays_so() {
    let mut d = with_somebody_away();
    let (mailboxes, clock) = (Mailboxes::new(1), Clock::start());
    let manager = MqttManager::new(mailboxes, d.c.broker.clone(), clock, Weak::new());
    manager.unsubscribe("away", "t").unwrap();
    d.c.turn(0);
    d.sync();
    assert_eq!(d.restart(0).c.broker.routes.len(), 0);
}
