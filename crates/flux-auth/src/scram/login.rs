//! [`ScramLogin`]: the exchange as the broker drives it.

use bytes::Bytes;

use super::exchange::{ScramError, ScramExchange};
use super::keys::ScramKeys;
use crate::{Exchange, Identity, Refusal, Step};

/// Waits for client-first. `keys_of` returns the keys of a user, or a decoy.
pub(crate) struct ScramLogin<F> {
    pub(crate) keys_of: F,
}

impl<F: FnOnce(&str) -> ScramKeys + Send> Exchange for ScramLogin<F> {
    fn step(self: Box<Self>, data: &[u8]) -> Step {
        match ScramExchange::begin(data, self.keys_of) {
            Ok((server_first, exchange)) => {
                Step::Continue { data: Bytes::from(server_first), next: Box::new(exchange) }
            }
            Err(error) => Step::Refused(refusal(error)),
        }
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

impl Exchange for ScramExchange {
    fn step(self: Box<Self>, data: &[u8]) -> Step {
        match self.finish(data) {
            Ok((username, server_final)) => Step::Accepted {
                identity: Identity::user(username),
                data: Bytes::from(server_final),
            },
            Err(error) => Step::Refused(refusal(error)),
        }
    }

    fn held_bytes(&self) -> usize {
        self.held()
    }
}

fn refusal(error: ScramError) -> Refusal {
    match error {
        ScramError::Malformed | ScramError::NotProven => Refusal::BadUserNameOrPassword,
        ScramError::NoRandomness => Refusal::ServerUnavailable,
    }
}
