//! At any moment the store has a will, or its message.

use shuttle::thread;

use super::{Thread, sample};
use crate::worker::tests::client;
use crate::worker::tests::stored::Durable;

/// A connection with a will is lost, while another worker gives the store what was written so far.
fn race() {
    let mut d = Durable::new(2);
    let watcher = d.connect(1, "watcher");
    d.subscribe(watcher, "w", 1);
    let gone = d.c.dial(0, client::connect_with_will("gone", "w", "of gone", None));
    d.sync();
    let now = d.c.now;
    let mut workers = Thread::each_of(&mut d.c);
    let mut losing = workers.remove(0);
    let losing = thread::spawn(move || {
        losing.node.close(now, gone.id);
        losing.turn();
        losing
    });
    let mut handing_over = workers.remove(0);
    for _ in 0..2 {
        handing_over.turn();
        assert_ne!(
            d.stored_wills(),
            d.stored_messages(),
            "a crash loses the will here, or has it twice"
        );
    }
    Thread::gather(&mut d.c, vec![losing.join().unwrap(), handing_over]);
    d.sync();
    assert_eq!((d.stored_wills(), d.stored_messages()), (0, 1));
}

#[test]
fn a_will_and_its_message_go_to_the_store_together() {
    sample(400, race);
}
