//! What a message costs on its way through a session.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use flux_session::{
    Connection, Delivery, Message, Offer, Outgoing, QoS, Session, SessionLimits, SubscriptionIds,
    Timestamp,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    qos0(&mut criterion);
    qos1_at_window_100(&mut criterion);
    resume(&mut criterion);
    criterion.final_summary();
}

/// Offer and next, one message at a time.
fn qos0(criterion: &mut Criterion) {
    let mut session = attached();
    let message = message();
    let mut group = criterion.benchmark_group("qos 0");
    group.throughput(Throughput::Elements(1));
    group.bench_function("offer, next", |bencher| {
        bencher.iter(|| {
            offer(&mut session, &message, QoS::AtMostOnce);
            black_box(session.next(NOW))
        });
    });
    group.finish();
}

/// Offer, next and PUBACK of the oldest, with a hundred in flight all the time.
fn qos1_at_window_100(criterion: &mut Criterion) {
    let mut session = attached();
    let message = message();
    for _ in 1..WINDOW {
        offer(&mut session, &message, QoS::AtLeastOnce);
        session.next(NOW);
    }
    let mut acknowledged = (1..=SessionLimits::default().packet_ids)
        .filter_map(flux_session::PacketId::new)
        .collect::<Vec<_>>()
        .into_iter()
        .cycle();
    let mut group = criterion.benchmark_group("qos 1");
    group.throughput(Throughput::Elements(1));
    group.bench_function("offer, next, puback at window 100", |bencher| {
        bencher.iter(|| {
            offer(&mut session, &message, QoS::AtLeastOnce);
            black_box(session.next(NOW));
            acknowledged.next().map(|packet_id| session.puback(packet_id).map(black_box))
        });
    });
    assert_eq!(session.in_flight(), usize::from(WINDOW) - 1, "every message was acknowledged");
    group.finish();
}

/// A connection that sends a hundred messages again.
fn resume(criterion: &mut Criterion) {
    let message = message();
    let mut group = criterion.benchmark_group("resume");
    group.throughput(Throughput::Elements(u64::from(WINDOW)));
    group.bench_function("attach, next for 100 in flight", |bencher| {
        let in_flight = || {
            let mut session = attached();
            for _ in 0..WINDOW {
                offer(&mut session, &message, QoS::AtLeastOnce);
                session.next(NOW);
            }
            session
        };
        let send_again = |session: &mut Session<Shared>| {
            let _ = session.attach(NOW, connection());
            while let Some(Outgoing::Publish { delivery, .. }) = session.next(NOW) {
                black_box(delivery);
            }
        };
        bencher.iter_batched_ref(in_flight, send_again, BatchSize::SmallInput);
    });
    group.finish();
}

fn attached() -> Session<Shared> {
    let mut session = Session::new(SessionLimits::default());
    let _ = session.attach(NOW, connection());
    session
}

fn connection() -> Connection<Shared> {
    Connection { receive_maximum: WINDOW, ..Connection::default() }
}

fn offer(session: &mut Session<Shared>, message: &Shared, qos: QoS) {
    let delivery = Delivery {
        message: message.clone(),
        qos,
        retain: false,
        subscription_ids: SubscriptionIds::NONE,
        share: None,
        sequence: None,
    };
    assert_eq!(session.offer(NOW, delivery), Offer::Queued);
}

fn message() -> Shared {
    Shared(Arc::from([0; 100]))
}

#[derive(Clone)]
struct Shared(Arc<[u8]>);

impl Message for Shared {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

const NOW: Timestamp = Timestamp::from_millis(1);
const WINDOW: u16 = 100;
