//! Ten thousand wrong passwords, and forged tokens, while others connect and publish.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ring::pbkdf2;

use super::child::{Program, with_rights};
use super::directory::Directory;
use crate::admin::get;
use crate::support::Version::V5;
use crate::support::{Client, Connect, Signer, claims, unsigned};

const GUESSES: u32 = 10_000;
const AT_ONCE: u32 = 250;
/// So many proofs wait at most until they are looked at.
const LINE: usize = 1_024;
/// Of `password`; as cheap as a file may have it.
const CHEAP: &str =
    "$argon2id$v=19$m=8,t=1,p=1$YSBzYWx0IG9mIHNpeHRlZQ$otMak6W6V0RRdTlfLOG0wrjpqXvFnnMNvMTsrRMcE7g";
/// So dear that no machine looks at many while a test lasts.
const DEAR: &str = "$7$10000000$YSBzYWx0IG9mIHNpeHRlZQ==$uwPiPiPCsoHtnihfxKsbE7mI2pvNOLdWPZxKXmFm+DoiWdxzqkBWnJxJtaSSbApz+25fKovjQT2aOBCXufGmCw==";
/// Dear enough to be felt by whoever waits behind many of them.
const MIDDLING: &str = "$7$100$YSBzYWx0IG9mIHNpeHRlZQ==$0rQKIY1Jehlvw77n0EKiTSvycMo6+RojUa5WGXwxhzLhzrumzIwXPjoxHEHTkinmR7XqLmdSIRebKxGw5X/Xzg==";
const MIDDLING_ITERATIONS: u32 = 100;
const SECRET: &[u8] = b"a secret that nobody can guess in time";

/// A broker that bans nobody, and has a metric for each refusal.
struct Broker {
    program: Program,
    admin: SocketAddr,
    _directory: Directory,
}

impl Broker {
    /// Starts one with these users, and with tokens.
    fn start(name: &str, users: &[(&str, &str)], keys: &str) -> Self {
        let directory = Directory::new(name);
        let (path, file) = (directory.file("flux.toml"), directory.file("users"));
        let lines: String = users.iter().map(|(user, hash)| format!("{user}:{hash}\n")).collect();
        fs::write(&file, lines).unwrap();
        fs::write(directory.file("keys"), keys).unwrap();
        fs::set_permissions(directory.file("keys"), Permissions::from_mode(0o600)).unwrap();
        let config = format!(
            "[log]\nfilter = \"error\"\n[admin]\nbind = \"127.0.0.1:0\"\n[protocol]\nconnect_timeout = \"1h\"\n\
             [auth]\npassword_file = \"{file}\"\n[auth.bans]\nfailures = 0\n\
             [auth.jwt]\njwks_file = \"{}\"\naudience = \"flux\"\n",
            directory.file("keys")
        );
        fs::write(&path, with_rights(config)).unwrap();
        let program = Program::start(&["--config", &path, "--port", "0"]);
        let (_, rest) = program.announced.split_once("metrics at http://").unwrap();
        let admin = rest.split('/').next().unwrap().parse().unwrap();
        Self { program, admin, _directory: directory }
    }

    fn address(&self) -> SocketAddr {
        self.program.addresses[0]
    }

    /// Returns how many CONNECTs were refused with this reason, as the metrics have it.
    fn refused(&self, reason: &str) -> u32 {
        let (status, _, body) = get(self.admin, "/metrics", "");
        assert_eq!(status, 200);
        let series = format!("flux_connects_refused_total{{reason=\"{reason}\"}} ");
        let number = body.lines().find_map(|line| line.strip_prefix(&series));
        number.expect(&body).parse().unwrap()
    }
}

/// Keys of which a token without a name may have been signed by any, the last of them the one that signs.
fn keys() -> String {
    let key = |secret: &[u8]| {
        use base64::Engine as _;
        let k = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        format!(r#"{{"kty":"oct","k":"{k}"}}"#)
    };
    let others = (0..7_u8).map(|number| key(&[number; 32]));
    let keys: Vec<_> = others.chain([key(SECRET)]).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// How many threads of the broker hash.
fn hashing_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2)
}

/// Computes as much as is done for a password that is held against a hash of [`MIDDLING`]'s kind.
fn hash_as_middling(number: u32) {
    let times = MIDDLING_ITERATIONS.try_into().unwrap();
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA512;
    let is_right = pbkdf2::verify(algorithm, times, b"a salt", &number.to_be_bytes(), &[0; 64]);
    assert!(is_right.is_err());
}

/// Sends guesses, some at once, and goes on when no more than `most` wait for an answer. Returns how many were answered with
/// which code, and those that still wait.
fn guess(
    address: SocketAddr,
    most: usize,
    connect: impl Fn(u32) -> Connect,
) -> (BTreeMap<u8, u32>, Vec<TcpStream>) {
    let (mut codes, mut waiting) = (BTreeMap::new(), Vec::new());
    for number in 0..GUESSES {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&connect(number).bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        waiting.push(stream);
        if number.is_multiple_of(AT_ONCE) {
            collect(&mut waiting, &mut codes, most);
        }
    }
    collect(&mut waiting, &mut codes, most);
    (codes, waiting)
}

/// Takes the answers that come, until no more than `most` are missing.
fn collect(waiting: &mut Vec<TcpStream>, codes: &mut BTreeMap<u8, u32>, most: usize) {
    while waiting.len() > most {
        waiting.retain_mut(|stream| {
            let mut connack = [0; 4];
            match stream.read(&mut connack) {
                // Fixed header, flags, and the code.
                Ok(len) => {
                    assert_eq!((len, connack[0], connack[2]), (4, 0x20, 0), "{connack:02x?}");
                    *codes.entry(connack[3]).or_default() += 1;
                    false
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    true
                }
            }
        });
        thread::yield_now();
    }
}

/// What others get meanwhile.
#[derive(Debug)]
struct Served {
    published: u32,
    came: u32,
}

/// Has somebody publish, and others connect and publish, while this is done; all that they publish arrives.
fn among_others<T>(
    address: SocketAddr,
    login: impl Fn(Connect) -> Connect + Sync,
    attack: impl FnOnce() -> T,
) -> (T, Served) {
    let come_in = || Client::connect_to(address, &login(Connect::new(V5, "")));
    let mut subscriber = come_in();
    subscriber.subscribe("t/#", 1);
    let mut publisher = come_in();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let received = scope.spawn(move || {
            let mut counts: BTreeMap<String, u32> = BTreeMap::new();
            loop {
                let message = subscriber.receive_and_acknowledge();
                if message.topic == "t/end" {
                    return counts;
                }
                *counts.entry(message.topic).or_default() += 1;
            }
        });
        let publishing = scope.spawn(|| {
            let mut sent = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                publisher.publish("t/who-is-in", "x", 1);
                sent += 1;
            }
            sent
        });
        let connecting = scope.spawn(|| {
            let mut sent = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                let mut client = come_in();
                client.publish("t/who-comes", "x", 1);
                client.disconnect();
                sent += 1;
            }
            sent
        });
        let found = attack();
        is_over.store(true, Ordering::Relaxed);
        let published = publishing.join().unwrap();
        let came = connecting.join().unwrap();
        come_in().publish("t/end", "x", 1);
        let received = received.join().unwrap();
        assert!(published > 0 && came > 0, "{published} {came}");
        let expected = [("t/who-comes", came), ("t/who-is-in", published)];
        assert_eq!(received, expected.map(|(topic, sent)| (topic.to_owned(), sent)).into());
        (found, Served { published, came })
    })
}

/// Whoever has the machine for it looks at each of them, beside the right ones of others.
#[test]
fn others_connect_and_publish_while_ten_thousand_wrong_passwords_are_hashed() {
    let broker = Broker::start("guesses-hashed", &[("alice", CHEAP), ("bob", CHEAP)], &keys());
    let right = |connect: Connect| connect.login("bob", "password");
    let wrong = |number: u32| {
        let user = if number.is_multiple_of(2) { "alice" } else { "eve" };
        Connect::new(V5, "").login(user, &number.to_string())
    };
    let address = broker.address();
    among_others(address, right, || {
        let (codes, _) = guess(address, 0, wrong);
        assert_eq!(codes, BTreeMap::from([(0x86, GUESSES)]));
    });
    assert_eq!(broker.refused("the user name or the password is wrong"), GUESSES);
    assert_eq!(broker.refused("the server is not available"), 0);
}

/// What they get is counted, for the same attack without anything to hash, while the test hashes as much as the broker will, so that
/// both times the machine has as much to do.
#[test]
fn others_get_about_as_much_while_ten_thousand_wrong_passwords_are_hashed_as_before() {
    let broker = Broker::start("guesses-served", &[("alice", MIDDLING)], &keys());
    let token = Signer::secret(SECRET).token(&claims("bob", 3_600));
    let right = |connect: Connect| connect.login("bob", &token);
    let address = broker.address();
    let attack = |connect: &dyn Fn(u32) -> Connect, code: u8| {
        let (codes, _) = guess(address, 0, connect);
        assert_eq!(codes, BTreeMap::from([(code, GUESSES)]));
    };
    let ((), before) = among_others(address, right, || {
        thread::scope(|scope| {
            let threads = u32::try_from(hashing_threads()).unwrap();
            for _ in 0..threads {
                scope.spawn(move || (0..GUESSES / threads).for_each(hash_as_middling));
            }
            attack(&|_| Connect::new(V5, ""), 0x87);
        });
    });
    let wrong = |number: u32| Connect::new(V5, "").login("alice", &number.to_string());
    let ((), meanwhile) = among_others(address, right, || attack(&wrong, 0x86));
    let is_fair = |before: u32, meanwhile: u32| meanwhile >= before / 4;
    assert!(is_fair(before.published, meanwhile.published), "{before:?}, {meanwhile:?}");
    assert!(is_fair(before.came, meanwhile.came), "{before:?}, {meanwhile:?}");
}

/// What cannot be hashed is refused at once, and waits for nothing. Whoever has a token comes in as ever.
#[test]
fn what_no_machine_can_hash_is_refused_at_once_and_others_connect_and_publish() {
    let broker = Broker::start("guesses-refused", &[("alice", DEAR)], &keys());
    let token = Signer::secret(SECRET).token(&claims("bob", 3_600));
    let right = |connect: Connect| connect.login("bob", &token);
    let wrong = |number: u32| Connect::new(V5, "").login("alice", &number.to_string());
    let address = broker.address();
    let threads = hashing_threads();
    let attack = || guess(address, LINE + threads, wrong);
    let ((codes, waiting), _) = among_others(address, right, attack);
    let count = |code: u8| codes.get(&code).copied().unwrap_or_default();
    let (hashed, refused) = (count(0x86), count(0x88));
    assert_eq!(hashed + refused + u32::try_from(waiting.len()).unwrap(), GUESSES);
    assert!(refused > GUESSES / 2, "{refused} refused, {hashed} hashed");
    assert_eq!(broker.refused("the server is not available"), refused);
    assert!(broker.refused("the user name or the password is wrong") >= hashed);
}

/// Each is held against eight keys, and none by a thread that serves others.
#[test]
fn others_connect_and_publish_while_ten_thousand_tokens_are_forged() {
    let broker = Broker::start("guesses-forged", &[("bob", CHEAP)], &keys());
    let token = Signer::secret(SECRET).token(&claims("bob", 3_600));
    let right = |connect: Connect| connect.login("bob", &token);
    let claims = claims("root", 3_600);
    let wrong = |number: u32| {
        let forged = format!("{}.{}", unsigned("HS256", &claims), "A".repeat(43));
        Connect::new(V5, "").login(&number.to_string(), &forged)
    };
    let address = broker.address();
    among_others(address, right, || {
        let (codes, _) = guess(address, 0, wrong);
        assert_eq!(codes, BTreeMap::from([(0x86, GUESSES)]));
    });
    assert_eq!(broker.refused("the user name or the password is wrong"), GUESSES);
}
