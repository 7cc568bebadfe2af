//! The load that moves what is scraped: clients that are well, slow, refused and not allowed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::DEADLINE;
use super::server::Server;
use super::site::{PASSWORD, SESSIONS, Site, USER};
use crate::background::Background;
use crate::doors::broker::Broker;
use crate::doors::door::Scheme;
use crate::load::packets::{self, Version};

/// Where to, and with which certificate.
#[derive(Debug)]
pub(super) struct Load {
    plain: SocketAddr,
    tls: SocketAddr,
    authority: PathBuf,
}

impl Load {
    /// # Errors
    ///
    /// When the broker has other listeners than the site says.
    pub(super) fn of(site: &Site, broker: &Broker) -> Result<Self> {
        let address = |scheme| broker.door(scheme)?.address().context("no address");
        let [plain, tls] = [address(Scheme::Mqtt)?, address(Scheme::Mqtts)?];
        Ok(Self { plain, tls, authority: site.file("server.crt") })
    }

    /// Connects a client that acknowledges nothing, and as many others as there may be sessions.
    ///
    /// # Errors
    ///
    /// When the slow client is not admitted, or nobody is refused.
    pub(super) fn clients_that_stay(&self, server: &Server) -> Result<Vec<TcpStream>> {
        let mut slow = self.open(&Version::V311.connect("slow"))?;
        ensure!(answer::<4>(&mut slow)? == ADMITTED, "the slow client is not admitted");
        slow.write_all(&Version::V311.subscribe(&["load/#"], 1))?;
        ensure!(answer::<5>(&mut slow)? == [0x90, 3, 0, 1, 1], "it may not subscribe");
        let mut clients = vec![slow];
        let mut refused = 0;
        // Some places stay free for those who publish.
        for number in 0..SESSIONS + 5 {
            let mut client = self.open(&Version::V311.connect(&format!("c{number}")))?;
            match answer::<4>(&mut client)? {
                ADMITTED => clients.push(client),
                _ => refused += 1,
            }
        }
        ensure!(refused > 0, "there is no limit of sessions");
        server.wait("sum(flux_sessions) >= 20").context("the sessions are not seen")?;
        clients.truncate(SESSIONS / 2);
        server.wait("sum(flux_sessions) < 20").context("that sessions end is not seen")?;
        Ok(clients)
    }

    /// Has clients refused, some of whom give a wrong password over TLS.
    ///
    /// # Errors
    ///
    /// When one is admitted.
    pub(super) fn refused_clients(&self) -> Result<()> {
        for _ in 0..REFUSED {
            // There is no version 9.
            let mut client = self.open(b"\x10\x0e\0\x04MQTT\x09\x02\0\0\0\x02ab")?;
            ensure!(answer::<4>(&mut client)? != ADMITTED, "it is not refused");
        }
        for _ in 0..3 {
            let topic = ["-t", "load/a", "-m", "x"];
            ensure!(!self.mosquitto(USER, "wrong", &topic, "")?, "a wrong password is right");
        }
        Ok(())
    }

    /// Publishes over TLS at each quality of service, as many at 1, to a client who reads and one who does not; and
    /// what is not allowed.
    ///
    /// # Errors
    ///
    /// When messages are not taken.
    pub(super) fn messages(&self, many: usize) -> Result<()> {
        let mut reader = self.command("mosquitto_sub", USER, PASSWORD);
        reader.args(["-t", "load/#", "-q", "2", "-C", "100"]).stdin(Stdio::null());
        let mut reader = Background::start(&mut reader)?;
        for (qos, many) in [("1", many), ("2", 100), ("0", 100)] {
            let topic = ["-t", "load/a", "-q", qos, "-l"];
            ensure!(
                self.mosquitto(USER, PASSWORD, &topic, &"0123456789\n".repeat(many))?,
                "QoS {qos} is not taken"
            );
            let kept = ["-t", "load/kept", "-q", qos, "-r", "-m", "x"];
            ensure!(self.mosquitto(USER, PASSWORD, &kept, "")?, "QoS {qos} is not retained");
        }
        let status = reader.finish(DEADLINE)?;
        ensure!(status.success(), "the reader did not read: {}", reader.text());
        let denied = ["-t", "secret/a", "-q", "1", "-m", "x", "-V", "5"];
        self.mosquitto(USER, PASSWORD, &denied, "")?;
        Ok(())
    }

    /// Sends a message and its acknowledgement has to wait.
    ///
    /// # Errors
    ///
    /// When the broker does not admit whoever sends it.
    pub(super) fn message_that_is_not_stored(&self) -> Result<()> {
        let mut client = self.open(&Version::V311.connect("unlucky"))?;
        ensure!(answer::<4>(&mut client)? == ADMITTED, "it is not admitted");
        let retain = packets::Retain::Yes;
        client.write_all(&Version::V311.publish_qos_1("load/b", retain, 1, b"x"))?;
        Ok(())
    }

    /// Says whether `mosquitto_pub` succeeded.
    fn mosquitto(&self, user: &str, word: &str, options: &[&str], input: &str) -> Result<bool> {
        let mut command = self.command("mosquitto_pub", user, word);
        let mut program = Background::start(command.args(options).stdin(Stdio::piped()))?;
        let mut stdin = program.stdin().context("it has no input")?;
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        Ok(program.finish(DEADLINE)?.success())
    }

    fn command(&self, program: &str, user: &str, word: &str) -> Command {
        let mut command = Command::new(program);
        let [host, port] = [self.tls.ip().to_string(), self.tls.port().to_string()];
        command.args(["-h", &host, "-p", &port, "-u", user, "-P", word]);
        command.arg("--cafile").arg(&self.authority);
        command
    }

    fn open(&self, first: &[u8]) -> Result<TcpStream> {
        let mut client = TcpStream::connect(self.plain)?;
        client.set_read_timeout(Some(DEADLINE))?;
        client.write_all(first)?;
        Ok(client)
    }
}

fn answer<const LEN: usize>(client: &mut TcpStream) -> Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    client.read_exact(&mut bytes).context("no answer")?;
    Ok(bytes)
}

const ADMITTED: [u8; 4] = [0x20, 2, 0, 0];
/// In five minutes so many are more than one in a second.
const REFUSED: usize = 400;
