//! The same clients at mosquitto and at our broker: do both say the same under `$SYS`?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::programs::{Clients, Subscriber, Version};
use crate::bench::contender::Contender;
use crate::clock::poll;
use crate::doors::broker::Broker;
use crate::doors::certificates::Certificates;
use crate::doors::door::{Door, Scheme};
use crate::interop::tally::Tally;

/// Says whether mosquitto itself is there.
pub(in crate::interop) fn has_broker() -> bool {
    Contender::mosquitto().is_some()
}

/// Compares names and numbers.
///
/// # Errors
///
/// When a broker or a client does not start.
pub(in crate::interop) fn run(binary: &Path, certificates: &Certificates) -> Result<Tally> {
    let mut tally = Tally::default();
    let config = certificates.file("sys.conf");
    fs::write(&config, "sys_interval 1\n")?;
    let found = Contender::mosquitto().context("mosquitto is gone")?;
    let line = format!("mosquitto={} -p {{port}} -c {}", found.program(), config.display());
    let mosquitto = Contender::parse(&line)?.start()?;
    let theirs = Door::plain(mosquitto.address());
    let broker = Broker::start(binary, &["--sys-interval", "1"].map(str::to_owned))?;
    let ours = broker.door(Scheme::Mqtt)?;

    let [theirs, ours] = [&theirs, ours].map(|door| Clients {
        door,
        version: Version::V311,
        certificates,
        shown: None,
    });
    let stay = [visit(&theirs)?, visit(&ours)?];
    let everything = ["-t", "$SYS/#", "-i", "watcher"];
    let [theirs, ours] = [theirs.subscribe(&everything)?, ours.subscribe(&everything)?];
    for (check, outcome) in [
        ("the names under $SYS are mosquitto's", names(&theirs, &ours)),
        ("the same clients make the same numbers", numbers(&theirs, &ours)),
        ("what is said has mosquitto's form", forms(&theirs, &ours)),
    ] {
        match outcome {
            Ok(()) => tally.pass(check),
            Err(error) => tally.fail(check, &format!("{error:#}")),
        }
    }
    drop(stay);
    tally.add(Tally::of_end(broker.stop()));
    Ok(tally)
}

/// One client is away and messages wait for it, one is here, and one has published and gone.
fn visit(clients: &Clients) -> Result<Subscriber> {
    clients.subscribe_and_leave(&["-c", "-i", "away", "-t", "a/#", "-q", "1"])?;
    let here = clients.subscribe(&["-i", "here", "-t", "b", "-q", "1"])?;
    clients.publish("a/1", 1, &["1", "2", "3"])?;
    clients.publish("b", 2, &["x", "y"])?;
    clients.retain("kept", "x")?;
    here.wait_for(|messages| messages.len() == 2)?;
    Ok(here)
}

fn names(theirs: &Subscriber, ours: &Subscriber) -> Result<()> {
    let differ = || -> Result<()> {
        let [theirs, ours] = [latest(theirs)?, latest(ours)?];
        let names = |numbers: &BTreeMap<String, String>, but: &[&str]| {
            let is_wanted = |name: &&String| !but.contains(&name.as_str());
            numbers.keys().filter(is_wanted).cloned().collect::<BTreeSet<_>>()
        };
        let (theirs, ours) = (names(&theirs, NOT_HERE), names(&ours, NOT_THERE));
        let missing: Vec<_> = theirs.difference(&ours).collect();
        let unknown: Vec<_> = ours.difference(&theirs).collect();
        ensure!(!theirs.is_empty() && missing.is_empty(), "we lack {missing:?} of {theirs:?}");
        ensure!(unknown.is_empty(), "it does not have {unknown:?}");
        Ok(())
    };
    until(differ)
}

fn numbers(theirs: &Subscriber, ours: &Subscriber) -> Result<()> {
    let differ = || -> Result<()> {
        let [theirs, ours] = [latest(theirs)?, latest(ours)?];
        let differ = SAME.iter().filter(|name| theirs.get(**name) != ours.get(**name));
        let differ = differ.map(|name| (name, theirs.get(*name), ours.get(*name)));
        let differ: Vec<_> = differ.collect();
        ensure!(differ.is_empty(), "(theirs, ours): {differ:?}");
        let some = SAME.iter().find(|name| !ours.contains_key(**name));
        some.map_or(Ok(()), |name| bail!("nobody says {name}"))
    };
    until(differ)
}

/// A number with as many decimals, and the same words around it, but the name of the program.
fn forms(theirs: &Subscriber, ours: &Subscriber) -> Result<()> {
    let differ = || -> Result<()> {
        let [theirs, ours] = [latest(theirs)?, latest(ours)?];
        let both = theirs.iter().filter_map(|(name, text)| Some((name, text, ours.get(name)?)));
        let differ = both.filter(|(_, theirs, ours)| form(theirs) != form(ours));
        let differ: Vec<_> = differ.collect();
        ensure!(differ.is_empty(), "(name, theirs, ours): {differ:?}");
        Ok(())
    };
    until(differ)
}

/// Returns the words of a text, and of numbers how many decimals they have: of a version how many parts.
fn form(text: &str) -> Vec<String> {
    let word = |word: &str| match word.split_once('.') {
        _ if word == "mosquitto" || word == "flux-broker" => "PROGRAM".to_owned(),
        Some((_, rest)) if rest.contains('.') => "VERSION".to_owned(),
        Some((whole, decimals)) if is_number(whole) && is_number(decimals) => {
            format!("a number with {} decimals", decimals.len())
        }
        None if is_number(word) => "a number".to_owned(),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Asks again until it is right; else the last answer counts.
fn until(mut ask: impl FnMut() -> Result<()>) -> Result<()> {
    let mut last = Ok(());
    let right = poll(DEADLINE, || {
        last = ask();
        last.is_ok().then_some(())
    });
    if right.is_some() { Ok(()) } else { last }
}

/// Returns what each topic below `$SYS/broker` said last.
fn latest(watcher: &Subscriber) -> Result<BTreeMap<String, String>> {
    let messages = watcher.wait_for(|_| true)?;
    let parts = |message: &String| {
        let message = message.strip_prefix("$SYS/broker/")?;
        let mut parts = message.split('|');
        Some((parts.next()?.to_owned(), parts.nth(2)?.to_owned()))
    };
    Ok(messages.iter().filter_map(parts).collect())
}

/// What the same clients make the same. Not among these is `publish/messages/received`: mosquitto 2.0.11 says 3 where six
/// have come, three at QoS 1, two at QoS 2 and one to be retained; we say 6.
const SAME: &[&str] = &[
    "clients/total",
    "clients/connected",
    "clients/active",
    "clients/disconnected",
    "clients/inactive",
    "clients/maximum",
    "clients/expired",
    "subscriptions/count",
    "shared_subscriptions/count",
    "messages/received",
    "bytes/received",
    "publish/messages/dropped",
];
/// Names of mosquitto's that we do not have: of its allocator, which Debian's version counts.
const NOT_HERE: &[&str] = &["heap/current", "heap/maximum"];
/// Names that mosquitto has since 2.1, and Debian's has not.
const NOT_THERE: &[&str] = &["connections/socket/count"];
const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_all_but_the_number() {
        for (one, other) in [
            ("34 seconds", "1 seconds"),
            ("0.00", "12.34"),
            ("7", "123"),
            ("mosquitto version 2.0.11", "flux-broker version 0.3.0"),
        ] {
            assert_eq!(form(one), form(other));
        }
        for (one, other) in [
            ("34 seconds", "34"),
            ("0.0", "0.00"),
            ("0", "0.00"),
            ("34 seconds", "34 s"),
            ("", "0"),
        ] {
            assert_ne!(form(one), form(other));
        }
    }
}
