//! What CONNACK says that a server does otherwise: a lower QoS, another keep alive, no topic aliases
//! (MQTT 5.0 section 3.2.2.3).

use super::violation::{ends_the_connection, form};
use crate::case::{Trial, not_testable};
use crate::{Connect, Publish, Version, Will};

cases! {
    v5 {
        a_will_above_the_maximum_qos_refuses_connect,
        a_publish_above_the_maximum_qos_ends_the_connection,
        the_keep_alive_of_connack_holds,
        without_a_topic_alias_maximum_every_alias_ends_the_connection,
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

fn the_keep_alive_of_connack_holds(trial: &Trial) {
    for asked in [0, 60] {
        let mut client = trial.join(&trial.connect("silent").keep_alive(asked));
        let Some(seconds) = client.connack.number(0x13) else {
            not_testable("it leaves the keep alive to its clients")
        };
        if seconds > 4 {
            not_testable(format!("its Server Keep Alive is {seconds} s"));
        }
        client.expect_end();
    }
}

fn without_a_topic_alias_maximum_every_alias_ends_the_connection(trial: &Trial) {
    if trial.client("probe").connack.number(0x22).is_some_and(|maximum| maximum > 0) {
        not_testable("it takes topic aliases");
    }
    let publish = |alias| Publish::new(&trial.topic("a"), "x").alias(alias).bytes(trial.version);
    let forms = [1, 2, u16::MAX].map(|alias| form("an alias", publish(alias), &[0x94, 0x82]));
    ends_the_connection(trial, forms.into());
}
