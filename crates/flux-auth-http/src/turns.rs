//! [`Turns`]: so many at a time, and each network after the others.

use std::net::IpAddr;
use std::sync::Arc;

use flux_auth::Line;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Lets so many go on at a time; so many more wait in a [`Line`], in which whoever sends many keeps out nobody who sends one.
#[derive(Debug)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How many more may go on; if there are any, nobody waits.
    free: usize,
    line: Line<oneshot::Sender<Turn>>,
}

/// It goes to the next in line when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Arc<Turns>);

impl Turns {
    pub(crate) fn new(at_a_time: usize, waiting: usize) -> Self {
        Self(Mutex::new(State { free: at_a_time, line: Line::new(waiting) }))
    }

    /// Waits for a turn for somebody at this address; `None` if too many wait. The future may be dropped.
    pub(crate) async fn wait(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Turn> {
        let (turn, comes) = oneshot::channel();
        let out = {
            let mut state = self.0.lock();
            if let Some(free) = state.free.checked_sub(1) {
                state.free = free;
                return Some(Turn(self.clone()));
            }
            state.line.enter(address, turn)
        };
        // What finds no place ends here, and with it the wait for its turn.
        drop(out);
        comes.await.ok()
    }

    /// Returns who is next and still waits; if nobody does, one more is free.
    fn next(&self) -> Option<oneshot::Sender<Turn>> {
        let mut state = self.0.lock();
        loop {
            let Some(next) = state.line.serve() else {
                state.free += 1;
                return None;
            };
            if !next.is_closed() {
                return Some(next);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(next) = self.0.next() {
            // Who leaves at this very moment does not take it: then it is dropped, and goes to the one behind.
            let _left = next.send(Self(self.0.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use tokio::time::{self, Instant};

    use super::*;

    const ANSWER: Duration = Duration::from_millis(200);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// Asks each millisecond, whether there was an answer to the last or not.
    fn flood(turns: &Arc<Turns>, address: &'static str) {
        let turns = turns.clone();
        tokio::spawn(async move {
            loop {
                let turns = turns.clone();
                tokio::spawn(async move {
                    let turn = turns.wait(ip(address)).await;
                    time::sleep(ANSWER).await;
                    drop(turn);
                });
                time::sleep(Duration::from_millis(1)).await;
            }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_comes_has_a_turn_after_one_of_those_who_ask_without_end() {
        let turns = Arc::new(Turns::new(4, 64));
        flood(&turns, "192.0.2.1");
        flood(&turns, "2001:db8::1");
        for number in 0..20 {
            time::sleep(Duration::from_millis(number * 37)).await;
            let begun = Instant::now();
            let turn = turns.wait(ip(&format!("198.51.100.{number}"))).await;
            assert!(turn.is_some() && begun.elapsed() <= ANSWER, "{:?}", begun.elapsed());
        }
    }

    fn poll(wait: Pin<&mut impl Future<Output = Option<Turn>>>) -> Poll<Option<Turn>> {
        wait.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[track_caller]
    fn turn(wait: Pin<&mut impl Future<Output = Option<Turn>>>) -> Turn {
        match poll(wait) {
            Poll::Ready(Some(turn)) => turn,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn so_many_wait_and_who_leaves_is_passed_over() {
        let turns = Arc::new(Turns::new(1, 2));
        let wait = |address| Box::pin(turns.wait(ip(address)));
        let (mallory, alice) = ("192.0.2.1", "192.0.2.2");
        let held = turn(wait(mallory).as_mut());
        let (mut first, mut second) = (wait(mallory), wait(mallory));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        let mut waits = wait(alice);
        assert!(poll(waits.as_mut()).is_pending());
        assert!(matches!(poll(first.as_mut()), Poll::Ready(None)), "it made room");

        drop(second);
        drop(held);
        let held = turn(waits.as_mut());
        let mut last = wait(mallory);
        assert!(poll(last.as_mut()).is_pending());
        drop(held);
        // It has the turn, and leaves before it knows.
        drop(last);
        drop(turn(wait(mallory).as_mut()));
        assert_eq!(turns.0.lock().free, 1);
    }
}
