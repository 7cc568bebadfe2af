//! Every kind of work with a broker of ours in this process.

use std::cell::Cell;
use std::sync::Arc;

use anyhow::bail;
use flux_mqtt::{
    AllowAll, BrokerHandle, EventBus, Listen, Listener, Settings, SimpleAuthenticator,
    WebSocketSettings, start_broker_with,
};

use super::beside::Beside;
use super::scenario::Names;
use super::traffic::{Pace, Shape, Traffic};
use super::*;
use crate::stress::crowd::Happening;

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.listeners = vec![Listener::tcp(Listen::Loopback(0))];
    settings.workers = 2.try_into().unwrap();
    settings
}

fn start(settings: Settings) -> BrokerHandle {
    let authenticator = Arc::new(SimpleAuthenticator::new());
    start_broker_with(settings, Arc::new(EventBus::new()), authenticator, Arc::new(AllowAll))
        .unwrap()
}

fn target(broker: &BrokerHandle, version: Version) -> Target {
    Target {
        address: broker.local_addrs()[0],
        broker: std::process::id(),
        version,
        messages: 500,
        time: Duration::ZERO,
        patience: PATIENCE,
    }
}

/// Does the work in both versions, which must lose nothing.
#[track_caller]
fn check(piece: Work, units: u64) {
    for version in [Version::V311, Version::V5] {
        let broker = start(settings());
        let outcome = work(&target(&broker, version), piece).unwrap();
        assert_eq!((outcome.expected, outcome.done), (units, units), "{piece:?}");
        broker.stop();
    }
}

fn messages(shape: Shape, qos: u8, beside: Beside) -> Work {
    Work::Messages(Traffic { shape, qos, payload: 64, pace: Pace::Window(10) }, beside)
}

#[test]
fn messages_are_delivered_in_every_shape() {
    for qos in 0..=2 {
        check(messages(Shape::Pairs(5), qos, Beside::Nobody), 500);
    }
    check(messages(Shape::Apart(5), 1, Beside::Nobody), 500);
    check(messages(Shape::FanOut(5), 0, Beside::Nobody), 500);
    check(messages(Shape::FanIn(5), 1, Beside::Nobody), 500);
    check(messages(Shape::Shared(5, 2), 1, Beside::Nobody), 500);
}

#[test]
fn messages_are_delivered_whoever_else_is_there() {
    check(messages(Shape::Pairs(5), 0, Beside::Filters(2_500)), 500);
    check(messages(Shape::FanOut(5), 0, Beside::Visitors(100)), 500);
}

#[test]
fn filters_that_should_not_match_do_not() {
    let mut settings = settings();
    settings.workers = 1.try_into().unwrap();
    let broker = start(settings);
    let target = target(&broker, Version::V311);
    let mut crowd = beside::holders(target.address, target.version, 3_000).unwrap();
    work(&target, messages(Shape::Pairs(5), 0, Beside::Nobody)).unwrap();
    // Whatever came for a holder comes before this answer.
    (0..3).for_each(|holder| crowd.send(holder, &[0xC0, 0]));
    let answers = Cell::new(0);
    crowd
        .poll_until(
            "every holder is answered",
            |_| answers.get() == 3,
            |_, _, happening| match happening {
                Happening::Packet(packet) if packet.kind == 13 => {
                    answers.set(answers.get() + 1);
                    Ok(())
                }
                other => bail!("a holder got {other:?}"),
            },
        )
        .unwrap();
    broker.stop();
}

#[test]
fn clients_connect_stay_and_subscribe() {
    check(Work::Connect { clients: 20, sessions: 50 }, 20);
    check(Work::Visit { clients: 20 }, 20);
    check(Work::Hold { clients: 20 }, 20);
    for names in [Names::OfClient, Names::OfFilter] {
        check(Work::HoldFilters { clients: 20, filters: 3, names }, 60);
    }
    check(Work::Subscribe { clients: 1 }, 2_000);
}

#[test]
fn what_is_kept_is_fetched() {
    check(Work::Retain { messages: 250 }, 250);
    check(Work::Fetch { messages: 250 }, 250);
    check(Work::Fill { messages: 250 }, 250);
    check(Work::Drain { messages: 250 }, 250);
}

#[test]
fn what_a_full_queue_drops_is_lost() {
    let mut settings = settings();
    settings.session.queued_messages = 100;
    let broker = start(settings);
    let target = Target { patience: Duration::from_secs(2), ..target(&broker, Version::V311) };
    let outcome = work(&target, Work::Drain { messages: 250 }).unwrap();
    assert_eq!((outcome.expected, outcome.done), (250, 100));
    broker.stop();
}

#[test]
fn a_gateway_lays_websocket_over_everything() {
    let mut settings = settings();
    let listen = Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]);
    settings.listeners = vec![Listener::ws(listen, WebSocketSettings::default())];
    let broker = start(settings);
    let direct = target(&broker, Version::V5);
    let gateway = Gateway::start(direct.address, Transport::Ws, None).unwrap();
    let target = Target { address: gateway.address(), ..direct };
    let large = Traffic { shape: Shape::Pairs(2), qos: 1, payload: 70_000, pace: Pace::Window(10) };
    let pieces = [
        (messages(Shape::Pairs(5), 1, Beside::Nobody), 500),
        (Work::Messages(large, Beside::Nobody), 500),
        (Work::Connect { clients: 50, sessions: 0 }, 50),
    ];
    for (piece, units) in pieces {
        let outcome = work(&target, piece).unwrap();
        assert_eq!((outcome.expected, outcome.done), (units, units), "{piece:?}");
    }
    assert!(work(&direct, Work::Connect { clients: 1, sessions: 0 }).is_err(), "no WebSocket");
    broker.stop();
}
