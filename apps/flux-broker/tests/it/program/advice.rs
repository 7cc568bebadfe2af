//! What keeps the program from starting is told with the setting, its value, and what to write in its place.

use std::fs;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

use super::child::run;
use super::directory::Directory;

/// A listener that starts.
const LISTENER: &str = "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n";

/// Starts the program with a config, which must fail, and looks for words in what it says. `DIR/` stands for a directory
/// where `garbage` is a file that is nothing. What `config check` can know it says as well.
#[track_caller]
fn check(config: &str, is_known_before: bool, expected: &[&str]) {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let directory = Directory::new(&format!("advice-{number}"));
    fs::write(directory.file("garbage"), "garbage\n").unwrap();
    let folder = directory.file("");
    let path = directory.file("flux.toml");
    fs::write(&path, config.replace("DIR/", &folder)).unwrap();
    let mut ways = vec![run(&["--config", &path])];
    ways.extend(is_known_before.then(|| run(&["config", "check", &path])));
    for output in ways {
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        for words in expected {
            let words = words.replace("DIR/", &folder);
            assert!(told.contains(&words), "{words:?} is not in\n{told}");
        }
    }
}

/// Tests that run at once have directories of their own.
static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A config whose own text is wrong.
#[track_caller]
fn wrong(config: &str, expected: &[&str]) {
    check(&format!("{config}{LISTENER}"), true, expected);
}

#[test]
fn a_setting_that_is_wrong() {
    wrong("[limits]\nconections = 5\n", &["`conections`", "2:1", "did you mean `connections`?"]);
    wrong("[limits]\nconnections = 0\n", &["`limits.connections`", "= 0", "from 1"]);
    wrong("[limits]\npacket_size = \"16 megs\"\n", &["`limits.packet_size`", "16 megs", "`16MiB`"]);
    wrong("[protocol]\nmax_qos = 3\n", &["`protocol.max_qos`", "= 3", "from 0 to 2"]);
    wrong(
        "[protocol]\nversions = \"6\"\n",
        &["`protocol.versions`", "\"6\"", "`3.1`, `3.1.1` or `5.0`"],
    );
    wrong(
        "[storage]\ndurability = \"disc\"\n",
        &["`storage.durability`", "\"disc\"", "did you mean `disk`?"],
    );
    wrong(
        "[storage]\ndurability = \"disk\"\n",
        &["nowhere to keep", "2 | ", "data_dir (--data-dir DIR)"],
    );
    wrong("[log]\nfilter = \"a=loud\"\n", &["a=loud", "2:10", "\"warn,events=info"]);
    wrong("[otlp]\nendpoint = \"grpc://c\"\n", &["`otlp.endpoint`", "grpc://c", "\"https://host"]);
    wrong(
        "[admin]\nbind = \"0.0.0.0:0\"\n",
        &["metrics on 0.0.0.0:0", "token = \"${file:/etc/flux/metrics-token}\""],
    );
    wrong(
        "[admin]\ntoken = \"${file:/no/token}\"\n",
        &["`admin.token`", "/no/token", "the text of a file that this user can read"],
    );
    check(&LISTENER.repeat(2), true, &["two listeners are called `a`", "a name of its own"]);
    check(
        "[[listener]]\nname = \"a\"\nbind = \"0.0.0.0:0\"\n",
        true,
        &["0.0.0.0:0", "anybody may connect", "password_file = ", "allow_anonymous = true"],
    );
    check(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1\"\n",
        true,
        &["`listener.0.bind`", "the port is missing, as in `192.0.2.7:1883`"],
    );
    check(
        "[[listener]]\nname = \"a\"\ntransport = \"mqtts\"\n",
        true,
        &["listener `a` has no certificates", "[tls.a]", "cert = "],
    );
}

#[test]
fn a_file_that_is_named_and_cannot_be_used() {
    wrong(
        "[auth]\npassword_file = \"/no/users\"\n",
        &["`auth.password_file`", "cannot read /no/users", "flux-broker passwd add FILE USER"],
    );
    wrong(
        "[auth]\npassword_file = \"DIR/garbage\"\n",
        &["`auth.password_file`", "DIR/garbage: line 1", "write name:hash"],
    );
    wrong("[acl]\nfile = \"/no/roles\"\n", &["`acl.file`", "/no/roles", "flux-broker acl check"]);
    wrong("[acl]\nfile = \"DIR/garbage\"\n", &["`acl.file`", "DIR/garbage", "line 1"]);
    wrong(
        "[auth.jwt]\nkey_file = \"DIR/garbage\"\n",
        &["`auth.jwt.key_file`", "DIR/garbage", "public keys in PEM"],
    );
    wrong(
        "[auth.jwt]\nsecret_file = \"DIR/garbage\"\n",
        &["`auth.jwt.secret_file`", "DIR/garbage", "32 bytes or more"],
    );
    wrong(
        "[auth.http]\nurl = \"https://a.example\"\nca_file = \"/no/ca\"\n",
        &["`auth.http.ca_file`", "/no/ca", "in PEM"],
    );
    check(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\ntransport = \"mqtts\"\ntls = \"t\"\n\
         [tls.t]\ncert = \"/no/cert\"\nkey = \"/no/key\"\n",
        true,
        &["/no/cert", "/no/key", "cert = ", "name files in PEM", "flux-broker tls init"],
    );
    let output = run(&["--config", "/no/flux.toml"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("cannot read /no/flux.toml"), "{told}");
    assert!(told.contains("flux-broker config init"), "{told}");
}

#[test]
fn what_the_machine_does_not_give() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    check(
        &format!("[[listener]]\nname = \"a\"\nbind = \"{address}\"\n"),
        false,
        &[&format!("cannot listen on {address}"), "stop it or choose another port"],
    );
    check(
        &format!("{LISTENER}[admin]\nbind = \"{address}\"\n"),
        false,
        &[&format!("cannot serve metrics on {address}"), "choose another address (admin.bind"],
    );
    check(
        "[[listener]]\nname = \"a\"\nbind = \"192.0.2.1:0\"\nallow_anonymous = true\n",
        false,
        &["cannot listen on 192.0.2.1:0", "choose one that it has, or 0.0.0.0 for all"],
    );
    check(
        "[[listener]]\nname = \"a\"\nbind = \"unix:/no/dir/socket\"\n",
        false,
        &["cannot listen on /no/dir/socket", "make it or choose another path"],
    );
    check(
        "[[listener]]\nname = \"a\"\nbind = \"unix:DIR/garbage\"\n",
        false,
        &["cannot listen on DIR/garbage", "remove it or choose another path"],
    );
    check(
        &format!("{LISTENER}[storage]\ndata_dir = \"DIR/garbage\"\n"),
        false,
        &["cannot open DIR/garbage", "a directory that this user may read and write"],
    );
}
