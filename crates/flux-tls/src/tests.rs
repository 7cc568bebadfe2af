//! Files as operators have them, and handshakes in memory.

pub(crate) mod authority;
mod broken_files;
mod client_certificates;
mod expiry;
mod folder;
mod identities;
mod peer;
mod reload;
mod versions_and_names;
