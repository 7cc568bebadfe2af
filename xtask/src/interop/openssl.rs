//! `openssl s_client`: which versions of TLS and which protocols inside of it the broker speaks.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::tally::Tally;
use crate::background::Background;
use crate::doors::certificates::Certificates;
use crate::doors::door::Door;
use crate::repository;

/// Says whether the program is there.
pub(super) fn is_installed() -> bool {
    repository::succeeds(Command::new("openssl").arg("version"))
}

/// Shakes hands in every way.
pub(super) fn run(door: &Door, certificates: &Certificates, tally: &mut Tally) {
    let ca = certificates.file("ca.crt");
    let alpn = if door.scheme.is_websocket() { "http/1.1" } else { "mqtt" };
    let agreed = format!("ALPN protocol: {alpn}");
    let checks: [(&str, &[&str], &[&str]); 6] = [
        ("TLS 1.3 is spoken", &["-tls1_3"], &["New, TLSv1.3", VERIFIED]),
        ("TLS 1.2 is spoken", &["-tls1_2"], &["New, TLSv1.2", VERIFIED]),
        // OpenSSL itself does not offer them at its usual level of security.
        ("TLS 1.1 is refused", &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], REFUSED),
        ("TLS 1.0 is refused", &["-tls1", "-cipher", "ALL:@SECLEVEL=0"], REFUSED),
        ("the protocol inside is agreed on", &["-alpn", alpn], &[&agreed, VERIFIED]),
        (
            "another protocol inside is refused",
            &["-alpn", "h2"],
            &["alert no application protocol"],
        ),
    ];
    for (check, options, wanted) in checks {
        match shake(door, &ca, options, wanted) {
            Ok(()) => tally.pass(check),
            Err(error) => tally.fail(check, &format!("{error:#}")),
        }
    }
}

fn shake(door: &Door, ca: &Path, options: &[&str], wanted: &[&str]) -> Result<()> {
    let mut command = Command::new("openssl");
    command
        .args(["s_client", "-connect", &door.place, "-verify_ip", "127.0.0.1", "-CAfile"])
        .arg(ca)
        .args(options)
        .stdin(Stdio::null());
    let mut client = Background::start(&mut command)?;
    // Its status tells whether it could connect, which half of the checks do not want.
    client.finish(DEADLINE)?;
    let text = client.text();
    for words in wanted {
        ensure!(text.contains(words), "`{words}` is not in what openssl says:\n{text}");
    }
    Ok(())
}

/// With an alert: `handshake_failure`, for what those versions do not send is missed first.
const REFUSED: &[&str] = &["SSL alert number", "New, (NONE)"];
const VERIFIED: &str = "Verify return code: 0 (ok)";
const DEADLINE: Duration = Duration::from_secs(10);
