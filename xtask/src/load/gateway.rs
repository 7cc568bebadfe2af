//! A gateway in the load's process: clients connect to it as they would to the broker, and it lays TLS or WebSocket over
//! what goes on to the broker.
//!
//! So everything that loads a broker does so over any transport, and what that costs the load does not matter: what
//! is measured is the broker's processor time. Each MQTT packet goes into a frame of WebSocket of its own, as clients do it.

mod link;
mod websocket;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use self::link::Link;
use crate::doors::certificates;

/// What is between a client and the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Nothing but TCP
    Tcp,
    /// TLS 1.3, each time in full
    Tls,
    /// TLS 1.3, resumed where the broker grants it
    TlsResumed,
    /// WebSocket
    Ws,
    /// WebSocket over TLS, each time in full
    Wss,
}

impl Transport {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::TlsResumed => "tls-resumed",
            Self::Ws => "ws",
            Self::Wss => "wss",
        }
    }

    const fn is_websocket(self) -> bool {
        match self {
            Self::Ws | Self::Wss => true,
            Self::Tcp | Self::Tls | Self::TlsResumed => false,
        }
    }
}

/// A gateway that runs until the process ends.
#[derive(Debug)]
pub(super) struct Gateway {
    address: SocketAddr,
    handshakes: Arc<Handshakes>,
}

/// How often sessions were resumed, of all handshakes.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    all: AtomicU64,
    resumed: AtomicU64,
}

impl Gateway {
    /// Starts one on a thread; over TLS the broker must show a certificate that this authority signed.
    ///
    /// # Errors
    ///
    /// When it cannot listen, or the authority cannot be read.
    pub(super) fn start(
        broker: SocketAddr,
        transport: Transport,
        ca: Option<&Path>,
    ) -> Result<Self> {
        let configs = configs(transport, ca)?;
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let address = listener.local_addr()?;
        let poll = Poll::new().context("cannot poll")?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let handshakes = Arc::new(Handshakes::default());
        let mut hall = Hall {
            broker,
            transport,
            configs,
            listener,
            poll,
            links: Vec::new(),
            handshakes: handshakes.clone(),
        };
        thread::spawn(move || {
            if let Err(error) = hall.run() {
                eprintln!("the gateway is closed: {error:#}");
            }
        });
        Ok(Self { address, handshakes })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many of a hundred handshakes have resumed a session.
    pub(super) fn percent_resumed(&self) -> u64 {
        let all = self.handshakes.all.load(Ordering::Relaxed);
        self.handshakes.resumed.load(Ordering::Relaxed) * 100 / all.max(1)
    }
}

/// Returns what clients shake hands with; each of several remembers sessions of its own, for one ticket is good
/// for one client and few are kept.
fn configs(transport: Transport, ca: Option<&Path>) -> Result<Vec<Arc<ClientConfig>>> {
    let count = match transport {
        Transport::Tcp | Transport::Ws => 0,
        Transport::Tls | Transport::Wss => 1,
        Transport::TlsResumed => MEMORIES,
    };
    let one = || {
        let ca = ca.context("TLS needs --ca FILE")?;
        let mut config = ClientConfig::clone(&*certificates::client_config(ca)?);
        config.resumption = match transport {
            Transport::TlsResumed => Resumption::in_memory_sessions(8),
            Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => {
                Resumption::disabled()
            }
        };
        Ok(Arc::new(config))
    };
    (0..count).map(|_| one()).collect()
}

/// All that the thread of a gateway has.
struct Hall {
    broker: SocketAddr,
    transport: Transport,
    configs: Vec<Arc<ClientConfig>>,
    listener: TcpListener,
    poll: Poll,
    links: Vec<Option<Link>>,
    handshakes: Arc<Handshakes>,
}

impl Hall {
    fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            self.poll.poll(&mut events, None).context("cannot poll")?;
            let mut accepts = false;
            for event in &events {
                match event.token() {
                    LISTENER => accepts = true,
                    Token(token) => self.serve(token / 2),
                }
            }
            while accepts {
                match self.listener.accept() {
                    Ok((near, _)) => self.open(near)?,
                    Err(_) => accepts = false,
                }
            }
        }
    }

    fn open(&mut self, mut near: TcpStream) -> Result<()> {
        let number = self.links.len();
        let mut far = TcpStream::connect(self.broker).context("cannot connect to the broker")?;
        // A listener has the first two tokens.
        let (tokens, both) = (2 * number + 2, Interest::READABLE | Interest::WRITABLE);
        self.poll.registry().register(&mut near, Token(tokens), both)?;
        self.poll.registry().register(&mut far, Token(tokens + 1), both)?;
        let name = ServerName::from(self.broker.ip());
        let tls = match self.configs.get(number % self.configs.len().max(1)) {
            Some(config) => Some(ClientConnection::new(config.clone(), name)?),
            None => None,
        };
        let link = Link::new(near, far, tls, self.transport.is_websocket());
        self.links.push(Some(link));
        self.serve(number + 1);
        Ok(())
    }

    /// Moves what can be moved; `place` counts from 1.
    fn serve(&mut self, place: usize) {
        let Some(slot) = place.checked_sub(1).and_then(|number| self.links.get_mut(number)) else {
            return;
        };
        let Some(link) = slot else { return };
        let goes_on = link.advance();
        if let Some(is_resumed) = link.take_handshake() {
            self.handshakes.all.fetch_add(1, Ordering::Relaxed);
            self.handshakes.resumed.fetch_add(u64::from(is_resumed), Ordering::Relaxed);
        }
        if !goes_on {
            *slot = None;
        }
    }
}

const LISTENER: Token = Token(0);
/// More than connect at the same time.
const MEMORIES: usize = 128;
