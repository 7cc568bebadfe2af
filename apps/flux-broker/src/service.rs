//! A service manager: what it is told (`sd_notify` of systemd), ready, reloading, stopping, alive, and the sockets that it passes
//! on. Without one nobody is told.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::Context as _;
use flux_mqtt::{BrokerHandle, InheritedSockets};
use listenfd::ListenFd;
use sd_notify::NotifyState;

/// Returns the sockets that the service manager listens with and has passed on (`LISTEN_FDS`), if it has. Before there is a second
/// thread: the environment forgets them.
///
/// # Errors
///
/// When one is none for TCP.
pub(crate) fn sockets() -> anyhow::Result<InheritedSockets> {
    let mut passed = ListenFd::from_env();
    let sockets = (0..passed.len()).filter_map(|index| passed.take_tcp_listener(index).transpose());
    sockets.collect::<io::Result<_>>().context("a socket that was passed on cannot be used")
}

/// Logs at which of them no listener is: whoever connects there waits for nothing.
pub(crate) fn warn_of_unused(sockets: &InheritedSockets, broker: &BrokerHandle) {
    let used = broker.local_addrs();
    for address in sockets.addresses().filter(|address| !used.contains(address)) {
        tracing::warn!(
            help = "add a [[listener]] with this bind, or take it out of the unit of the socket",
            "nobody is served at {address}: the service manager listens there, and no listener binds it"
        );
    }
}

/// Tells that clients are served, and how that came.
pub(crate) fn is_ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells that the config is read again; [`is_ready`] ends that.
pub(crate) fn is_reloading() {
    // Managers that wait for the end want to know that it began after they asked.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => complain(&error),
    }
}

/// Tells that the end is wanted.
pub(crate) fn is_stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells again and again that the broker lives, while all its workers answer, until the sender of `over` is gone. Whoever is not
/// told for as long as `limit` starts it anew.
pub(crate) fn keep_alive(broker: &BrokerHandle, limit: Duration, over: &Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error),
    };
    // Both together take half of the limit.
    let part = limit / 4;
    loop {
        if runtime.block_on(lives(broker, part)) {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!(
                help = "report this bug, with what the process was busy with; the service manager starts it anew soon",
                "a worker has not answered for {part:?}"
            );
        }
        if over.recv_timeout(part) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// Returns whether all workers answer in time. A broker that has stopped needs nobody to start it anew.
async fn lives(broker: &BrokerHandle, patience: Duration) -> bool {
    tokio::time::timeout(patience, broker.workers_answer()).await.is_ok()
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        complain(&error);
    }
}

fn complain(error: &io::Error) {
    tracing::warn!(
        %error,
        help = "see that NOTIFY_SOCKET is where the service manager listens, and that the unit has Type=notify",
        "cannot tell the service manager"
    );
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpStream;
    use std::num::NonZeroUsize;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::sync::{Arc, Mutex};

    use flux_auth::{AllowAll, Authentication, Authenticator, Credentials, Identity};
    use flux_eventbus::EventBus;
    use flux_mqtt::{Listen, Listener, Settings, start_broker_with};

    use super::*;

    /// Keeps its worker until it is told to go on.
    struct Stuck {
        began: SyncSender<()>,
        go_on: Mutex<Receiver<()>>,
    }

    impl Authenticator for Stuck {
        async fn authenticate(&self, _credentials: &Credentials) -> Authentication {
            self.began.send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
            Authentication::Accepted(Identity::anonymous())
        }
    }

    #[tokio::test]
    async fn a_broker_with_a_worker_that_is_stuck_does_not_live() {
        let ((began, has_begun), (goes_on, go_on)) = (sync_channel(1), sync_channel(1));
        let mut settings = Settings::default();
        settings.workers = NonZeroUsize::MIN;
        settings.listeners = vec![Listener::tcp(Listen::Loopback(0))];
        let stuck = Arc::new(Stuck { began, go_on: Mutex::new(go_on) });
        let events = Arc::new(EventBus::new());
        let broker = start_broker_with(settings, events, stuck, Arc::new(AllowAll)).unwrap();
        let patience = Duration::from_secs(20);
        assert!(lives(&broker, patience).await);

        let mut client = TcpStream::connect(broker.local_addrs()[0]).unwrap();
        client.write_all(b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a").unwrap();
        has_begun.recv().unwrap();
        assert!(!lives(&broker, Duration::from_millis(10)).await);
        goes_on.send(()).unwrap();
        assert!(lives(&broker, patience).await);
        broker.stop();
        broker.wait();
        assert!(lives(&broker, patience).await, "it ended, and is not stuck");
    }
}
