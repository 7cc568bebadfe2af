//! Who takes messages too slowly, in the log: who, how much waits, for how long; and that it is over.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use flux_admin::watch_laggards;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Lines, let_pass};

#[test]
fn who_is_behind_is_logged_with_how_much_waits_and_for_how_long() {
    let broker = Broker::start(1, |_| {});
    let connect = |name| Connect::new(V5, name).receive_maximum(1);
    let [mut slow, mut well] =
        ["slow", "well"].map(|name| Client::connect(&broker, &connect(name)));
    slow.subscribe("a", 1);
    well.subscribe("b", 1);
    let mut publisher = Client::connect(&broker, &Connect::new(V5, "publisher"));
    // Of each the first is under way. Who has fewer than a hundred waiting is not behind.
    (0..151).for_each(|_| publisher.publish("a", "x", 1));
    (0..100).for_each(|_| publisher.publish("b", "x", 1));
    let_pass(&broker, 1);
    let (lines, (over, is_over)) = (Lines::default(), sync_channel::<()>(0));
    let (out, handle) = (lines.clone(), broker.handle.clone());
    let every = Duration::from_millis(20);
    let watch = thread::spawn(move || out.of(|| watch_laggards(&handle, every, &is_over)));
    let begun = lines.with("a client is behind\"");
    for part in [
        "\"level\":\"INFO\"",
        "\"target\":\"events::slow\"",
        "\"client_id\":\"slow\"",
        "\"queued\":150",
        "\"listener\":\"mqtt\"",
        "\"peer\":\"127.0.0.1:",
        "flux-broker clients show",
    ] {
        assert!(begun.contains(part), "{begun}");
    }
    // Since the first of them waited, not since somebody looked.
    let (_, lasts_for) = begun.split_once("\"lasts_for\":\"").unwrap();
    let seconds = lasts_for.split_once("s\"").unwrap().0.parse::<f64>();
    assert!(seconds.is_ok_and(|seconds| seconds >= 1.0), "{begun}");
    drop(slow);
    let gone = lines.with("a client that was behind is gone, and all that waited is lost");
    assert!(gone.contains("\"client_id\":\"slow\"") && gone.contains("\"most\":150"), "{gone}");
    assert!(gone.contains("\"peer\":\"127.0.0.1:"), "{gone}");
    drop(over);
    watch.join().unwrap();
    let all = lines.all();
    assert_eq!(all.lines().count(), 2, "{all}");
}
