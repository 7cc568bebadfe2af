//! A will whose session is over is in the store, or its message is.

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
