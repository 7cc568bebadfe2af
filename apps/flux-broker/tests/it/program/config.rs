//! One file that says what the program does: what holds, what is refused, what the commands answer.

use std::fs;

use super::child::{Program, run};
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Client, Connect};

/// Writes `flux.toml` and returns its path.
fn file(directory: &Directory, text: &str) -> String {
    let path = directory.file("flux.toml");
    fs::write(&path, text).unwrap();
    path
}

fn texts(output: &std::process::Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_program_does_as_its_file_says_and_as_flags_say_first() {
    let directory = Directory::new("config-start");
    let path = file(
        &directory,
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"b\"\nbind = \"0.0.0.0:0\"\nallow_anonymous = true\n\
         [protocol]\nmax_qos = 1\n[limits]\nsubscriptions_per_client = 1\n",
    );
    for (arguments, max_qos) in
        [(&["--config", &path][..], 1), (&["--config", &path, "--max-qos", "0"], 0)]
    {
        let program = Program::start(arguments);
        assert_eq!(program.addresses.len(), 2);
        assert!(program.addresses[1].ip().is_unspecified());
        let mut client = Client::connect_to(program.addresses[0], &Connect::new(V5, "a"));
        client.send(&V5.subscribe(1, &[("a", 2), ("b", 2)]));
        client.expect_codes(0x90, 1, &[max_qos, 0x97]);
        assert_eq!(program.terminate("TERM").0.code(), Some(0));
    }
    let program = Program::start(&["--config", &path, "--port", "0"]);
    assert!(program.addresses.iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn a_file_with_errors_starts_nothing_and_names_them_all() {
    let directory = Directory::new("config-errors");
    let text = "[limits]\nconections = 5\n[[listener]]\nname = \"open\"\nbind = \"0.0.0.0:0\"\n";
    let path = file(&directory, text);
    for arguments in
        [&["--config", &path][..], &["config", "check", &path], &["config", "show", &path]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let (_, told) = texts(&output);
        for words in [
            &format!("{path}:2:1"),
            "unknown key `conections`",
            "did you mean `connections`?",
            &format!("{path}:5:8"),
            "anybody may connect",
            "allow_anonymous = true",
        ] {
            assert!(told.contains(words), "{words} is not in {told}");
        }
    }
    let output = run(&["--config", &directory.file("missing.toml")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("missing.toml"));
}

#[test]
fn files_that_it_names_are_read_by_check() {
    let directory = Directory::new("config-files");
    let path = file(
        &directory,
        "[tls.t]\ncert = \"/no/cert\"\nkey = \"/no/key\"\n\
         [[listener]]\nname = \"t\"\ntransport = \"mqtts\"\ntls = \"t\"\n\
         [auth]\npassword_file = \"/no/users\"\n",
    );
    let output = run(&["config", "check", &path]);
    assert_eq!(output.status.code(), Some(1));
    let (_, told) = texts(&output);
    for words in ["/no/cert: cannot read it", "/no/key: cannot read it", ":2:8", "/no/users"] {
        assert!(told.contains(words), "{words} is not in {told}");
    }
}

/// A binding that never holds gives nobody what it says, and denies nobody anything.
#[test]
fn a_binding_to_a_listener_that_there_is_not_is_warned_of() {
    let directory = Directory::new("config-bindings");
    let roles = directory.file("roles.toml");
    let text = "[roles.r]\ndeny = { publish = [\"#\"] }\n[[bind]]\nlistener = \"LISTENER\"\nroles = [\"r\"]\n";
    let config = format!(
        "[[listener]]\nname = \"inside\"\nbind = \"127.0.0.1:0\"\n[acl]\nfile = {roles:?}\n\
         [log]\nfilter = \"warn,flux_broker::reload=info\"\n"
    );
    let path = file(&directory, &config);
    let words = "is for the listener `insde`, which there is not";
    fs::write(&roles, text.replace("LISTENER", "inside")).unwrap();
    assert!(!texts(&run(&["config", "check", &path])).1.contains("which there is not"));
    let mut program = Program::start(&["--config", &path]);
    fs::write(&roles, text.replace("LISTENER", "insde")).unwrap();
    let checked = run(&["config", "check", &path]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(texts(&checked).1.contains(words), "{checked:?}");
    assert!(Program::start(&["--config", &path]).before.contains(words));
    program.signal("HUP");
    let mut line = program.line();
    while !line.contains(words) {
        assert!(!line.is_empty() && !line.contains("was read again"), "{line}");
        line = program.line();
    }
    assert!(line.contains("name one of these: inside"), "{line}");
}

#[test]
fn what_init_writes_passes_check_and_show_says_where_values_come_from() {
    let directory = Directory::new("config-commands");
    let (init, _) = texts(&run(&["config", "init"]));
    let path = file(&directory, &init);
    let checked = run(&["config", "check", &path]);
    assert_eq!((checked.status.code(), texts(&checked).1.as_str()), (Some(0), ""));

    fs::write(&path, "[limits]\nsessions = 7\n").unwrap();
    let (shown, _) = texts(&run(&["config", "show", &path, "--max-qos", "1"]));
    let has = |line: &str, origin: &str| {
        shown.lines().any(|it| it.starts_with(line) && it.ends_with(&format!("# {origin}")))
    };
    assert!(has("sessions = 7 ", &format!("{path}:2")), "{shown}");
    assert!(has("max_qos = 1 ", "--max-qos"), "{shown}");
    assert!(has("connections = 100000 ", "default"), "{shown}");
    // What is shown is a file again.
    fs::write(&path, &shown).unwrap();
    assert_eq!(run(&["config", "check", &path]).status.code(), Some(0));

    let (schema, _) = texts(&run(&["config", "schema"]));
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(schema.pointer("/properties/limits/properties/connections").is_some());
}

#[test]
fn a_file_of_mosquitto_becomes_one_of_ours_with_roles() {
    let directory = Directory::new("config-import");
    let (conf, acl, roles) =
        (directory.file("mosquitto.conf"), directory.file("acl"), directory.file("roles.toml"));
    fs::write(&acl, "user roger\ntopic foo/bar\npattern read a/%c/#\n").unwrap();
    let text = format!("listener 1883\nallow_anonymous true\nacl_file {acl}\nuser nobody\n");
    fs::write(&conf, text).unwrap();
    let output = run(&["config", "import-mosquitto", &conf, "--roles", &roles]);
    let (toml, told) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with(&format!("{conf}:4: user nobody: ")), "{told}");
    let checked = run(&["config", "check", &file(&directory, &toml)]);
    assert_eq!(checked.status.code(), Some(0), "{}", texts(&checked).1);
    let explain = ["acl", "explain", &roles, "--user", "roger", "--client", "7"];
    let wishes =
        [("--publish", "foo/bar", 0), ("--subscribe", "a/7/x", 0), ("--publish", "a/7/x", 1)];
    for (wish, topic, code) in wishes {
        let output = run(&[&explain[..], &[wish, topic]].concat());
        assert_eq!(output.status.code(), Some(code), "{wish} {topic}");
    }
    // Roles that are there already are not overwritten.
    let again = run(&["config", "import-mosquitto", &conf, "--roles", &roles]);
    assert_eq!(again.status.code(), Some(2));
}
