//! A CONNECT that never ends: the time is for all of it, however many bytes still come.

use std::io::{ErrorKind, Read as _};
use std::time::Duration;

use flux_mqtt::Settings;

use crate::support::{Broker, Bystander, Client, Connect, Stopwatch, Version};

scenarios_of_both_versions! {
    a_slow_connect_is_closed_and_many_keep_nobody_out with impatient,
}

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

fn impatient(settings: &mut Settings) {
    settings.connect_timeout = CONNECT_TIMEOUT;
}

fn a_slow_connect_is_closed_and_many_keep_nobody_out(broker: &Broker, version: Version) {
    let mut bystander = Bystander::connect(broker, version);
    // In the time that is given to it, it does not come to an end.
    let connect = Connect::new(version, &"slow".repeat(15_000)).bytes();
    let watch = Stopwatch::start();
    let mut slow: Vec<Client> = (0..200).map(|_| Client::open(broker.address(), version)).collect();
    slow.iter().for_each(|client| client.stream().set_nonblocking(true).unwrap());
    let mut sent = 0;
    while !slow.is_empty() {
        for client in &mut slow {
            client.try_send(&connect[sent..=sent]);
        }
        sent += 1;
        bystander.exchange();
        Client::connect(broker, &Connect::new(version, "newcomer")).disconnect();
        let before = slow.len();
        slow.retain(|client| !is_closed(client));
        let is_early = slow.len() < before && watch.elapsed() < CONNECT_TIMEOUT;
        assert!(!is_early, "closed after {:?}", watch.elapsed());
    }
    assert!(sent > 1, "they were slow");
    bystander.exchange();
}

/// Whether the broker has closed; it must not have said a word.
fn is_closed(client: &Client) -> bool {
    match client.stream().read(&mut [0]) {
        Ok(0) => true,
        Ok(_) => panic!("an answer to half a CONNECT"),
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => true,
        Err(error) => panic!("{error}"),
    }
}
