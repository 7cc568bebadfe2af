//! What is told about files that are wrong, word by word: `UPDATE_EXPECT=1` writes what is told now.

use expect_test::{Expect, expect};

use super::load_files;
use crate::{Flags, InMemory, Ratio, Severity, load};

#[expect(clippy::needless_pass_by_value, reason = "as the macro makes it")]
#[track_caller]
fn check(text: &str, expected: Expect) {
    let problems = match load_files([("flux.toml", text)]) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let told = problems.to_string();
    // Those of the syntax say what was expected, those of a value what it is to be.
    let says_more = ["help: ", " is to be ", " is not ", "expected"];
    for one in told.split("\n\n").filter(|one| !one.is_empty()) {
        assert!(says_more.iter().any(|words| one.contains(words)), "what to do?\n{one}");
    }
    expected.assert_eq(&told);
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_one() {
    check(
        "[limits]\nconections = 5\n",
        expect![[r#"
            error: unknown key `conections` in `limits`
             --> flux.toml:2:1
              |
            2 | conections = (hidden)
              | ^^^^^^^^^^
              |
              = help: did you mean `connections`?"#]],
    );
    check(
        "[limit]\nconnections = 5\n",
        expect![[r#"
        error: unknown key `limit`
         --> flux.toml:1:2
          |
        1 | [limit]
          |  ^^^^^
          |
          = help: did you mean `limits`?"#]],
    );
    check(
        "[storage]\nengine = \"x\"\n",
        expect![[r#"
            error: unknown key `engine` in `storage`
             --> flux.toml:2:1
              |
            2 | engine = (hidden)
              | ^^^^^^
              |
              = help: known are data_dir, durability"#]],
    );
    check(
        "[[listener]]\nname = \"a\"\nprotocol = 5\n",
        expect![[r#"
            error: unknown key `protocol` in `listener.0`
             --> flux.toml:3:1
              |
            3 | protocol = (hidden)
              | ^^^^^^^^
              |
              = help: known are name, transport, bind, tls, allow_anonymous, proxy_from, path, origins, forwarded_by, unix_mode, versions, max_qos, retain_available, wildcard_subscriptions, subscription_identifiers, shared_subscriptions, empty_client_ids, inbound_receive_maximum, topic_alias_maximum, topic_alias_maximum_cap, min_keep_alive, max_keep_alive, max_session_expiry, receive_maximum_cap, queued_messages, queued_bytes, when_full, subscriptions_per_client, topic_levels, packet_size, connections, connects_per_second, publishes_per_second, publish_bytes_per_second, client_publishes_per_second, client_publish_bytes_per_second, when_too_fast"#]],
    );
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_in_order() {
    check(
        "[limits]\n\
         connections = 0\n\
         packet_size = \"16 megs\"\n\
         topic_levels = \"many\"\n\
         [session]\n\
         when_full = \"drop-newst\"\n\
         [protocol]\n\
         max_qos = 3\n\
         connect_timeout = 10\n\
         [storage]\n\
         durability = \"disk\"\n",
        expect![[r#"
            error: `limits.connections` cannot be this
             --> flux.toml:2:15
              |
            2 | connections = 0
              |               ^ it is to be a whole number from 1

            error: `limits.packet_size` cannot be this
             --> flux.toml:3:15
              |
            3 | packet_size = "16 megs"
              |               ^^^^^^^^^ "16 megs" is not a number of bytes, as `16MiB`, `64kB` and `4096` are

            error: `limits.topic_levels` is to be a whole number from 1
             --> flux.toml:4:16
              |
            4 | topic_levels = "many"
              |                ^^^^^^ this is text

            error: `session.when_full` cannot be this
             --> flux.toml:6:13
              |
            6 | when_full = "drop-newst"
              |             ^^^^^^^^^^^^ it is to be `drop-newest`, `drop-oldest`, `refuse` or `end-session`
              |
              = help: did you mean `drop-newest`?

            error: `protocol.max_qos` cannot be this
             --> flux.toml:8:11
              |
            8 | max_qos = 3
              |           ^ it is to be a whole number from 0 to 2

            error: `protocol.connect_timeout` cannot be this
             --> flux.toml:9:19
              |
            9 | connect_timeout = 10
              |                   ^^ the unit is missing
              |
              = help: write "10s" for seconds

            error: there is nowhere to keep what is acknowledged
              --> flux.toml:11:14
               |
            11 | durability = "disk"
               |              ^^^^^^
               |
               = help: say where with data_dir (--data-dir DIR), or leave durability (--durability) out to have everything in memory"#]],
    );
}

#[test]
fn what_is_no_toml_is_told_alone() {
    check(
        "[limits\nconnections = \n\n[tls]\nx = 1 2\n",
        expect![[r#"
            error: unclosed table, expected `]`
             --> flux.toml:1:8
              |
            1 | [limits
              |        ^

            error: string values must be quoted, expected literal string
             --> flux.toml:5:5
              |
            5 | x = (hidden)
              |     ^^^^^^^^"#]],
    );
}

#[expect(clippy::too_many_lines, reason = "one file, and all that comes of it")]
#[test]
fn listeners_are_checked_together() {
    check(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1\"\n\
         [[listener]]\nname = \"b\"\ntransport = \"mqtts\"\nbind = \"loopback:8883\"\n\
         [[listener]]\nname = \"b\"\ntransport = \"mqtts\"\nbind = \"loopback:8883\"\ntls = \"pubic\"\n\
         [[listener]]\ntls = \"public\"\n\
         [tls.public]\ncert = \"c\"\nusername_from = \"cn\"\n\
         [tls.spare]\ncert = \"c\"\nkey = \"k\"\n[acl]\ndefault = \"allow\"\n",
        expect![[r#"
            error: `listener.0.bind` cannot be this
             --> flux.toml:3:8
              |
            3 | bind = "127.0.0.1"
              |        ^^^^^^^^^^^ "127.0.0.1" is not an address with a port: the port is missing, as in `192.0.2.7:1883` and `[::]:1883`

            error: listener `b` has no certificates
             --> flux.toml:6:13
              |
            6 | transport = "mqtts"
              |             ^^^^^^^ this one needs some
              |
              = help: add `tls = "public"`

            error: two listeners are called `b`
             --> flux.toml:9:8
              |
            9 | name = "b"
              |        ^^^ the second one
              |
              = help: give each a name of its own

            error: two listeners listen on loopback:8883
              --> flux.toml:11:8
               |
            11 | bind = "loopback:8883"
               |        ^^^^^^^^^^^^^^^ the second one
               |
               = help: choose another port, address or path

            error: there are no certificates `pubic`
              --> flux.toml:12:7
               |
            12 | tls = "pubic"
               |       ^^^^^^^
               |
               = help: did you mean `public`?

            error: a listener has no name
              --> flux.toml:13:1
               |
            13 | [[listener]]
               | ^^^^^^^^^^^^
               |
               = help: add `name = "..."`

            error: two listeners listen on loopback:1883
              --> flux.toml:13:1
               |
            13 | [[listener]]
               | ^^^^^^^^^^^^ the second one
               |
               = help: choose another port, address or path

            error: listener `` has certificates that it does not use
              --> flux.toml:14:7
               |
            14 | tls = "public"
               |       ^^^^^^^^
               |
               = help: choose `transport = "mqtts"`, or leave `tls` out

            error: `tls.public` has no `key`
              --> flux.toml:15:1
               |
            15 | [tls.public]
               | ^^^^^^^^^^^^
               |
               = help: add `key = "..."`, a file in PEM

            error: `tls.public.username_from` needs clients that are asked for certificates
              --> flux.toml:17:17
               |
            17 | username_from = "cn"
               |                 ^^^^
               |
               = help: add `client_ca = "..."`, the authorities of clients in PEM, or leave `username_from` out

            warning: no listener uses the certificates `spare`
              --> flux.toml:18:1
               |
            18 | [tls.spare]
               | ^^^^^^^^^^^
               |
               = help: add `tls = "spare"` to a listener, or leave them out"#]],
    );
}

#[test]
fn nobody_gets_in_from_elsewhere_whom_nobody_asked_for() {
    check(
        "[[listener]]\nname = \"public\"\nbind = [\"loopback:1\", \"0.0.0.0:1883\"]\n",
        expect![[r#"
            error: refusing to listen on 0.0.0.0:1883: it is not loopback and anybody may connect
             --> flux.toml:3:8
              |
            3 | bind = ["loopback:1", "0.0.0.0:1883"]
              |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ reached from other machines
              |
              = help: to ask for passwords, add (or start with --passwords FILE)
                      [auth]
                      password_file = "/etc/flux/users"
              = help: to ask for certificates (TLS), add `client_ca` to what its `tls` names
              = help: to let anybody in, add to listener `public` (or start with --allow-anonymous)
                      allow_anonymous = true"#]],
    );
    let right = [
        "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:1883\"\nallow_anonymous = true\n",
        "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:1883\"\n[auth]\npassword_file = \"u\"\n",
        "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:1883\"\ntransport = \"mqtts\"\ntls = \"t\"\n\
         [tls.t]\ncert = \"c\"\nkey = \"k\"\nclient_ca = \"ca\"\n",
    ];
    for text in right {
        load_files([("flux.toml", text)]).unwrap();
    }
    let optional = right[2].to_owned() + "client_certificates = \"optional\"\n";
    load_files([("flux.toml", &optional)]).unwrap_err();
}

#[test]
fn what_auth_forbids_no_listener_allows() {
    let listener = "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:1\"\nallow_anonymous = true\n";
    check(
        &format!("[auth]\npassword_file = \"u\"\n{listener}[acl]\ndefault = \"allow\"\n"),
        expect![[r#"
        error: listener `a` cannot allow what `auth` forbids
         --> flux.toml:6:19
          |
        6 | allow_anonymous = true
          |                   ^^^^
          |
          = help: where there is a password file or the like, `allow_anonymous = true` belongs to [auth], too: it holds for all listeners"#]],
    );
    let both = format!("[auth]\npassword_file = \"u\"\nallow_anonymous = true\n{listener}");
    load_files([("flux.toml", &both)]).unwrap();
    load_files([("flux.toml", &both.replace("1\"\nallow_anonymous = true", "1\""))]).unwrap_err();
}

#[test]
fn certificates_name_users_alike_where_users_differ() {
    let tls = |name| format!("[tls.{name}]\ncert = \"c\"\nkey = \"k\"\nclient_ca = \"ca\"\n");
    let text = format!("{}username_from = \"cn\"\n{}", tls("a"), tls("b"));
    let listeners = "[[listener]]\nname = \"a\"\ntransport = \"mqtts\"\ntls = \"a\"\n\
                     [[listener]]\nname = \"b\"\ntransport = \"mqtts\"\ntls = \"b\"\nbind = \"loopback:2\"\n";
    load_files([("flux.toml", &format!("{text}{listeners}"))]).unwrap();
    check(
        &format!("[auth]\npassword_file = \"u\"\n{text}{listeners}[acl]\ndefault = \"allow\"\n"),
        expect![[r#"
        error: `tls.a` and `tls.b` take user names from different parts of certificates
         --> flux.toml:8:1
          |
        8 | [tls.b]
          | ^^^^^^^
          |
          = help: where users have passwords, roles or client identifiers, all that ask clients for certificates have the same `username_from`, or none"#]],
    );
    for rules in
        ["[acl]\nfile = \"r\"", "[[auth.client_ids]]\nuser = \"*\"\nclient_id = \"{username}\""]
    {
        let text = format!("{rules}\n{text}{listeners}");
        load_files([("flux.toml", &text)]).expect_err(rules);
        let alike = text.replace("[tls.b]", "[tls.b]\nusername_from = \"cn\"");
        load_files([("flux.toml", &alike)]).expect(rules);
    }
}

#[test]
fn secrets_that_everybody_may_read_are_a_warning() {
    let text = "[auth]\npassword_file = \"users\"\n[protocol]\nresponse_information = \"${file:secret}\"\n\
                [acl]\ndefault = \"allow\"\n";
    let loaded = load_files([("flux.toml", text), ("users", ""), ("secret", "s3cret")]).unwrap();
    assert!(loaded.warnings.list().iter().all(|it| it.severity() == Severity::Warning));
    expect![[r#"
        warning: every user of this machine can read users, which has hashes of passwords
         --> flux.toml:2:17
          |
        2 | password_file = "users"
          |                 ^^^^^^^
          |
          = help: run `chmod o= users`; first `chgrp` it to the broker's group, if the broker is not its owner

        warning: every user of this machine can read secret, whose text is put in here as a secret
         --> flux.toml:4:24
          |
        4 | response_information = "${file:secret}"
          |                        ^^^^^^^^^^^^^^^^
          |
          = help: run `chmod o= secret`; first `chgrp` it to the broker's group, if the broker is not its owner"#]]
    .assert_eq(&loaded.warnings.to_string());
}

#[test]
fn a_token_is_hidden_and_needed_beyond_loopback() {
    let text = "[admin]\nbind = \"0.0.0.0:9883\"\n";
    check(
        text,
        expect![[r#"
            error: there is no token for metrics on 0.0.0.0:9883, which is not loopback
             --> flux.toml:2:8
              |
            2 | bind = "0.0.0.0:9883"
              |        ^^^^^^^^^^^^^^
              |
              = help: add (or start with --admin-token-file FILE, or choose `tls` that requires certificates of clients)
                      [admin]
                      token = "${file:/etc/flux/metrics-token}""#]],
    );
    let text = format!("{text}token = \"a secret\"\n");
    let loaded = load_files([("flux.toml", &text)]).unwrap();
    expect![[r#"
        warning: every user of this machine can read flux.toml, which has a secret in it
         --> flux.toml:3:9
          |
        3 | token = (hidden)
          |         ^^^^^^^^
          |
          = help: run `chmod o= flux.toml`; first `chgrp` it to the broker's group, if the broker is not its owner"#]]
    .assert_eq(&loaded.warnings.to_string());
    let shown = loaded.show();
    assert!(shown.contains("token = \"(hidden)\"") && !shown.contains("a secret"), "{shown}");
}

#[test]
fn brokers_whose_names_for_metrics_are_not_known_are_told() {
    check(
        "[admin]\nbind = \"loopback:9883\"\ncompat = [\"emq\"]\n",
        expect![[r#"
        error: `admin.compat.0` cannot be this
         --> flux.toml:3:11
          |
        3 | compat = ["emq"]
          |           ^^^^^ it is to be `emqx`
          |
          = help: did you mean `emqx`?"#]],
    );
}

#[test]
fn administrators_prove_themselves_by_token_or_certificate_beyond_loopback() {
    let admin = "[admin]\nbind = \"0.0.0.0:9883\"\ntls = \"t\"\n";
    check(
        admin,
        expect![[r#"
        error: there is no token for metrics on 0.0.0.0:9883, which is not loopback
         --> flux.toml:2:8
          |
        2 | bind = "0.0.0.0:9883"
          |        ^^^^^^^^^^^^^^
          |
          = help: add (or start with --admin-token-file FILE, or choose `tls` that requires certificates of clients)
                  [admin]
                  token = "${file:/etc/flux/metrics-token}"

        error: there are no certificates `t`
         --> flux.toml:3:7
          |
        3 | tls = "t"
          |       ^^^
          |
          = help: add
                  [tls.t]
                  cert = "..."
                  key = "...""#]],
    );
    let tls = "[tls.t]\ncert = \"c\"\nkey = \"k\"\n";
    check(
        &format!("{admin}{tls}"),
        expect![[r#"
        error: there is no token for metrics on 0.0.0.0:9883, which is not loopback
         --> flux.toml:2:8
          |
        2 | bind = "0.0.0.0:9883"
          |        ^^^^^^^^^^^^^^
          |
          = help: add (or start with --admin-token-file FILE, or choose `tls` that requires certificates of clients)
                  [admin]
                  token = "${file:/etc/flux/metrics-token}""#]],
    );
    let tls = format!("{admin}{tls}client_ca = \"a\"\n");
    let loaded = load_files([("flux.toml", &tls)]).unwrap();
    assert_eq!(loaded.warnings.to_string(), "");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load_files([]).unwrap_err();
    expect![[r#"
        error: cannot read flux.toml: entity not found
         |
         = help: name a file that this user can read; `flux-broker config init` writes one to start from"#]].assert_eq(&problems.to_string());
}

#[test]
fn what_is_for_websocket_and_unix_sockets_is_told_where_it_is_not() {
    check(
        "[[listener]]\nname = \"a\"\npath = \"/x\"\n\
         [[listener]]\nname = \"b\"\nbind = [\"unix:/x\", \"unix:\", \"unix:/x\"]\nunix_mode = \"rw\"\n\
         [[listener]]\nname = \"c\"\ntransport = \"wss\"\nbind = \"unix:/y\"\n\
         [[listener]]\nname = \"d\"\ntransport = \"ws\"\nbind = \"unix:/x\"\npath = \"mqtt\"\n\
         [admin]\nbind = \"unix:/z\"\n",
        expect![[r#"
            error: listener `a` has `path`, which is for WebSocket
             --> flux.toml:3:8
              |
            3 | path = "/x"
              |        ^^^^
              |
              = help: choose `transport = "ws"` or `transport = "wss"`, or leave it out

            error: `listener.1.bind.1` cannot be this
             --> flux.toml:6:20
              |
            6 | bind = ["unix:/x", "unix:", "unix:/x"]
              |                    ^^^^^^^ "unix:" is not `unix:` and the path of a socket

            error: `listener.1.unix_mode` cannot be this
             --> flux.toml:7:13
              |
            7 | unix_mode = "rw"
              |             ^^^^ "rw" is not permissions in octal, as `660` are

            error: listener `c` has no certificates
              --> flux.toml:10:13
               |
            10 | transport = "wss"
               |             ^^^^^ this one needs some
               |
               = help: add `tls = "c"`, and
                       [tls.c]
                       cert = "..."
                       key = "..."

            error: two listeners listen on unix:/x
              --> flux.toml:15:8
               |
            15 | bind = "unix:/x"
               |        ^^^^^^^^^ the second one
               |
               = help: choose another port, address or path

            error: the path of listener `d` has no `/` before it
              --> flux.toml:16:8
               |
            16 | path = "mqtt"
               |        ^^^^^^
               |
               = help: write `path = "/mqtt"`, or "*" for every path

            error: metrics are served over TCP: a Unix socket cannot be their address
              --> flux.toml:18:8
               |
            18 | bind = "unix:/z"
               |        ^^^^^^^^^
               |
               = help: write an address with a port, such as "loopback:9883""#]],
    );
}

#[test]
fn keys_for_tokens_are_in_one_place() {
    check(
        "[auth.jwt]\nkey_file = \"a\"\njwks_file = \"b\"\n[acl]\ndefault = \"allow\"\n",
        expect![[r#"
            error: keys for tokens are in `key_file` and in `jwks_file`
             --> flux.toml:3:13
              |
            3 | jwks_file = "b"
              |             ^^^
              |
              = help: one place: a key set may have keys of every kind"#]],
    );
    check(
        "[auth.jwt]\nissuer = \"a\"\n",
        expect![[r#"
            error: there is no key for tokens
             --> flux.toml:1:1
              |
            1 | [auth.jwt]
              | ^^^^^^^^^^
              |
              = help: say where keys are with key_file, secret_file, jwks_file or jwks_url, or leave [auth.jwt] out"#]],
    );
    load_files([("flux.toml", "[auth.jwt]\nkey_file = \"a\"\naudience = [\"a\", \"b\"]\n")])
        .unwrap();
    let open = "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:1883\"\n";
    load_files([("flux.toml", open)]).unwrap_err();
    load_files([("flux.toml", &format!("{open}[auth.jwt]\nsecret_file = \"a\"\n"))]).unwrap();
}

#[test]
fn rules_without_users_are_warned_of() {
    check(
        "[acl]\nfile = \"roles.toml\"\n",
        expect![[r#"
        warning: there are rules, and nobody can prove a user name
         --> flux.toml:2:8
          |
        2 | file = "roles.toml"
          |        ^^^^^^^^^^^^
          |
          = help: clients that give one are refused, and what is bound to users or claims never holds: add a password_file, jwt or http to [auth]"#]],
    );
    check("[acl]\nfile = \"roles.toml\"\n[auth]\npassword_file = \"users\"\n", expect![[""]]);
}

#[test]
fn users_without_rules_are_warned_of() {
    let users = "[auth]\npassword_file = \"users\"\n";
    check(
        users,
        expect![[r#"
        warning: nobody may do anything, nor connect: no rule says who may
         |
         = help: add a file of roles (or start with --roles FILE), or let all who get in do everything (or start with --acl-default allow)
                 [acl]
                 file = "/etc/flux/roles.toml"
                 # or
                 default = "allow""#]],
    );
    check(
        &format!("{users}[acl]\ndefault = \"deny\"\n"),
        expect![[r#"
        warning: nobody may do anything, nor connect: no rule says who may
         --> flux.toml:4:11
          |
        4 | default = "deny"
          |           ^^^^^^
          |
          = help: add a file of roles (or start with --roles FILE), or let all who get in do everything (or start with --acl-default allow)
                  [acl]
                  file = "/etc/flux/roles.toml"
                  # or
                  default = "allow""#]],
    );
    check(&format!("{users}[acl]\ndefault = \"allow\"\n"), expect![[""]]);
    check("[auth]\nallow_anonymous = true\n", expect![[""]]);
    check(
        "[acl]\ndefault = \"perhaps\"\n",
        expect![[r#"
        error: `acl.default` cannot be this
         --> flux.toml:2:11
          |
        2 | default = "perhaps"
          |           ^^^^^^^^^ it is to be `allow` or `deny`"#]],
    );
}

#[test]
fn an_address_to_ask_is_one_and_is_protected() {
    check(
        "[auth.http]\ntimeout = \"1s\"\n",
        expect![[r#"
        error: there is no address to ask about clients
         --> flux.toml:1:1
          |
        1 | [auth.http]
          | ^^^^^^^^^^^
          |
          = help: say which with url, or leave [auth.http] out"#]],
    );
    check(
        "[auth.http]\nurl = \"id.example\"\n[acl]\ndefault = \"allow\"\n",
        expect![[r#"
            error: `auth.http.url` begins neither with https:// nor http://
             --> flux.toml:2:7
              |
            2 | url = "id.example"
              |       ^^^^^^^^^^^^
              |
              = help: write it as "https://host:port/path""#]],
    );
    check(
        "[auth.http]\nurl = \"http://id.example/mqtt\"\n[auth.jwt]\njwks_url = \"http://127.0.0.2.example\"\n\
         [acl]\ndefault = \"allow\"\n",
        expect![[r#"
            warning: passwords go to or come from `auth.http.url` without protection: it is not https://
             --> flux.toml:2:7
              |
            2 | url = "http://id.example/mqtt"
              |       ^^^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: let it begin with https://, or send through something on this machine that protects it

            warning: keys go to or come from `auth.jwt.jwks_url` without protection: it is not https://
             --> flux.toml:4:12
              |
            4 | jwks_url = "http://127.0.0.2.example"
              |            ^^^^^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: let it begin with https://, or send through something on this machine that protects it"#]],
    );
    for right in
        ["https://id.example", "http://localhost:8080/a", "http://127.0.0.1/", "http://[::1]:80"]
    {
        check(
            &format!("[auth.http]\nurl = \"{right}\"\n[acl]\ndefault = \"allow\"\n"),
            expect![[""]],
        );
    }
}

#[test]
fn a_collector_has_an_address_and_what_it_is_sent_has_names() {
    check(
        "[otlp]\ninterval = \"10s\"\n",
        expect![[r#"
            error: there is no collector to send to
             --> flux.toml:1:1
              |
            1 | [otlp]
              | ^^^^^^
              |
              = help: say where it is with endpoint, or leave [otlp] out"#]],
    );
    check(
        "[otlp]\nendpoint = \"grpc://collector\"\nheaders = \"secret\"\nattributes = [\"a=b\", \"=c\"]\n",
        expect![[r#"
            error: `otlp.endpoint` begins neither with https:// nor http://
             --> flux.toml:2:12
              |
            2 | endpoint = "grpc://collector"
              |            ^^^^^^^^^^^^^^^^^^
              |
              = help: write it as "https://host:port/path"

            error: one of `otlp.headers` has no name and value
             --> flux.toml:3:11
              |
            3 | headers = (hidden)
              |           ^^^^^^^^
              |
              = help: write it as "name=value"

            warning: every user of this machine can read flux.toml, which has a secret in it
             --> flux.toml:3:11
              |
            3 | headers = (hidden)
              |           ^^^^^^^^
              |
              = help: run `chmod o= flux.toml`; first `chgrp` it to the broker's group, if the broker is not its owner

            error: one of `otlp.attributes` `=c` has no name and value
             --> flux.toml:4:22
              |
            4 | attributes = ["a=b", "=c"]
              |                      ^^^^
              |
              = help: write it as "name=value""#]],
    );
}

#[test]
fn what_a_collector_is_sent_is_read() {
    let right = "[otlp]\nendpoint = \"http://127.0.0.1:4318\"\nsample_ratio = 0.25\nheaders = [\"a=b=c\"]\nattributes = \"d = e\"\n";
    check(
        right,
        expect![[r#"
            warning: every user of this machine can read flux.toml, which has a secret in it
             --> flux.toml:4:11
              |
            4 | headers = (hidden)
              |           ^^^^^^^^
              |
              = help: run `chmod o= flux.toml`; first `chgrp` it to the broker's group, if the broker is not its owner"#]],
    );
    let otlp = load_files([("flux.toml", right)]).unwrap().config.otlp;
    assert_eq!(otlp.sample_ratio, Some(Ratio(0.25)));
    check(
        "[otlp]\nsample_ratio = 1.5\n",
        expect![[r#"
        error: `otlp.sample_ratio` cannot be this
         --> flux.toml:2:16
          |
        2 | sample_ratio = 1.5
          |                ^^^ "1.5" is not a number from 0 to 1"#]],
    );
    check(
        "[limits]\nconnections = 1.5\n",
        expect![[r#"
        error: `limits.connections` is to be a whole number from 1
         --> flux.toml:2:15
          |
        2 | connections = 1.5
          |               ^^^ this is a number with a fraction"#]],
    );
    assert_eq!(otlp.headers().collect::<Vec<_>>(), [("a", "b=c")]);
    assert_eq!(otlp.attributes().collect::<Vec<_>>(), [("d", "e")]);
}

#[test]
fn headers_are_shown_without_their_values() {
    for (headers, expected) in [
        ("\"k=s3cret\"", "headers = \"k=(hidden)\""),
        ("[\"k=s3cret\", \"l=${env:NAME}\"]", "headers = [\"k=(hidden)\", \"l=${env:NAME}\"]"),
    ] {
        let text = format!("[otlp]\nendpoint = \"https://a\"\nheaders = {headers}\n");
        let files = InMemory::new([("flux.toml", text.as_str())]).with_variable("NAME", "s3cret");
        let shown = load(Some("flux.toml".as_ref()), Flags::default(), &files).unwrap().show();
        assert!(shown.contains(expected) && !shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn proxies_of_a_unix_socket_are_told() {
    check(
        "[[listener]]\nname = \"a\"\nbind = \"unix:/run/a\"\nproxy_from = \"10.0.0.0/8\"\n",
        expect![[r#"
            error: listener `a` has `proxy_from`, and nobody comes to it from an address
             --> flux.toml:4:14
              |
            4 | proxy_from = "10.0.0.0/8"
              |              ^^^^^^^^^^^^
              |
              = help: let the proxy connect to a `bind` on loopback, or leave it out"#]],
    );
}
