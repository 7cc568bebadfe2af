//! Files over files, flags over files.

use std::path::Path;

use super::load_files;
use crate::{Bind, Flags, InMemory, load};

const FIRST: &str = "\
[[listener]]
name = \"a\"
bind = \"loopback:1\"
[[listener]]
name = \"b\"
bind = \"loopback:2\"
[limits]
connections = 1
sessions = 1
";

#[test]
fn later_files_override_and_add_listeners_by_name() {
    let loaded = load_files([
        ("flux.toml", FIRST),
        (
            "conf.d/10.toml",
            "[[listener]]\nname = \"b\"\nallow_anonymous = true\n[limits]\nsessions = 2\n",
        ),
        (
            "conf.d/20.toml",
            "[[listener]]\nname = \"c\"\nbind = \"loopback:3\"\n[limits]\nsessions = 3\n",
        ),
        ("conf.d/notes.txt", "no TOML"),
        ("elsewhere/30.toml", "[limits]\nsessions = 4\n"),
    ])
    .unwrap();
    let config = &loaded.config;
    let listeners: Vec<_> = config
        .listeners
        .iter()
        .map(|it| (&*it.name, it.bind.0[0].clone(), it.allow_anonymous))
        .collect();
    assert_eq!(
        listeners,
        [
            ("a", Bind::Loopback(1), false),
            ("b", Bind::Loopback(2), true),
            ("c", Bind::Loopback(3), false)
        ]
    );
    assert_eq!((config.limits.connections, config.limits.sessions), (1, 3));
    let origin = |path: &[&str]| loaded.origin(path);
    assert_eq!(origin(&["limits", "sessions"]).as_deref(), Some("conf.d/20.toml:5"));
    assert_eq!(origin(&["limits", "connections"]).as_deref(), Some("flux.toml:8"));
    assert_eq!(origin(&["listener", "1", "bind"]).as_deref(), Some("flux.toml:6"));
    assert_eq!(origin(&["limits", "bytes"]), None);
}

#[test]
fn an_error_in_a_later_file_is_told_with_its_place() {
    let files = [("flux.toml", FIRST), ("conf.d/10.toml", "[limits]\nsessions = \"x\"\n")];
    let told = load_files(files).unwrap_err().to_string();
    assert!(told.contains("conf.d/10.toml:2:12"), "{told}");
}

#[test]
fn flags_override_files() {
    let mut flags = Flags::default();
    flags.number(&["limits", "sessions"], 7, "--sessions");
    flags.list(&["listener", "0", "bind"], vec!["127.0.0.1:9".to_owned()], "--bind");
    flags.text(&["listener", "0", "name"], "flags", "--bind");
    flags.allow_anonymous("--allow-anonymous");
    flags.text(&["storage", "data_dir"], "a/${env:HOME}", "--data-dir");
    let files = InMemory::new([("flux.toml", FIRST)]);
    let loaded = load(Some(Path::new("flux.toml")), flags, &files).unwrap();
    assert_eq!(loaded.config.limits.sessions, 7);
    assert_eq!(loaded.config.listeners.len(), 1);
    assert_eq!(loaded.config.listeners[0].name, "flags");
    assert!(loaded.config.listeners[0].allow_anonymous);
    assert_eq!(loaded.config.storage.data_dir.as_deref(), Some(Path::new("a/${env:HOME}")));
    let shown = loaded.show();
    for line in [
        "sessions = 7                             # --sessions",
        "connections = 1                          # flux.toml:8",
        "half_open = 10000                        # default",
        "bind = \"127.0.0.1:9\"                     # --bind",
        "data_dir = \"a/$${env:HOME}\"              # --data-dir",
    ] {
        assert!(shown.lines().any(|other| other == line), "{line} is not in:\n{shown}");
    }
}

#[test]
fn a_flag_for_every_listener_makes_the_one_that_is_there_by_itself() {
    let mut flags = Flags::default();
    flags.every_listener("proxy_from", vec!["10.0.0.0/8".to_owned()], "--proxy-from");
    let config = load(None, flags, &InMemory::default()).unwrap().config;
    assert_eq!(config.listeners.len(), 1);
    assert_eq!(config.listeners[0].bind.0, [Bind::Loopback(1883)]);
    assert_eq!(config.listeners[0].proxy_from.0.len(), 1);
}

#[test]
fn a_flag_that_is_wrong_is_named() {
    let mut flags = Flags::default();
    flags.number(&["protocol", "max_qos"], 3, "--max-qos");
    let told = load(None, flags, &InMemory::default()).unwrap_err().to_string();
    assert!(told.contains("it comes from --max-qos"), "{told}");
}

#[test]
fn references_are_replaced_and_shown_as_they_were_written() {
    let text = "[protocol]\nresponse_information = \"${env:WHO}/${file:secret}\"\n";
    let files = InMemory::new([("flux.toml", text), ("secret", "s3cret\n")]);
    let files = files.with_variable("WHO", "me");
    let loaded = load(Some(Path::new("flux.toml")), Flags::default(), &files).unwrap();
    assert_eq!(loaded.config.protocol.response_information.as_deref(), Some("me/s3cret"));
    let shown = loaded.show();
    assert!(shown.contains("${env:WHO}/${file:secret}") && !shown.contains("s3cret"), "{shown}");
}

#[test]
fn further_listeners_of_flags_stand_beside_all_others() {
    let names = |file: Option<&Path>| {
        let mut flags = Flags::default();
        flags.further_listener("ws", "transport", "ws", "--ws");
        flags.further_listener_list("ws", "bind", vec!["loopback:8083".to_owned()], "--ws");
        flags.further_listener_list("unix", "bind", vec!["unix:/x".to_owned()], "--unix");
        flags.allow_anonymous("--allow-anonymous");
        let config = load(file, flags, &InMemory::new([("flux.toml", FIRST)])).unwrap().config;
        assert!(config.listeners.iter().all(|it| it.allow_anonymous));
        config
            .listeners
            .into_iter()
            .map(|it| format!("{} {}", it.name, it.bind.0[0]))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["mqtt loopback:1883", "ws loopback:8083", "unix unix:/x"]);
    let of_file = names(Some("flux.toml".as_ref()));
    assert_eq!(of_file, ["a loopback:1", "b loopback:2", "ws loopback:8083", "unix unix:/x"]);
}

#[test]
fn what_waits_for_the_next_start_is_named() {
    let config = |text: &str| load_files([("flux.toml", text)]).unwrap().config;
    let before = config("[storage]\ndata_dir = \"/a\"\n");
    let after = config(
        "[broker]\nworkers = 3\n[storage]\ndata_dir = \"/b\"\n[limits]\nhandshakes = 7\nconnections = 8\n\
         [protocol]\nmax_qos = 1\nconnect_timeout = \"1s\"\n[session]\nqueued_messages = 9\n[log]\nfilter = \"info\"\n\
         [[listener]]\nname = \"a\"\nbind = \"loopback:1\"\n[acl]\nfile = \"roles\"\n",
    );
    let mut names = before.changes_at_start(&after);
    names.sort_unstable();
    assert_eq!(names, ["broker.workers", "storage.data_dir"]);
    assert!(before.changes_at_start(&before).is_empty());
}
