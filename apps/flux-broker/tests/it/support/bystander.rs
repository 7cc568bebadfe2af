//! Somebody who minds their own business while others misbehave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::{Broker, Client, Connect, Publish, Version, puback};

/// A client that publishes to itself at QoS 1.
pub(crate) struct Bystander {
    client: Client,
    exchanges: u32,
}

impl Bystander {
    pub(crate) fn connect(broker: &Broker, version: Version) -> Self {
        let mut client = Client::connect(broker, &Connect::new(version, "bystander"));
        client.subscribe("bystander", 0);
        Self { client, exchanges: 0 }
    }

    /// Publishes the next message and gets it, its acknowledgement, and nothing else.
    #[track_caller]
    pub(crate) fn exchange(&mut self) {
        let (version, payload) = (self.client.version, self.exchanges.to_string());
        let publish = Publish::new("bystander", &payload);
        self.client.send(&publish.clone().qos(1, 1).bytes(version));
        let mut got = [self.client.packet(), self.client.packet()];
        got.sort();
        assert_eq!(got, [publish.bytes(version), puback(1)]);
        self.exchanges += 1;
    }
}

/// Does something while a bystander publishes and receives on a thread of its own, from before
/// the beginning until after the end.
pub(crate) fn beside_a_bystander<R>(
    broker: &Broker,
    version: Version,
    act: impl FnOnce() -> R,
) -> R {
    let mut bystander = Bystander::connect(broker, version);
    bystander.exchange();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let exchanges = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                bystander.exchange();
            }
            bystander.exchange();
        });
        // Also when it panics, or nobody would see why.
        let end = SetOnDrop(&is_over);
        let result = act();
        drop(end);
        exchanges.join().unwrap();
        result
    })
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
