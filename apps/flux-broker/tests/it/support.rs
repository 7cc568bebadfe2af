//! What the scenarios are written with: a broker, a raw-byte client, packets, and time.

#[macro_use]
mod workers;

mod broker;
mod bystander;
mod certificates;
mod clock;
mod events;
mod http;
mod lines;
mod rights;
mod scram;
mod tokens;
mod websocket;

pub(crate) use broker::{Broker, block_on, loopback_settings};
pub(crate) use bystander::{Bystander, beside_a_bystander};
pub(crate) use certificates::{
    Certificates, begin_tls, client_config, new_folder, only_tls, open_tls, read_pem, tls_listener,
};
pub(crate) use clock::let_pass;
pub(crate) use events::Events;
pub(crate) use flux_conformance::{
    Client, Connect, DEADLINE, Layer, PINGREQ, PINGRESP, Publish, Received, Stopwatch, Version,
    Will, integer, packet, puback, pubcomp, pubrec, pubrel, string, u32_property,
};
pub(crate) use http::HttpServer;
pub(crate) use lines::Lines;
pub(crate) use scram::{Scram, auth, method};
pub(crate) use tokens::{Signer, claims, unsigned};
pub(crate) use websocket::{ws_listener, ws_request};
