//! The statements of the standards over TLS, WebSocket, and both: every chapter that they have over TCP.

use flux_mqtt::{Listen, Listener, Settings, TlsConfig, WebSocketSettings};

use crate::conformance::{check_over, few, narrow, talkative};
use crate::support::{Broker, Certificates, Layer, only_tls, ws_listener};

/// Makes a test of each chapter over each transport.
macro_rules! chapters {
    ($($name:ident $(with $settings:path)?),+ $(,)?) => {
        $(
            mod $name {
                use super::*;

                const CHANGE: fn(&mut Settings) = chapters!(@change $($settings)?);

                #[test]
                fn over_tls() {
                    let certificates = Certificates::new();
                    let broker = Broker::start(2, |settings| {
                        CHANGE(settings);
                        only_tls(settings, certificates.settings());
                    });
                    let layer = Layer::tls(certificates.client());
                    check_over(broker.address(), layer, stringify!($name));
                }

                #[test]
                fn over_websocket() {
                    let broker = Broker::start(2, |settings| {
                        CHANGE(settings);
                        settings.listeners = vec![ws_listener()];
                    });
                    check_over(broker.address(), Layer::ws(), stringify!($name));
                }

                #[test]
                fn over_both() {
                    let certificates = Certificates::new();
                    let broker = Broker::start(2, |settings| {
                        CHANGE(settings);
                        settings.listeners = vec![wss_listener(&certificates)];
                    });
                    check_over(
                        broker.address(),
                        Layer::wss(certificates.client()),
                        stringify!($name),
                    );
                }
            }
        )+
    };
    (@change) => { |_| {} };
    (@change $settings:path) => { $settings };
}

fn wss_listener(certificates: &Certificates) -> Listener {
    let listen = Listen::Addresses(vec!["127.0.0.1:0".parse().unwrap()]);
    let tls = TlsConfig::load(certificates.settings()).unwrap();
    Listener::wss(listen, tls, WebSocketSettings::default())
}

chapters! {
    strings,
    headers,
    malformed_connect,
    malformed,
    connect with talkative,
    session,
    will,
    packet_size with narrow,
    alias,
    quota with narrow,
    message,
    retained,
    expiry,
    delivery,
    redelivery,
    subscription,
    topic,
    shared,
    closing,
    capabilities with few,
}
