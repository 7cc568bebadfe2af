//! Rules that give way to others while clients are subscribed: nothing that they deny is delivered, at no moment.

use std::sync::Arc;

use flux_auth::OnOverlap::{self, Filter, Refuse};
use flux_auth::{Otherwise, RoleAuthorizer, Rules, Ruleset};

use super::client::{Peer, ack, connect, unsubscribe};
use super::cluster::Cluster;
use crate::input::Command;
use crate::settings::Settings;

/// Everybody may do all, but receive what is denied.
fn rules(on_overlap: OnOverlap, denied: &[&str]) -> Ruleset {
    let denied = denied.iter().map(|it| (*it).to_owned()).collect();
    let mut rules: Rules = toml::from_str(
        r##"
        bind = [{ everyone = true, roles = ["all"] }]
        [roles.all]
        publish = ["#"]
        subscribe = ["#"]
        "##,
    )
    .unwrap();
    rules.on_overlap = on_overlap;
    rules.roles.get_mut("all").unwrap().deny.subscribe = denied;
    Ruleset::compile(&rules, Otherwise::Deny).unwrap()
}

/// A cluster under rules of which the first may deny, before there are others.
fn cluster(on_overlap: OnOverlap, denied: &[&str]) -> (Cluster, Arc<RoleAuthorizer>) {
    let authorizer = Arc::new(RoleAuthorizer::new(rules(on_overlap, denied)));
    (Cluster::with(2, Settings::default(), authorizer.clone()), authorizer)
}

/// What a client heard, without numbers.
fn messages(c: &mut Cluster, peer: Peer) -> Vec<String> {
    let first = |it: String| it.split(' ').next().map(str::to_owned);
    c.heard(peer).into_iter().filter_map(first).collect()
}

/// Subscribes to `filter` under the rules of before, and has others hold that deny "a/secret".
#[track_caller]
fn check(before: (OnOverlap, &[&str]), after: OnOverlap, filter: &str, stays: bool) {
    let (mut c, authorizer) = cluster(before.0, before.1);
    let (publisher, peer) = (c.connect(0, "publisher"), c.connect(1, "peer"));
    c.subscribe(peer, filter, 1);
    c.publish(publisher, 1, 1, "a/open", "1");
    c.settle();
    assert_eq!(messages(&mut c, peer), ["a/open=1"]);
    c.send(peer, &ack(0x40, 1));

    authorizer.replace(rules(after, &["a/secret"]));
    // Nobody has told the workers.
    for topic in ["a/secret", "a/open"] {
        c.publish(publisher, 1, 2, topic, "2");
    }
    c.settle();
    assert_eq!(messages(&mut c, peer), ["a/open=2"]);
    c.command(0, Command::RecheckRights(Arc::default()));
    // One of them has heard.
    for topic in ["a/secret", "a/open"] {
        c.publish(publisher, 1, 3, topic, "3");
    }
    c.settle();
    assert_eq!(messages(&mut c, peer), ["a/open=3"]);
    c.command(1, Command::RecheckRights(Arc::default()));
    assert_eq!(c.is_closed(peer), !stays);
    assert_eq!(c.heard(peer), if stays { vec![] } else { vec!["DISCONNECT 87"] });
    for topic in ["a/secret", "a/open"] {
        c.publish(publisher, 1, 4, topic, "4");
    }
    c.settle();
    if stays {
        assert_eq!(messages(&mut c, peer), ["a/open=4"]);
    } else {
        assert_eq!(c.broker.routes.len(), 0);
        let mut packet = connect("peer");
        packet.clean_start = false;
        let again = c.dial(0, packet);
        c.settle();
        assert_eq!(messages(&mut c, again), ["CONNACK", "a/open=2", "a/open=3"]);
    }
}

#[test]
fn a_subscription_ends_that_overlaps_what_is_denied_once_such_are_refused() {
    for filter in ["a/#", "#", "a/+"] {
        check((Filter, &["a/secret"]), Refuse, filter, false);
        check((Refuse, &[]), Refuse, filter, false);
    }
    check((Filter, &["a/secret"]), Refuse, "$share/g/a/#", false);
}

#[test]
fn a_subscription_stays_and_is_filtered_once_such_are() {
    for filter in ["a/#", "#", "a/+", "$share/g/a/#"] {
        check((Refuse, &[]), Filter, filter, true);
        check((Filter, &["a/secret"]), Filter, filter, true);
        check((Refuse, &["b"]), Filter, "a/#", true);
    }
}

/// What was held back at delivery would come by a subscription that is not there any more, so nobody looks at it.
#[test]
fn what_waits_of_a_subscription_that_its_client_gave_up_is_looked_at_too() {
    let (mut c, authorizer) = cluster(Filter, &["a/secret"]);
    let publisher = c.connect(0, "publisher");
    let peer = c.dial(1, connect("peer").receive_max(1));
    c.subscribe_after_connack(peer, "a/#", 1);
    for topic in ["a/1", "a/secret", "a/2"] {
        c.publish(publisher, 1, 1, topic, "x");
    }
    c.settle();
    c.send(peer, &unsubscribe(peer.version, 7, "a/#"));
    c.settle();
    authorizer.replace(rules(Refuse, &["a/secret"]));
    for worker in [0, 1] {
        c.command(worker, Command::RecheckRights(Arc::default()));
    }
    assert_eq!(c.heard(peer), ["a/1=x q1 #1", "UNSUBACK 7 [00]"]);
    c.send(peer, &ack(0x40, 1));
    c.settle();
    let heard = c.heard(peer);
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("a/2=x"), "{heard:?}");
}
