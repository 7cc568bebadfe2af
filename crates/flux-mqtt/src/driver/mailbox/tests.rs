//! Who is woken, and who is not.

use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use super::super::outbox::Outbox;
use super::*;
use crate::names::ConnectionId;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const WORKER: WorkerId = WorkerId(0);

fn one() -> (Mailboxes, Arc<Bell>) {
    let (mailboxes, bell) = (Mailboxes::new(1), Arc::new(Bell::default()));
    mailboxes.set_reader(WORKER, &bell.clone().into());
    (mailboxes, bell)
}

fn rung(bell: &Bell) -> usize {
    bell.0.load(Ordering::Relaxed)
}

#[test]
fn who_is_awake_is_not_woken() {
    let (mailboxes, bell) = one();
    mailboxes.post(WORKER, Mail::StoreAnswered);
    mailboxes.fall_asleep(WORKER);
    assert_eq!(rung(&bell), 1, "there is mail: it must not sleep");
    mailboxes.wake_up(WORKER);
    mailboxes.post(WORKER, Mail::StoreAnswered);
    assert_eq!(rung(&bell), 1, "it looks by itself");
    assert!(mailboxes.has_mail(WORKER));
}

#[test]
fn who_sleeps_is_woken_once() {
    let (mailboxes, bell) = one();
    mailboxes.fall_asleep(WORKER);
    for _ in 0..3 {
        mailboxes.post(WORKER, Mail::StoreAnswered);
    }
    assert_eq!(rung(&bell), 1);
    let mut mail = Vec::new();
    mailboxes.take(WORKER, &mut mail);
    assert_eq!(mail.len(), 3);
    assert!(!mailboxes.has_mail(WORKER));
}

#[test]
fn letters_of_a_turn_wake_once() {
    let (mailboxes, bell) = one();
    let outbox = Outbox::new(1);
    mailboxes.fall_asleep(WORKER);
    for index in 0..3 {
        outbox.put(WORKER, Letter::Wake(ConnectionId { index, stamp: 1 }));
    }
    assert!(outbox.has_letters());
    assert_eq!(rung(&bell), 0, "the turn is not over");
    outbox.post(&mailboxes);
    assert_eq!(rung(&bell), 1);
    let mut mail = Vec::new();
    mailboxes.take(WORKER, &mut mail);
    assert_eq!(mail.len(), 3);
    assert!(!outbox.has_letters());
}
