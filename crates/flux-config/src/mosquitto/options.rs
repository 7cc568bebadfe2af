//! What becomes of each option of mosquitto.conf(5).

use std::path::PathBuf;
use std::time::Duration;

use super::Line;
use super::draft::{Draft, Host};
use super::global::Globals;
use crate::config::{CertificatePart, Config, TlsVersion};
use crate::value::{Period, Size};

/// Puts a value into a config, or says why not.
pub(super) type Setter = fn(&mut Config, &str) -> Result<(), String>;

/// What becomes of an option.
pub(super) enum Fate {
    /// It begins a listener.
    Listener,
    /// It begins a bridge.
    Bridge,
    /// It belongs to a bridge.
    OfBridge,
    /// It belongs to a listener.
    OfListener(fn(&mut Draft, &str) -> Result<(), String>),
    /// It is a setting of the whole broker.
    Global(Setter),
    /// It waits until all is known.
    Kept(fn(&mut Globals, &Line) -> Result<(), String>),
    /// It names a file of rules.
    Acl,
    /// With this value it is what happens here; with another it is not, and this is why.
    Same(&'static str, &'static str),
    /// With another value than this one a listener cannot be had, and this is why.
    LeavesOut(&'static str, &'static str),
    /// There is nothing like it, and this is why.
    Not(&'static str),
}

/// Returns what becomes of an option.
pub(super) fn fate(key: &str) -> Fate {
    let listeners = of_listeners(key).or_else(|| of_certificates(key));
    if let Some(fate) = listeners.or_else(|| of_the_broker(key)).or_else(|| otherwise_here(key)) {
        return fate;
    }
    let of_bridge = key.starts_with("bridge_") || BRIDGE.contains(&key);
    let of_plugin =
        key.starts_with("auth_opt_") || key.starts_with("plugin") || PLUGIN.contains(&key);
    match key {
        "connection" => Fate::Bridge,
        _ if of_bridge => Fate::OfBridge,
        _ if of_plugin => Fate::Not("plugins are not supported"),
        "psk_hint" => Fate::LeavesOut("", "pre-shared keys are not supported"),
        _ if key.starts_with("psk_") => Fate::Not("pre-shared keys are not supported"),
        _ => Fate::Not("mosquitto.conf(5) does not know this option"),
    }
}

fn of_listeners(key: &str) -> Option<Fate> {
    Some(match key {
        "listener" => Fate::Listener,
        "port" => Fate::OfListener(|draft, value| {
            draft.port = Some(number(value, 1, u16::MAX.into())?);
            Ok(())
        }),
        "bind_address" => Fate::OfListener(|draft, value| {
            draft.host = Host::parse(value)?;
            Ok(())
        }),
        "max_connections" => Fate::OfListener(|draft, value| {
            if value != "-1" {
                draft.connections = Some(number(value, 1, u32::MAX.into())?);
            }
            Ok(())
        }),
        "max_qos" => Fate::OfListener(|draft, value| {
            draft.max_qos = Some(number(value, 0, 2)?);
            Ok(())
        }),
        "max_topic_alias" => Fate::OfListener(|draft, value| {
            draft.topic_aliases = Some(number(value, 0, u16::MAX.into())?);
            Ok(())
        }),
        "protocol" => Fate::OfListener(|draft, value| {
            draft.is_websocket = match value {
                "mqtt" => false,
                "websockets" => true,
                _ => return Err("there is `mqtt`, and `websockets`".to_owned()),
            };
            Ok(())
        }),
        "websockets_origin" => Fate::OfListener(|draft, value| {
            draft.origins.push(value.to_owned());
            Ok(())
        }),
        "mount_point" => Fate::LeavesOut("", "topics have no prefix by listener"),
        "bind_interface" => Fate::LeavesOut("", "an address is needed, not an interface"),
        "socket_domain" => Fate::Not("say an address of that kind in `bind`"),
        "http_dir" => Fate::Not("no files are served: another web server does that better"),
        "websockets_log_level" => Fate::Not("the log has a form of its own: see `log.filter`"),
        "websockets_headers_size" => Fate::Not("a request for WebSocket has 8 KiB at most"),
        "use_username_as_clientid" => {
            Fate::Same("false", "client identifiers are what clients say")
        }
        _ => return None,
    })
}

fn of_certificates(key: &str) -> Option<Fate> {
    Some(match key {
        "certfile" => Fate::OfListener(|draft, value| path(&mut draft.cert, value)),
        "keyfile" => Fate::OfListener(|draft, value| path(&mut draft.key, value)),
        "cafile" => Fate::OfListener(|draft, value| path(&mut draft.ca, value)),
        "crlfile" => Fate::OfListener(|draft, value| path(&mut draft.crl, value)),
        "require_certificate" => Fate::OfListener(|draft, value| {
            draft.requires_certificates = boolean(value)?;
            Ok(())
        }),
        "use_identity_as_username" => {
            Fate::OfListener(|draft, value| part(draft, value, CertificatePart::Cn))
        }
        "use_subject_as_username" => {
            Fate::OfListener(|draft, value| part(draft, value, CertificatePart::Subject))
        }
        "tls_version" => Fate::OfListener(|draft, value| {
            draft.minimum_version = Some(match value {
                "tlsv1.2" => TlsVersion::V1_2,
                "tlsv1.3" => TlsVersion::V1_3,
                _ => return Err("TLS 1.2 is the oldest version that is spoken".to_owned()),
            });
            Ok(())
        }),
        "capath" => Fate::Not("name the files in it with `client_ca`"),
        "ciphers" | "ciphers_tls1.3" | "dhparamfile" => {
            Fate::Not("ciphers are chosen by the broker: those that are safe")
        }
        "tls_engine" | "tls_engine_kpass_sha1" => Fate::Not("engines of OpenSSL are not supported"),
        "tls_keyform" => Fate::Same("pem", "engines of OpenSSL are not supported"),
        _ => return None,
    })
}

fn of_the_broker(key: &str) -> Option<Fate> {
    Some(match key {
        "allow_anonymous" => Fate::Kept(Globals::allow_anonymous),
        "password_file" => Fate::Kept(Globals::password_file),
        "persistence" => Fate::Kept(Globals::persistence),
        "persistence_location" => Fate::Kept(Globals::location),
        "log_type" => Fate::Kept(Globals::log),
        "acl_file" => Fate::Acl,
        "max_inflight_messages" => Fate::Global(|config, value| {
            let maximum = number(value, 0, u16::MAX.into())?;
            config.session.receive_maximum_cap = if maximum == 0 { u16::MAX } else { maximum };
            Ok(())
        }),
        "max_queued_messages" => Fate::Global(|config, value| {
            let maximum = number(value, 0, u32::MAX.into())?;
            config.session.queued_messages = if maximum == 0 { u32::MAX } else { maximum };
            Ok(())
        }),
        "max_queued_bytes" => Fate::Global(|config, value| {
            let maximum = number(value, 0, i64::MAX.unsigned_abs())?;
            config.session.queued_bytes = Size(if maximum == 0 { 1 << 40 } else { maximum });
            Ok(())
        }),
        "max_packet_size" => Fate::Global(|config, value| {
            if value != "0" {
                config.limits.packet_size = Size(number(value, 64, 268_435_460)?);
            }
            Ok(())
        }),
        "max_keepalive" => Fate::Global(|config, value| {
            let seconds = number(value, 1, u16::MAX.into())?;
            config.protocol.max_keep_alive = Some(Period(Duration::from_secs(seconds)));
            Ok(())
        }),
        "persistent_client_expiration" => Fate::Global(|config, value| {
            config.session.max_expiry = Some(Period(Duration::from_secs(expiry(value)?)));
            Ok(())
        }),
        "allow_zero_length_clientid" => Fate::Global(|config, value| {
            config.protocol.empty_client_ids = boolean(value)?;
            Ok(())
        }),
        "retain_available" => Fate::Global(|config, value| {
            config.protocol.retain_available = boolean(value)?;
            Ok(())
        }),
        "sys_interval" => Fate::Global(|config, value| {
            config.sys.interval = Period(Duration::from_secs(number(value, 0, 24 * 60 * 60)?));
            Ok(())
        }),
        "memory_limit" => Fate::Global(|config, value| {
            if value != "0" {
                config.limits.bytes = Size(number(value, 64 << 10, i64::MAX.unsigned_abs())?);
            }
            Ok(())
        }),
        _ => return None,
    })
}

/// What has no setting of ours.
fn otherwise_here(key: &str) -> Option<Fate> {
    Some(match key {
        "message_size_limit" => {
            Fate::Same("0", "it counts payloads; `limits.packet_size` counts whole packets")
        }
        "per_listener_settings" => {
            Fate::Same("false", "users and rules are the same on all listeners")
        }
        "set_tcp_nodelay" => Fate::Same("true", "what is sent is sent at once"),
        "upgrade_outgoing_qos" => Fate::Same("false", "the QoS of the publisher is never raised"),
        "allow_duplicate_messages" => {
            Fate::Same("false", "overlapping subscriptions get a message once")
        }
        "log_dest" => {
            Fate::Same("stderr", "the log goes to standard error: systemd and containers keep it")
        }
        "autosave_interval" | "autosave_on_changes" | "persistence_file" => {
            Fate::Not("what is acknowledged is stored at once: see `storage.durability`")
        }
        "auto_id_prefix" => Fate::Not("identifiers that are assigned have no prefix"),
        "clientid_prefixes" => Fate::Not("who may use which identifier is a matter of roles"),
        "check_retain_source" => Fate::Not("rights are looked at when a message is published"),
        "connection_messages" | "log_timestamp" | "log_timestamp_format" | "log_facility" => {
            Fate::Not("the log has a form of its own: see `log.filter`")
        }
        "max_inflight_bytes" => Fate::Not("what is in flight is counted in messages"),
        "pid_file" => Fate::Not("systemd and containers need none"),
        "queue_qos0_messages" => {
            Fate::Not("sessions keep QoS 0 only while their clients are connected")
        }
        "user" => Fate::Not("start the broker as that user, as systemd does with `User=`"),
        _ => return None,
    })
}

pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("this is neither true nor false".to_owned()),
    }
}

fn number<T: TryFrom<u64>>(value: &str, min: u64, max: u64) -> Result<T, String> {
    let number = value.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
    let number = number.and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("it is to be from {min} to {max}"))
}

/// Returns the seconds of a number of hours, days, weeks, months or years.
fn expiry(value: &str) -> Result<u64, String> {
    let units = [("h", 1), ("d", 24), ("w", 7 * 24), ("m", 30 * 24), ("y", 365 * 24)];
    let split = units.iter().find_map(|(unit, hours)| Some((value.strip_suffix(unit)?, hours)));
    let (number, hours) = split.ok_or("it is to be a number and one of h, d, w, m and y")?;
    number.trim().parse::<u32>().ok().filter(|number| *number > 0).map_or_else(
        || Err(format!("`{number}` is no number from 1 on")),
        |number| Ok((u64::from(number) * hours * 3600).min(u64::from(u32::MAX) - 1)),
    )
}

fn path(to: &mut Option<PathBuf>, value: &str) -> Result<(), String> {
    *to = Some(PathBuf::from(value));
    Ok(())
}

fn part(draft: &mut Draft, value: &str, part: CertificatePart) -> Result<(), String> {
    if boolean(value)? {
        draft.username_from = Some(part);
    }
    Ok(())
}

const BRIDGE: [&str; 21] = [
    "address",
    "addresses",
    "cleansession",
    "idle_timeout",
    "keepalive_interval",
    "local_cleansession",
    "local_clientid",
    "local_password",
    "local_username",
    "notification_topic",
    "notifications",
    "notifications_local_only",
    "remote_clientid",
    "remote_password",
    "remote_username",
    "restart_timeout",
    "round_robin",
    "start_type",
    "threshold",
    "topic",
    "try_private",
];

const PLUGIN: [&str; 3] = ["auth_plugin", "auth_plugin_deny_special_chars", "global_plugin"];
