//! [`Outage`]: a collector that does not take what it is sent, told once, and once more when that is over.

use std::error::Error;

use flux_http::HttpError;
use thiserror::Error;

/// Whether what is sent arrives.
#[derive(Debug)]
pub(crate) struct Outage {
    /// What is sent, in a word.
    what: &'static str,
    /// How often it failed, one time after the other.
    failures: u64,
    /// What had been dropped when that began.
    dropped: u64,
}

/// Why the collector has not got what it was sent.
#[derive(Debug, Error)]
pub(crate) enum ExportError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the collector answers with status {status}")]
    Status { status: u16 },
    #[error("the collector took all but {rejected}: {message}")]
    Rejected { rejected: i64, message: String },
    #[error("the broker stops, and the collector does not answer")]
    Over,
}

impl ExportError {
    /// Whether the same may be taken later, by the protocol.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Status { status } => matches!(status, 429 | 502 | 503 | 504),
            Self::Rejected { .. } | Self::Over => false,
        }
    }

    /// Whether the collector, or whoever stands before it, may have got what was sent.
    pub(crate) fn may_have_arrived(&self) -> bool {
        match self {
            Self::Http(error) => error.may_have_arrived(),
            Self::Status { .. } | Self::Rejected { .. } => true,
            Self::Over => false,
        }
    }
}

impl Outage {
    pub(crate) const fn none_of(what: &'static str) -> Self {
        Self { what, failures: 0, dropped: 0 }
    }

    /// Tells what has changed; `dropped` is what was dropped since the broker began.
    pub(crate) fn note(&mut self, sent: &Result<(), ExportError>, dropped: u64) {
        let what = self.what;
        match sent {
            Ok(()) => {
                if self.failures > 0 {
                    let failures = self.failures;
                    let dropped = dropped.saturating_sub(self.dropped);
                    tracing::info!(failures, dropped, "the collector takes {what} again");
                }
                self.failures = 0;
            }
            Err(error) => {
                if self.failures == 0 {
                    self.dropped = dropped;
                    let error: &dyn Error = error;
                    tracing::warn!(
                        error,
                        help = "see that a collector with OTLP over HTTP listens at `otlp.endpoint`; it is tried again",
                        "the collector does not get {what}"
                    );
                }
                self.failures += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_protocol_says_may_pass_may_pass() {
        for (status, may_pass) in
            [(400, false), (404, false), (429, true), (500, false), (503, true)]
        {
            assert_eq!(ExportError::Status { status }.may_pass(), may_pass, "{status}");
        }
    }
}
