//! A server that does not have every QoS (MQTT 5.0 section 3.2.2.3.4).

use super::violation::{ends_the_connection, form};
use crate::case::{Trial, not_testable};
use crate::{Connect, Publish, Version, Will};

cases! {
    v5 {
        a_will_above_the_maximum_qos_refuses_connect,
        a_publish_above_the_maximum_qos_ends_the_connection,
    }
    both {
        subscriptions_above_the_maximum_qos_are_granted_less,
    }
}

/// The Maximum QoS, which a server has only if it is not 2.
fn maximum(trial: &Trial) -> u8 {
    let client = trial.join(&Connect::new(Version::V5, &trial.id("probe")));
    let Some(maximum) = client.connack.number(0x24) else { not_testable("it has every QoS") };
    assert!(maximum < 2, "Maximum QoS {maximum}");
    u8::try_from(maximum).unwrap()
}

fn a_will_above_the_maximum_qos_refuses_connect(trial: &Trial) {
    let maximum = maximum(trial);
    for qos in maximum + 1..=2 {
        let will = Will::new(&trial.topic("will"), "x").qos(qos);
        let mut client = trial.send(&trial.connect("a").will(will).bytes());
        let code = client.expect_end();
        assert!(code.is_none_or(|code| code == 0x9B), "CONNACK with {code:02x?}");
    }
}

fn a_publish_above_the_maximum_qos_ends_the_connection(trial: &Trial) {
    let publish = |qos| Publish::new(&trial.topic("a"), "x").qos(qos, 1).bytes(trial.version);
    let forms = (maximum(trial) + 1..=2).map(|qos| form("QoS", publish(qos), &[0x9B])).collect();
    ends_the_connection(trial, forms);
}

fn subscriptions_above_the_maximum_qos_are_granted_less(trial: &Trial) {
    let maximum = maximum(trial);
    let topic = trial.topic("a");
    let mut client = trial.client("sub");
    for qos in 0..=2 {
        assert_eq!(client.ask(&[(&topic, qos)]), [qos.min(maximum)]);
        trial.client("pub").publish(&topic, "x", qos.min(maximum));
        assert_eq!(client.receive_and_acknowledge().qos, qos.min(maximum));
    }
}
