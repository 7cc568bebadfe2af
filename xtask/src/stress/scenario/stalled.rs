//! Peers that begin to shake hands over TLS and say no more.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::super::crowd::{Crowd, Happening};
use super::super::footprint::Footprint;
use super::super::probe::Probe;
use super::super::size::Size;
use super::super::{LoadOptions, packets};
use crate::clock::Stopwatch;
use crate::doors::certificates;

/// Opens connections that each send half a ClientHello. All must be closed by the broker; whoever is connected must
/// be served meanwhile, and whoever comes after them over TLS must come in.
pub(super) fn stalled(options: &LoadOptions, size: &Size) -> Result<Vec<String>> {
    let (address, ca) = (options.tls_addr, options.ca.as_ref());
    let (address, ca) = address.zip(ca).context("the broker has no door for TLS")?;
    let config = certificates::client_config(ca)?;
    let before = Footprint::of(options.broker)?;
    let probe = Probe::start(options.addr)?;
    let mut crowd = Crowd::new(address)?;
    let watch = Stopwatch::start();
    for number in 0..size.stalled {
        crowd.connect(half_a_hello())?;
        if number % AT_ONCE == 0 {
            crowd.poll(Duration::from_millis(20), |_, _, _| Ok(()))?;
        }
    }
    let opened = watch.elapsed();
    let newcomer = thread::spawn(move || come(address, config));
    let mut peak = 0;
    crowd.poll_until(
        "the stalled are thrown out",
        |crowd| crowd.open() == 0,
        |_, number, happening| {
            if number % AT_ONCE == 0 {
                peak = peak.max(Footprint::of(options.broker)?.grown_mib(&before));
            }
            match happening {
                Happening::Closed => Ok(()),
                Happening::Packet(packet) => bail!("half a handshake got {packet:02x?}"),
            }
        },
    )?;
    let gone = watch.elapsed();
    let waited = newcomer.join().map_err(|_| anyhow!("the newcomer has panicked"))??;
    let latency = probe.finish()?;
    let most = MIB + size.stalled as u64 / STALLED_IN_A_MIB;
    ensure!(peak <= most, "they took {peak} MiB more, over {most}");
    ensure!(waited < gone, "a newcomer had to wait until all were gone");
    let [opened, gone, waited] = [opened, gone, waited].map(|time| time.as_secs_f64());
    Ok(vec![
        format!(
            "{} opened in {opened:.1} s, all gone after {gone:.1} s, {peak} MiB more",
            size.stalled
        ),
        format!("a newcomer over TLS waited {waited:.2} s; one who was connected: {latency}"),
    ])
}

/// Connects over TLS after all of them; returns how long that takes.
fn come(address: SocketAddr, config: Arc<ClientConfig>) -> Result<Duration> {
    let watch = Stopwatch::start();
    let socket = TcpStream::connect(address).context("cannot connect")?;
    socket.set_read_timeout(Some(PATIENCE)).context("cannot set a deadline")?;
    let name = ServerName::from(address.ip());
    let mut stream = StreamOwned::new(ClientConnection::new(config, name)?, socket);
    stream.write_all(&packets::connect("newcomer"))?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).context("the newcomer is not let in")?;
    ensure!(connack == [0x20, 2, 0, 0], "the newcomer got {connack:02x?}");
    Ok(watch.elapsed())
}

/// A record of 512 bytes with a ClientHello of 508, of which less than half come.
fn half_a_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3];
    hello.resize(200, 0x5A);
    hello
}

/// Less than a backlog.
const AT_ONCE: usize = 200;
/// For the handshakes that are under way at once, which is as many as the limit.
const MIB: u64 = 48;
/// The others only wait.
const STALLED_IN_A_MIB: u64 = 400;
const PATIENCE: Duration = Duration::from_secs(60);
