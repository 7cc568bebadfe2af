//! Files as operators have them, and handshakes in memory.

mod authority;
mod broken_files;
mod client_certificates;
mod folder;
mod identities;
mod peer;
mod reload;
mod versions_and_names;
