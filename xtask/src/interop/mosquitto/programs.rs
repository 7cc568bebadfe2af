//! The two programs of Debian's mosquitto-clients, driven.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use crate::background::Background;
use crate::doors::certificates::Certificates;
use crate::doors::door::Door;

/// Says whether both programs are there.
pub(in crate::interop) fn is_installed() -> bool {
    // Their `--help` ends with status 1, so that they start at all is the answer.
    ["mosquitto_pub", "mosquitto_sub"].iter().all(|program| {
        Command::new(program)
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
    })
}

/// The protocol version to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V31,
    V311,
    V5,
}

impl Version {
    pub(super) const ALL: [Self; 3] = [Self::V31, Self::V311, Self::V5];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::V31 => "mqttv31",
            Self::V311 => "mqttv311",
            Self::V5 => "5",
        }
    }
}

/// Starts clients for one broker and version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clients<'c> {
    pub(super) door: &'c Door,
    pub(super) version: Version,
    pub(super) certificates: &'c Certificates,
    /// Which of them to show over TLS, if any.
    pub(super) shown: Option<&'c str>,
}

impl Clients<'_> {
    /// Publishes one message per payload, in one connection, and waits for its end.
    pub(super) fn publish(&self, topic: &str, qos: u8, payloads: &[&str]) -> Result<()> {
        let arguments = ["-t", topic, "-q", &qos.to_string(), "-l"];
        let lines = payloads.iter().flat_map(|payload| [payload, "\n"]).collect::<String>();
        self.publish_with(&arguments, &lines)
    }

    /// Publishes with retain; an empty payload deletes the retained message.
    pub(super) fn retain(&self, topic: &str, payload: &str) -> Result<()> {
        let arguments = ["-t", topic, "-q", "1", "-r"];
        let message: &[&str] = if payload.is_empty() { &["-n"] } else { &["-m", payload] };
        self.publish_with(&[&arguments, message].concat(), "")
    }

    /// Expects that the broker does not let this client in.
    pub(super) fn is_refused(&self) -> Result<()> {
        ensure!(self.publish("own/client/a", 1, &["m"]).is_err(), "it was let in");
        Ok(())
    }

    fn publish_with(&self, arguments: &[&str], input: &str) -> Result<()> {
        let mut command = self.command("mosquitto_pub", arguments);
        let mut publisher = Background::start(command.stdin(Stdio::piped()))?;
        let mut stdin = publisher.stdin().context("mosquitto_pub has no input")?;
        stdin.write_all(input.as_bytes()).context("cannot write to mosquitto_pub")?;
        drop(stdin);
        let status = publisher.finish(DEADLINE)?;
        ensure!(status.success(), "mosquitto_pub: {status}: {}", publisher.text());
        Ok(())
    }

    /// Starts a subscriber and waits for its SUBACK.
    pub(super) fn subscribe(&self, arguments: &[&str]) -> Result<Subscriber> {
        let subscriber = self.start_subscriber(arguments)?;
        let acknowledged = subscriber.0.wait_for(DEADLINE, |lines| {
            lines.iter().any(|line| line.starts_with("Subscribed (mid")).then_some(())
        });
        acknowledged.ok_or_else(|| anyhow!("no SUBACK; output: {}", subscriber.0.text()))?;
        Ok(subscriber)
    }

    /// Subscribes, disconnects after the SUBACK (DISCONNECT is sent) and waits for the end.
    pub(super) fn subscribe_and_leave(&self, arguments: &[&str]) -> Result<()> {
        let mut subscriber = self.start_subscriber(&[&["-E"], arguments].concat())?;
        let status = subscriber.0.finish(DEADLINE)?;
        ensure!(status.success(), "mosquitto_sub: {status}: {}", subscriber.0.text());
        Ok(())
    }

    /// Subscribes, expects that the broker allows none of it, and waits for the end.
    pub(super) fn subscribe_in_vain(&self, arguments: &[&str]) -> Result<()> {
        let mut subscriber = self.start_subscriber(&[&["-E"], arguments].concat())?;
        subscriber.0.finish(DEADLINE)?;
        let text = subscriber.0.text();
        ensure!(text.contains("All subscription requests were denied"), "mosquitto_sub: {text}");
        Ok(())
    }

    fn start_subscriber(&self, arguments: &[&str]) -> Result<Subscriber> {
        // Without stdbuf, what `-d` prints stays in a buffer until a message arrives.
        let mut command = Command::new("stdbuf");
        let subscriber = self.command("mosquitto_sub", &["-d", "-F", FORMAT]);
        command.arg("-oL").arg(subscriber.get_program()).args(subscriber.get_args());
        Background::start(command.args(arguments).stdin(Stdio::null())).map(Subscriber)
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        if let Some(address) = self.door.address() {
            let [host, port] = [address.ip().to_string(), address.port().to_string()];
            command.args(["-h", &host, "-p", &port]);
        }
        if let Some(path) = self.door.socket() {
            command.arg("--unix").arg(path);
        }
        if self.door.scheme.is_over_tls() {
            command.arg("--cafile").arg(self.certificates.file("ca.crt"));
            if let Some(name) = self.shown {
                command.arg("--cert").arg(self.certificates.file(&format!("{name}.crt")));
                command.arg("--key").arg(self.certificates.file(&format!("{name}.key")));
            }
        }
        command.args(["-V", self.version.option()]).args(arguments);
        command
    }

    /// Returns the options of a client whose session outlives its connection.
    pub(super) fn session_options(&self) -> &'static [&'static str] {
        match self.version {
            Version::V31 | Version::V311 => &["-c"],
            Version::V5 => &["-c", "-x", "300"],
        }
    }
}

/// A running `mosquitto_sub`; it is killed without a DISCONNECT when this is dropped.
#[derive(Debug)]
pub(super) struct Subscriber(Background);

impl Subscriber {
    /// Waits for as many messages as wanted and compares `topic|qos|retain|payload`.
    pub(super) fn expect(&self, wanted: &[String]) -> Result<()> {
        self.compare(wanted, |_| {})
    }

    /// Like `expect`, but the order counts within each topic only.
    pub(super) fn expect_by_topic(&self, wanted: &[String]) -> Result<()> {
        let mut wanted = wanted.to_vec();
        let by_topic = |messages: &mut Vec<String>| messages.sort_by(|a, b| topic(a).cmp(topic(b)));
        by_topic(&mut wanted);
        self.compare(&wanted, by_topic)
    }

    fn compare(&self, wanted: &[String], arrange: impl Fn(&mut Vec<String>)) -> Result<()> {
        let mut seen = self.wait_for(|messages| messages.len() >= wanted.len())?;
        arrange(&mut seen);
        ensure!(seen == wanted, "expected {wanted:?}, saw {seen:?}");
        Ok(())
    }

    /// Waits until the messages so far satisfy a condition, and returns them.
    pub(super) fn wait_for(&self, condition: impl Fn(&[String]) -> bool) -> Result<Vec<String>> {
        let mut last = Vec::new();
        let found = self.0.wait_for(DEADLINE, |lines| {
            last = lines.iter().filter_map(|l| Some(l.strip_prefix(MARK)?.to_owned())).collect();
            condition(&last).then_some(())
        });
        found.with_context(|| format!("the message did not arrive; saw {last:?}"))?;
        Ok(last)
    }

    /// Cuts the connection without a DISCONNECT.
    pub(super) fn kill(mut self) {
        self.0.kill();
    }
}

fn topic(message: &str) -> &str {
    message.split('|').next().unwrap_or_default()
}

const MARK: &str = "MESSAGE|";
/// Topic, QoS, retain flag, payload.
const FORMAT: &str = "MESSAGE|%t|%q|%r|%p";
const DEADLINE: Duration = Duration::from_secs(10);
