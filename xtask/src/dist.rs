//! `dist`: an archive to give away, with checksums, whose program was started once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::background::Background;
use crate::repository::{self, Profile};

/// Builds the broker, packs it, and tries what was packed.
///
/// # Errors
///
/// When something cannot be built or packed, a checksum is wrong, or the packed program does not serve.
pub(crate) fn run() -> Result<()> {
    let binaries = repository::build(&["flux-broker"], Profile::Release)?;
    let name = format!("flux-broker-{}-{}", env!("CARGO_PKG_VERSION"), repository::host()?);
    let dist = repository::root().join("target/dist");
    let folder = dist.join(&name);
    // What an earlier run left.
    let _was_there = fs::remove_dir_all(&dist);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    copy(&binaries.join("flux-broker"), &folder)?;
    for file in FILES {
        copy(&repository::root().join(file), &folder)?;
    }
    let archive = format!("{name}.tar.gz");
    repository::run(
        Command::new("tar")
            .current_dir(&dist)
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .args(["-czf", &archive, &name]),
    )?;
    let sums = Command::new("sha256sum").current_dir(&dist).arg(&archive).output();
    let sums = sums.context("cannot run sha256sum")?;
    ensure!(sums.status.success(), "sha256sum: {}", sums.status);
    fs::write(dist.join("SHA256SUMS"), &sums.stdout).context("cannot write SHA256SUMS")?;
    try_archive(&dist, &archive, &name)?;
    print!("{}", String::from_utf8_lossy(&sums.stdout));
    println!("target/dist/{archive}: unpacked, started, and it serves");
    Ok(())
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let name = file.file_name().context("a file has a name")?;
    fs::copy(file, folder.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// Does what somebody does who has loaded it down: checks the sum, unpacks it, starts the program, asks for its health.
fn try_archive(dist: &Path, archive: &str, name: &str) -> Result<()> {
    let sum = ["--check", "--quiet", "SHA256SUMS"];
    repository::run(Command::new("sha256sum").current_dir(dist).args(sum))?;
    let place = dist.join("tried");
    fs::create_dir_all(&place)?;
    let unpack = ["-xzf", archive, "-C", "tried"];
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
const FILES: [&str; 5] = [
    "README.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "deploy/systemd/flux-broker.service",
];

const DEADLINE: Duration = Duration::from_secs(20);
