//! As in a container: a user that owns nothing, and nothing to write to but the data directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::access::{files, login};
use super::child::{Program, command, run};
use super::commands::run_with_input;
use super::directory::Directory;
use crate::support::Version::V5;
use crate::support::{Client, Connect, Publish};

/// `nobody`.
const NOBODY: u32 = 65_534;

/// Starts the program as a user without rights, in a folder that nobody can write to, which is its home and the one for temporary
/// files as well.
fn start(program: &Path, bare: &Path, data: &str) -> Program {
    let mut command = command(program.to_str().unwrap());
    command.args(["--port", "0", "--unix", &format!("{data}/mqtt.sock"), "--data-dir", data]);
    command.current_dir(bare).env("HOME", bare).env("TMPDIR", bare);
    as_nobody(&mut command);
    Program::spawn(command)
}

fn as_nobody(command: &mut Command) {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// Where the program was built may be closed to others. A process of its own copies it: what this one has open to write, children
/// of other tests hold open as well, and then it is too busy to be run.
fn copy_of_the_program(directory: &Directory) -> PathBuf {
    let program = PathBuf::from(directory.file("flux-broker"));
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_flux-broker")).arg(&program).status();
    assert!(copied.unwrap().success());
    program
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Returns the files that a process has open to write.
fn written_by(id: u32) -> Vec<PathBuf> {
    let mut written = Vec::new();
    for entry in fs::read_dir(format!("/proc/{id}/fd")).unwrap() {
        let entry = entry.unwrap();
        let info = format!("/proc/{id}/fdinfo/{}", entry.file_name().display());
        // One that has been closed meanwhile is looked at no more.
        let (Ok(path), Ok(info)) = (fs::read_link(entry.path()), fs::read_to_string(info)) else {
            continue;
        };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let is_read_only = u32::from_str_radix(flags.trim(), 8).unwrap() & 0o3 == 0;
        if !is_read_only && path.is_file() {
            written.push(path);
        }
    }
    written
}

#[test]
fn it_needs_no_rights_and_writes_to_its_data_directory_alone() {
    let directory = Directory::new("confined");
    let (bare, data) = (PathBuf::from(directory.file("bare")), directory.file("data"));
    fs::create_dir(&bare).unwrap();
    fs::set_permissions(&bare, Permissions::from_mode(0o555)).unwrap();
    fs::create_dir(&data).unwrap();
    let program = copy_of_the_program(&directory);
    if is_root() {
        chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    }

    let first = start(&program, &bare, &data);
    let mut client = Client::connect_to(first.addresses[0], &Connect::new(V5, "a"));
    client.send(&Publish::new("t", "kept").qos(1, 1).retain().bytes(V5));
    client.expect_ack(0x40, 1, 0x10);
    let written = written_by(first.id());
    assert!(!written.is_empty(), "there is a log");
    assert!(written.iter().all(|path| path.starts_with(&data)), "{written:?}");
    first.terminate("TERM");

    let again = start(&program, &bare, &data);
    let mut client = Client::connect_to(again.addresses[0], &Connect::new(V5, "a"));
    client.subscribe("t", 0);
    assert_eq!(client.receive().payload, b"kept");
    again.terminate("TERM");
    assert_eq!(fs::read_dir(&bare).unwrap().count(), 0);
}

/// As the guide says: they belong to root, and the broker reads them by its group, whoever was added since.
#[test]
fn files_that_its_group_may_read_stay_so_when_users_are_added() {
    let (directory, users, roles) = files("confined-files");
    let path = directory.file("flux.toml");
    let text = format!(
        "[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n[log]\nfilter = \"flux_broker::reload=info\"\n\
         [auth]\npassword_file = {users:?}\n[acl]\nfile = {roles:?}\n"
    );
    fs::write(&path, text).unwrap();
    for file in [&path, &users, &roles] {
        if is_root() {
            chown(file, None, Some(NOBODY)).unwrap();
        }
        fs::set_permissions(file, Permissions::from_mode(0o640)).unwrap();
    }
    let mut command = command(copy_of_the_program(&directory).to_str().unwrap());
    command.args(["--config", &path]);
    as_nobody(&mut command);
    let mut program = Program::spawn(command);
    let added = run_with_input(&["passwd", "add", &users, "carol"], "carol's secret");
    assert_eq!(added.status.code(), Some(0));
    program.signal("HUP");
    let line = program.line();
    assert!(line.contains("the config was read again"), "{line}");
    Client::connect_to(program.addresses[0], &login(V5, "carol")).ping();
    assert!(run(&["passwd", "remove", &users, "carol"]).status.success());
    assert_eq!(fs::metadata(&users).unwrap().mode() & 0o777, 0o640);
}

#[test]
fn the_unit_runs_as_a_user_that_stays() {
    let unit = include_str!("../../../../../deploy/systemd/flux-broker.service");
    let users = include_str!("../../../../../deploy/systemd/flux-broker.sysusers");
    let has = |line: &str| unit.lines().any(|it| it == line);
    assert!(has("User=flux") && has("Group=flux") && has("StateDirectory=flux"));
    assert!(!unit.lines().any(|line| line.starts_with("DynamicUser=")), "its group is nobody's");
    assert!(users.lines().any(|line| line.starts_with("u flux - ")), "{users}");
    // What it needs not to be the owner of must not be closed to its group either.
    assert!(!unit.contains("ConfigurationDirectoryMode"));
}
