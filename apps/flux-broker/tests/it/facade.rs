//! The broker as a library: starting, stopping, and the names that users know.

mod manager;
mod publication;
mod retained;
mod subscriber;

use std::sync::Arc;

use flux_mqtt::{
    AllowAll, BrokerHandle, EventBus, Listen, Listener, Place, Settings, SimpleAuthenticator,
    StartBrokerError, start_broker_with,
};

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Publish, loopback_settings};

fn start(settings: Settings) -> Result<BrokerHandle, StartBrokerError> {
    let authenticator = Arc::new(SimpleAuthenticator::new());
    start_broker_with(settings, Arc::new(EventBus::new()), authenticator, Arc::new(AllowAll))
}

/// A client can publish and subscribe.
#[track_caller]
fn check(handle: &BrokerHandle) {
    let mut client = Client::connect_to(handle.local_addrs()[0], &Connect::new(V5, ""));
    client.subscribe("a", 0);
    client.send(&Publish::new("a", "x").bytes(V5));
    client.expect_publish(&Publish::new("a", "x"));
    client.disconnect();
}

#[test]
fn several_brokers_run_in_one_process() {
    let brokers = [1, 2, 4].map(|workers| Broker::start(workers, |_| {}));
    let mut clients = brokers.each_ref().map(|broker| {
        let mut client = Client::connect(broker, &Connect::new(V5, "the same name"));
        client.subscribe("a", 0);
        client
    });
    clients[0].send(&Publish::new("a", "x").bytes(V5));
    clients[0].expect_publish(&Publish::new("a", "x"));
    clients[1].expect_nothing();
    let [first, second, third] = brokers;
    drop(first);
    clients[0].expect_disconnect(0x8B);
    check(&second.handle);
    check(&third.handle);
}

#[test]
fn a_broker_can_be_started_again_on_its_address() {
    let first = Broker::start(1, |_| {});
    let address = first.address();
    let mut client = Client::connect(&first, &Connect::persistent(V5, "a"));
    drop(first);
    client.expect_disconnect(0x8B);
    let second = Broker::start(1, |settings| {
        settings.listeners = vec![Listener::tcp(Listen::Addresses(vec![address]))];
    });
    assert_eq!(second.address(), address);
    assert!(!Client::connect(&second, &Connect::persistent(V5, "a")).session_present);
}

#[test]
fn it_runs_inside_tokio() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handle = start(loopback_settings()).unwrap();
        check(&handle);
        handle.stop();
        handle.stopped().await;
        // Whoever asks late is told as well.
        handle.stopped().await;
    });
}

#[test]
fn it_runs_inside_ntex() {
    let system = ntex::rt::System::build().build(ntex::rt::DefaultRuntime);
    system.block_on(async {
        let handle = start(loopback_settings()).unwrap();
        check(&handle);
        handle.stop();
        handle.stopped().await;
    });
}

#[test]
fn dropping_the_handle_does_not_stop_it() {
    let handle = start(loopback_settings()).unwrap();
    let address = handle.local_addrs()[0];
    drop(handle);
    for _ in 0..3 {
        Client::connect_to(address, &Connect::new(V5, "a")).disconnect();
    }
}

#[test]
fn stopping_twice_and_waiting_twice_is_fine() {
    let handle = start(loopback_settings()).unwrap();
    let other = handle.clone();
    handle.stop();
    other.stop();
    handle.wait();
    other.wait();
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let first = Broker::start(1, |_| {});
    let mut settings = loopback_settings();
    settings.listeners = vec![Listener::tcp(Listen::Addresses(vec![first.address()]))];
    match start(settings) {
        Err(StartBrokerError::Bind(errors)) => {
            assert_eq!(errors.len(), 1);
            assert_eq!(errors[0].place, Place::Address(first.address()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_open_address_needs_leave_for_anonymous_access() {
    let mut settings = loopback_settings();
    settings.listeners = vec![Listener::tcp(Listen::Addresses(vec!["0.0.0.0:0".parse().unwrap()]))];
    let error = start(settings.clone()).unwrap_err();
    assert!(matches!(error, StartBrokerError::AnonymousBeyondLoopback { .. }));
    settings.allow_anonymous = true;
    let handle = start(settings).unwrap();
    handle.stop();
    handle.wait();
}
