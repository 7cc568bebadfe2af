//! What goes over TCP goes over TLS.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use flux_mqtt::{Listening, Place, Scheme};
use rustls::Stream;

use super::broker_over_tls;
use crate::rumqtt::scenarios_over_tls;
use crate::support::Version::{V5, V311};
use crate::support::{
    Broker, Bystander, Certificates, Client, Connect, PINGREQ, Publish, Will, begin_tls, only_tls,
    open_tls, tls_listener,
};

/// Makes tests of scenarios that other files have for TCP.
macro_rules! over_tls {
    ($($file:ident::$name:ident),+ $(,)?) => {
        $(
            #[test]
            fn $name() {
                let (broker, _certificates) = broker_over_tls(2);
                crate::$file::$name(&broker, V5);
            }
        )+
    };
}

over_tls! {
    echo::ten_thousand_messages_at_qos_0_are_written_before_one_is_read,
    echo::ten_thousand_messages_at_qos_1_are_written_before_one_is_read,
    echo::one_message_of_ten_megabytes_is_written_before_it_is_read,
    limits::deliveries_wait_for_a_slow_reader_and_keep_their_order,
}

/// Plain bytes wait above TLS, where the socket does not count them.
#[test]
fn a_client_that_does_not_read_its_answers_is_not_read() {
    const FAR_MORE_THAN_SOCKETS_HOLD: usize = 64 * 1024 * 1024;
    let certificates = Certificates::new();
    let mut broker = Broker::start(1, |settings| {
        settings.unsent_for_answers = 64 * 1024;
        only_tls(settings, certificates.settings());
    });
    broker.over_tls = Some(certificates.client());
    let mut bystander = Bystander::connect(&broker, V5);
    let mut client = Client::connect(&broker, &Connect::new(V5, "a"));
    client.stream().set_write_timeout(Some(Duration::from_secs(2))).unwrap();
    let pings = PINGREQ.repeat(100_000);
    let mut sent = 0;
    while client.try_send(&pings) {
        sent += pings.len();
        assert!(sent < FAR_MORE_THAN_SOCKETS_HOLD, "the broker reads and reads");
        bystander.exchange();
    }
    bystander.exchange();
}

#[test]
fn a_library_that_we_did_not_write_speaks_tls() {
    let (broker, certificates) = broker_over_tls(2);
    scenarios_over_tls(&broker, &certificates.client());
}

#[test]
fn clients_of_several_listeners_meet() {
    let certificates = Certificates::new();
    let broker = Broker::start(2, |settings| {
        settings.listeners.push(tls_listener(certificates.settings()));
        settings.listeners.push(tls_listener(certificates.settings()));
    });
    let schemes: Vec<_> = broker.handle.listening().iter().map(|it| it.scheme).collect();
    assert_eq!(schemes, [Scheme::Mqtt, Scheme::Mqtts, Scheme::Mqtts]);
    let mut subscribers: Vec<Client> = broker
        .handle
        .listening()
        .iter()
        .map(|it| match it.scheme {
            Scheme::Mqtts => open_tls(address(it), V5, &certificates.client()),
            _ => Client::open(address(it), V5),
        })
        .map(|client| client.connected(&Connect::new(V5, "")))
        .collect();
    subscribers.iter_mut().for_each(|subscriber| subscriber.subscribe("a", 0));
    subscribers[1].send(&Publish::new("a", "x").bytes(V5));
    for subscriber in &mut subscribers {
        subscriber.expect_publish(&Publish::new("a", "x"));
    }
}

/// What came with the end of TLS in one piece counts: here a goodbye, after which there is no will.
#[test]
fn a_goodbye_that_comes_with_the_end_is_heard() {
    let (broker, certificates) = broker_over_tls(1);
    let mut observer = Client::connect(&broker, &Connect::new(V5, "observer"));
    observer.subscribe("will", 0);
    for says_goodbye in [true, false] {
        let (mut tls, mut socket) =
            (begin_tls(&certificates.client()), TcpStream::connect(broker.address()).unwrap());
        let connect = Connect::new(V5, "a").will(Will::new("will", "gone"));
        let mut stream = Stream::new(&mut tls, &mut socket);
        stream.write_all(&connect.bytes()).unwrap();
        stream.flush().unwrap();
        let mut connack = [0; 2];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack[0], 0x20);
        let mut last = Vec::new();
        if says_goodbye {
            tls.writer().write_all(&[0xE0, 0]).unwrap();
        }
        tls.send_close_notify();
        while tls.wants_write() {
            tls.write_tls(&mut last).unwrap();
        }
        socket.write_all(&last).unwrap();
        // It closes too.
        socket.read_to_end(&mut Vec::new()).unwrap();
        if says_goodbye {
            observer.expect_nothing();
        } else {
            observer.expect_publish(&Publish::new("will", "gone"));
        }
    }
}

/// DISCONNECT comes, and then the end in the words of TLS: no attacker has cut the connection off.
#[test]
fn a_broker_that_stops_takes_leave() {
    let (broker, _certificates) = broker_over_tls(2);
    let mut clients =
        [V5, V311].map(|version| Client::connect(&broker, &Connect::new(version, "")));
    broker.handle.stop();
    for client in &mut clients {
        client.expect_disconnect(0x8B);
    }
    broker.handle.wait();
}

fn address(listening: &Listening) -> SocketAddr {
    match &listening.place {
        Place::Address(address) => *address,
        Place::Unix(path) => panic!("{} is no address", path.display()),
    }
}
