//! Whether a broker can serve.

use std::time::Duration;

use flux_mqtt::{BrokerHandle, StoreHealth};
use tokio::time::timeout;

/// Returns what stands in the way of serving; nothing, if all is well.
pub(crate) async fn problems(broker: &BrokerHandle) -> Vec<String> {
    let mut problems = Vec::new();
    match timeout(PATIENCE, broker.workers_answer()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => problems.push(error.to_string()),
        Err(_) => problems.push(format!("a worker does not answer within {PATIENCE:?}")),
    }
    let shut = broker.not_accepting().into_iter();
    problems.extend(shut.map(|(listening, why)| format!("nobody comes in by {listening}: {why}")));
    problems.extend(broker.store_health().as_ref().and_then(store_problem));
    problems
}

fn store_problem(store: &StoreHealth) -> Option<String> {
    if let Some(failure) = &store.failure {
        return Some(format!("the store fails: {}", failure.error));
    }
    if !store.is_running {
        return Some("the thread of the store is gone".to_owned());
    }
    let waiting_for = store.waiting_for.filter(|lasts| *lasts > PATIENCE)?;
    Some(format!("the disk has not answered for {waiting_for:?}"))
}

/// How long a worker or a disk may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use flux_mqtt::{Histogram, StoreFailure};

    use super::*;

    #[test]
    fn a_store_that_fails_hangs_or_is_gone_is_told() {
        #[track_caller]
        fn check(change: impl FnOnce(&mut StoreHealth), expected: Option<&str>) {
            let mut health = StoreHealth {
                failure: None,
                waiting_for: None,
                unsynced: 0,
                records: 0,
                bytes_on_disk: 0,
                commits: Histogram::default(),
                syncs: Histogram::default(),
                is_stuck: false,
                is_running: true,
            };
            change(&mut health);
            assert_eq!(store_problem(&health).as_deref(), expected);
        }
        check(|_| {}, None);
        let failure = StoreFailure { lasts_for: PATIENCE, error: "no space left".into() };
        check(|health| health.failure = Some(failure), Some("the store fails: no space left"));
        check(|health| health.is_running = false, Some("the thread of the store is gone"));
        check(|health| health.waiting_for = Some(PATIENCE), None);
        let long = Duration::from_secs(3);
        check(|it| it.waiting_for = Some(long), Some("the disk has not answered for 3s"));
    }
}
