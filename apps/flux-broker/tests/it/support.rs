//! What the scenarios are written with: a broker, a raw-byte client, packets, and time.

#[macro_use]
mod workers;

mod broker;
mod bystander;
mod clock;
mod connect;
mod events;
mod packet;
mod property;
mod publish;
mod raw;
mod rights;

pub(crate) use broker::{Broker, block_on, loopback_settings};
pub(crate) use bystander::{Bystander, beside_a_bystander};
pub(crate) use clock::{DEADLINE, Stopwatch, let_pass};
pub(crate) use connect::{Connect, Will};
pub(crate) use events::Events;
pub(crate) use packet::{
    PINGREQ, PINGRESP, Version, integer, packet, puback, pubcomp, pubrec, pubrel, string,
};
pub(crate) use property::{Properties, u16_property, u32_property};
pub(crate) use publish::{Publish, Received};
pub(crate) use raw::Client;
