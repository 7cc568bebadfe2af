//! The events of the broker as lines of the log: a subscriber beside the workers, which wait for nobody who logs.
//!
//! Only kinds of events that are logged are subscribed to, so that what is not logged costs nothing.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use flux_eventbus::{EventBus, EventKind, EventKinds, EventSubscriber, Sourced};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::digest::{Digest, Omitted};
use super::line::{Line, Subject};

/// Returns the kinds of events that are logged now.
pub(crate) fn wanted() -> EventKinds {
    let is_wanted = |kind: &EventKind| Subject::of(*kind).is_some_and(Subject::is_logged);
    let kinds = EventKind::ALL.into_iter().filter(is_wanted);
    kinds.fold(EventKinds::none(), |all, kind| all.union(kind.into()))
}

/// Logs the events of a bus from now on, until there are to be no kinds any more.
pub(crate) struct Follower {
    bus: Arc<EventBus>,
    kinds: watch::Receiver<Option<EventKinds>>,
    subscriber: Option<EventSubscriber>,
    /// How many events it had missed when that was logged last.
    missed: u64,
    digest: Digest,
}

impl Follower {
    /// Returns who follows from this moment on, whenever it is [run](Self::run).
    pub(crate) fn of(bus: Arc<EventBus>, mut kinds: watch::Receiver<Option<EventKinds>>) -> Self {
        let wanted = kinds.borrow_and_update().unwrap_or_default();
        let (subscriber, digest) = (subscribe(&bus, wanted), Digest::default());
        Self { bus, kinds, subscriber, missed: 0, digest }
    }

    /// Blocks this thread.
    pub(crate) fn run(mut self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.follow()),
            Err(error) => {
                tracing::error!(%error, help = "restart the broker to have events logged", "events are not logged");
            }
        }
    }

    async fn follow(&mut self) {
        let (mut whiles, mut since) = (interval(A_WHILE), Instant::now());
        whiles.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            loop {
                tokio::select! {
                    event = next(&mut self.subscriber) => self.log(&event),
                    _ = whiles.tick() => self.sum_up(&mut since),
                    _ = self.kinds.changed() => break,
                }
            }
            let wanted = *self.kinds.borrow_and_update();
            self.drain();
            self.sum_up(&mut since);
            let Some(wanted) = wanted else { return };
            self.missed = 0;
            self.subscriber = subscribe(&self.bus, wanted);
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.subscriber.as_mut().and_then(EventSubscriber::try_recv_sourced)
        {
            self.log(&event);
        }
    }

    fn log(&mut self, told: &Sourced) {
        let (Some(line), Some(subject)) = (Line::of(told), Subject::of(told.event.kind())) else {
            return;
        };
        if self.digest.admits(line.key(subject)) {
            subject.log(&line, line.text());
        }
    }

    /// Says what was left out since then.
    fn sum_up(&mut self, since: &mut Instant) {
        let length = rounded(since.elapsed());
        *since = Instant::now();
        for omitted in self.digest.turn() {
            match omitted {
                Omitted::More(key, more) => {
                    let line = Line::of_key(&key);
                    let text = format!("{}: and {more} more in {length:?}", key.text);
                    key.subject.log(&line, &text);
                }
                Omitted::Others(subject, text, more) => {
                    let of_others = format!("{text}: and {more} more in {length:?}, by others");
                    subject.log(&Line::of_others(subject), &of_others);
                }
            }
        }
        let missed = self.subscriber.as_ref().map_or(0, EventSubscriber::missed);
        if missed > self.missed {
            let events = missed - self.missed;
            tracing::warn!(
                events,
                help = "log less: flux-broker log set",
                "events came too fast to be logged"
            );
        }
        self.missed = missed;
    }
}

fn subscribe(bus: &EventBus, wanted: EventKinds) -> Option<EventSubscriber> {
    let subscriber = (wanted != EventKinds::none()).then(|| bus.subscribe(wanted, QUEUE));
    tracing::debug!(?wanted, "these events are logged");
    subscriber
}

/// Returns the next event. Without a subscriber, or a bus, there is none.
async fn next(subscriber: &mut Option<EventSubscriber>) -> Sourced {
    let event = match subscriber {
        Some(subscriber) => subscriber.recv_sourced().await,
        None => None,
    };
    match event {
        Some(event) => event,
        None => std::future::pending().await,
    }
}

/// Returns how long a while was, for people.
fn rounded(length: Duration) -> Duration {
    match length.as_secs() {
        0 => Duration::from_millis(u64::from(length.subsec_millis().max(1))),
        _ => Duration::from_secs((length + Duration::from_millis(500)).as_secs()),
    }
}

/// What repeats is summed up for so long, or until the filter changes or the broker ends.
const A_WHILE: Duration = Duration::from_secs(10);

/// So many events wait to be logged.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8191);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_while_was_is_told_in_round_numbers() {
        let check = |micros, told: &str| {
            assert_eq!(format!("{:?}", rounded(Duration::from_micros(micros))), told);
        };
        check(10_001_234, "10s");
        check(9_600_000, "10s");
        check(1_400_000, "1s");
        check(999_900, "999ms");
        check(10, "1ms");
    }
}
