//! What a bus promises to publishers and subscribers.

use std::future::Future;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use bytes::Bytes;

use super::*;
use crate::SessionEnd;

fn capacity(n: usize) -> NonZeroUsize {
    NonZeroUsize::new(n).unwrap()
}

/// The n-th event of a kind that most tests use.
fn created(n: usize) -> Event {
    Event::SessionCreated { client_id: n.to_string().into() }
}

fn ended() -> Event {
    Event::SessionEnded { client_id: "0".into(), reason: SessionEnd::Disconnected }
}

fn drain(subscriber: &mut EventSubscriber) -> Vec<Event> {
    std::iter::from_fn(|| subscriber.try_recv()).collect()
}

#[test]
fn a_slow_subscriber_misses_what_does_not_fit_and_others_miss_nothing() {
    let bus = EventBus::new();
    let mut slow = bus.subscribe(EventKinds::all(), capacity(3));
    let mut quick = bus.subscribe(EventKinds::all(), capacity(100));

    for n in 0..10 {
        bus.publish(created(n));
    }
    assert_eq!(slow.missed(), 7);
    assert_eq!(drain(&mut slow), [created(0), created(1), created(2)]);

    // There is room again: it goes on from here, and the count stands.
    bus.publish(created(10));
    assert_eq!(drain(&mut slow), [created(10)]);
    assert_eq!(slow.missed(), 7);

    assert_eq!(drain(&mut quick), (0..11).map(created).collect::<Vec<_>>());
    assert_eq!(quick.missed(), 0);
}

#[test]
fn a_subscriber_receives_the_kinds_it_asked_for_and_misses_no_others() {
    let bus = EventBus::new();
    let mut ends = bus.subscribe(EventKind::SessionEnded.into(), capacity(1));
    let mut nothing = bus.subscribe(EventKinds::none(), capacity(1));

    for event in [created(0), Event::Stopped, ended(), created(1)] {
        bus.publish(event);
    }
    assert_eq!(drain(&mut ends), [ended()]);
    assert_eq!(ends.missed(), 0, "what was not asked for is not missed");
    assert_eq!(drain(&mut nothing), []);
    assert_eq!(nothing.missed(), 0);
}

#[test]
fn a_subscriber_receives_nothing_from_before_it_subscribed() {
    let bus = EventBus::new();
    let _other = bus.subscribe(EventKinds::all(), capacity(9));
    bus.publish(created(0));

    let mut late = bus.subscribe(EventKinds::all(), capacity(9));
    bus.publish(created(1));
    assert_eq!(drain(&mut late), [created(1)]);
}

#[test]
fn a_kind_is_wanted_as_long_as_somebody_listens_to_it() {
    use EventKind::{Connected, Published, Stopped};

    #[track_caller]
    fn check(bus: &EventBus, wanted: &[EventKind]) {
        for kind in EventKind::ALL {
            assert_eq!(bus.wants(kind), wanted.contains(&kind), "{kind:?}");
        }
    }
    let bus = EventBus::new();
    check(&bus, &[]);
    let first = bus.subscribe(EventKinds::of(&[Connected, Published]), capacity(1));
    check(&bus, &[Connected, Published]);
    let second = bus.subscribe(EventKinds::of(&[Published, Stopped]), capacity(1));
    check(&bus, &[Connected, Published, Stopped]);
    drop(first);
    check(&bus, &[Published, Stopped]);
    drop(second);
    check(&bus, &[]);
}

#[test]
fn dropping_a_subscriber_removes_it_and_frees_its_queue() {
    let bus = EventBus::new();
    let payload = Bytes::from(vec![0; 64]);
    let leaving = bus.subscribe(EventKinds::all(), capacity(2));
    let mut staying = bus.subscribe(EventKinds::all(), capacity(2));
    bus.publish(Event::Published {
        client_id: None,
        topic: "a".into(),
        payload: payload.clone(),
        qos: 0,
        retain: false,
    });
    assert_eq!(bus.registry.listeners().len(), 2);

    drop(leaving);
    assert_eq!(bus.registry.listeners().len(), 1);
    assert_eq!(drain(&mut staying).len(), 1);
    assert!(payload.is_unique(), "the queue of the one that left is gone");

    bus.publish(Event::Stopped);
    assert_eq!(drain(&mut staying), [Event::Stopped]);
}

#[tokio::test]
async fn once_the_bus_is_gone_what_is_queued_is_received_and_then_nothing() {
    let bus = EventBus::new();
    let mut waits = bus.subscribe(EventKinds::all(), capacity(2));
    let mut tries = bus.subscribe(EventKinds::all(), capacity(2));
    bus.publish(Event::Stopped);
    drop(bus);

    assert_eq!(waits.recv().await, Some(Event::Stopped));
    assert_eq!(waits.recv().await, None);
    assert_eq!(drain(&mut tries), [Event::Stopped]);
    drop(tries);
}

#[tokio::test]
async fn a_waiting_subscriber_is_woken_by_an_event_and_by_the_end() {
    let bus = EventBus::new();
    let mut subscriber = bus.subscribe(EventKinds::all(), capacity(1));
    let received = tokio::spawn(async move { [subscriber.recv().await, subscriber.recv().await] });
    tokio::task::yield_now().await;
    bus.publish(Event::Stopped);
    tokio::task::yield_now().await;
    drop(bus);
    assert_eq!(received.await.unwrap(), [Some(Event::Stopped), None]);
}

#[tokio::test]
async fn giving_up_a_wait_loses_no_event() {
    let bus = EventBus::new();
    let mut subscriber = bus.subscribe(EventKinds::all(), capacity(1));
    {
        let mut wait = pin!(subscriber.recv());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(wait.as_mut().poll(&mut context), Poll::Pending);
        bus.publish(Event::Stopped);
    }
    assert_eq!(subscriber.recv().await, Some(Event::Stopped));
}

#[test]
fn a_thread_may_block_for_events_until_the_bus_is_gone() {
    let bus = EventBus::new();
    let mut subscriber = bus.subscribe(EventKinds::all(), capacity(1));
    let listener = thread::spawn(move || [subscriber.blocking_recv(), subscriber.blocking_recv()]);
    bus.publish(Event::Stopped);
    drop(bus);
    assert_eq!(listener.join().unwrap(), [Some(Event::Stopped), None]);
}

#[test]
fn any_capacity_will_do() {
    let bus = EventBus::new();
    let mut subscriber = bus.subscribe(EventKinds::all(), NonZeroUsize::MAX);
    bus.publish(Event::Stopped);
    assert_eq!(drain(&mut subscriber), [Event::Stopped]);
}

#[test]
fn many_threads_publish_while_others_come_and_go_and_every_event_is_accounted_for() {
    const PUBLISHERS: usize = 8;
    const EACH: usize = 500;

    let bus = Arc::new(EventBus::new());
    let mut ample = bus.subscribe(EventKind::Subscribed.into(), capacity(PUBLISHERS * EACH));
    let mut small = bus.subscribe(EventKinds::all(), capacity(5));
    let done = AtomicBool::new(false);

    let received = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut received = 0_u64;
            while !done.load(Ordering::Acquire) {
                received += drain(&mut small).len() as u64;
            }
            received + drain(&mut small).len() as u64
        });
        let visitors = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                drop(bus.subscribe(EventKinds::all(), capacity(1)));
            }
        });
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let bus = bus.clone();
                scope.spawn(move || {
                    let client_id: Arc<str> = publisher.to_string().into();
                    for n in 0..EACH {
                        let (client_id, filter) = (client_id.clone(), n.to_string().into());
                        bus.publish(Event::Subscribed { client_id, filter, qos: 0 });
                    }
                })
            })
            .collect();
        for publisher in publishers {
            publisher.join().unwrap();
        }
        done.store(true, Ordering::Release);
        visitors.join().unwrap();
        reader.join().unwrap()
    });

    assert_eq!(received + small.missed(), (PUBLISHERS * EACH) as u64);
    assert_eq!(ample.missed(), 0);
    assert_eq!(bus.registry.listeners().len(), 2, "all visitors have left");

    // Each publisher's events are complete and in its order.
    let mut next = [0; PUBLISHERS];
    for event in drain(&mut ample) {
        let Event::Subscribed { client_id, filter, .. } = event else {
            unreachable!("only Subscribed was asked for, got {event:?}");
        };
        let expected = &mut next[client_id.parse::<usize>().unwrap()];
        assert_eq!(filter.parse::<usize>().unwrap(), *expected);
        *expected += 1;
    }
    assert_eq!(next, [EACH; PUBLISHERS]);
}

/// Does at once, inside the waker, what an executor would do later.
struct Reentrant<F>(F);

impl<F: Fn() + Send + Sync> Wake for Reentrant<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

/// Starts to wait for an event and gives up, leaving the waker behind.
fn wait_with(subscriber: &mut EventSubscriber, waker: &Waker) {
    let waiting = pin!(subscriber.recv()).poll(&mut Context::from_waker(waker));
    assert_eq!(waiting, Poll::Pending);
}

#[test]
fn whoever_is_woken_by_an_event_may_publish_subscribe_and_unsubscribe() {
    let bus = Arc::new(EventBus::new());
    let mut waiting = bus.subscribe(EventKind::Stopped.into(), capacity(1));
    let leaving = Mutex::new(Some(bus.subscribe(EventKinds::all(), capacity(9))));
    let joining = Arc::new(Mutex::new(None));

    let (on_wake, joined) = (bus.clone(), joining.clone());
    let waker = Waker::from(Arc::new(Reentrant(move || {
        leaving.lock().unwrap().take();
        *joined.lock().unwrap() = Some(on_wake.subscribe(EventKinds::all(), capacity(9)));
        on_wake.publish(created(0));
    })));
    wait_with(&mut waiting, &waker);

    bus.publish(Event::Stopped);
    assert_eq!(drain(&mut waiting), [Event::Stopped]);
    assert_eq!(drain(joining.lock().unwrap().as_mut().unwrap()), [created(0)]);
    assert_eq!(bus.registry.listeners().len(), 2);
}

#[test]
fn whoever_is_woken_by_leaving_may_use_the_bus() {
    let bus = Arc::new(EventBus::new());
    let mut staying = bus.subscribe(EventKinds::all(), capacity(9));
    let mut leaving = bus.subscribe(EventKinds::all(), capacity(9));

    let on_wake = bus.clone();
    wait_with(&mut leaving, &Waker::from(Arc::new(Reentrant(move || on_wake.publish(created(0))))));

    drop(leaving);
    assert_eq!(drain(&mut staying), [created(0)]);
    assert_eq!(bus.registry.listeners().len(), 1);
}
