//! Nothing lies in the mailbox of a worker that sleeps.

use std::sync::Arc;
use std::task::{Wake, Waker};

use shuttle::sync::Condvar;
use shuttle::thread;

use super::{exhaust, sample};
use crate::driver::{Mail, Mailboxes};
use crate::names::WorkerId;
use crate::sync::Mutex;

const WORKER: WorkerId = WorkerId(0);

/// What keeps a thread asleep until it is woken, before it sleeps or after: an eventfd and a poll.
struct Bed {
    is_woken: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Bed {
    fn wake(self: Arc<Self>) {
        *self.is_woken.lock() = true;
        self.bell.notify_one();
    }
}

impl Bed {
    fn sleep(&self) {
        let mut is_woken = self.is_woken.lock();
        while !*is_woken {
            is_woken = self.bell.wait(is_woken).unwrap();
        }
        *is_woken = false;
    }
}

/// Some threads post a letter each; the worker looks when it was woken, and else only while it has other work. A
/// schedule in which it sleeps for ever is a deadlock, which fails.
fn race(senders: usize, other_work: usize) {
    let mailboxes = Mailboxes::new(1);
    let bed = Arc::new(Bed { is_woken: Mutex::new(false), bell: Condvar::new() });
    mailboxes.set_reader(WORKER, &Waker::from(bed.clone()));
    let threads: Vec<_> = (0..senders)
        .map(|_| {
            let mailboxes = mailboxes.clone();
            thread::spawn(move || mailboxes.post(WORKER, Mail::StoreAnswered))
        })
        .collect();
    let (mut mail, mut received) = (Vec::new(), 0);
    for _ in 0..other_work {
        if mailboxes.has_mail(WORKER) {
            mailboxes.take(WORKER, &mut mail);
            received += mail.drain(..).count();
        }
    }
    while received < senders {
        mailboxes.fall_asleep(WORKER);
        bed.sleep();
        mailboxes.wake_up(WORKER);
        mailboxes.take(WORKER, &mut mail);
        received += mail.drain(..).count();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(!mailboxes.has_mail(WORKER));
}

#[test]
fn a_letter_wakes_whoever_falls_asleep() {
    exhaust(|| race(1, 1));
}

#[test]
fn of_two_letters_at_once_none_is_left() {
    sample(1_000, || race(2, 1));
}
