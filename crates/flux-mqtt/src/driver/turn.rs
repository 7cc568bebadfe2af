//! The turn: mailbox, timers, and everything dirty goes out.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use flux_session::Timestamp;
use ntex::io::IoConfig;
use ntex::service::cfg::SharedCfg;
use ntex::time::Seconds;
use tokio::time::{Sleep, sleep_until};

use super::mailbox::Mail;
use super::shell::Shell;
use super::stream::wake_after_the_others;
use super::{entry, runtime, tls};
use crate::counters::Count;
use crate::input::{Command, Input, Letter};
use crate::ledger::Ledger;
use crate::settings::Settings;

/// Runs the turns of a worker until its thread ends.
pub(super) async fn run(shell: Rc<Shell>, settings: Arc<Settings>) {
    Ledger::use_shard_of(shell.outfit.id);
    let outfit = &shell.outfit;
    runtime::belong_to(outfit.id, outfit.mailboxes.clone());
    outfit.busy.watch(outfit.id);
    let io_config = io_config(&settings);
    let mut turn = Turn { shell, mail: Vec::new(), alarm: None, io_config };
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| turn.poll(cx))).unwrap_or_else(|_| {
            tracing::error!(
                help = "report this bug, with the panic that is told before",
                "a turn panicked, the next one goes on"
            );
            let outfit = &turn.shell.outfit;
            outfit.tally.count(outfit.id, Count::Panicked);
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    })
    .await;
}

struct Turn {
    shell: Rc<Shell>,
    /// What is to be delivered, the next one last.
    mail: Vec<Mail>,
    /// When the worker wants to be told the time.
    alarm: Option<(Timestamp, Pin<Box<Sleep>>)>,
    io_config: SharedCfg,
}

impl Turn {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.shell.set_turn(cx.waker());
        // Not empty only after a panic: what it kept from being delivered comes first.
        if self.mail.is_empty() {
            self.shell.outfit.mailboxes.take(self.shell.outfit.id, &mut self.mail);
            self.mail.reverse();
        }
        while let Some(mail) = self.mail.pop() {
            self.deliver(mail);
        }
        self.ring(cx);
        Poll::Pending
    }

    fn deliver(&mut self, mail: Mail) {
        match mail {
            Mail::Letter(letter) => {
                let is_end = matches!(letter, Letter::Command(Command::Shutdown));
                if is_end {
                    tls::shut_down(&self.shell);
                    self.shell.stopped.notify_waiters();
                }
                if let Letter::Command(Command::Settings(settings)) = &letter {
                    self.shell.set(settings);
                }
                self.shell.input(Input::Letter(letter));
                if is_end {
                    self.shell.outfit.unload();
                }
            }
            Mail::StoreAnswered => {
                let outfit = &self.shell.outfit;
                let keeper = outfit.keeper.as_ref();
                let news = keeper.map(|keeper| keeper.news(outfit.id)).unwrap_or_default();
                for input in news {
                    self.shell.input(input);
                }
            }
            Mail::Loaded(session, messages) => {
                self.shell.input(Input::Loaded { session, messages });
            }
            Mail::Accepted(accepted) => entry::enter(&self.shell, &self.io_config, accepted),
            Mail::ClientsChanged(by) => {
                tokio::task::spawn_local(tls::end_revoked(self.shell.clone(), by));
            }
        }
    }

    /// Fires what is due, ends the turn, and sets the alarm to what is due next.
    fn ring(&mut self, cx: &mut Context<'_>) {
        loop {
            if self.alarm.as_mut().is_some_and(|(_, alarm)| alarm.as_mut().poll(cx).is_ready()) {
                self.alarm = None;
                self.shell.input(Input::Time);
            }
            let handshakes = tls::advance(&self.shell, &self.io_config);
            let next = self.shell.finish_turn().into_iter().chain(handshakes).min();
            if self.shell.has_unfinished() {
                wake_after_the_others(cx);
            }
            let is_set = match (&self.alarm, next) {
                (Some((moment, _)), Some(next)) => *moment == next,
                (_, None) => true,
                (None, Some(_)) => false,
            };
            if is_set {
                return;
            }
            let clock = self.shell.outfit.clock;
            self.alarm =
                next.map(|moment| (moment, Box::pin(sleep_until(clock.instant(moment).into()))));
        }
    }
}

/// A connection is told that it is writable only where the worker has room for deliveries:
/// else the two would ask each other for ever.
fn io_config(settings: &Settings) -> SharedCfg {
    let unsent = settings.unsent_for_deliveries.max(1);
    let drain = Seconds::checked_new(
        usize::try_from(settings.drain_timeout.as_secs()).unwrap_or(usize::MAX),
    );
    let config = IoConfig::new()
        .set_read_buf(READ_BUFFER, 1024, 4)
        .set_write_buf(unsent, unsent.min(1024), 16)
        // What is sent is written at once: a drain sends all that a connection gets in a turn.
        .set_write_buf_threshold(1)
        .set_disconnect_timeout(drain);
    SharedCfg::new("flux").add(config).into()
}

/// What is read at once from a connection that has so much: two messages of 64 KiB and the half of a third
/// before them. Buffers are of the worker, and lent for one read.
const READ_BUFFER: usize = 160 * 1024;
