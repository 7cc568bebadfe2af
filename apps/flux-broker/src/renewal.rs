//! Certificates are read again when their files change, and missed when they are about to expire.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use flux_mqtt::{Certificates, LoadTlsError, Reloaded};

/// Looks every few seconds whether files have changed, until the sender of `over` is gone.
pub(crate) fn watch(certificates: &Certificates, over: &Receiver<()>) {
    let mut ticks = 0;
    while over.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        ticks += 1;
        report(certificates, certificates.reload_changed());
        if ticks % A_DAY == 0 {
            warn(certificates);
        }
    }
}

/// Reads all files again.
pub(crate) fn reload(certificates: &Certificates) {
    report(certificates, certificates.reload());
}

/// Logs what came of a reload.
fn report(certificates: &Certificates, reloads: Vec<Result<Reloaded, LoadTlsError>>) {
    for reload in reloads {
        match reload {
            Ok(Reloaded { clients_changed }) => {
                tracing::info!(clients_changed, "certificates were read again");
                warn(certificates);
            }
            Err(error) => {
                for line in error.to_string().lines() {
                    tracing::error!(
                        help = "mend the file: it is read again when it changes",
                        "certificates stay as they were: {line}"
                    );
                }
            }
        }
    }
}

/// Logs what an operator should hear of.
pub(crate) fn warn(certificates: &Certificates) {
    for warning in certificates.warnings() {
        tracing::warn!(help = warning.help(), "{warning}");
    }
    for (certificate, days) in certificates.days_left() {
        if days < SOON {
            let path = certificate.path.display();
            tracing::warn!(
                help = "put a newer one in its place: it is read again when the file changes",
                "{path}: the certificate of {:?} expires in {days} days",
                certificate.subject
            );
        }
    }
}

const INTERVAL: Duration = Duration::from_secs(5);
/// In intervals.
const A_DAY: u64 = 24 * 60 * 60 / INTERVAL.as_secs();
/// Days that are left when it is time to renew.
const SOON: i64 = 14;
