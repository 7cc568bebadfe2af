//! [`Retain`]: what a tree must know of the values that it holds.

use flux_time::Timestamp;

/// A value that can be retained. Its answers must not change while a tree holds it.
pub trait Retain {
    /// Returns how many bytes it counts towards
    /// [`RetainedLimits::bytes`](crate::RetainedLimits::bytes): what it takes besides the tree.
    fn size(&self) -> usize;

    /// Returns when it expires: at this moment, nobody gets it any more. MQTT 5.0 section 3.3.2.3.3,
    /// `[MQTT-3.3.2-5]`.
    fn expires_at(&self) -> Option<Timestamp>;
}
