//! A client that knows nothing but bytes.

mod judgement;

pub(crate) use judgement::reason_code;

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::clock::DEADLINE;
use crate::property::Properties;
use crate::property::split_integer;
use crate::{
    Connect, PINGREQ, PINGRESP, Publish, Received, Version, packet, puback, pubcomp, pubrec, pubrel,
};

/// What clients connect to.
pub trait Server {
    /// Returns the address that it listens on.
    fn address(&self) -> SocketAddr;

    /// Opens a connection to it, by default over TCP alone.
    fn open(&self, version: Version) -> Client {
        Client::open(self.address(), version)
    }
}

impl Server for SocketAddr {
    fn address(&self) -> SocketAddr {
        *self
    }
}

/// What bytes go through both ways: a socket, or something over it.
pub trait Duplex: Read + Write + Send {}

impl<T: Read + Write + Send> Duplex for T {}

/// A network connection; what must come has a deadline, after which the test fails.
pub struct Client {
    stream: BufReader<Box<dyn Duplex>>,
    socket: TcpStream,
    /// Bytes that were read already and are to be read again.
    aside: Vec<u8>,
    /// The version that it speaks.
    pub version: Version,
    /// Whether CONNACK said that there was a session.
    pub session_present: bool,
    /// The properties of CONNACK.
    pub connack: Properties,
    /// The last Reason String.
    pub words: String,
}

impl Client {
    /// Opens a connection and sends nothing.
    pub fn open(address: SocketAddr, version: Version) -> Self {
        Self::open_over(address, version, |socket| Box::new(socket))
    }

    /// The same through what `layer` lays over the socket.
    pub fn open_over(
        address: SocketAddr,
        version: Version,
        layer: impl FnOnce(TcpStream) -> Box<dyn Duplex>,
    ) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        let stream = layer(socket.try_clone().unwrap());
        Self {
            stream: BufReader::with_capacity(64 * 1024, stream),
            socket,
            aside: Vec::new(),
            version,
            session_present: false,
            connack: Properties::default(),
            words: String::new(),
        }
    }

    /// Opens a connection, sends `bytes`, and returns what to read the answer with.
    pub fn open_with(server: &impl Server, version: Version, bytes: &[u8]) -> Self {
        let mut client = server.open(version);
        client.send(bytes);
        client
    }

    /// Connects; the broker must accept.
    pub fn connect(server: &impl Server, connect: &Connect) -> Self {
        server.open(connect.version).connected(connect)
    }

    /// Connects to an address; the broker must accept.
    pub fn connect_to(address: SocketAddr, connect: &Connect) -> Self {
        Self::open(address, connect.version).connected(connect)
    }

    /// Sends CONNECT, which the broker must accept.
    #[must_use]
    pub fn connected(mut self, connect: &Connect) -> Self {
        self.send(&connect.bytes());
        self.expect_connack();
        self
    }

    /// Connects with a session that must be there.
    pub fn resume(server: &impl Server, connect: &Connect) -> Self {
        let client = Self::connect(server, connect);
        // MQTT 3.1 does not tell.
        let is_told = client.version != Version::V31;
        assert_eq!(client.session_present, is_told, "the session is gone");
        client
    }

    /// The next packet must be CONNACK that accepts.
    pub fn expect_connack(&mut self) {
        let connack = self.packet();
        assert_eq!(connack[0], 0x20, "not a CONNACK: {connack:02x?}");
        assert!(connack[2] <= 1, "acknowledge flags");
        assert_eq!(connack[3], 0, "refused: {connack:02x?}");
        self.session_present = connack[2] == 1;
        if self.version == Version::V5 {
            let (properties, rest) = Properties::split(&connack[4..]);
            assert!(rest.is_empty());
            self.connack = properties;
        } else {
            assert_eq!(connack.len(), 4);
        }
    }

    /// Sends bytes, which the broker must read.
    pub fn send(&mut self, bytes: &[u8]) {
        self.write(bytes).expect("the broker reads");
    }

    /// Sends what the broker may not want to read to its end; returns whether the system took it.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.write(bytes).is_ok()
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// Reads one packet, whatever it is.
    pub fn packet(&mut self) -> Vec<u8> {
        self.try_packet().expect("the broker has closed the connection")
    }

    /// Reads one packet; `None` when the connection ends before it is complete.
    pub fn try_packet(&mut self) -> Option<Vec<u8>> {
        let mut packet = Vec::new();
        while packet.len() < 2 || packet.last().is_some_and(|byte| byte & 0x80 != 0) {
            let end = packet.len() + 1;
            self.read_until(&mut packet, end)?;
        }
        let (len, _) = split_integer(&packet[1..]);
        let end = packet.len() + len;
        self.read_until(&mut packet, end)?;
        Some(packet)
    }

    /// Reads until there are so many bytes; `None` when the connection ends before.
    fn read_until(&mut self, bytes: &mut Vec<u8>, len: usize) -> Option<()> {
        while bytes.len() < len {
            let buffered = self.buffered();
            let taken = buffered.len().min(len - bytes.len());
            bytes.extend_from_slice(buffered.get(..taken).filter(|taken| !taken.is_empty())?);
            if self.aside.is_empty() {
                self.stream.consume(taken);
            } else {
                self.aside.drain(..taken);
            }
        }
        Some(())
    }

    /// Waits for bytes; none are there at the end of the connection.
    fn buffered(&mut self) -> &[u8] {
        if !self.aside.is_empty() {
            return &self.aside;
        }
        match self.stream.fill_buf() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => &[],
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing comes, and the connection stays open")
            }
            Err(error) => panic!("cannot read: {error}"),
        }
    }

    /// The next bytes must be exactly these.
    #[track_caller]
    pub fn expect(&mut self, expected: &[u8]) {
        let mut got = Vec::new();
        let end = self.read_until(&mut got, expected.len());
        let is_right = got == expected;
        let (got, expected) = (excerpt(&got), excerpt(expected));
        assert!(is_right, "expected {expected}\n  but got {got}, complete: {}", end.is_some());
    }

    /// The next packet must be this PUBLISH.
    #[track_caller]
    pub fn expect_publish(&mut self, publish: &Publish) {
        self.expect(&publish.bytes(self.version));
    }

    /// The next packet must be a PUBLISH.
    #[track_caller]
    pub fn receive(&mut self) -> Received {
        let packet = self.packet();
        Received::parse(self.version, &packet)
    }

    /// The next packet must be a PUBLISH, which is acknowledged as its QoS demands.
    #[track_caller]
    pub fn receive_and_acknowledge(&mut self) -> Received {
        let received = self.receive();
        match received.qos {
            0 => {}
            1 => self.send(&puback(received.id)),
            _ => {
                self.send(&pubrec(received.id));
                self.expect_later(&pubrel(received.id));
                self.send(&pubcomp(received.id));
            }
        }
        received
    }

    /// This packet must come; what comes before it is read afterwards.
    #[track_caller]
    fn expect_later(&mut self, expected: &[u8]) {
        let mut before = Vec::new();
        loop {
            let packet = self.packet();
            if packet == expected {
                break;
            }
            before.extend_from_slice(&packet);
        }
        self.aside.splice(..0, before);
    }

    /// Nothing more comes, and the connection is closed.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let rest = self.buffered();
        assert!(rest.is_empty(), "the connection should be closed, but: {}", excerpt(rest));
    }

    /// MQTT 5.0: DISCONNECT with this code and the end. Older ones: the end.
    #[track_caller]
    pub fn expect_disconnect(&mut self, code: u8) {
        if self.version == Version::V5 {
            let packet = self.packet();
            let (_, body) = split_integer(&packet[1..]);
            assert_eq!((packet[0], body[0]), (0xE0, code), "DISCONNECT: {packet:02x?}");
            self.expect_words(&body[1..]);
        }
        self.expect_closed();
    }

    /// CONNACK of MQTT 5.0 with this code and the reason in words, and the end.
    #[track_caller]
    pub fn expect_refusal(&mut self, code: u8) {
        let packet = self.packet();
        let (_, body) = split_integer(&packet[1..]);
        assert_eq!((packet[0], &body[..2]), (0x20, &[0, code][..]), "CONNACK: {packet:02x?}");
        self.expect_words(&body[2..]);
        self.expect_closed();
    }

    /// Properties that are a Reason String and nothing else; returns what follows.
    #[track_caller]
    fn expect_words<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (properties, rest) = Properties::split(bytes);
        self.words = properties.text(0x1F).expect("a reason string");
        assert!(self.words.len() > 9 && properties.0.len() == 1, "{properties:?}");
        rest
    }

    /// SUBACK 0x90 or UNSUBACK 0xB0 with these codes; with words where MQTT 5.0 says a failure.
    #[track_caller]
    pub fn expect_codes(&mut self, first: u8, id: u16, codes: &[u8]) {
        if self.version != Version::V5 || codes.iter().all(|code| *code < 0x80) {
            let parts = [&id.to_be_bytes()[..], &self.version.properties(&[]), codes];
            return self.expect(&packet(first, &parts));
        }
        let packet = self.packet();
        let (_, body) = split_integer(&packet[1..]);
        assert_eq!((packet[0], &body[..2]), (first, &id.to_be_bytes()[..]), "{packet:02x?}");
        assert_eq!(self.expect_words(&body[2..]), codes);
    }

    /// Nothing waits for this client. Whatever was offered to its session by now would come
    /// before the message that it sends itself here; at QoS 0, which no window holds back.
    #[track_caller]
    pub fn expect_nothing(&mut self) {
        let topic = format!("$test/fence/{}", self.socket.local_addr().unwrap());
        self.send(&self.version.subscribe(0xFFFF, &[(&topic, 0)]));
        self.expect(&self.version.suback(0xFFFF, &[0]));
        let fence = Publish::new(&topic, "nothing came before");
        self.send(&fence.bytes(self.version));
        self.expect_publish(&fence);
        self.send(&self.version.unsubscribe(0xFFFF, &[&topic]));
        self.expect(&self.version.unsuback(0xFFFF, &[0]));
    }

    /// The connection is alive, and nothing was sent before the answer.
    #[track_caller]
    pub fn ping(&mut self) {
        self.send(&PINGREQ);
        self.expect(&PINGRESP);
    }

    /// Subscribes to one filter, which must be granted the QoS of these options.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, options: u8) {
        self.send(&self.version.subscribe(0xFFFE, &[(filter, options)]));
        self.expect(&self.version.suback(0xFFFE, &[options & 3]));
    }

    /// Publishes at QoS 0, 1 or 2 and waits until the broker has the message.
    #[track_caller]
    pub fn publish(&mut self, topic: &str, payload: impl AsRef<[u8]>, qos: u8) {
        let publish = Publish::new(topic, payload);
        self.publish_packet(&if qos == 0 { publish } else { publish.qos(qos, 1) }, qos);
    }

    /// The same with a packet of identifier 1.
    #[track_caller]
    pub fn publish_packet(&mut self, publish: &Publish, qos: u8) {
        self.send(&publish.bytes(self.version));
        match qos {
            0 => self.ping(),
            1 => self.expect_taken(0x40),
            _ => {
                self.expect_taken(0x50);
                self.send(&pubrel(1));
                self.expect(&pubcomp(1));
            }
        }
    }

    /// An acknowledgement, whether or not somebody has subscribed.
    #[track_caller]
    fn expect_taken(&mut self, first: u8) {
        let ack = self.packet();
        assert!(matches!(ack[..], [f, _, 0, 1] | [f, _, 0, 1, 0x10] if f == first), "{ack:02x?}");
    }

    /// PUBACK or PUBREC with this reason code; of a failure also in words.
    #[track_caller]
    pub fn expect_ack(&mut self, first: u8, id: u16, code: u8) {
        let ack = self.packet();
        let is_right = ack[0] == first && ack[2..4] == id.to_be_bytes() && ack[4] == code;
        assert!(is_right, "expected {first:#04x} {id} {code:#04x}: {ack:02x?}");
        if code >= 0x80 {
            self.expect_words(&ack[5..]);
        }
    }

    /// Leaves in peace: no will, and the broker is done with the connection.
    pub fn disconnect(mut self) {
        self.send(&[0xE0, 0]);
        self.expect_closed();
    }

    /// MQTT 5.0: leaves with DISCONNECT 0x04; the broker is done with the connection.
    pub fn close_with_will(mut self) {
        self.send(&[0xE0, 1, 4]);
        self.expect_closed();
    }

    /// The connection is lost.
    pub fn lose(self) {
        drop(self);
    }

    /// Returns the socket.
    pub const fn stream(&self) -> &TcpStream {
        &self.socket
    }
}

/// Long bytes are not worth reading.
fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(200)];
    format!("{} bytes: {shown:02x?} {:?}", bytes.len(), String::from_utf8_lossy(shown))
}
