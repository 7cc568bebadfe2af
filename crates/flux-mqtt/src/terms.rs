//! [`Terms`]: what is agreed on with the clients of a listener.

use std::num::{NonZeroU16, NonZeroU32, NonZeroU64};

use flux_session::QoS;

use crate::limits::WhenTooFast;
use crate::settings::Settings;
use crate::wire::Version;

/// What is agreed on with the clients of a listener. Those of MQTT 5.0 are told in CONNACK.
///
/// [`Settings::terms`] are those of the whole broker, to be changed for a [`Listener`](crate::Listener).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// The versions that are spoken: see [`Settings::versions`].
    pub versions: Versions,
    /// The highest QoS: see [`Settings::max_qos`].
    pub max_qos: QoS,
    /// Whether clients may have messages retained: see [`Settings::retain_available`].
    pub retain_available: bool,
    /// Whether filters may have wildcards: see [`Settings::wildcard_subscriptions`].
    pub wildcard_subscriptions: bool,
    /// Whether subscriptions may have identifiers: see [`Settings::subscription_identifiers`].
    pub subscription_identifiers: bool,
    /// Whether subscriptions may be shared: see [`Settings::shared_subscriptions`].
    pub shared_subscriptions: bool,
    /// Whether clients may have no identifier of their own: see [`Settings::empty_client_ids`].
    pub empty_client_ids: bool,
    /// Receive Maximum: see [`SessionLimits::inbound_receive_maximum`](flux_session::SessionLimits).
    pub receive_maximum: u16,
    /// Topic Alias Maximum: see [`Settings::topic_alias_maximum`].
    pub topic_alias_maximum: u16,
    /// Topic aliases towards a client: see [`Settings::topic_alias_maximum_cap`].
    pub topic_alias_maximum_cap: u16,
    /// The longest Keep Alive: see [`Settings::max_keep_alive`].
    pub max_keep_alive: Option<NonZeroU16>,
    /// Bytes of a packet: see [`Limits::packet_size`](crate::Limits::packet_size).
    pub packet_size: u32,
    /// PUBLISH packets in a second: see [`Limits::publishes_per_second`](crate::Limits::publishes_per_second).
    pub publishes_per_second: Option<NonZeroU32>,
    /// Their bytes in a second: see [`Limits::publish_bytes_per_second`](crate::Limits::publish_bytes_per_second).
    pub publish_bytes_per_second: Option<NonZeroU64>,
    /// What happens beyond that.
    pub when_too_fast: WhenTooFast,
}

impl Settings {
    /// Returns what is agreed on with clients where a listener has no [terms](crate::Listener::terms) of its own.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        Terms {
            versions: self.versions,
            max_qos: self.max_qos,
            retain_available: self.retain_available,
            wildcard_subscriptions: self.wildcard_subscriptions,
            subscription_identifiers: self.subscription_identifiers,
            shared_subscriptions: self.shared_subscriptions,
            empty_client_ids: self.empty_client_ids,
            receive_maximum: self.session.inbound_receive_maximum,
            topic_alias_maximum: self.topic_alias_maximum,
            topic_alias_maximum_cap: self.topic_alias_maximum_cap,
            max_keep_alive: self.max_keep_alive,
            packet_size: self.limits.packet_size,
            publishes_per_second: self.limits.publishes_per_second,
            publish_bytes_per_second: self.limits.publish_bytes_per_second,
            when_too_fast: self.limits.when_too_fast,
        }
    }
}

/// A set of protocol versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    v31: bool,
    v311: bool,
    v5: bool,
}

impl Versions {
    /// All that there are.
    pub const ALL: Self = Self { v31: true, v311: true, v5: true };

    /// Returns whether a version is among them.
    #[must_use]
    pub const fn has(self, version: Version) -> bool {
        match version {
            Version::V31 => self.v31,
            Version::V311 => self.v311,
            Version::V5 => self.v5,
        }
    }
}

impl FromIterator<Version> for Versions {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut set = Self { v31: false, v311: false, v5: false };
        for version in versions {
            match version {
                Version::V31 => set.v31 = true,
                Version::V311 => set.v311 = true,
                Version::V5 => set.v5 = true,
            }
        }
        set
    }
}
