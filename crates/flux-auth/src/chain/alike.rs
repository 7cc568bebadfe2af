//! Names of a password file and others are told apart by nothing: no code, no ban, and nothing that is done for them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use flux_time::Timestamp;

use super::tests::{asked, link, named};
use super::{Authentication, Chain, Opinion};
use crate::passwords::Threadless;
use crate::{
    Authenticator, BanSettings, Bouncer, Credentials, Identity, PasswordAuthenticator,
    PasswordHash, Refusal, Users,
};

/// Of `password`; as cheap as a file may have it.
const CHEAP: &str =
    "$argon2id$v=19$m=8,t=1,p=1$YSBzYWx0IG9mIHNpeHRlZQ$otMak6W6V0RRdTlfLOG0wrjpqXvFnnMNvMTsrRMcE7g";
const FAILURES: u32 = 3;

/// A password file with alice and bob, and a link behind it that is of one opinion.
struct Guarded {
    chain: Chain,
    line: Threadless,
    behind: Arc<super::tests::Opinionated>,
    now: Arc<AtomicU64>,
}

/// What somebody sees who tries: the answer, how many hashes were made for it, and how often the link behind was asked.
type Seen = (Authentication, usize, usize);

impl Guarded {
    fn new(behind: Opinion) -> Self {
        let mut users = Users::default();
        for name in ["alice", "bob"] {
            users.set(name, CHEAP.parse::<PasswordHash>().unwrap()).unwrap();
        }
        let (pool, line) = Threadless::pool(8);
        let now = Arc::new(AtomicU64::new(0));
        let clock = {
            let now = now.clone();
            Box::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed)))
        };
        let settings = BanSettings { failures: FAILURES, ..BanSettings::default() };
        let bouncer = Arc::new(Bouncer::new(settings, clock));
        let passwords = PasswordAuthenticator::new(users, Arc::new(pool)).unwrap();
        let passwords = Arc::new(passwords.with_bans(bouncer.clone()));
        let behind = link(behind);
        let chain = Chain::new(vec![passwords, behind.clone()]).with_bans(bouncer);
        Self { chain, line, behind, now }
    }

    fn tries(&self, name: &str, password: Option<&str>) -> Seen {
        let credentials = Credentials {
            peer: Some("192.0.2.1:1".parse().unwrap()),
            password: password.map(|it| it.to_owned().into()),
            ..named(name)
        };
        let before = asked(&self.behind);
        let mut answer = pin!(self.chain.authenticate(&credentials));
        let mut context = Context::from_waker(Waker::noop());
        let mut hashed = 0;
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
                return (answer, hashed, asked(&self.behind) - before);
            }
            self.line.next();
            hashed += 1;
        }
    }
}

fn refused(refusal: Refusal) -> Authentication {
    Authentication::Refused(refusal)
}

/// What is tried: a name each time, which stands for alice or for somebody else, a password, and how long to wait before.
type Plan = fn(u32) -> (String, Option<String>, u64);

#[test]
fn nothing_tells_a_name_of_the_file_from_others_whatever_the_link_behind_says() {
    let plans: [Plan; 6] = [
        |number| (String::new(), Some(format!("guess {number}")), 0),
        |number| (String::new(), Some(format!("guess {number}")), 19_000),
        |_| (String::new(), Some("always the same".to_owned()), 0),
        |number| (String::new(), Some(format!("guess {}", number % 2)), 0),
        |number| {
            let name = if number % 2 == 0 { String::new() } else { number.to_string() };
            (name, Some("spread".to_owned()), 0)
        },
        |_| (String::new(), None, 0),
    ];
    for refusal in
        [Refusal::ServerUnavailable, Refusal::BadUserNameOrPassword, Refusal::NotAuthorized]
    {
        for (number, plan) in plans.iter().enumerate() {
            let sees = |who: &str| -> Vec<Seen> {
                let guarded = Guarded::new(Opinion::Refuses(refusal));
                let tries = |number| {
                    let (name, password, wait) = plan(number);
                    guarded.now.fetch_add(wait, Ordering::Relaxed);
                    let name = if name.is_empty() { who } else { &name };
                    guarded.tries(name, password.as_deref())
                };
                (0..400).map(tries).collect()
            };
            assert_eq!(sees("alice"), sees("eve"), "plan {number}, {refusal:?}");
        }
    }
}

#[test]
fn guesses_are_bounded_while_the_link_behind_is_down() {
    let guarded = Guarded::new(Opinion::Refuses(Refusal::ServerUnavailable));
    let down = refused(Refusal::ServerUnavailable);
    let banned = refused(Refusal::Banned);
    // The right one would get in: who tries others is stopped before.
    let tries = |number: u32| guarded.tries("alice", Some(&number.to_string())).0;
    assert!((0..FAILURES).map(tries).all(|answer| answer == down));
    assert_eq!(tries(FAILURES), banned);
    assert_eq!(guarded.tries("alice", Some("password")), (banned.clone(), 0, 0));

    // Or one password for one name after the other.
    let guarded = Guarded::new(Opinion::Refuses(Refusal::ServerUnavailable));
    let sprayed =
        (0..1_000).find(|number| guarded.tries(&number.to_string(), Some("guess")).0 == banned);
    assert_eq!(sprayed, Some(FAILURES * 100));
}

#[test]
fn a_device_whom_only_the_link_behind_knows_may_come_as_often_as_it_likes_while_that_is_down() {
    let guarded = Guarded::new(Opinion::Refuses(Refusal::ServerUnavailable));
    let down = refused(Refusal::ServerUnavailable);
    for _ in 0..100 {
        for device in ["meter-1", "meter-2", "meter-3", "meter-4", "meter-5"] {
            assert_eq!(guarded.tries(device, Some(device)).0, down);
        }
    }
    let alice = Authentication::Accepted(Identity::user("alice"));
    assert_eq!(guarded.tries("alice", Some("password")), (alice, 1, 0));
}
