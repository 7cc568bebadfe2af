//! Our broker with every door open, as a process: for clients of any transport.

pub(crate) mod broker;
pub(crate) mod certificates;
pub(crate) mod door;
