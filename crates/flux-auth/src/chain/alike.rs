//! Names of a password file and others are told apart by nothing: no code, no ban, and nothing that is done for them.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use flux_time::Timestamp;

use super::tests::{Opinionated, Silent, asked, link, named};
use super::{Authentication, Chain, Link, Opinion};
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
    now: Arc<AtomicU64>,
}

/// What somebody sees who tries: the answer, or that the broker's patience ends, and how many hashes were made for it.
type Seen = (Option<Authentication>, usize);

impl Guarded {
    fn down() -> Self {
        Self::new(link(Opinion::Refuses(Refusal::ServerUnavailable)))
    }

    fn new(behind: Arc<dyn Link>) -> Self {
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
        let chain = Chain::new(vec![passwords, behind]).with_bans(bouncer);
        Self { chain, line, now }
    }

    fn tries(&self, name: &str, password: Option<&str>) -> Seen {
        let credentials = Credentials {
            peer: Some("192.0.2.1:1".parse().unwrap()),
            password: password.map(|it| it.to_owned().into()),
            ..named(name)
        };
        let mut answer = pin!(self.chain.authenticate(&credentials));
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            return (Some(answer), 0);
        }
        // Who has a password waits for its hash; who has none, for the link behind.
        if password.is_none() {
            return (None, 0);
        }
        self.line.next();
        match answer.as_mut().poll(&mut context) {
            Poll::Ready(answer) => (Some(answer), 1),
            Poll::Pending => (None, 1),
        }
    }
}

fn refused(refusal: Refusal) -> Option<Authentication> {
    Some(Authentication::Refused(refusal))
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
    let links: [fn() -> Arc<dyn Link>; 4] = [
        || link(Opinion::Refuses(Refusal::ServerUnavailable)),
        || link(Opinion::Refuses(Refusal::BadUserNameOrPassword)),
        || link(Opinion::Refuses(Refusal::NotAuthorized)),
        || Arc::new(Silent),
    ];
    for (behind, link) in links.iter().enumerate() {
        for (number, plan) in plans.iter().enumerate() {
            let sees = |who: &str| -> Vec<Seen> {
                let guarded = Guarded::new(link());
                let tries = |number| {
                    let (name, password, wait) = plan(number);
                    guarded.now.fetch_add(wait, Ordering::Relaxed);
                    let name = if name.is_empty() { who } else { &name };
                    guarded.tries(name, password.as_deref())
                };
                (0..400).map(tries).collect()
            };
            assert_eq!(sees("alice"), sees("eve"), "plan {number}, link {behind}");
        }
    }
}

#[test]
fn the_link_behind_is_asked_about_both_alike() {
    for who in ["alice", "eve"] {
        for password in [Some("guess"), None] {
            let behind: Arc<Opinionated> = link(Opinion::Refuses(Refusal::ServerUnavailable));
            let answer = Guarded::new(behind.clone()).tries(who, password).0;
            assert_eq!((answer, asked(&behind)), (refused(Refusal::ServerUnavailable), 1));
        }
    }
}

#[test]
fn guesses_are_bounded_while_the_link_behind_is_down_or_silent() {
    let banned = refused(Refusal::Banned);
    for (guarded, answer) in [
        (Guarded::down(), refused(Refusal::ServerUnavailable)),
        (Guarded::new(Arc::new(Silent)), None),
    ] {
        // The right one would get in: who tries others is stopped before.
        let tries = |number: u32| guarded.tries("alice", Some(&number.to_string())).0;
        assert!((0..FAILURES).map(tries).all(|seen| seen == answer));
        assert_eq!(tries(FAILURES), banned);
        assert_eq!(guarded.tries("alice", Some("password")), (banned.clone(), 0));
    }
    // Or one password for one name after the other.
    let guarded = Guarded::down();
    let sprayed =
        (0..1_000).find(|number| guarded.tries(&number.to_string(), Some("guess")).0 == banned);
    assert_eq!(sprayed, Some(FAILURES * 100));
}

#[test]
fn a_device_whom_only_the_link_behind_knows_may_come_as_often_as_it_likes_while_that_is_down() {
    for (guarded, answer) in [
        (Guarded::down(), refused(Refusal::ServerUnavailable)),
        (Guarded::new(Arc::new(Silent)), None),
    ] {
        for _ in 0..100 {
            for device in ["meter-1", "meter-2", "meter-3", "meter-4", "meter-5"] {
                assert_eq!(guarded.tries(device, Some(device)).0, answer);
            }
        }
        let alice = Authentication::Accepted(Identity::user("alice"));
        assert_eq!(guarded.tries("alice", Some("password")), (Some(alice), 1));
    }
}
