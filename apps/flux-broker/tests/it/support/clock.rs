//! Time that passes as the broker sees it.

use super::{Broker, Client, Connect, Publish, Version, Will};

/// Returns after so many seconds on the broker's clock: when it has sent a will message with
/// that delay.
pub(crate) fn let_pass(broker: &Broker, seconds: u32) {
    let topic = "$test/time";
    let mut observer = Client::connect(broker, &Connect::new(Version::V5, "time-observer"));
    observer.subscribe(topic, 0);
    let will = Will::new(topic, "now").delay(seconds);
    let connect = Connect::new(Version::V5, "time").expiry(u32::MAX).will(will);
    Client::connect(broker, &connect).close_with_will();
    observer.expect_publish(&Publish::new(topic, "now"));
    observer.disconnect();
}
