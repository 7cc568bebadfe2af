//! Reason codes: why an operation succeeded, failed or ended (MQTT 5.0 section 2.4), and why a
//! message was dropped.

use flux_eventbus::DropReason;
use flux_session::{Dropped, Offer};

use crate::message::Message;

/// A reason code of MQTT 5.0, with the names of the standard's table 2-6.
///
/// MQTT 3.1.1 knows only the few CONNACK return codes of its section 3.2.2.3;
/// [`ReasonCode::connect_return_code`] gives the one that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the standard's, table 2-6 explains each")]
pub enum ReasonCode {
    /// Also Normal disconnection and Granted QoS 0.
    Success = 0x00,
    GrantedQos1 = 0x01,
    GrantedQos2 = 0x02,
    DisconnectWithWill = 0x04,
    NoMatchingSubscribers = 0x10,
    NoSubscriptionExisted = 0x11,
    UnspecifiedError = 0x80,
    MalformedPacket = 0x81,
    ProtocolError = 0x82,
    ImplementationSpecificError = 0x83,
    UnsupportedProtocolVersion = 0x84,
    ClientIdentifierNotValid = 0x85,
    BadUserNameOrPassword = 0x86,
    NotAuthorized = 0x87,
    ServerUnavailable = 0x88,
    ServerBusy = 0x89,
    Banned = 0x8A,
    ServerShuttingDown = 0x8B,
    BadAuthenticationMethod = 0x8C,
    KeepAliveTimeout = 0x8D,
    SessionTakenOver = 0x8E,
    TopicFilterInvalid = 0x8F,
    TopicNameInvalid = 0x90,
    PacketIdentifierInUse = 0x91,
    PacketIdentifierNotFound = 0x92,
    ReceiveMaximumExceeded = 0x93,
    TopicAliasInvalid = 0x94,
    PacketTooLarge = 0x95,
    QuotaExceeded = 0x97,
    AdministrativeAction = 0x98,
    RetainNotSupported = 0x9A,
    QosNotSupported = 0x9B,
    SharedSubscriptionsNotSupported = 0x9E,
    MaximumConnectTime = 0xA0,
    SubscriptionIdentifiersNotSupported = 0xA1,
    WildcardSubscriptionsNotSupported = 0xA2,
}

impl ReasonCode {
    /// Those that say that something failed.
    pub const FAILURES: [Self; 30] = [
        Self::UnspecifiedError,
        Self::MalformedPacket,
        Self::ProtocolError,
        Self::ImplementationSpecificError,
        Self::UnsupportedProtocolVersion,
        Self::ClientIdentifierNotValid,
        Self::BadUserNameOrPassword,
        Self::NotAuthorized,
        Self::ServerUnavailable,
        Self::ServerBusy,
        Self::Banned,
        Self::ServerShuttingDown,
        Self::BadAuthenticationMethod,
        Self::KeepAliveTimeout,
        Self::SessionTakenOver,
        Self::TopicFilterInvalid,
        Self::TopicNameInvalid,
        Self::PacketIdentifierInUse,
        Self::PacketIdentifierNotFound,
        Self::ReceiveMaximumExceeded,
        Self::TopicAliasInvalid,
        Self::PacketTooLarge,
        Self::QuotaExceeded,
        Self::AdministrativeAction,
        Self::RetainNotSupported,
        Self::QosNotSupported,
        Self::SharedSubscriptionsNotSupported,
        Self::MaximumConnectTime,
        Self::SubscriptionIdentifiersNotSupported,
        Self::WildcardSubscriptionsNotSupported,
    ];

    /// Returns the byte on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Returns whether the operation failed: the byte is 0x80 or above (section 2.4).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.as_u8() >= 0x80
    }

    /// Returns the code in words, for the Reason String of an acknowledgement or a goodbye.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::GrantedQos1 => "quality of service 1 is granted",
            Self::GrantedQos2 => "quality of service 2 is granted",
            Self::DisconnectWithWill => "the will message is to be published",
            Self::NoMatchingSubscribers => "nobody has subscribed to the topic",
            Self::NoSubscriptionExisted => "there was no such subscription",
            Self::UnspecifiedError => "the reason is not told",
            Self::MalformedPacket => "the packet is malformed",
            Self::ProtocolError => "the packet is not allowed here",
            Self::ImplementationSpecificError => "the server cannot handle the packet",
            Self::UnsupportedProtocolVersion => "the protocol version is not supported",
            Self::ClientIdentifierNotValid => "the client identifier is not valid",
            Self::BadUserNameOrPassword => "the user name or the password is wrong",
            Self::NotAuthorized => "the client may not do this",
            Self::ServerUnavailable => "the server is not available",
            Self::ServerBusy => "the server is busy, try again later",
            Self::Banned => "the client is banned",
            Self::ServerShuttingDown => "the server is shutting down",
            Self::BadAuthenticationMethod => "the authentication method is not supported",
            Self::KeepAliveTimeout => "nothing came for one and a half times Keep Alive",
            Self::SessionTakenOver => "another connection uses the client identifier",
            Self::TopicFilterInvalid => "the topic filter is not valid here",
            Self::TopicNameInvalid => "the topic name is not for clients to publish to",
            Self::PacketIdentifierInUse => "the packet identifier belongs to an open QoS 2 message",
            Self::PacketIdentifierNotFound => "the packet identifier is not in use",
            Self::ReceiveMaximumExceeded => "too many messages are unacknowledged",
            Self::TopicAliasInvalid => "the topic alias is out of range",
            Self::PacketTooLarge => "the packet is too large",
            Self::QuotaExceeded => "a limit of the server is reached",
            Self::AdministrativeAction => "an administrator ended the connection",
            Self::QosNotSupported => "the quality of service is above the maximum",
            Self::SharedSubscriptionsNotSupported => "shared subscriptions are not supported",
            Self::MaximumConnectTime => "what the client has proven about itself holds no longer",
            Self::SubscriptionIdentifiersNotSupported => {
                "subscription identifiers are not supported"
            }
            Self::WildcardSubscriptionsNotSupported => "filters with wildcards are not supported",
            Self::RetainNotSupported => "messages are not retained",
        }
    }

    /// Returns the CONNACK return code of MQTT 3.1.1 for a refused CONNECT, or `None` where
    /// the connection is closed without CONNACK [MQTT-3.2.2-6].
    #[must_use]
    pub const fn connect_return_code(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdentifierNotValid => Some(2),
            Self::ServerUnavailable | Self::ServerBusy | Self::QuotaExceeded => Some(3),
            Self::BadUserNameOrPassword => Some(4),
            Self::NotAuthorized | Self::Banned | Self::BadAuthenticationMethod => Some(5),
            Self::GrantedQos1
            | Self::GrantedQos2
            | Self::DisconnectWithWill
            | Self::NoMatchingSubscribers
            | Self::NoSubscriptionExisted
            | Self::UnspecifiedError
            | Self::MalformedPacket
            | Self::ProtocolError
            | Self::ImplementationSpecificError
            | Self::ServerShuttingDown
            | Self::KeepAliveTimeout
            | Self::SessionTakenOver
            | Self::TopicFilterInvalid
            | Self::TopicNameInvalid
            | Self::PacketIdentifierInUse
            | Self::PacketIdentifierNotFound
            | Self::ReceiveMaximumExceeded
            | Self::TopicAliasInvalid
            | Self::PacketTooLarge
            | Self::AdministrativeAction
            | Self::QosNotSupported
            | Self::RetainNotSupported
            | Self::MaximumConnectTime
            | Self::SubscriptionIdentifiersNotSupported
            | Self::WildcardSubscriptionsNotSupported
            | Self::SharedSubscriptionsNotSupported => None,
        }
    }
}

/// Returns why a session did not take a message, or `None` if it did.
pub(crate) const fn not_taken(offer: Offer) -> Option<DropReason> {
    match offer {
        Offer::Queued => None,
        Offer::Dropped(reason) => Some(drop_reason(reason)),
        Offer::Refused | Offer::Overflow => Some(DropReason::QueueFull),
    }
}

/// Returns a message that a session lost, and why.
pub(crate) fn lost(dropped: Dropped<Message>) -> (Message, DropReason) {
    (dropped.delivery.message, drop_reason(dropped.reason))
}

/// Returns the reason as events call it.
pub(crate) const fn drop_reason(reason: flux_session::DropReason) -> DropReason {
    match reason {
        flux_session::DropReason::Offline => DropReason::Offline,
        flux_session::DropReason::QueueFull | flux_session::DropReason::Displaced => {
            DropReason::QueueFull
        }
        flux_session::DropReason::Expired => DropReason::Expired,
        flux_session::DropReason::Withheld => DropReason::Withheld,
    }
}
