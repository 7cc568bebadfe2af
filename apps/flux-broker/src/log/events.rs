//! The events of the broker as lines of the log: a subscriber beside the workers, which wait for nobody who logs.
//!
//! Only kinds of events that are logged are subscribed to, so that what is not logged costs nothing.

use std::num::NonZeroUsize;
use std::time::Duration;

use flux_eventbus::{Event, EventBus, EventKind, EventKinds, EventSubscriber};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::digest::{Digest, Omitted};
use super::line::{Line, Subject};

/// Returns the kinds of events that are logged now.
pub(crate) fn wanted() -> EventKinds {
    let is_wanted = |kind: &EventKind| Subject::of(*kind).is_some_and(Subject::is_logged);
    let kinds = EventKind::ALL.into_iter().filter(is_wanted);
    kinds.fold(EventKinds::none(), |all, kind| all.union(kind.into()))
}

/// Logs the events of a bus, until there are to be no kinds any more. Blocks this thread.
pub(crate) fn follow(bus: &EventBus, kinds: watch::Receiver<Option<EventKinds>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    match runtime {
        Ok(runtime) => runtime.block_on(Follower::default().run(bus, kinds)),
        Err(error) => {
            tracing::error!(%error, help = "restart the broker to have events logged", "events are not logged");
        }
    }
}

#[derive(Default)]
struct Follower {
    subscriber: Option<EventSubscriber>,
    /// How many events it had missed when that was logged last.
    missed: u64,
    digest: Digest,
}

impl Follower {
    async fn run(&mut self, bus: &EventBus, mut kinds: watch::Receiver<Option<EventKinds>>) {
        let mut whiles = interval(A_WHILE);
        whiles.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let wanted = *kinds.borrow_and_update();
            self.drain();
            self.sum_up();
            let Some(wanted) = wanted else { return };
            self.missed = 0;
            self.subscriber = (wanted != EventKinds::none()).then(|| bus.subscribe(wanted, QUEUE));
            tracing::debug!(?wanted, "these events are logged");
            loop {
                tokio::select! {
                    event = next(&mut self.subscriber) => self.log(&event),
                    _ = whiles.tick() => self.sum_up(),
                    _ = kinds.changed() => break,
                }
            }
        }
    }

    fn drain(&mut self) {
        while let Some(event) = self.subscriber.as_mut().and_then(EventSubscriber::try_recv) {
            self.log(&event);
        }
    }

    fn log(&mut self, event: &Event) {
        let (Some(line), Some(subject)) = (Line::of(event), Subject::of(event.kind())) else {
            return;
        };
        if self.digest.admits(line.key(subject)) {
            subject.log(&line, line.text());
        }
    }

    /// Says what was left out.
    fn sum_up(&mut self) {
        for omitted in self.digest.turn() {
            match omitted {
                Omitted::More(key, more) => {
                    let line = Line::of_key(&key);
                    let text = format!("{}: and {more} more in {A_WHILE:?}", key.text);
                    key.subject.log(&line, &text);
                }
                Omitted::Others(subject, text, more) => {
                    let of_others = format!("{text}: and {more} more in {A_WHILE:?}, by others");
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

/// Returns the next event. Without a subscriber, or a bus, there is none.
async fn next(subscriber: &mut Option<EventSubscriber>) -> Event {
    let event = match subscriber {
        Some(subscriber) => subscriber.recv().await,
        None => None,
    };
    match event {
        Some(event) => event,
        None => std::future::pending().await,
    }
}

/// What repeats is summed up for so long.
const A_WHILE: Duration = Duration::from_secs(10);

/// So many events wait to be logged.
const QUEUE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(8191);
