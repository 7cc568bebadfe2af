//! A panic in the code of others loses one connection, is counted, and is all.

use flux_eventbus::{DisconnectReason, EventKind};
use flux_mqtt::Count;

use crate::support::{Broker, Client, Connect, Events, Publish, Version};

scenarios_of_all_versions! {
    a_panic_loses_one_connection,
}

fn a_panic_loses_one_connection(broker: &Broker, version: Version) {
    let mut gone = Events::of(broker, EventKind::Disconnected);
    let mut others: Vec<_> = (0..8)
        .map(|number| Client::connect(broker, &Connect::new(version, &format!("other-{number}"))))
        .collect();
    for (count, topic) in (1..).zip(["panic/now", "asked/panic"]) {
        let mut victim = Client::connect(broker, &Connect::new(version, "victim"));
        victim.try_send(&Publish::new(topic, "x").bytes(version));
        while victim.try_packet().is_some() {}
        assert_eq!(gone.expect_disconnected("victim"), DisconnectReason::ServerError);
        assert_eq!(broker.handle.counters().of(Count::Panicked), count);
        for other in &mut others {
            other.ping();
        }
    }
    Client::connect(broker, &Connect::new(version, "victim")).ping();
}
