//! Session and routes alike, whoever changed the session at the same time.

use std::sync::Arc;

use flux_eventbus::SessionEnd;
use flux_session::{QoS, SubscriptionOptions};
use flux_topic::{TopicFilter, TopicName};
use shuttle::thread;

use super::sample;
use crate::clients;
use crate::ledger::Ledger;
use crate::routes::Routes;
use crate::routes::tests::{session, subscribe};
use crate::session::SharedSession;
use crate::settings::SharedSettings;

/// What a thread does to the subscription of a session.
#[derive(Clone, Copy, Debug)]
enum Change {
    Subscribe(QoS),
    Unsubscribe,
    End,
}

impl Change {
    /// Changes the session, and returns the filters whose routes are to follow.
    fn apply(self, session: &Arc<SharedSession>, filter: &TopicFilter) -> Vec<TopicFilter> {
        let mut state = session.lock();
        match self {
            Self::Subscribe(_) | Self::End if state.ended => return Vec::new(),
            Self::Subscribe(qos) => {
                let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
                state.session.subscribe(filter.clone(), options);
            }
            Self::Unsubscribe => {
                state.session.unsubscribe(filter);
            }
            Self::End => {
                let ended = clients::end(session, &mut state, SessionEnd::CleanStart);
                return ended.remains.filters().cloned().collect();
            }
        }
        vec![filter.clone()]
    }
}

/// Makes changes, each on a thread of its own; then session and routes must be alike.
///
/// One of them is the first in the session: it races with the others when the routes follow.
fn race(filter: &str, is_subscribed: bool, changes: &[Change]) {
    let (routes, session) =
        (Arc::new(Routes::new(SharedSettings::default(), Ledger::new(1), None, 0)), session(1));
    let filter = TopicFilter::parse(filter).unwrap();
    if is_subscribed {
        subscribe(&routes, &session, filter.as_str());
    }
    let (first, others) = changes.split_first().unwrap();
    let to_follow = first.apply(&session, &filter);
    let threads: Vec<_> = others
        .iter()
        .copied()
        .map(|change| {
            let (routes, session, filter) = (routes.clone(), session.clone(), filter.clone());
            thread::spawn(move || {
                let to_follow = change.apply(&session, &filter);
                routes.follow(&session, &to_follow);
            })
        })
        .collect();
    routes.follow(&session, &to_follow);
    for thread in threads {
        thread.join().unwrap();
    }
    check_alike(&routes, &session, filter);
}

fn check_alike(routes: &Routes, session: &SharedSession, filter: TopicFilter) {
    let filters = [filter];
    let wanted = session.options_of(&filters)[0];
    let topic = TopicName::parse("a").unwrap();
    let found = routes.find(topic);
    let granted: Vec<_> = found.sessions.iter().map(|route| route.grant.qos).collect();
    let members: Vec<_> = found.shares.iter().map(|share| share.lock().len()).collect();
    assert_eq!(routes.shares(&filters).len(), members.len());
    match wanted {
        None => assert_eq!(routes.len(), 0, "routed, although the session is not subscribed"),
        Some(_) if filters[0].share_name().is_some() => assert_eq!(members, [1]),
        Some(options) => assert_eq!(granted, [options.qos]),
    }
}

fn check(filter: &'static str, is_subscribed: bool, changes: [Change; 2]) {
    sample(2_000, move || race(filter, is_subscribed, &changes));
}

const SUBSCRIBE: Change = Change::Subscribe(QoS::AtLeastOnce);

#[test]
fn two_changes_of_a_subscription_leave_session_and_routes_alike() {
    check("a", false, [SUBSCRIBE, Change::Unsubscribe]);
    check("a", true, [Change::Unsubscribe, SUBSCRIBE]);
    check("a", true, [SUBSCRIBE, Change::Subscribe(QoS::ExactlyOnce)]);
}

#[test]
fn a_session_that_ends_while_it_changes_leaves_no_route() {
    check("a", false, [SUBSCRIBE, Change::End]);
    check("a", true, [Change::End, Change::Unsubscribe]);
}

#[test]
fn the_same_holds_for_members_of_a_shared_subscription() {
    check("$share/g/a", false, [SUBSCRIBE, Change::Unsubscribe]);
    check("$share/g/a", true, [Change::Unsubscribe, SUBSCRIBE]);
    check("$share/g/a", false, [SUBSCRIBE, Change::End]);
}

#[test]
fn three_changes_leave_session_and_routes_alike() {
    for filter in ["a", "$share/g/a"] {
        sample(2_000, move || {
            race(filter, false, &[SUBSCRIBE, Change::Unsubscribe, Change::End]);
        });
        sample(2_000, move || {
            let other = Change::Subscribe(QoS::ExactlyOnce);
            race(filter, true, &[SUBSCRIBE, Change::Unsubscribe, other]);
        });
    }
}
