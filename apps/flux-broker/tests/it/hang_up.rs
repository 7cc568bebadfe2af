//! Whoever hangs up while it is decided who it is does not spare itself the decision: a wrong password counts.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use flux_auth::{Authentication, Authenticator, Credentials, Identity, Refusal};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Notify;

use crate::support::Version::V5;
use crate::support::{Broker, Client, Connect};

#[test]
fn whoever_hangs_up_is_decided_about_all_the_same() {
    let (begun, has_begun) = sync_channel(1);
    let (done, is_done) = sync_channel(1);
    let go_on = Arc::new(Notify::new());
    let broker = Broker::start_with(1, Thinks { begun, go_on: go_on.clone(), done }, |_| {});
    let mut bystander = Client::connect(&broker, &Connect::new(V5, "bystander"));
    let runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let guess = Connect::new(V5, "guesser").login("alice", "wrong").bytes();
    for is_reset in [false, true] {
        runtime.block_on(async {
            let mut guesser = TcpStream::connect(broker.address()).await.unwrap();
            guesser.write_all(&guess).await.unwrap();
            has_begun.recv().unwrap();
            if is_reset {
                guesser.set_zero_linger().unwrap();
            }
        });
        // The worker, which there is one of, has had its occasions to see that the guesser is gone.
        bystander.ping();
        bystander.ping();
        go_on.notify_one();
        is_done.recv().unwrap();
    }
}

/// Thinks about the guesser until it is told to go on.
struct Thinks {
    begun: SyncSender<()>,
    go_on: Arc<Notify>,
    done: SyncSender<()>,
}

impl Authenticator for Thinks {
    async fn authenticate(&self, credentials: &Credentials) -> Authentication {
        if &*credentials.client_id != "guesser" {
            return Authentication::Accepted(Identity::anonymous());
        }
        self.begun.send(()).unwrap();
        self.go_on.notified().await;
        self.done.send(()).unwrap();
        Authentication::Refused(Refusal::BadUserNameOrPassword)
    }
}
