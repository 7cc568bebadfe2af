//! A case: one statement that a broker keeps or breaks, and what it is tried with.

use std::fmt;
use std::net::SocketAddr;
use std::panic;
use std::time::Duration;

use crate::{Client, Connect, Layer, Server, Version};

/// One statement about a broker, and how it is tried.
///
/// A case uses client identifiers and topics that nobody else uses, so that cases run beside each
/// other against a broker that does other things as well.
#[derive(Clone, Copy)]
pub struct Case {
    /// The statement, in snake case.
    pub name: &'static str,
    /// The versions that say so.
    pub versions: &'static [Version],
    /// Whether the standard demands or recommends it.
    pub level: Level,
    pub(crate) run: fn(&Trial),
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Case {
    /// The same case, of these versions only.
    #[must_use]
    pub const fn of(self, versions: &'static [Version]) -> Self {
        Self { versions, ..self }
    }
}

/// How much the standard means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The standard demands it.
    Must,
    /// The standard recommends it, or leaves it open; we hold our broker to it.
    Should,
}

/// Cases about one subject.
#[derive(Clone, Copy, Debug)]
pub struct Chapter {
    /// The subject.
    pub name: &'static str,
    /// Its cases.
    pub cases: &'static [Case],
}

/// One run of a case against a broker, in one version.
#[derive(Debug)]
pub struct Trial {
    address: SocketAddr,
    layer: Layer,
    pub(crate) version: Version,
    patience: Duration,
    /// In every client identifier and topic of this run, and in no other.
    mark: String,
}

/// Why a case says nothing about a broker.
pub(crate) struct NotTestable(pub(crate) String);

impl Server for Trial {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn open(&self, version: Version) -> Client {
        Client::open_over(self.address, version, |socket| self.layer.over(socket))
    }
}

impl Trial {
    /// The mark has 12 letters and digits, so that a client identifier has 11 more for its role.
    pub(crate) fn new(
        address: SocketAddr,
        layer: Layer,
        version: Version,
        patience: Duration,
        mark: String,
    ) -> Self {
        Self { address, layer, version, patience, mark }
    }

    /// A client identifier that every broker must accept; a role has up to 11 letters.
    pub(crate) fn id(&self, role: &str) -> String {
        assert!(role.len() <= 11, "{role} is too long");
        format!("{}{role}", self.mark)
    }

    pub(crate) fn topic(&self, levels: &str) -> String {
        format!("conformance/{}/{levels}", self.mark)
    }

    /// The start of every client identifier, and a level of every topic.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// CONNECT of a client whose session ends with its connection.
    pub(crate) fn connect(&self, role: &str) -> Connect {
        Connect::new(self.version, &self.id(role))
    }

    /// CONNECT of a client that resumes its session and keeps it.
    pub(crate) fn persistent(&self, role: &str) -> Connect {
        Connect::persistent(self.version, &self.id(role))
    }

    /// A connected client whose session ends with its connection.
    #[track_caller]
    pub(crate) fn client(&self, role: &str) -> Client {
        self.join(&self.connect(role))
    }

    /// A connected client.
    #[track_caller]
    pub(crate) fn join(&self, connect: &Connect) -> Client {
        let mut client = self.send(&connect.bytes());
        client.version = connect.version;
        client.expect_connack();
        client
    }

    /// A connected client whose session must be there.
    #[track_caller]
    pub(crate) fn resume(&self, connect: &Connect) -> Client {
        let client = self.join(connect);
        assert!(client.session_present, "the session should be there");
        client
    }

    /// A connected client whose session must be new.
    #[track_caller]
    pub(crate) fn begin(&self, connect: &Connect) -> Client {
        let client = self.join(connect);
        assert!(!client.session_present, "the session should be new");
        client
    }

    /// A new connection on which these bytes were sent.
    pub(crate) fn send(&self, bytes: &[u8]) -> Client {
        let mut client = self.open(self.version);
        client.stream().set_read_timeout(Some(self.patience)).unwrap();
        client.try_send(bytes);
        client
    }

    pub(crate) fn is_v5(&self) -> bool {
        self.version == Version::V5
    }
}

/// Ends a case that says nothing about this broker.
pub(crate) fn not_testable(why: impl Into<String>) -> ! {
    panic::panic_any(NotTestable(why.into()))
}

/// Lists cases by the versions that they run in, and by what the standard says.
macro_rules! cases {
    ($($group:ident { $($name:ident),+ $(,)? })+) => {
        pub(crate) const CASES: &[$crate::case::Case] = &[$($($crate::case::Case {
            name: stringify!($name),
            versions: cases!(@versions $group),
            level: cases!(@level $group),
            run: $name,
        }),+),+];
    };
    (@versions both) => { &[$crate::Version::V311, $crate::Version::V5] };
    (@versions both_should) => { &[$crate::Version::V311, $crate::Version::V5] };
    (@versions v3) => { &[$crate::Version::V311] };
    (@versions v5) => { &[$crate::Version::V5] };
    (@versions v5_should) => { &[$crate::Version::V5] };
    (@level both_should) => { $crate::case::Level::Should };
    (@level v5_should) => { $crate::case::Level::Should };
    (@level $must:ident) => { $crate::case::Level::Must };
}
