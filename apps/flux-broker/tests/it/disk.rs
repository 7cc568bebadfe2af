//! A disk that hangs fails at nothing: it is seen all the same.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use flux_admin::watch_disk;
use flux_storage::{Durability, Fault, Log, LogSettings, SimulatedDisk};

use crate::admin::{admin_of, get, scrape};
use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, Lines, Publish};

/// A disk that answers again in the end, also where the test fails: the broker waits for it.
struct Hangs(SimulatedDisk);

impl Drop for Hangs {
    fn drop(&mut self) {
        self.0.set_fault(Fault::None);
    }
}

#[test]
pub(crate) fn a_disk_that_hangs_is_seen_while_it_does() {
    let settings =
        LogSettings { segment_bytes: 1 << 20, new_log_id: 7, durability: Durability::Disk };
    let disk = SimulatedDisk::default();
    let broker = Broker::over(Log::open(disk.clone(), settings).unwrap().0, 1, |_| {});
    let admin = admin_of(&broker);
    let (lines, (over, is_over)) = (Lines::default(), sync_channel::<()>(0));
    let (out, handle) = (lines.clone(), broker.handle.clone());
    let every = Duration::from_millis(20);
    let watch = thread::spawn(move || out.of(|| watch_disk(&handle, every, &is_over)));
    let mut client = Client::connect(&broker, &Connect::new(V5, "a"));
    let ready = || get(admin.address(), "/readyz", "");
    let waiting = || scrape(&admin)["flux_store_waiting_seconds"];
    assert_eq!((ready().0, waiting()), (200, 0));

    let hangs = Hangs(disk);
    hangs.0.set_fault(Fault::Hang);
    client.send(&Publish::new("t", "x").qos(1, 1).retain().bytes(V5));
    let begun = lines.with("the disk does not answer");
    for part in ["\"level\":\"WARN\"", "\"help\":", "\"unsynced_bytes\":", "\"waiting_for\":"] {
        assert!(begun.contains(part), "{begun}");
    }
    let (status, _, why) = ready();
    assert!(status == 503 && why.contains("the disk has not answered for "), "{status}: {why}");
    assert!((2..60).contains(&waiting()));
    assert_eq!(scrape(&admin)["flux_store_failing"], 0);

    drop(hangs);
    client.packet();
    lines.with("the disk answers again");
    assert_eq!((ready().0, waiting()), (200, 0));
    drop(over);
    watch.join().unwrap();
    let all = lines.all();
    assert_eq!(all.lines().count(), 2, "{all}");
}
