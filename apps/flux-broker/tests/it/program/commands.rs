//! Commands beside the broker: users of a password file, roles explained.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use super::child::run;
use super::directory::Directory;

/// Runs the program to its end with something piped in.
pub(super) fn run_with_input(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flux-broker"));
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.args(arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Who does not read it has ended already.
    let _written = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, stdout: &str) {
    assert_eq!(
        (output.status.code(), &*String::from_utf8_lossy(&output.stdout)),
        (Some(code), stdout)
    );
}

/// Each was told that it was added, so each is there.
#[test]
fn users_who_are_added_and_removed_at_once_are_all_there_and_gone() {
    let directory = Directory::new("commands-at-once");
    let users = &directory.file("users");
    let at_once = |command: &str| {
        thread::scope(|scope| {
            for number in 0..6 {
                scope.spawn(move || {
                    let user = format!("user-{number}");
                    let done = run_with_input(&["passwd", command, users, &user], "secret\n");
                    assert_eq!(done.status.code(), Some(0), "{done:?}");
                });
            }
        });
    };
    at_once("add");
    let all = "user-0\nuser-1\nuser-2\nuser-3\nuser-4\nuser-5\n";
    check(&run(&["passwd", "list", users]), 0, all);
    at_once("remove");
    check(&run(&["passwd", "list", users]), 0, "");
    assert_eq!(fs::read_dir(Path::new(users).parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_password_is_piped_in_and_checked() {
    let directory = Directory::new("commands-passwd");
    let users = &directory.file("users");
    let added = run_with_input(&["passwd", "add", users, "alice"], "secret\n");
    check(&added, 0, "user `alice` added\n");
    check(&run_with_input(&["passwd", "check", users, "alice"], "secret"), 0, "right\n");
    let wrong = run_with_input(&["passwd", "check", users, "alice"], "Secret");
    check(&wrong, 1, "wrong user name or password\n");
    check(&run(&["passwd", "list", users]), 0, "alice\n");
    let text = fs::read_to_string(users).unwrap();
    fs::write(users, format!("{text}# dave left in May\n")).unwrap();
    let added = run_with_input(&["passwd", "add", users, "bob"], "secret\n");
    check(&added, 0, "user `bob` added\n");
    assert!(fs::read_to_string(users).unwrap().contains("\n# dave left in May\nbob:"));
    let text = fs::read_to_string(Path::new(users)).unwrap();
    assert!(text.lines().any(|line| line.starts_with("alice:$argon2id$v=19$")), "{text}");

    // No password on the command line, where others could read it.
    assert_eq!(run(&["passwd", "add", users, "bob", "secret"]).status.code(), Some(2));
    let empty = run_with_input(&["passwd", "add", users, "bob"], "");
    check(&empty, 2, "");
    assert!(String::from_utf8_lossy(&empty.stderr).contains("the password is empty"));
}

#[test]
fn roles_are_checked_and_explained() {
    let directory = Directory::new("commands-acl");
    let roles = &directory.file("roles.toml");
    let text =
        "roles.r.publish = [\"a/{username}\"]\nbind = [{ everyone = true, roles = [\"r\"] }]\n";
    fs::write(roles, text).unwrap();
    check(&run(&["acl", "check", roles]), 0, "1 roles, 1 rules\n");
    let allowed = run(&["acl", "explain", roles, "--user", "alice", "--publish", "a/alice"]);
    let reason = "allowed\n  publish: role `r` allows it: publish = `a/{username}`\n  roles: r\n";
    check(&allowed, 0, reason);
    let denied = run(&["acl", "explain", roles, "--user", "alice", "--subscribe", "a/#"]);
    let reason = "denied\n  subscribe: no rule says anything, and the default of the broker, `acl.default`, denies it\n  roles: r\n";
    check(&denied, 1, reason);
    fs::write(roles, format!("{text}roles.r.deny.publish = [\"a/+\"]\n")).unwrap();
    let denied = run(&["acl", "explain", roles, "--user", "alice", "--publish", "a/alice"]);
    let reason = "denied\n  publish: role `r` denies it: deny.publish = `a/+`\n  roles: r\n";
    check(&denied, 1, reason);

    fs::write(roles, text.replace("[\"r\"]", "[\"s\"]")).unwrap();
    let wrong = run(&["acl", "check", roles]);
    check(&wrong, 2, "");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("there is no role `s`"));
}
