//! What is shown is read as the same.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::load_files;
use crate::*;
use crate::{fuzz, show};

fn path() -> impl Strategy<Value = PathBuf> {
    "[ -~äé\n\"$]{1,12}|\\$\\{env:X\\}".prop_map(PathBuf::from)
}

fn period() -> impl Strategy<Value = Period> {
    (1_u64..1 << 40).prop_map(|millis| Period(Duration::from_millis(millis)))
}

fn size(least: u64) -> impl Strategy<Value = Size> {
    (0_u32..40, least..1 << 20).prop_map(|(shift, number)| Size(number << shift))
}

fn packet() -> impl Strategy<Value = Size> {
    (64_u64..=268_435_460).prop_map(Size)
}

prop_compose! {
    fn tls()(
        cert in path(),
        key in path(),
        further in vec((path(), path()), 0..3),
        client_ca in vec(path(), 0..3),
        crl in vec(path(), 0..3),
        which in 0_usize..3,
        username_from in any::<bool>(),
        handshake_timeout in period(),
        cached_sessions in 0_u32..10_000_000,
    ) -> Tls {
        let has_authority = !client_ca.is_empty();
        let asks = has_authority && which < 2;
        let further = further.into_iter().map(|(cert, key)| CertificateFiles { cert, key });
        let choices = [None, Some(ClientCertificates::Optional), Some(ClientCertificates::Off)];
        Tls {
            cert, key, handshake_timeout, cached_sessions,
            further: further.collect(),
            crl: OneOrMore(if has_authority { crl } else { Vec::new() }),
            client_ca: OneOrMore(client_ca),
            client_certificates: choices[which].filter(|_| has_authority),
            username_from: (asks && username_from).then_some(CertificatePart::Uri),
            ends_revoked_clients: which == 1,
            minimum_version: if which == 0 { TlsVersion::V1_3 } else { TlsVersion::V1_2 },
        }
    }
}

fn versions() -> impl Strategy<Value = OneOrMore<MqttVersion>> {
    let all = vec![MqttVersion::V3_1, MqttVersion::V3_1_1, MqttVersion::V5_0];
    proptest::sample::subsequence(all, 1..=3).prop_map(OneOrMore)
}

prop_compose! {
    fn jwt()(
        source in option::of((0..4, path())),
        issuer in option::of("[ -~é]{0,9}"),
        audience in vec("[ -~]{0,9}", 0..3),
        clock_skew in period(),
        username_claim in "[a-z]{1,9}",
        roles_claim in option::of("[a-z]{1,9}"),
    ) -> Jwt {
        let Some((which, file)) = source else { return Jwt::default() };
        let from = |number| (which == number).then(|| file.clone());
        Jwt {
            key_file: from(0), secret_file: from(1), jwks_file: from(2),
            jwks_url: (which == 3).then(|| "https://a/b".to_owned()),
            refresh: clock_skew.max(Period(Duration::from_secs(1))), ca_file: from(3),
            issuer, clock_skew, username_claim, roles_claim,
            claims: OneOrMore(audience.clone()),
            audience: OneOrMore(audience),
        }
    }
}

prop_compose! {
    fn client_ids()(user in "[ -~é]{1,9}", client_id in vec("[ -~]{0,9}", 1..3)) -> ClientIds {
        ClientIds { user, client_id: OneOrMore(client_id) }
    }
}

prop_compose! {
    fn bans()(
        (failures, addresses) in (any::<u32>(), 1_u32..10_000_000),
        (within, ban_for) in (period(), period()),
        exempt in vec(any::<[u8; 4]>(), 0..3),
    ) -> Bans {
        let exempt = exempt.into_iter().map(|ip| AddressRange(std::net::IpAddr::from(ip).into()));
        Bans { failures, within, ban_for, addresses, exempt: OneOrMore(exempt.collect()) }
    }
}

prop_compose! {
    fn http()(
        url in option::of("https?://[ -~]{0,9}"),
        token in option::of("[ -~]{1,9}".prop_map(Secret)),
        ca_file in option::of(path()),
        (timeout, cache_for, pause) in (period(), period(), period()),
        (concurrency, cached, failures) in (1_u32..10_000, 0_u32..10_000_000, 1_u32..),
    ) -> HttpCallback {
        match url {
            None => HttpCallback::default(),
            url => HttpCallback { url, token, ca_file, timeout, concurrency, cache_for, cached, failures, pause },
        }
    }
}

prop_compose! {
    fn listeners()(
        names in proptest::collection::btree_set("[ -~]{1,9}", 1..4),
        first_port in 1_u16..60_000,
        tls in option::of("[a-c]{1}"),
        proxies in vec(any::<[u8; 4]>(), 0..3),
        has_websocket in any::<bool>(),
        (path, origins) in ("/[ -~]{0,5}|\\*", vec("[ -~]{1,9}", 0..3)),
        unix_mode in 0_u32..0o1000,
        (versions, flag) in (option::of(versions()), option::of(any::<bool>())),
        (max_qos, few) in (option::of(0_u8..3), option::of(1_u16..)),
        (keep_alive, packet_size) in (option::of(1_u64..65_536), option::of(packet())),
    ) -> Vec<Listener> {
        let listener = |(number, name): (u16, String)| Listener {
            name,
            transport: match (tls.is_some(), has_websocket) {
                (false, false) => Transport::Mqtt,
                (true, false) => Transport::Mqtts,
                (false, true) => Transport::Ws,
                (true, true) => Transport::Wss,
            },
            bind: OneOrMore(vec![
                Bind::Unix(format!("/run/${{{number}\"").into()),
                Bind::Loopback(first_port + number),
                Bind::Address(([0, 0, 0, 0], first_port + number).into()),
            ]),
            tls: tls.clone(),
            allow_anonymous: true,
            proxy_from: OneOrMore(proxies.iter().map(|ip| AddressRange(std::net::IpAddr::from(*ip).into())).collect()),
            path: if has_websocket { path.clone() } else { "/mqtt".to_owned() },
            origins: OneOrMore(if has_websocket { origins.clone() } else { Vec::new() }),
            forwarded_by: OneOrMore::default(),
            unix_mode: Permissions(unix_mode),
            versions: versions.clone(),
            max_qos,
            retain_available: flag,
            wildcard_subscriptions: flag,
            subscription_identifiers: flag.map(|flag| !flag),
            shared_subscriptions: flag,
            empty_client_ids: flag,
            inbound_receive_maximum: few,
            topic_alias_maximum: few,
            topic_alias_maximum_cap: few,
            min_keep_alive: flag.map(|_| Period(Duration::from_secs(1))),
            max_keep_alive: keep_alive.map(|seconds| Period(Duration::from_secs(seconds))),
            max_session_expiry: few.map(|few| Period(Duration::from_secs(few.into()))),
            receive_maximum_cap: few,
            queued_messages: few.map(u32::from),
            queued_bytes: packet_size,
            when_full: flag.map(|_| SessionFull::Refuse),
            subscriptions_per_client: few.map(u32::from),
            topic_levels: few.map(u32::from),
            packet_size,
            connections: few.map(u32::from),
            publishes_per_second: few.map(|few| Rate(NonZeroU32::new(few.into()))),
            publish_bytes_per_second: few.map(|few| ByteRate(NonZeroU64::new(few.into()))),
            client_publishes_per_second: few.map(|few| Rate(NonZeroU32::new(few.into()))),
            client_publish_bytes_per_second: few.map(|few| ByteRate(NonZeroU64::new(few.into()))),
            when_too_fast: flag.map(|_| TooFast::Wait),
            connects_per_second: few.map(|few| Rate(NonZeroU32::new(few.into()))),
        };
        (0..).zip(names).map(listener).collect()
    }
}

prop_compose! {
    fn config()(
        workers in option::of(any::<NonZeroU32>()),
        mut listeners in listeners(),
        mut tls in btree_map("[a-c.\"é]{1,2}", tls(), 0..4),
        (has_acl, has_users, jwt, http) in (any::<bool>(), any::<bool>(), jwt(), http()),
        (client_ids, bans) in (vec(client_ids(), 0..3), bans()),
        file in path(),
        (connections, rate, levels) in (1_u32.., any::<u32>(), 1_u32..),
        (packet_size, connect_packet_size, bytes) in (packet(), packet(), size(1 << 16)),
        (max_qos, alias, keep_alive) in (0_u8..3, any::<u16>(), option::of(1_u64..65_536)),
        (versions, flag) in (versions(), any::<bool>()),
        response_information in option::of("[ -~é\t\n'\"$]{0,20}|\\$\\{env:X\\}"),
        (connect_timeout, unsent) in (period(), size(1)),
        durability in 0_usize..3,
        token in option::of("[ -~]{1,9}".prop_map(Secret)),
        filter in "[a-z=,_]{0,9}",
    ) -> Config {
        for listener in &mut listeners {
            if listener.tls.as_ref().is_none_or(|name| !tls.contains_key(name)) {
                listener.tls = None;
                let has_websocket = listener.transport.has_websocket();
                listener.transport = if has_websocket { Transport::Ws } else { Transport::Mqtt };
            }
        }
        let auth = Auth { password_file: has_users.then(|| file.clone()), allow_anonymous: true, jwt, http, client_ids, bans };
        if auth.asks_for_proof() || has_acl || !auth.client_ids.is_empty() {
            // They would have to be alike.
            tls.values_mut().for_each(|tls| tls.username_from = None);
        }
        let admin_tls = tls.keys().next().cloned();
        Config {
            broker: Broker { workers, drain_timeout: connect_timeout },
            listeners,
            tls,
            auth,
            acl: Acl { file: has_acl.then(|| file.clone()), default: [None, Some(AclDefault::Allow), Some(AclDefault::Deny)][durability] },
            limits: Limits {
                connections, half_open: connections, topic_levels: levels,
                packet_size, connect_packet_size, bytes,
                connects_per_second: Rate(NonZeroU32::new(rate)),
                publishes_per_second: Rate(NonZeroU32::new(rate)),
                publish_bytes_per_second: ByteRate(NonZeroU64::new(rate.into())),
                client_publishes_per_second: Rate(NonZeroU32::new(rate)),
                client_publish_bytes_per_second: ByteRate(NonZeroU64::new(rate.into())),
                when_too_fast: if flag { TooFast::Wait } else { TooFast::DropQos0 },
                ..Limits::default()
            },
            protocol: Protocol {
                versions, max_qos, retain_available: flag, wildcard_subscriptions: !flag, subscription_identifiers: flag,
                shared_subscriptions: !flag, empty_client_ids: flag, topic_alias_maximum: alias, topic_alias_maximum_cap: alias,
                min_keep_alive: keep_alive.map(|_| Period(Duration::from_secs(1))),
                max_keep_alive: keep_alive.map(|seconds| Period(Duration::from_secs(seconds))),
                response_information, connect_timeout,
                unsent_for_deliveries: unsent, unsent_for_answers: unsent,
            },
            session: Session { when_full: SessionFull::EndSession, queued_bytes: bytes, max_expiry: keep_alive.map(|seconds| Period(Duration::from_secs(seconds - 1))), ..Session::default() },
            shared: Shared { strategy: SharedStrategy::HashTopic, when_full: SharedFull::DropOldest, ..Shared::default() },
            retained: Retained { when_full: RetainedFull::DropOldest, message_bytes: bytes, ..Retained::default() },
            storage: match durability {
                0 => Storage::default(),
                1 => Storage { data_dir: None, durability: Some(Durability::None) },
                _ => Storage { data_dir: Some(file), durability: Some(Durability::Os) },
            },
            otlp: Otlp {
                endpoint: token.as_ref().map(|_| "http://[::1]:4318".to_owned()),
                headers: OneOrMore(token.iter().map(|token| Secret(format!("a={}", token.0))).collect()),
                sample_ratio: token.as_ref().map(|_| Ratio(f64::from(rate) / f64::from(u32::MAX))),
                ..Otlp::default()
            },
            sys: Sys { interval: Period(Duration::from_secs(alias.into())) },
            admin: Admin { bind: token.is_some().then_some(Bind::Loopback(alias)), tls: admin_tls, token, compat: OneOrMore(if flag { vec![Compat::Emqx] } else { Vec::new() }) },
            log: Log { filter, format: LogFormat::Json },
        }
    }
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(config in config()) {
        let shown = show::show(&config, None);
        let loaded = load_files([("flux.toml", &shown)]);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
        prop_assert_eq!(&loaded.config, &config);
        let shown = loaded.show();
        let loaded = load_files([("flux.toml", &shown)]);
        let mut loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n{shown}"));
        loaded.config.admin.token.clone_from(&config.admin.token);
        loaded.config.auth.http.token.clone_from(&config.auth.http.token);
        loaded.config.otlp.headers.clone_from(&config.otlp.headers);
        prop_assert_eq!(&loaded.config, &config);
    }

    #[test]
    fn any_text_is_read_or_told_about(text in "([a-z_]{1,9}|[\\[\\]\\.={}\"'\n0-9,#]|listener|name|limits|tls|\\$\\{file:secret\\}|[é\u{0}\r]){0,40}") {
        fuzz::check(&text);
    }
}
