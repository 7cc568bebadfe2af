//! What the config says becomes the settings of the broker: the one place that knows both.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::sync::Arc;

use flux_admin::AdminSettings;
use flux_config::{
    Admin, Bind, CertificatePart, ClientCertificates as When, Compat, Config, Loaded, MqttVersion,
    OneOrMore, Period, Problems, RetainedFull as NoRoom, SessionFull, SharedFull,
    SharedStrategy as Which, Tls, TlsVersion as Version, TooFast,
};
use flux_mqtt::{
    Certificates, GroupFull, GroupLimits, Limits, Listen, Listener, PublishRates, QoS,
    RetainedFull, RetainedLimits, SessionExpiry, SessionLimits, Settings, SharedSettings,
    SharedStrategy, Terms, TlsConfig, UnixSocket, Versions, WebSocketSettings, WhenFull,
    WhenTooFast,
};
use flux_tls::{CertificateFiles, CertificateName, ClientCertificates, TlsSettings, TlsVersion};

/// Certificates in use, each with its name and what the config says of it.
#[derive(Debug, Default)]
pub(crate) struct Known(Vec<(String, Tls, TlsConfig)>);

/// Returns the settings of a broker, with certificates that have been read. Where the config says of some what it said
/// before, those that are known go on; their files are checked all the same.
///
/// # Errors
///
/// When certificates cannot be used: all that is wrong with them.
pub(crate) fn settings(loaded: &Loaded, before: &Known) -> Result<(Settings, Known), Problems> {
    let known = before.renewed(loaded)?;
    let mut settings = without_listeners(&loaded.config);
    settings.listeners = listeners(loaded, &settings, &known);
    Ok((settings, known))
}

impl Known {
    fn renewed(&self, loaded: &Loaded) -> Result<Self, Problems> {
        let mut certificates = Vec::new();
        let mut problems: Option<Problems> = None;
        for (name, tls) in &loaded.config.tls {
            match TlsConfig::load(tls_settings(tls)) {
                Ok(new) => {
                    let same = self.0.iter().find(|(other, said, _)| other == name && said == tls);
                    let used = same.map_or(new, |(_, _, used)| used.clone());
                    certificates.push((name.clone(), tls.clone(), used));
                }
                Err(error) => {
                    let help = "name files in PEM that this user can read; `flux-broker tls init` makes some";
                    let found = loaded.error(&["tls", name, "cert"], error.to_string(), help);
                    problems.get_or_insert_with(|| loaded.none()).extend(found);
                }
            }
        }
        match problems {
            Some(problems) => Err(problems),
            None => Ok(Self(certificates)),
        }
    }

    /// Has clients that came by certificates of the same name looked at with these.
    pub(crate) fn take_the_place_of(&self, before: &Self, certificates: &Certificates) {
        for (name, _, old) in &before.0 {
            if let Some(new) = self.of(Some(name)) {
                certificates.replace(old, new);
            }
        }
    }

    fn of(&self, name: Option<&str>) -> Option<&TlsConfig> {
        let name = name?;
        self.0.iter().find(|(other, ..)| other == name).map(|(_, _, tls)| tls)
    }
}

/// Returns where metrics are served, if they are.
pub(crate) fn admin(loaded: &Loaded, known: &Known) -> Option<AdminSettings> {
    let Admin { bind, tls, token, compat } = &loaded.config.admin;
    let default = (token.is_some() || tls.is_some()).then_some(Bind::Loopback(ADMIN_PORT));
    let address = match bind.clone().or(default)? {
        Bind::Loopback(port) => SocketAddr::from(([127, 0, 0, 1], port)),
        Bind::Address(address) => address,
        // The config was checked.
        Bind::Unix(_) => return None,
    };
    let mut settings = AdminSettings::new(address);
    settings.tls = known.of(tls.as_deref()).cloned();
    settings.token = token.as_deref().map(|token| token.trim().to_owned());
    settings.compat = compat.0.iter().map(|Compat::Emqx| flux_admin::Compat::Emqx).collect();
    Some(settings)
}

/// Where metrics are served if nobody says where.
pub(crate) const ADMIN_PORT: u16 = 9883;

fn without_listeners(config: &Config) -> Settings {
    let Config { broker, protocol, .. } = config;
    let mut settings = Settings::default();
    settings.listeners.clear();
    if let Some(workers) = broker.workers.and_then(|it| NonZeroUsize::try_from(it).ok()) {
        settings.workers = workers;
    }
    settings.drain_timeout = broker.drain_timeout.0;
    // The config was checked: whoever is open to other machines says so.
    settings.allow_anonymous = config.listeners.iter().any(|listener| listener.allow_anonymous);
    settings.versions = versions(&protocol.versions);
    settings.max_qos = qos(protocol.max_qos);
    settings.retain_available = protocol.retain_available;
    settings.wildcard_subscriptions = protocol.wildcard_subscriptions;
    settings.subscription_identifiers = protocol.subscription_identifiers;
    settings.shared_subscriptions = protocol.shared_subscriptions;
    settings.empty_client_ids = protocol.empty_client_ids;
    settings.topic_alias_maximum = protocol.topic_alias_maximum;
    settings.topic_alias_maximum_cap = protocol.topic_alias_maximum_cap;
    settings.min_keep_alive = protocol.min_keep_alive.and_then(seconds);
    settings.max_keep_alive = protocol.max_keep_alive.and_then(seconds);
    settings.max_session_expiry = config.session.max_expiry.map_or(SessionExpiry::NEVER, expiry);
    settings.response_information.clone_from(&protocol.response_information);
    settings.connect_timeout = protocol.connect_timeout.0;
    settings.unsent_for_deliveries = size(protocol.unsent_for_deliveries);
    settings.unsent_for_answers = size(protocol.unsent_for_answers);
    settings.limits = limits(config);
    settings.session = session(config);
    settings.shared = shared(config);
    settings.retained = retained(config);
    settings
}

/// Listeners that use the same certificates share them, so that files are read once.
fn listeners(loaded: &Loaded, settings: &Settings, known: &Known) -> Vec<Listener> {
    let mut listeners = Vec::new();
    for listener in &loaded.config.listeners {
        let tls = known.of(listener.tls.as_deref());
        let terms = Arc::new(terms(listener, settings));
        for listen in listen(listener) {
            // The config was checked: what has TLS has certificates.
            let mut made = match (tls, listener.transport.has_websocket()) {
                (None, false) => Listener::tcp(listen),
                (Some(tls), false) => Listener::tls(listen, tls.clone()),
                (None, true) => Listener::ws(listen, websocket(listener)),
                (Some(tls), true) => Listener::wss(listen, tls.clone(), websocket(listener)),
            };
            made.name = listener.name.as_str().into();
            made.proxies = listener.proxy_from.0.iter().map(|range| range.0).collect();
            made.terms = Some(terms.clone());
            made.connections = listener.connections.map(count);
            made.connects_per_second = listener.connects_per_second.and_then(|rate| rate.0);
            listeners.push(made);
        }
    }
    listeners
}

/// Returns what a listener agrees on with its clients: what it does not say holds for all.
fn terms(listener: &flux_config::Listener, settings: &Settings) -> Terms {
    let mut terms = settings.terms();
    if let Some(spoken) = &listener.versions {
        terms.versions = versions(spoken);
    }
    set(&mut terms.max_qos, listener.max_qos.map(qos));
    set(&mut terms.retain_available, listener.retain_available);
    set(&mut terms.wildcard_subscriptions, listener.wildcard_subscriptions);
    set(&mut terms.subscription_identifiers, listener.subscription_identifiers);
    set(&mut terms.shared_subscriptions, listener.shared_subscriptions);
    set(&mut terms.empty_client_ids, listener.empty_client_ids);
    set(&mut terms.topic_alias_maximum, listener.topic_alias_maximum);
    set(&mut terms.topic_alias_maximum_cap, listener.topic_alias_maximum_cap);
    set(&mut terms.min_keep_alive, listener.min_keep_alive.map(seconds));
    set(&mut terms.max_keep_alive, listener.max_keep_alive.map(seconds));
    set(&mut terms.max_session_expiry, listener.max_session_expiry.map(expiry));
    session_terms(listener, &mut terms.session);
    terms.subscriptions_per_client = listener.subscriptions_per_client.map(count);
    terms.topic_levels = listener.topic_levels.map(count);
    set(&mut terms.packet_size, listener.packet_size.map(packet_size));
    set(&mut terms.publishes.messages, listener.publishes_per_second.map(|rate| rate.0));
    set(&mut terms.publishes.bytes, listener.publish_bytes_per_second.map(|rate| rate.0));
    let own = &mut terms.client_publishes;
    set(&mut own.messages, listener.client_publishes_per_second.map(|rate| rate.0));
    set(&mut own.bytes, listener.client_publish_bytes_per_second.map(|rate| rate.0));
    set(&mut terms.when_too_fast, listener.when_too_fast.map(when_too_fast));
    terms
}

fn session_terms(listener: &flux_config::Listener, session: &mut SessionLimits) {
    set(&mut session.inbound_receive_maximum, listener.inbound_receive_maximum);
    set(&mut session.receive_maximum_cap, listener.receive_maximum_cap);
    set(&mut session.queued_messages, listener.queued_messages.map(count));
    set(&mut session.queued_bytes, listener.queued_bytes.map(size));
    set(&mut session.when_full, listener.when_full.map(when_full));
}

fn set<T>(to: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *to = value;
    }
}

fn versions(versions: &OneOrMore<MqttVersion>) -> Versions {
    let version = |version: &MqttVersion| match version {
        MqttVersion::V3_1 => flux_mqtt::Version::V31,
        MqttVersion::V3_1_1 => flux_mqtt::Version::V311,
        MqttVersion::V5_0 => flux_mqtt::Version::V5,
    };
    versions.0.iter().map(version).collect()
}

const fn when_too_fast(too_fast: TooFast) -> WhenTooFast {
    match too_fast {
        TooFast::Wait => WhenTooFast::Wait,
        TooFast::DropQos0 => WhenTooFast::DropQos0,
    }
}

fn qos(qos: u8) -> QoS {
    QoS::try_from(qos).unwrap_or(QoS::ExactlyOnce)
}

fn seconds(period: Period) -> Option<NonZeroU16> {
    u16::try_from(period.0.as_secs()).ok().and_then(NonZeroU16::new)
}

fn expiry(period: Period) -> SessionExpiry {
    SessionExpiry::from_secs(u32::try_from(period.0.as_secs()).unwrap_or(u32::MAX))
}

fn packet_size(size: flux_config::Size) -> u32 {
    u32::try_from(size.0).unwrap_or(u32::MAX)
}

fn websocket(listener: &flux_config::Listener) -> WebSocketSettings {
    let mut settings = WebSocketSettings::default();
    settings.path.clone_from(&listener.path);
    settings.origins.clone_from(&listener.origins.0);
    settings.forwarded_by = listener.forwarded_by.0.iter().map(|range| range.0).collect();
    settings
}

fn listen(listener: &flux_config::Listener) -> Vec<Listen> {
    let (mut listens, mut addresses) = (Vec::new(), Vec::new());
    for bind in &listener.bind.0 {
        match bind {
            Bind::Loopback(port) => listens.push(Listen::Loopback(*port)),
            Bind::Address(address) => addresses.push(*address),
            Bind::Unix(path) => {
                let (path, mode) = (path.clone(), listener.unix_mode.0);
                listens.push(Listen::Unix(UnixSocket { path, mode }));
            }
        }
    }
    if !addresses.is_empty() {
        listens.push(Listen::Addresses(addresses));
    }
    listens
}

fn tls_settings(tls: &Tls) -> TlsSettings {
    let mut settings = TlsSettings::new(&tls.cert, &tls.key);
    let further = tls
        .further
        .iter()
        .map(|files| CertificateFiles { chain: files.cert.clone(), key: files.key.clone() });
    settings.further_certificates = further.collect();
    settings.client_ca.clone_from(&tls.client_ca.0);
    settings.crl.clone_from(&tls.crl.0);
    settings.client_certificates = match tls.client_certificates() {
        When::Off => ClientCertificates::Off,
        When::Optional => ClientCertificates::Optional,
        When::Required => ClientCertificates::Required,
    };
    settings.username_from = tls.username_from.map(|part| match part {
        CertificatePart::Cn => CertificateName::CommonName,
        CertificatePart::Subject => CertificateName::Subject,
        CertificatePart::Dns => CertificateName::Dns,
        CertificatePart::Uri => CertificateName::Uri,
        CertificatePart::Email => CertificateName::Email,
        CertificatePart::Fingerprint => CertificateName::Fingerprint,
    });
    settings.ends_revoked_clients = tls.ends_revoked_clients;
    settings.minimum_version = match tls.minimum_version {
        Version::V1_2 => TlsVersion::V1_2,
        Version::V1_3 => TlsVersion::V1_3,
    };
    settings.cached_sessions = count(tls.cached_sessions);
    settings.handshake_timeout = tls.handshake_timeout.0;
    settings
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        connections: count(limits.connections),
        half_open: count(limits.half_open),
        handshakes: count(limits.handshakes),
        sessions: count(limits.sessions),
        pending_connects: count(limits.pending_connects),
        connects_per_second: limits.connects_per_second.0,
        subscriptions_per_client: count(limits.subscriptions_per_client),
        subscribe_filters: count(limits.subscribe_filters),
        topic_levels: count(limits.topic_levels),
        packet_size: packet_size(limits.packet_size),
        connect_packet_size: packet_size(limits.connect_packet_size),
        publishes: PublishRates {
            messages: limits.publishes_per_second.0,
            bytes: limits.publish_bytes_per_second.0,
        },
        client_publishes: PublishRates {
            messages: limits.client_publishes_per_second.0,
            bytes: limits.client_publish_bytes_per_second.0,
        },
        when_too_fast: when_too_fast(limits.when_too_fast),
        bytes: limits.bytes.0,
    }
}

fn session(config: &Config) -> SessionLimits {
    let session = &config.session;
    SessionLimits {
        receive_maximum_cap: session.receive_maximum_cap,
        queued_messages: count(session.queued_messages),
        queued_bytes: size(session.queued_bytes),
        queued_here: count(session.queued_here),
        when_full: when_full(session.when_full),
        inbound_receive_maximum: session.inbound_receive_maximum,
        ..SessionLimits::default()
    }
}

const fn when_full(full: SessionFull) -> WhenFull {
    match full {
        SessionFull::DropNewest => WhenFull::DropNewest,
        SessionFull::DropOldest => WhenFull::DropOldest,
        SessionFull::Refuse => WhenFull::Refuse,
        SessionFull::EndSession => WhenFull::EndSession,
    }
}

fn shared(config: &Config) -> SharedSettings {
    let shared = &config.shared;
    SharedSettings {
        strategy: match shared.strategy {
            Which::RoundRobin => SharedStrategy::RoundRobin,
            Which::Random => SharedStrategy::Random,
            Which::Sticky => SharedStrategy::Sticky,
            Which::HashClient => SharedStrategy::HashClient,
            Which::HashTopic => SharedStrategy::HashTopic,
        },
        limits: GroupLimits {
            queued_messages: count(shared.queued_messages),
            queued_bytes: size(shared.queued_bytes),
            when_full: match shared.when_full {
                SharedFull::DropNewest => GroupFull::Newest,
                SharedFull::DropOldest => GroupFull::Oldest,
            },
        },
    }
}

fn retained(config: &Config) -> RetainedLimits {
    let retained = &config.retained;
    RetainedLimits {
        messages: count(retained.messages),
        bytes: size(retained.bytes),
        message_bytes: size(retained.message_bytes),
        when_full: match retained.when_full {
            NoRoom::Refuse => RetainedFull::Refuse,
            NoRoom::DropOldest => RetainedFull::DropOldest,
        },
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn size(size: flux_config::Size) -> usize {
    usize::try_from(size.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use flux_config::{Flags, InMemory, load};

    use super::*;

    fn made(text: &str) -> Settings {
        let files = InMemory::new([("flux.toml", text)]);
        let loaded = load(Some("flux.toml".as_ref()), Flags::default(), &files);
        settings(&loaded.unwrap(), &Known::default()).unwrap().0
    }

    #[test]
    fn an_empty_file_says_what_the_broker_does_by_itself() {
        let (mut made, default) = (made(""), Settings::default());
        for listener in &mut made.listeners {
            // It says what holds without a word.
            assert_eq!(listener.terms.take().as_deref(), Some(&default.terms()));
        }
        assert_eq!(format!("{made:?}"), format!("{default:?}"));
    }

    #[test]
    fn every_setting_arrives() {
        let made = made(
            "[broker]\nworkers = 3\ndrain_timeout = \"1s\"\n\
             [[listener]]\nname = \"a\"\nbind = [\"0.0.0.0:1\", \"loopback:2\"]\nallow_anonymous = true\nproxy_from = \"10.0.0.0/8\"\n\
             [[listener]]\nname = \"b\"\ntransport = \"ws\"\nbind = [\"unix:/x\", \"127.0.0.1:3\"]\nunix_mode = \"600\"\npath = \"/y\"\n\
             origins = \"https://z\"\nforwarded_by = \"127.0.0.1\"\nproxy_from = \"10.0.0.0/8\"\n\
             versions = [\"3.1.1\"]\nmax_qos = 0\nretain_available = false\nwildcard_subscriptions = false\n\
             subscription_identifiers = false\nshared_subscriptions = false\nempty_client_ids = false\n\
             inbound_receive_maximum = 37\nmin_keep_alive = \"8s\"\nmax_session_expiry = \"51s\"\nreceive_maximum_cap = 52\n\
             queued_messages = 53\nqueued_bytes = 54\nwhen_full = \"end-session\"\nsubscriptions_per_client = 55\ntopic_levels = 56\n\
             client_publishes_per_second = \"57/s\"\nclient_publish_bytes_per_second = \"58B/s\"\ntopic_alias_maximum = 38\ntopic_alias_maximum_cap = 39\nmax_keep_alive = \"40s\"\n\
             packet_size = 410\nconnections = 42\nconnects_per_second = \"43/s\"\npublishes_per_second = \"44/s\"\n\
             publish_bytes_per_second = \"45B/s\"\nwhen_too_fast = \"wait\"\n\
             [limits]\nconnections = 11\nhalf_open = 12\nhandshakes = 13\nsessions = 14\npending_connects = 15\n\
             connects_per_second = \"16/s\"\nsubscriptions_per_client = 17\nsubscribe_filters = 59\ntopic_levels = 18\npacket_size = 190\n\
             connect_packet_size = 200\npublishes_per_second = \"46/s\"\npublish_bytes_per_second = \"47B/s\"\n\
             client_publishes_per_second = \"48/s\"\nclient_publish_bytes_per_second = \"49B/s\"\n\
             when_too_fast = \"drop-qos0\"\nbytes = \"21MiB\"\n\
             [protocol]\nversions = [\"3.1\", \"5.0\"]\nmax_qos = 1\nretain_available = false\nwildcard_subscriptions = false\n\
             subscription_identifiers = false\nshared_subscriptions = false\nempty_client_ids = false\ntopic_alias_maximum = 22\ntopic_alias_maximum_cap = 23\nmin_keep_alive = \"9s\"\nmax_keep_alive = \"24s\"\n\
             response_information = \"25\"\nconnect_timeout = \"26s\"\nunsent_for_deliveries = 27\nunsent_for_answers = 28\n\
             [session]\nreceive_maximum_cap = 29\ninbound_receive_maximum = 30\nqueued_messages = 31\nqueued_bytes = 32\n\
             queued_here = 33\nwhen_full = \"refuse\"\nmax_expiry = \"60s\"\n\
             [shared]\nstrategy = \"sticky\"\nqueued_messages = 34\nqueued_bytes = 35\nwhen_full = \"drop-oldest\"\n\
             [retained]\nmessages = 36\nbytes = 37\nmessage_bytes = 38\nwhen_full = \"drop-oldest\"\n",
        );
        let all = format!("{made:?}");
        for part in [
            "[(\"a\", Loopback(2)), (\"a\", Addresses([0.0.0.0:1])), (\"b\", Unix(UnixSocket { path: \"/x\", mode: 384 })), (\"b\", Addresses([127.0.0.1:3]))]",
            "WebSocketSettings { path: \"/y\", origins: [\"https://z\"], forwarded_by: [127.0.0.1/32] }",
            "drain_timeout: 1s",
            "workers: 3,",
            "allow_anonymous: true",
            "connections: 11, half_open: 12, handshakes: 13, sessions: 14, pending_connects: 15, \
             connects_per_second: Some(16), subscriptions_per_client: 17, subscribe_filters: 59, topic_levels: 18, packet_size: 190, \
             connect_packet_size: 200, publishes: PublishRates { messages: Some(46), bytes: Some(47) }, \
             client_publishes: PublishRates { messages: Some(48), bytes: Some(49) }, when_too_fast: DropQos0, bytes: 22020096",
            "max_qos: AtLeastOnce, versions: Versions { v31: true, v311: false, v5: true }, retain_available: false, \
             wildcard_subscriptions: false, subscription_identifiers: false, shared_subscriptions: false, \
             empty_client_ids: false",
            "terms: Some(Terms { versions: Versions { v31: true, v311: false, v5: true }, max_qos: AtLeastOnce, \
             retain_available: false, wildcard_subscriptions: false, subscription_identifiers: false, \
             shared_subscriptions: false, empty_client_ids: false, session: SessionLimits { receive_maximum_cap: 29, \
             queued_messages: 31, queued_bytes: 32, queued_here: 33, when_full: Refuse, packet_ids: 65535, \
             inbound_receive_maximum: 30 }, max_session_expiry: SessionExpiry(60), topic_alias_maximum: 22, \
             topic_alias_maximum_cap: 23, min_keep_alive: Some(9), max_keep_alive: Some(24), packet_size: 190, \
             subscriptions_per_client: None, topic_levels: None, publishes: PublishRates { messages: None, bytes: None }, \
             client_publishes: PublishRates { messages: Some(48), bytes: Some(49) }, when_too_fast: DropQos0 })",
            "terms: Some(Terms { versions: Versions { v31: false, v311: true, v5: false }, max_qos: AtMostOnce, \
             retain_available: false, wildcard_subscriptions: false, subscription_identifiers: false, \
             shared_subscriptions: false, empty_client_ids: false, session: SessionLimits { receive_maximum_cap: 52, \
             queued_messages: 53, queued_bytes: 54, queued_here: 33, when_full: EndSession, packet_ids: 65535, \
             inbound_receive_maximum: 37 }, max_session_expiry: SessionExpiry(51), topic_alias_maximum: 38, \
             topic_alias_maximum_cap: 39, min_keep_alive: Some(8), max_keep_alive: Some(40), packet_size: 410, \
             subscriptions_per_client: Some(55), topic_levels: Some(56), \
             publishes: PublishRates { messages: Some(44), bytes: Some(45) }, \
             client_publishes: PublishRates { messages: Some(57), bytes: Some(58) }, when_too_fast: Wait })",
            "connections: Some(42), connects_per_second: Some(43)",
            "topic_alias_maximum: 22, topic_alias_maximum_cap: 23, min_keep_alive: Some(9), max_keep_alive: Some(24), \
             max_session_expiry: SessionExpiry(60), response_information: Some(\"25\"), connect_timeout: 26s, unsent_for_deliveries: 27, unsent_for_answers: 28",
            "receive_maximum_cap: 29, queued_messages: 31, queued_bytes: 32, queued_here: 33, when_full: Refuse, \
             packet_ids: 65535, inbound_receive_maximum: 30",
            "strategy: Sticky, limits: GroupLimits { queued_messages: 34, queued_bytes: 35, when_full: Oldest }",
            "messages: 36, bytes: 37, message_bytes: 38, when_full: DropOldest",
        ] {
            let listens: Vec<_> = made.listeners.iter().map(|it| (&it.name, &it.listen)).collect();
            let all = format!("{listens:?} {all}");
            assert!(all.contains(part), "{part} is not in {all}");
        }
        assert!(made.listeners.iter().all(|it| it.proxies.len() == 1));
    }
}
