//! The admin listener: metrics, health and what administrators do.

use std::sync::Arc;

use flux_admin::{AdminServer, Exported, StartAdminError, start_admin};
use flux_auth::Bouncer;
use flux_config::Loaded;
use flux_mqtt::BrokerHandle;

use crate::cli::Cli;
use crate::log::Log;
use crate::settings::{self, Known};

/// Starts it, if the config wants one.
///
/// # Errors
///
/// When it cannot be served. Where its address is the default that nobody chose, and taken, the broker goes on without.
pub(crate) fn start(
    loaded: &Loaded,
    cli: &Cli,
    known: &Known,
    broker: &BrokerHandle,
    bouncer: Arc<Bouncer>,
    log: Arc<Log>,
    exported: Option<Arc<Exported>>,
) -> Result<Option<AdminServer>, StartAdminError> {
    let is_chosen = loaded.config.admin.bind.is_some() && !cli.wants_admin_anywhere();
    let Some(mut settings) = settings::admin(loaded, known) else { return Ok(None) };
    settings.bouncer = Some(bouncer);
    settings.log = Some(log);
    settings.exported = exported;
    if let Some(tls) = settings.tls.clone() {
        broker.certificates().add(tls);
    }
    match start_admin(settings, broker.clone()) {
        Err(error @ StartAdminError::Bind { .. }) if !is_chosen => {
            tracing::warn!(
                help = "start with --admin ADDRESS to choose another",
                "no metrics and no health: {error}"
            );
            Ok(None)
        }
        started => started.map(Some),
    }
}
