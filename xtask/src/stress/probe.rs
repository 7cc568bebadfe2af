//! Somebody who works meanwhile: a client that publishes to itself, and how long that takes.

use std::fmt::{self, Display, Formatter};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::packets;
use crate::clock::{Stopwatch, settle};

/// A client on a thread of its own, from [`Probe::start`] to [`Probe::finish`].
pub(super) struct Probe {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<Latency>>,
}

impl Probe {
    pub(super) fn start(address: SocketAddr) -> Result<Self> {
        let mut client = Client::connect(address, "probe")?;
        client.exchange()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut samples = Vec::new();
            while !told.load(Ordering::Relaxed) {
                samples.push(client.exchange()?);
                // It is to measure, not to load.
                settle(BETWEEN);
            }
            Ok(Latency::of(samples))
        });
        Ok(Self { is_over, thread })
    }

    /// Returns how long the messages took.
    ///
    /// # Errors
    ///
    /// When one did not come, or the probe was cut off.
    pub(super) fn finish(self) -> Result<Latency> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the probe has panicked"))?.context("the probe")
    }
}

/// Checks that somebody new is served.
pub(super) fn still_serves(address: SocketAddr) -> Result<()> {
    Client::connect(address, "afterwards")?.exchange().context("the broker serves no more")?;
    Ok(())
}

struct Client {
    stream: TcpStream,
    publish: Vec<u8>,
}

impl Client {
    fn connect(address: SocketAddr, name: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
        stream.set_read_timeout(Some(DEADLINE)).context("cannot set a deadline")?;
        stream.write_all(&packets::connect(name))?;
        stream.write_all(&packets::subscribe(&[name], 0))?;
        let mut answers = [0; 9];
        stream.read_exact(&mut answers).context("no answer to CONNECT and SUBSCRIBE")?;
        ensure!(answers == *b"\x20\x02\0\0\x90\x03\0\x01\0", "answered {answers:02x?}");
        Ok(Self { stream, publish: packets::publish(name, b"to myself") })
    }

    /// Publishes and receives one message; returns how long it took.
    fn exchange(&mut self) -> Result<Duration> {
        let watch = Stopwatch::start();
        self.stream.write_all(&self.publish).context("cannot publish")?;
        let mut received = vec![0; self.publish.len()];
        self.stream.read_exact(&mut received).context("a message did not come")?;
        ensure!(received == self.publish, "another message came: {received:02x?}");
        Ok(watch.elapsed())
    }
}

/// Percentiles of how long messages took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Latency {
    count: usize,
    median: Duration,
    p99: Duration,
    most: Duration,
}

impl Latency {
    fn of(mut samples: Vec<Duration>) -> Self {
        samples.sort_unstable();
        let part = |percent: usize| {
            let place = (samples.len() * percent / 100).min(samples.len().saturating_sub(1));
            samples.get(place).copied().unwrap_or_default()
        };
        Self { count: samples.len(), median: part(50), p99: part(99), most: part(100) }
    }
}

impl Display for Latency {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let [median, p99, most] =
            [self.median, self.p99, self.most].map(|time| time.as_secs_f64() * 1000.0);
        let count = self.count;
        write!(f, "{median:.2} ms in the median, {p99:.2} at 99 %, {most:.2} at most, of {count}")
    }
}

const BETWEEN: Duration = Duration::from_millis(1);
const DEADLINE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let latency = Latency::of((1..=200).rev().map(Duration::from_millis).collect());
        let [median, p99, most] = [101, 199, 200].map(Duration::from_millis);
        assert_eq!(latency, Latency { count: 200, median, p99, most });
        assert_eq!(Latency::of(Vec::new()).most, Duration::ZERO);
    }
}
