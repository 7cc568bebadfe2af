//! Moving averages: how many of something came in a minute, over the last one, five and fifteen.

use std::time::Duration;

use flux_eventbus::DropReason;
use flux_mqtt::{Count, PacketType};

use crate::Snapshot;
use crate::snapshot::{all_received, all_sent};

/// What mosquitto calls the load.
#[derive(Debug, Default)]
pub(super) struct Loads([Load; SOURCES.len()]);

/// The load of one number.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    last: u64,
    averages: [f64; 3],
}

impl Loads {
    /// Returns topics below `$SYS/broker/`, and payloads.
    pub(super) fn update(
        &mut self,
        snapshot: &Snapshot,
        passed: Duration,
    ) -> Vec<(String, String)> {
        let loads = self.0.iter_mut().zip(SOURCES);
        let of = |(load, (name, read)): (&mut Load, Source)| {
            let averages = load.update(read(snapshot), passed);
            WINDOWS.into_iter().zip(averages).map(move |((window, _), average)| {
                (format!("load/{name}/{window}"), format!("{average:.2}"))
            })
        };
        loads.flat_map(of).collect()
    }
}

impl Load {
    /// Returns the averages for each minute, after so much time.
    fn update(&mut self, number: u64, passed: Duration) -> [f64; 3] {
        let seconds = passed.as_secs_f64();
        let more = number.saturating_sub(self.last);
        self.last = number;
        if seconds > 0.0 {
            let rate = f64::from(u32::try_from(more).unwrap_or(u32::MAX)) * 60.0 / seconds;
            for (average, window) in self.averages.iter_mut().zip(WINDOWS.map(|it| it.1)) {
                *average = rate + (-seconds / window).exp() * (*average - rate);
            }
        }
        self.averages
    }
}

/// Its name, and what it counts.
type Source = (&'static str, fn(&Snapshot) -> u64);

/// Over how many seconds.
const WINDOWS: [(&str, f64); 3] = [("1min", 60.0), ("5min", 300.0), ("15min", 900.0)];

const SOURCES: [Source; 9] = [
    ("messages/received", |it| all_received(&it.counters)),
    ("messages/sent", |it| all_sent(&it.counters)),
    ("publish/received", |it| it.counters.of(Count::Received(PacketType::Publish))),
    ("publish/sent", |it| it.counters.of(Count::Sent(PacketType::Publish))),
    ("publish/dropped", |it| it.counters.dropped(DropReason::QueueFull)),
    ("bytes/received", |it| it.counters.of(Count::BytesReceived)),
    ("bytes/sent", |it| it.counters.of(Count::BytesSent)),
    ("sockets", |it| it.counters.of(Count::Accepted)),
    ("connections", |it| it.counters.of(Count::Received(PacketType::Connect))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_go_to_the_rate_as_fast_as_their_window_says() {
        let (mut load, minute) = (Load::default(), Duration::from_secs(60));
        assert_eq!(load.update(0, Duration::ZERO), [0.0; 3]);
        let rounded = |averages: [f64; 3]| averages.map(|it| format!("{it:.2}"));
        // 1 - exp(-1), 1 - exp(-1/5), 1 - exp(-1/15)
        assert_eq!(rounded(load.update(100, minute)), ["63.21", "18.13", "6.45"]);
        assert_eq!(rounded(load.update(100, minute)), ["23.25", "14.84", "6.03"]);
        for i in 1..100 {
            load.update(100 + 50 * i, minute);
        }
        assert_eq!(rounded(load.averages)[..2], ["50.00", "50.00"]);
    }
}
