//! Every will with every way its connection can end: sent once, later, or never (MQTT 5.0 sections
//! 3.1.2.5, 3.1.3.2.2, 3.1.4 and 3.14.4).

use flux_eventbus::EventKind;

use crate::support::Version::V5;
use crate::support::{
    Broker, Client, Connect, Events, Publish, Version, Will, let_pass, u32_property,
};

scenarios! {
    a_delayed_will_is_sent_as_its_session_allows,
    a_delay_that_is_over_has_the_will_sent_once,
    an_expiry_of_0_at_disconnect_has_a_delayed_will_sent_at_once,
}

scenarios_of_all_versions! {
    a_will_without_delay_is_sent_however_its_connection_ends,
}

/// How the connection of a client with a will ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Lost,
    Kicked,
    Violation,
    /// DISCONNECT with this reason code, above 0x00 in MQTT 5.0 only.
    Disconnect(u8),
    /// By a CONNECT that resumes the session, if there is one.
    TakenOver,
    /// By a CONNECT with Clean Start.
    TakenOverClean,
}

use Ending::{Disconnect, Kicked, Lost, TakenOver, TakenOverClean, Violation};

impl Ending {
    /// Ends the connection; the broker is done with it afterwards.
    fn bring_about(self, broker: &Broker, mut client: Client) {
        let mut ended = Events::of(broker, EventKind::Disconnected);
        let version = client.version;
        match self {
            Lost => drop(client),
            Kicked => broker.kick("mortal"),
            Violation => client.send(&[0x00, 0]),
            Disconnect(0) => client.send(&[0xE0, 0]),
            Disconnect(code) => client.send(&[0xE0, 1, code]),
            TakenOver | TakenOverClean => {
                let connect = match self {
                    TakenOverClean => Connect::new(version, "mortal"),
                    _ => Connect::persistent(version, "mortal"),
                };
                let new = Client::connect(broker, &connect);
                ended.expect_disconnected("mortal");
                new.disconnect();
            }
        }
        ended.expect_disconnected("mortal");
    }
}

/// When a will is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    AtOnce,
    /// Not before a Clean Start ends the session.
    WithTheSession,
    Never,
}

/// One connection with this will ends this way.
#[track_caller]
fn check(broker: &Broker, connect: Connect, will: Will, ending: Ending, sent: Sent) {
    let case = format!("{:?} {ending:?} {sent:?}", connect.version);
    let version = connect.version;
    let mut observer = Client::connect(broker, &Connect::new(version, "observer"));
    observer.subscribe("will", 0);
    let expected = Publish::new("will", &case);
    ending.bring_about(broker, Client::connect(broker, &connect.will(will.payload(&case))));
    if sent == Sent::AtOnce {
        observer.expect_publish(&expected);
    }
    observer.expect_nothing();
    // Whatever is left of the session ends here, and its will with it.
    Client::connect(broker, &Connect::new(version, "mortal")).disconnect();
    if sent == Sent::WithTheSession {
        observer.expect_publish(&expected);
    }
    observer.expect_nothing();
    observer.disconnect();
}

fn a_will_without_delay_is_sent_however_its_connection_ends(broker: &Broker, version: Version) {
    let mut endings = vec![Lost, Kicked, Violation, TakenOver, TakenOverClean];
    if version == V5 {
        endings.extend([Disconnect(0x04), Disconnect(0x80), Disconnect(0x99)]);
    }
    for connect in [Connect::new(version, "mortal"), Connect::persistent(version, "mortal")] {
        let will = Will::new("will", "");
        for ending in &endings {
            check(broker, connect.clone(), will.clone(), *ending, Sent::AtOnce);
        }
        check(broker, connect, will, Disconnect(0x00), Sent::Never);
    }
}

fn a_delayed_will_is_sent_as_its_session_allows(broker: &Broker) {
    let will = Will::new("will", "").delay(3600);
    let ends_with_its_connection = Connect::new(V5, "mortal");
    let outlives_it = Connect::persistent(V5, "mortal");
    for ending in [Lost, Kicked, Violation, Disconnect(0x04), Disconnect(0x80)] {
        let (ends, stays) = (ends_with_its_connection.clone(), outlives_it.clone());
        check(broker, ends, will.clone(), ending, Sent::AtOnce);
        check(broker, stays, will.clone(), ending, Sent::WithTheSession);
    }
    for (connect, ending, sent) in [
        (&ends_with_its_connection, Disconnect(0x00), Sent::Never),
        (&outlives_it, Disconnect(0x00), Sent::Never),
        (&ends_with_its_connection, TakenOver, Sent::AtOnce),
        (&ends_with_its_connection, TakenOverClean, Sent::AtOnce),
        (&outlives_it, TakenOver, Sent::Never),
        (&outlives_it, TakenOverClean, Sent::AtOnce),
    ] {
        check(broker, connect.clone(), will.clone(), ending, sent);
    }
}

fn a_delay_that_is_over_has_the_will_sent_once(broker: &Broker) {
    let mut observer = Client::connect(broker, &Connect::new(V5, "observer"));
    observer.subscribe("will", 0);
    let connect = Connect::persistent(V5, "mortal");
    let will = Will::new("will", "gone").delay(1);
    Client::connect(broker, &connect.clone().will(will)).close_with_will();
    observer.expect_publish(&Publish::new("will", "gone"));
    Client::resume(broker, &connect).disconnect();
    Client::connect(broker, &Connect::new(V5, "mortal")).disconnect();
    let_pass(broker, 1);
    observer.expect_nothing();
}

fn an_expiry_of_0_at_disconnect_has_a_delayed_will_sent_at_once(broker: &Broker) {
    let mut observer = Client::connect(broker, &Connect::new(V5, "observer"));
    observer.subscribe("will", 0);
    let will = Will::new("will", "gone").delay(3600);
    let mut client = Client::connect(broker, &Connect::persistent(V5, "mortal").will(will));
    client.send(&[&[0xE0, 7, 4, 5][..], &u32_property(0x11, 0)].concat());
    client.expect_closed();
    observer.expect_publish(&Publish::new("will", "gone"));
    observer.expect_nothing();
}
