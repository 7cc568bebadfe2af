//! `dist`: archives to give away, with checksums, whose programs were started once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::background::Background;
use crate::repository::{self, Profile};

/// Builds the broker, and a static one where this machine can; packs each, and tries what was packed.
///
/// # Errors
///
/// When something cannot be built or packed, a checksum is wrong, or a packed program does not serve.
pub(crate) fn run() -> Result<()> {
    let dist = repository::root().join("target/dist");
    // What an earlier run left.
    let _was_there = fs::remove_dir_all(&dist);
    fs::create_dir_all(&dist).with_context(|| format!("cannot make {}", dist.display()))?;
    let binaries = repository::build(&["flux-broker"], Profile::Release)?;
    let mut names = vec![pack(&binaries, &repository::host()?, &dist)?];
    match lacks_for_static() {
        None => {
            let of_target =
                ["build", "--locked", "--release", "--package", "flux-broker", "--target", STATIC];
            let mut command = repository::cargo(of_target);
            println!("==> {}", repository::shown(&command));
            repository::run(&mut command)?;
            let target = binaries.parent().context("binaries stand in a target folder")?;
            names.push(pack(&target.join(STATIC).join("release"), STATIC, &dist)?);
        }
        Some(lacks) => println!("no static program for {STATIC}: {lacks}"),
    }
    let archives = names.iter().map(|name| format!("{name}.tar.gz"));
    let sums = Command::new("sha256sum").current_dir(&dist).args(archives).output();
    let sums = sums.context("cannot run sha256sum")?;
    ensure!(sums.status.success(), "sha256sum: {}", sums.status);
    fs::write(dist.join("SHA256SUMS"), &sums.stdout).context("cannot write SHA256SUMS")?;
    let check = ["--check", "--quiet", "SHA256SUMS"];
    repository::run(Command::new("sha256sum").current_dir(&dist).args(check))?;
    print!("{}", String::from_utf8_lossy(&sums.stdout));
    for name in &names {
        try_archive(&dist, name)?;
        println!("target/dist/{name}.tar.gz: unpacked, started, and it serves");
    }
    Ok(())
}

/// Says what somebody must install so that a program without shared libraries can be built here.
fn lacks_for_static() -> Option<&'static str> {
    let mut targets = Command::new("rustup");
    targets.current_dir(repository::root()).args(["target", "list", "--installed"]);
    let has_target = targets.output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|target| target == STATIC)
    });
    if !has_target {
        return Some("`rustup target add x86_64-unknown-linux-musl` brings its standard library");
    }
    let has_compiler = repository::succeeds(Command::new("musl-gcc").arg("--version"));
    (!has_compiler).then_some("it needs `musl-gcc` (Debian: musl-tools)")
}

/// Packs the program of `binaries`, and returns the archive's name, without its ending.
fn pack(binaries: &Path, target: &str, dist: &Path) -> Result<String> {
    let name = format!("flux-broker-{}-{target}", env!("CARGO_PKG_VERSION"));
    let folder = dist.join(&name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    copy(&binaries.join("flux-broker"), &folder)?;
    for file in FILES {
        copy(&repository::root().join(file), &folder)?;
    }
    repository::run(
        Command::new("tar")
            .current_dir(dist)
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .args(["-czf", &format!("{name}.tar.gz"), &name]),
    )?;
    Ok(name)
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// Does what somebody does who has loaded it down: unpacks it, starts the program, asks for its health.
fn try_archive(dist: &Path, name: &str) -> Result<()> {
    let place = dist.join("tried");
    fs::create_dir_all(&place)?;
    let archive = format!("{name}.tar.gz");
    let unpack = ["-xzf", &archive, "-C", "tried"];
    repository::run(Command::new("tar").current_dir(dist).args(unpack))?;
    let program: PathBuf = place.join(name).join("flux-broker");
    let mut command = Command::new(&program);
    command
        .args(["--bind", "127.0.0.1", "--port", "0", "--admin", "127.0.0.1:0"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    let mut broker = Background::start(&mut command)?;
    let admin = broker.wait_for(DEADLINE, |lines| {
        let line = lines.iter().find(|line| line.contains("metrics at http://"))?;
        Some(line.split_once("metrics at http://")?.1.split('/').next()?.to_owned())
    });
    let admin = admin.with_context(|| format!("it does not start: {}", broker.text()))?;
    repository::run(Command::new(&program).args(["health", "--admin", &admin]))?;
    broker.kill();
    fs::remove_dir_all(&place)?;
    Ok(())
}

/// What is beside the program.
const FILES: [&str; 6] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "deploy/systemd/flux-broker.service",
    "deploy/systemd/flux-broker.sysusers",
];

/// For which machines the static program is: any Linux of this processor, whatever its C library.
const STATIC: &str = "x86_64-unknown-linux-musl";

const DEADLINE: Duration = Duration::from_secs(20);
