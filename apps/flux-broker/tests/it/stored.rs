//! A broker over a directory: what was acknowledged is there for the next one, whenever this one ends.

use std::fs;
use std::path::PathBuf;

use flux_mqtt::Latency;
use flux_storage::{Directory, Durability, Fault, Log, LogSettings, SimulatedDisk};

use crate::admin::{admin_of, get};
use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect, PINGREQ, PINGRESP, new_folder, pubrel};

/// A directory of its own, gone when this is dropped.
struct Data(PathBuf);

impl Data {
    fn new() -> Self {
        Self(new_folder())
    }

    fn log(&self) -> Log<Directory> {
        let settings =
            LogSettings { segment_bytes: 1 << 20, new_log_id: 7, durability: Durability::Disk };
        Log::open(Directory::open(&self.0).unwrap(), settings).unwrap().0
    }

    fn broker(&self, workers: usize) -> Broker {
        // A part of a queue is in the store alone.
        Broker::over(self.log(), workers, |settings| settings.session.queued_here = 50)
    }

    /// What a process that is killed now leaves.
    fn copy(&self) -> Self {
        let copy = Self::new();
        for entry in fs::read_dir(&self.0).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), copy.0.join(entry.file_name())).unwrap();
        }
        copy
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_the_process_is_killed() {
    let data = Data::new();
    let broker = data.broker(2);
    let mut away = Client::connect(&broker, &Connect::persistent(V5, "away"));
    away.subscribe("t", 2);
    away.disconnect();
    let mut publisher = Client::connect(&broker, &Connect::persistent(V5, "publisher"));
    for number in 0..300_u32 {
        if number % 100 == 0 {
            eprintln!("{number}");
        }
        publisher.publish("t", number.to_string(), 1 + u8::try_from(number % 2).unwrap());
    }
    publisher.publish_packet(&crate::support::Publish::new("r", "kept").qos(1, 1).retain(), 1);
    let left = data.copy();
    let again = left.broker(1);
    assert_eq!(again.handle.restored().unwrap().queued, 300);
    assert_eq!(again.handle.retained().len(), 1);
    let mut away = Client::resume(&again, &Connect::persistent(V5, "away"));
    for number in 0..300_u32 {
        let received = away.receive_and_acknowledge();
        assert_eq!((received.number(), received.dup), (number, false));
    }
    away.expect_nothing();
    let mut publisher = Client::resume(&again, &Connect::persistent(V5, "publisher"));
    publisher.send(&PINGREQ);
    publisher.expect(&PINGRESP);
}

#[test]
fn a_broker_that_stops_leaves_all_that_it_was_told() {
    let data = Data::new();
    let broker = data.broker(1);
    let mut client = Client::connect(&broker, &Connect::persistent(V5, "a"));
    client.subscribe("t", 2);
    Client::connect(&broker, &Connect::new(V5, "publisher")).publish("t", "x", 2);
    let received = client.receive_and_acknowledge();
    assert_eq!(received.text(), "x");
    client.disconnect();
    drop(broker);
    let broker = data.broker(1);
    let restored = broker.handle.restored().unwrap();
    assert_eq!((restored.sessions, restored.queued, restored.left_out), (1, 0, 0));
    assert!(!broker.handle.store_fails());
    let mut client = Client::resume(&broker, &Connect::persistent(V5, "a"));
    client.send(&pubrel(9));
    client.expect(&[0x70, 3, 0, 9, 0x92]);
    client.expect_nothing();
}

#[test]
fn how_the_store_is_can_be_asked() {
    let settings =
        LogSettings { segment_bytes: 1 << 20, new_log_id: 7, durability: Durability::Disk };
    let disk = SimulatedDisk::default();
    let broker = Broker::over(Log::open(disk.clone(), settings).unwrap().0, 1, |_| {});
    let health = || broker.handle.store_health().unwrap();
    assert!(health().failure.is_none() && health().is_running && !health().is_stuck);
    let admin = admin_of(&broker);
    let ready = || get(admin.address(), "/readyz", "");
    assert_eq!(ready().0, 200);
    disk.set_fault(Fault::Full);
    let mut client = Client::open(broker.handle.local_addrs()[0], V5);
    client.send(&Connect::persistent(V5, "waits").bytes());
    while health().failure.is_none() {
        std::thread::yield_now();
    }
    assert!(health().unsynced > 0);
    let (status, _, why) = ready();
    assert!(status == 503 && why.contains("the store fails: "), "{status}: {why}");
    disk.set_fault(Fault::None);
    while health().failure.is_some() || health().unsynced > 0 {
        std::thread::yield_now();
    }
    assert_eq!(ready().0, 200);
    broker.handle.stop();
    broker.handle.wait();
    assert_eq!(broker.handle.store_health(), None);
}

#[test]
fn what_waits_for_the_disk_is_timed_until_it_is_sent() {
    let data = Data::new();
    let broker = data.broker(2);
    let mut subscriber = Client::connect(&broker, &Connect::persistent(V5, "subscriber"));
    subscriber.subscribe("a", 1);
    let mut publisher = Client::connect(&broker, &Connect::new(V5, "publisher"));
    publisher.publish("a", "x", 1);
    subscriber.receive_and_acknowledge();
    subscriber.ping();
    for (what, times) in
        [(Latency::Acknowledgement, 1), (Latency::Delivery, 1), (Latency::Connect, 2)]
    {
        assert_eq!(broker.handle.latency(what).count(), times, "{what:?}");
    }
    let commits = broker.handle.store_health().unwrap().commits;
    assert!(commits.count() >= 2, "a session and a message: {commits:?}");
    // Neither can be faster than the disk was at least once.
    let fastest = commits.counts().iter().position(|count| *count > 0).unwrap();
    let acknowledged = broker.handle.latency(Latency::Acknowledgement);
    assert!(acknowledged.counts()[..fastest].iter().all(|count| *count == 0));
}
