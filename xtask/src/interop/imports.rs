//! `flux-broker config import-mosquitto` on the files that Debian's mosquitto comes with.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::tally::Tally;
use crate::doors::certificates::Certificates;

/// Says how to have the files, where there are none.
pub(super) fn hint_if_missing() -> Option<&'static str> {
    (!Path::new(INSTALLED).exists()).then_some("apt-get install mosquitto")
}

/// Imports each file, and has what comes of it checked.
pub(super) fn run(binary: &Path, certificates: &Certificates) -> Tally {
    let mut tally = Tally::default();
    // Containers may be told to leave documentation out.
    let found = FILES.into_iter().filter(|(file, _)| Path::new(file).exists());
    for (file, left_out) in found {
        match import(binary, file, left_out, &certificates.file("imported.toml")) {
            Ok(()) => tally.pass(file),
            Err(error) => tally.fail(file, &format!("{error:#}")),
        }
    }
    tally
}

fn import(binary: &Path, file: &str, left_out: &[&str], to: &Path) -> Result<()> {
    let config = |command: &str, file: &Path| {
        let output = Command::new(binary).args(["config", command]).arg(file).output();
        output.with_context(|| format!("cannot run {}", binary.display()))
    };
    let imported = config("import-mosquitto", Path::new(file))?;
    let complaints = String::from_utf8_lossy(&imported.stderr).into_owned();
    let is_told = |words: &&str| complaints.lines().any(|line| line.contains(*words));
    ensure!(
        left_out.iter().all(is_told) && complaints.lines().count() == left_out.len(),
        "other lines could not be carried over than those of {left_out:?}:\n{complaints}"
    );
    std::fs::write(to, &imported.stdout)?;
    let checked = config("check", to)?;
    ensure!(
        checked.status.success(),
        "what came of it is wrong: {}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    Ok(())
}

const INSTALLED: &str = "/etc/mosquitto/mosquitto.conf";
/// Files, and what of each cannot be carried over.
const FILES: [(&str, &[&str]); 2] = [
    (INSTALLED, &["pid_file", "log_dest file"]),
    ("/usr/share/doc/mosquitto/examples/mosquitto.conf", &[]),
];
