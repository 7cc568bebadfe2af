//! [`Terms`]: what is agreed on with the clients of a listener.

use std::num::NonZeroU16;

use flux_session::{QoS, SessionExpiry, SessionLimits};

use crate::limits::WhenTooFast;
use crate::meters::PublishRates;
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
    /// The limits of sessions that begin here: see [`Settings::session`]. Of a session that goes on here, only its Receive
    /// Maximum, [`inbound_receive_maximum`](SessionLimits::inbound_receive_maximum), is another.
    pub session: SessionLimits,
    /// The longest that a session outlives its connection: see [`Settings::max_session_expiry`].
    pub max_session_expiry: SessionExpiry,
    /// Topic Alias Maximum: see [`Settings::topic_alias_maximum`].
    pub topic_alias_maximum: u16,
    /// Topic aliases towards a client: see [`Settings::topic_alias_maximum_cap`].
    pub topic_alias_maximum_cap: u16,
    /// The shortest Keep Alive: see [`Settings::min_keep_alive`].
    pub min_keep_alive: Option<NonZeroU16>,
    /// The longest Keep Alive: see [`Settings::max_keep_alive`].
    pub max_keep_alive: Option<NonZeroU16>,
    /// Bytes of a packet: see [`Limits::packet_size`](crate::Limits::packet_size).
    pub packet_size: u32,
    /// Subscriptions of one session. Default: `None` for what
    /// [`Limits::subscriptions_per_client`](crate::Limits::subscriptions_per_client) says.
    pub subscriptions_per_client: Option<usize>,
    /// Levels of a topic name or filter. Default: `None` for what [`Limits::topic_levels`](crate::Limits::topic_levels) says.
    pub topic_levels: Option<usize>,
    /// How fast all who come in here may publish, together. Default: as fast as they can.
    /// [`Limit::ListenerPublishesPerSecond`](crate::Limit::ListenerPublishesPerSecond) and
    /// [`Limit::ListenerPublishBytesPerSecond`](crate::Limit::ListenerPublishBytesPerSecond), once for each pause and each
    /// message dropped.
    pub publishes: PublishRates,
    /// How fast each of them may publish: see [`Limits::client_publishes`](crate::Limits::client_publishes).
    pub client_publishes: PublishRates,
    /// What happens beyond that, and beyond what all together may publish.
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
            session: self.session,
            max_session_expiry: self.max_session_expiry,
            topic_alias_maximum: self.topic_alias_maximum,
            topic_alias_maximum_cap: self.topic_alias_maximum_cap,
            min_keep_alive: self.min_keep_alive,
            max_keep_alive: self.max_keep_alive,
            packet_size: self.limits.packet_size,
            subscriptions_per_client: None,
            topic_levels: None,
            publishes: PublishRates { messages: None, bytes: None },
            client_publishes: self.limits.client_publishes,
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
