//! What becomes of files of mosquitto.

use std::path::Path;

use expect_test::{Expect, expect};

use super::load_files;
use crate::{Imported, InMemory, import_mosquitto};

fn import<const N: usize>(files: [(&str, &str); N]) -> Imported {
    let roles = Some(Path::new("roles.toml"));
    let imported =
        import_mosquitto(Path::new("mosquitto.conf"), roles, &InMemory::new(files)).unwrap();
    let loaded = load_files([("flux.toml", &imported.config)]);
    loaded.unwrap_or_else(|problems| panic!("{problems}\n{}", imported.config));
    imported
}

#[expect(clippy::needless_pass_by_value, reason = "as the macro makes it")]
#[track_caller]
fn check<const N: usize>(files: [(&str, &str); N], expected: Expect) {
    let Imported { config, roles, not_carried } = import(files);
    let mut all = config;
    if let Some(roles) = roles {
        all = format!("{all}--- roles\n{roles}");
    }
    for line in not_carried {
        all = format!("{all}--- {line}\n");
    }
    expected.assert_eq(&all);
}

#[test]
fn what_debian_installs() {
    let conf = "# Place your local configuration in /etc/mosquitto/conf.d/\n\
                \n\
                pid_file /run/mosquitto/mosquitto.pid\n\
                \n\
                persistence true\n\
                persistence_location /var/lib/mosquitto/\n\
                \n\
                log_dest file /var/log/mosquitto/mosquitto.log\n\
                \n\
                include_dir /etc/mosquitto/conf.d\n";
    check(
        [("mosquitto.conf", conf)],
        expect![[r#"
            [[listener]]
            name = "mqtt"

            [storage]
            data_dir = "/var/lib/mosquitto/flux"
            --- mosquitto.conf:3: pid_file /run/mosquitto/mosquitto.pid: systemd and containers need none
            --- mosquitto.conf:8: log_dest file /var/log/mosquitto/mosquitto.log: the log goes to standard error: systemd and containers keep it
        "#]],
    );
    let local = "listener 1883\nallow_anonymous false\npassword_file /etc/mosquitto/passwd\n";
    check(
        [("mosquitto.conf", conf), ("/etc/mosquitto/conf.d/local.conf", local)],
        expect![[r#"
            [[listener]]
            name = "1883"
            bind = ["0.0.0.0:1883", "[::]:1883"]

            [auth]
            password_file = "/etc/mosquitto/passwd"

            [acl]
            default = "allow"

            [storage]
            data_dir = "/var/lib/mosquitto/flux"
            --- mosquitto.conf:3: pid_file /run/mosquitto/mosquitto.pid: systemd and containers need none
            --- mosquitto.conf:8: log_dest file /var/log/mosquitto/mosquitto.log: the log goes to standard error: systemd and containers keep it
        "#]],
    );
}

#[test]
fn what_people_use_with_zigbee2mqtt() {
    let conf = "persistence true\n\
                persistence_location /mosquitto/data\n\
                log_dest stdout\n\
                listener 1883\n\
                allow_anonymous true\n\
                listener 9001\n\
                protocol websockets\n";
    check(
        [("mosquitto.conf", conf)],
        expect![[r#"
            [[listener]]
            name = "1883"
            bind = ["0.0.0.0:1883", "[::]:1883"]
            allow_anonymous = true

            [[listener]]
            name = "9001"
            transport = "ws"
            bind = ["0.0.0.0:9001", "[::]:9001"]
            allow_anonymous = true
            path = "*"

            [storage]
            data_dir = "/mosquitto/data/flux"
            --- mosquitto.conf:3: log_dest stdout: the log goes to standard error: systemd and containers keep it
        "#]],
    );
}

#[test]
fn what_the_add_on_of_home_assistant_has() {
    let conf = "protocol mqtt\n\
                user root\n\
                log_dest stdout\n\
                log_type error\n\
                log_type warning\n\
                log_type notice\n\
                persistence true\n\
                persistence_location /data/\n\
                max_queued_messages 8192\n\
                auth_plugin /usr/share/mosquitto/go-auth.so\n\
                auth_opt_backends files,http\n\
                auth_opt_files_password_path /etc/mosquitto/pw\n\
                allow_anonymous false\n\
                include_dir /share/mosquitto\n\
                listener 1883\n\
                listener 8883\n\
                cafile /ssl/fullchain.pem\n\
                certfile /ssl/fullchain.pem\n\
                keyfile /ssl/privkey.pem\n\
                require_certificate false\n";
    let roles = Some(Path::new("roles.toml"));
    let imported = import_mosquitto(
        Path::new("mosquitto.conf"),
        roles,
        &InMemory::new([("mosquitto.conf", conf)]),
    )
    .unwrap();
    let told = imported.not_carried.iter().map(ToString::to_string).collect::<Vec<_>>();
    expect![[r#"
        [[listener]]
        name = "1883"
        bind = ["0.0.0.0:1883", "[::]:1883"]

        [[listener]]
        name = "8883"
        transport = "mqtts"
        bind = ["0.0.0.0:8883", "[::]:8883"]
        tls = "8883"

        [tls.8883]
        cert = "/ssl/fullchain.pem"
        key = "/ssl/privkey.pem"

        [session]
        queued_messages = 8192

        [storage]
        data_dir = "/data/flux"

        [log]
        filter = "info"
        mosquitto.conf:2: user root: start the broker as that user, as systemd does with `User=`
        mosquitto.conf:3: log_dest stdout: the log goes to standard error: systemd and containers keep it
        mosquitto.conf:10: auth_plugin /usr/share/mosquitto/go-auth.so: plugins are not supported
        mosquitto.conf:11: auth_opt_backends files,http: plugins are not supported
        mosquitto.conf:12: auth_opt_files_password_path /etc/mosquitto/pw: plugins are not supported
        mosquitto.conf:13: allow_anonymous false: there is no password file, so nobody could connect: on loopback anybody may here, elsewhere the broker refuses to start"#]].assert_eq(&format!("{}{}", imported.config, told.join("\n")));
    // Its plug-in is gone, so nobody would be asked for anything: it does not start like this.
    let problems = load_files([("flux.toml", &imported.config)]).unwrap_err();
    assert!(problems.to_string().contains("anybody may connect"), "{problems}");
}

#[expect(clippy::too_many_lines, reason = "one file, and all that comes of it")]
#[test]
fn listeners_certificates_limits_and_bridges() {
    let conf = "port 1884\n\
                bind_address localhost\n\
                max_connections 500\n\
                max_inflight_messages 0\n\
                max_queued_bytes 1048576\n\
                max_packet_size 100000\n\
                max_keepalive 120\n\
                memory_limit 1073741824\n\
                message_size_limit 1000\n\
                retain_available false\n\
                set_tcp_nodelay true\n\
                listener 8883 192.0.2.7\n\
                cafile ca.crt\n\
                certfile server.crt\n\
                keyfile server.key\n\
                crlfile ca.crl\n\
                require_certificate true\n\
                use_identity_as_username true\n\
                tls_version tlsv1.3\n\
                max_qos 1\n\
                listener 8884 example.org\n\
                listener 0 /run/mosquitto.sock\n\
                listener 8885\n\
                certfile server.crt\n\
                keyfile server.key\n\
                capath certs\n\
                require_certificate true\n\
                listener 8886\n\
                mount_point tenant/\n\
                listener 8887\n\
                psk_hint h\n\
                connection cloud\n\
                address broker.example.org:8883\n\
                topic sensors/# out 1\n\
                bridge_cafile ca.crt\n\
                max_keepalive 70000\n\
                nonsense 1\n";
    check(
        [("mosquitto.conf", conf)],
        expect![[r#"
            [[listener]]
            name = "1884"
            bind = "loopback:1884"
            connections = 500

            [[listener]]
            name = "8883"
            transport = "mqtts"
            bind = "192.0.2.7:8883"
            tls = "8883"
            max_qos = 1

            [[listener]]
            name = "unix"
            bind = "unix:/run/mosquitto.sock"

            [tls.8883]
            cert = "server.crt"
            key = "server.key"
            client_ca = "ca.crt"
            crl = "ca.crl"
            client_certificates = "required"
            username_from = "cn"
            minimum_version = "1.3"

            [acl]
            default = "allow"

            [limits]
            packet_size = "100000B"
            bytes = "1GiB"

            [protocol]
            retain_available = false
            max_keep_alive = "2m"

            [session]
            receive_maximum_cap = 65535
            queued_bytes = "1MiB"
            --- mosquitto.conf:9: message_size_limit 1000: it counts payloads; `limits.packet_size` counts whole packets
            --- mosquitto.conf:21: listener 8884 example.org: only IP addresses can be listened on: add the address of this name to `bind`
            --- mosquitto.conf:23: listener 8885: it demands certificates of clients, but names no `cafile`: this listener is left out
            --- mosquitto.conf:26: capath certs: name the files in it with `client_ca`
            --- mosquitto.conf:29: mount_point tenant/: topics have no prefix by listener: this listener is left out
            --- mosquitto.conf:31: psk_hint h: pre-shared keys are not supported: this listener is left out
            --- mosquitto.conf:32: connection cloud: bridges are not supported
            --- mosquitto.conf:33: address broker.example.org:8883: bridges are not supported
            --- mosquitto.conf:34: topic sensors/# out 1: bridges are not supported
            --- mosquitto.conf:35: bridge_cafile ca.crt: bridges are not supported
            --- mosquitto.conf:36: max_keepalive 70000: it is to be from 1 to 65535
            --- mosquitto.conf:37: nonsense 1: mosquitto.conf(5) does not know this option
        "#]],
    );
}

#[test]
fn rules_become_roles() {
    let acl = "# for clients with no username\n\
               topic read $SYS/#\n\
               \n\
               user roger\n\
               topic foo/bar\n\
               topic read out/#\n\
               topic deny out/secret\n\
               user a*\"b\n\
               topic write {x}/y\n\
               pattern write $SYS/broker/connection/%c/state\n\
               pattern readwrite home/%u/#\n\
               pattern read home-%u/#\n";
    let conf = "password_file pw\nacl_file acl\nlistener 1883\n";
    check(
        [("mosquitto.conf", conf), ("acl", acl)],
        expect![[r#"
        [[listener]]
        name = "1883"
        bind = ["0.0.0.0:1883", "[::]:1883"]

        [auth]
        password_file = "pw"

        [acl]
        file = "roles.toml"
        --- roles
        # Made from an acl_file of mosquitto. What no role allows is denied. mosquitto grants every subscription and holds
        # back single messages; here a subscription is refused that asks for more than is allowed.

        [roles.everybody]
        publish = ["$SYS/broker/connection/{client_id}/state", "home/{username}/#"]
        retain = ["$SYS/broker/connection/{client_id}/state", "home/{username}/#"]
        subscribe = ["home/{username}/#"]

        [roles.'user a*"b']

        [roles."user roger"]
        publish = ["foo/bar"]
        retain = ["foo/bar"]
        subscribe = ["foo/bar", "out/#"]
        deny.publish = ["out/secret"]
        deny.subscribe = ["out/secret"]

        [[bind]]
        everyone = true
        roles = ["everybody"]

        [[bind]]
        user = 'a\*"b'
        roles = ['user a*"b']

        [[bind]]
        user = "roger"
        roles = ["user roger"]
        --- acl:2: topic read $SYS/#: it holds for clients without a user name alone, for whom no role can be meant
        --- acl:9: topic write {x}/y: `{` and `}` have a meaning in topics here
        --- acl:12: pattern read home-%u/#: a placeholder stands for a whole level here
    "#]],
    );

    let without = import_mosquitto(
        Path::new("mosquitto.conf"),
        None,
        &InMemory::new([("mosquitto.conf", conf)]),
    );
    let without = without.unwrap();
    assert!(without.roles.is_none());
    assert!(without.not_carried[0].why.contains("--roles FILE"), "{:?}", without.not_carried);
}

/// All options of mosquitto.conf(5) of version 2.0.
const OPTIONS: &str = "acl_file allow_anonymous allow_duplicate_messages allow_zero_length_clientid auth_opt_x \
    auth_plugin auth_plugin_deny_special_chars auto_id_prefix autosave_interval autosave_on_changes \
    check_retain_source clientid_prefixes connection_messages log_dest log_facility log_timestamp \
    log_timestamp_format log_type max_inflight_bytes max_inflight_messages max_keepalive max_packet_size \
    max_queued_bytes max_queued_messages memory_limit message_size_limit password_file per_listener_settings \
    persistence persistence_file persistence_location persistent_client_expiration pid_file plugin plugin_opt_x \
    psk_file queue_qos0_messages retain_available set_tcp_nodelay sys_interval upgrade_outgoing_qos user \
    bind_address bind_interface http_dir listener max_connections max_qos max_topic_alias mount_point port protocol \
    socket_domain use_username_as_clientid websockets_log_level websockets_headers_size cafile capath certfile \
    ciphers ciphers_tls1.3 crlfile dhparamfile keyfile require_certificate tls_engine tls_engine_kpass_sha1 \
    tls_keyform tls_version use_identity_as_username use_subject_as_username psk_hint address addresses \
    bridge_attempt_unsubscribe bridge_bind_address bridge_max_packet_size bridge_outgoing_retain \
    bridge_protocol_version cleansession local_cleansession connection keepalive_interval idle_timeout \
    local_clientid local_password local_username notifications notifications_local_only notification_topic \
    remote_clientid remote_password remote_username restart_timeout round_robin start_type threshold topic \
    try_private bridge_alpn bridge_cafile bridge_capath bridge_certfile bridge_identity bridge_insecure \
    bridge_keyfile bridge_psk bridge_require_ocsp bridge_tls_version";

#[test]
fn every_option_is_known_and_none_is_lost() {
    let unknown = "mosquitto.conf(5) does not know this option";
    for option in OPTIONS.split_whitespace() {
        // No option takes this value, so what is carried over is told as wrong, but for names.
        let conf = format!("{option} no such value\n");
        let files = InMemory::new([("mosquitto.conf", &*conf), ("no such value", "")]);
        let imported = import_mosquitto(Path::new("mosquitto.conf"), None, &files).unwrap();
        let told: Vec<_> = imported.not_carried.iter().map(|it| it.why.as_str()).collect();
        assert!(!told.contains(&unknown), "{option}");
        let is_carried = imported.config.contains("no such value") || IS_KEPT.contains(&option);
        assert!(!told.is_empty() || is_carried, "{option} is lost: {}", imported.config);
    }
    let conf = InMemory::new([("mosquitto.conf", "nonsense 1\n")]);
    let imported = import_mosquitto(Path::new("mosquitto.conf"), None, &conf).unwrap();
    assert_eq!(imported.not_carried[0].why, unknown);
}

/// Alone they are nothing: a certificate needs its key, a place for data needs `persistence`.
const IS_KEPT: [&str; 5] = ["persistence_location", "cafile", "certfile", "crlfile", "keyfile"];
