//! The three qualities of service.

use thiserror::Error;

/// How surely a message arrives (MQTT 5.0 section 4.3).
///
/// Ordered by strength: the QoS of a delivery is the smaller one of what was published and what
/// the subscription was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// QoS 0: sent once, never acknowledged, lost with the connection.
    #[default]
    AtMostOnce,
    /// QoS 1: sent again on the next connection until PUBACK.
    AtLeastOnce,
    /// QoS 2: PUBLISH until PUBREC, then PUBREL until PUBCOMP.
    ExactlyOnce,
}

impl QoS {
    /// Returns the two bits of the fixed header.
    pub const fn as_u8(self) -> u8 {
        match self {
            Self::AtMostOnce => 0,
            Self::AtLeastOnce => 1,
            Self::ExactlyOnce => 2,
        }
    }
}

/// Accepts 0, 1 and 2; both bits set is malformed `[MQTT-3.3.1-4]`.
impl TryFrom<u8> for QoS {
    type Error = InvalidQoS;

    fn try_from(value: u8) -> Result<Self, InvalidQoS> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(InvalidQoS(value)),
        }
    }
}

/// A number that is not a QoS: the packet that holds it is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is not a QoS, the highest is 2")]
pub struct InvalidQoS(pub u8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for value in 0..=u8::MAX {
            assert_eq!(
                QoS::try_from(value).map(QoS::as_u8),
                if value <= 2 { Ok(value) } else { Err(InvalidQoS(value)) }
            );
        }
        assert!(QoS::AtMostOnce < QoS::AtLeastOnce && QoS::AtLeastOnce < QoS::ExactlyOnce);
    }
}
