//! Certificates of clients as their user names: who has none stays out, and rules go by the name.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::mosquitto;
use super::tally::Tally;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::doors::door::Scheme;

/// Starts a broker that knows its clients by their certificates, and lets mosquitto's at it.
///
/// # Errors
///
/// When the broker does not start.
pub(super) fn run(binary: &Path, certificates: &Certificates) -> Result<Tally> {
    let mut tally = Tally::default();
    let roles = certificates.file("roles.toml");
    fs::write(&roles, ROLES)?;
    let mut options = certificates.options();
    let more = ["--tls-username", "cn", "--roles"].map(str::to_owned);
    options.extend(more.into_iter().chain([roles.display().to_string()]));
    let broker = Broker::start(binary, &options)?;
    // An authority that the broker does not know made a certificate of the same name.
    let stranger = Certificates::make(binary, "interop-stranger")?;
    for file in ["client.crt", "client.key"] {
        fs::copy(stranger.file(file), certificates.file(&format!("stranger-{file}")))?;
    }
    mosquitto::run_by_name(broker.door(Scheme::Mqtts)?, certificates, &mut tally);
    tally.add(Tally::of_end(broker.stop()));
    Ok(tally)
}

/// Everybody may use what lies under the own name.
const ROLES: &str = r#"
[roles.owner]
publish = ["own/{username}/#"]
subscribe = ["own/{username}/#"]

[[bind]]
user = "*"
roles = ["owner"]
"#;
