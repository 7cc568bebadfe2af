//! What to do next about an event: the field `help` of its line.

use flux_eventbus::Limit;
use flux_mqtt::ReasonCode;

/// Returns what to do about a limit that was reached.
pub(crate) const fn on_limit(limit: Limit) -> &'static str {
    match limit {
        Limit::Connections => "if this is no attack, raise limits.connections",
        Limit::HalfOpen => "if this is no attack, raise limits.half_open",
        Limit::Handshakes => "if this is no attack, raise limits.handshakes",
        Limit::ConnectTime => {
            "if the network or who decides about clients is slow, raise protocol.connect_timeout"
        }
        Limit::Sessions => {
            "see `flux-broker clients list`: lower session.max_expiry, or raise limits.sessions"
        }
        Limit::PendingConnects => {
            "see that who decides about clients answers fast, or raise limits.pending_connects"
        }
        Limit::ConnectsPerSecond => "if this is no attack, raise limits.connects_per_second",
        Limit::ListenerConnections => "if this is no attack, raise connections of the listener",
        Limit::ListenerConnectsPerSecond => {
            "if this is no attack, raise connects_per_second of the listener"
        }
        Limit::SubscriptionsPerClient => {
            "see `flux-broker clients show`: a filter with a wildcard may do, or raise limits.subscriptions_per_client"
        }
        Limit::SubscribeFilters => {
            "let the client ask for fewer filters at once, or raise limits.subscribe_filters"
        }
        Limit::TopicLevels => "let the client use shorter topics, or raise limits.topic_levels",
        Limit::PacketSize => "let the client send less at once, or raise limits.packet_size",
        Limit::PublishesPerSecond => "if this is no attack, raise limits.publishes_per_second",
        Limit::PublishBytesPerSecond => {
            "if this is no attack, raise limits.publish_bytes_per_second"
        }
        Limit::ListenerPublishesPerSecond => {
            "if this is no attack, raise publishes_per_second of the listener"
        }
        Limit::ListenerPublishBytesPerSecond => {
            "if this is no attack, raise publish_bytes_per_second of the listener"
        }
        Limit::ClientPublishesPerSecond => {
            "let the client publish less often, or raise limits.client_publishes_per_second"
        }
        Limit::ClientPublishBytesPerSecond => {
            "let the client publish less, or raise limits.client_publish_bytes_per_second"
        }
        Limit::KeepAlive => {
            "let the client ask for less, or raise protocol.max_keep_alive; for more, or lower protocol.min_keep_alive"
        }
        Limit::SessionExpiry => "let the client ask for less, or raise session.max_expiry",
        Limit::UnsentAnswers => "the client does not read: look at it or its network",
        Limit::Bytes => {
            "see flux_held_bytes by kind and `flux-broker clients list`, or raise limits.bytes"
        }
        _newer => "see docs/guide/limits.md",
    }
}

/// Returns what to do about a client that is refused.
pub(crate) const fn on_refusal(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::MalformedPacket | ReasonCode::ProtocolError => {
            "look at the client's program: its CONNECT is not as the standard says"
        }
        ReasonCode::UnsupportedProtocolVersion => "look at protocol.versions",
        ReasonCode::ClientIdentifierNotValid => {
            "give the client an identifier of its own; see auth.client_ids and protocol.empty_client_ids"
        }
        ReasonCode::BadUserNameOrPassword => "look at the client's user name and password",
        ReasonCode::NotAuthorized => {
            "look at what the client proves who it is with, and at its rights: `flux-broker acl explain`, acl.file, acl.default"
        }
        ReasonCode::ServerUnavailable => "look at /readyz, and at who decides about clients",
        ReasonCode::ServerBusy => "see flux_limits_reached_total for the limit, and raise it",
        ReasonCode::Banned => "`flux-broker bans list` shows who is banned, `bans lift` ends it",
        ReasonCode::BadAuthenticationMethod => "let the client use a method that [auth] has",
        ReasonCode::TopicNameInvalid => "look at the topic of the client's will",
        ReasonCode::PacketTooLarge => {
            "look at limits.connect_packet_size, and at the Maximum Packet Size of the client"
        }
        ReasonCode::QuotaExceeded => "see flux_limits_reached_total for the limit, and raise it",
        ReasonCode::RetainNotSupported => {
            "let the client's will not be retained, or set protocol.retain_available"
        }
        ReasonCode::QosNotSupported => {
            "lower the quality of service of the client's will, or raise protocol.max_qos"
        }
        ReasonCode::ServerShuttingDown => "wait until the broker is started again",
        ReasonCode::Success
        | ReasonCode::GrantedQos1
        | ReasonCode::GrantedQos2
        | ReasonCode::DisconnectWithWill
        | ReasonCode::NoMatchingSubscribers
        | ReasonCode::NoSubscriptionExisted
        | ReasonCode::UnspecifiedError
        | ReasonCode::ImplementationSpecificError
        | ReasonCode::KeepAliveTimeout
        | ReasonCode::SessionTakenOver
        | ReasonCode::TopicFilterInvalid
        | ReasonCode::PacketIdentifierInUse
        | ReasonCode::PacketIdentifierNotFound
        | ReasonCode::ReceiveMaximumExceeded
        | ReasonCode::TopicAliasInvalid
        | ReasonCode::AdministrativeAction
        | ReasonCode::MaximumConnectTime
        | ReasonCode::SharedSubscriptionsNotSupported
        | ReasonCode::SubscriptionIdentifiersNotSupported
        | ReasonCode::WildcardSubscriptionsNotSupported => LOOK_CLOSER,
    }
}

/// What to do where no more is known than that a client was refused.
pub(crate) const LOOK_CLOSER: &str =
    "`flux-broker log set info,flux_mqtt=debug` logs why, the next time";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns what there is to set: `section.name`, and the names in a listener.
    fn settings() -> BTreeSet<String> {
        let (mut settings, mut section) = (BTreeSet::new(), "");
        let guide = flux_config::guide();
        for line in guide.lines() {
            if let Some(header) = line.strip_prefix("## `") {
                section = header.trim_matches(['[', ']', '`']);
            } else if let Some((name, _)) =
                line.strip_prefix("| `").and_then(|rest| rest.split_once('`'))
            {
                settings.insert(format!("{section}.{name}"));
            }
        }
        settings
    }

    #[test]
    fn each_setting_that_is_named_can_be_set() {
        let settings = settings();
        let limits = Limit::ALL.map(on_limit);
        let refusals = ReasonCode::FAILURES.map(on_refusal);
        let mut named = 0;
        for help in limits.into_iter().chain(refusals) {
            let words = help.split([' ', ',', ';', ':']).map(|word| word.trim_matches('`'));
            for word in words.filter(|word| word.contains('.') && !word.starts_with("docs/")) {
                assert!(settings.contains(word), "{word} of {help:?} is not in {settings:?}");
                named += 1;
            }
        }
        assert!(named > 20, "{named}");
    }

    #[test]
    fn each_limit_has_help_of_its_own() {
        let all: BTreeSet<_> = Limit::ALL.into_iter().map(on_limit).collect();
        assert_eq!(all.len(), Limit::ALL.len(), "{all:?}");
        assert!(!all.contains("see docs/guide/limits.md"));
    }
}
