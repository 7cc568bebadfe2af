//! One file that says what a broker does: read, checked, shown, documented.
//!
//! [`Config`] is data: types with defaults and comments, which know neither sockets nor the broker. From these types
//! comes all else: what a file may hold, the JSON schema, the guide, the file to start from.
//!
//! A file is read in three steps, each of which goes on after an error, so that [`load`] tells all that is wrong at
//! once, each with its file, line and column:
//!
//! 1. Files become trees of values, each with its place (`document.rs`). Files beside the first one in `conf.d`, then
//!    flags, are laid over it (`layers.rs`).
//! 2. The tree is held against the shape of the types (`shape.rs`, `reader.rs`): unknown keys, wrong types, values that are
//!    out of range. References (`${env:NAME}`, `${file:PATH}`) are replaced here.
//! 3. What is left becomes a [`Config`], and is checked as a whole (`rules.rs`): what goes together and what does not.
//!
//! ```
//! use flux_config::{Flags, InMemory, load};
//!
//! let files = InMemory::new([("flux.toml", "[limits]\nconections = 5\n")]);
//! let errors = load(Some("flux.toml".as_ref()), Flags::default(), &files).unwrap_err().to_string();
//! assert!(errors.contains("flux.toml:2:1"));
//! assert!(errors.contains("did you mean `connections`?"));
//! ```

mod changes;
mod config;
mod document;
mod flags;
mod guide;
mod layers;
mod loaded;
mod mosquitto;
mod node;
mod problem;
mod reader;
mod redacted;
mod reference;
mod rules;
mod schema;
mod shape;
mod show;
mod starter;
mod surroundings;
mod value;

#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod tests;

pub use config::{
    Acl, AclDefault, Admin, Auth, Bans, Broker, CertificateFiles, CertificatePart,
    ClientCertificates, ClientIds, Compat, Config, Durability, HttpCallback, Jwt, Limits, Listener,
    Log, LogFormat, MqttVersion, Otlp, Protocol, Retained, RetainedFull, Session, SessionFull,
    Shared, SharedFull, SharedStrategy, Storage, Sys, Tls, TlsVersion, TooFast, Transport,
};
pub use flags::Flags;
pub use guide::guide;
pub use layers::load;
pub use loaded::Loaded;
pub use mosquitto::{Imported, NotCarried, import_mosquitto};
pub use problem::{Problem, Problems, Severity, Told};
pub use schema::json_schema;
pub use starter::starter;
pub use surroundings::{InMemory, Surroundings, System};
pub use value::{
    AddressRange, Bind, ByteRate, OneOrMore, ParseValueError, Period, Permissions, Rate, Ratio,
    Secret, Size,
};
