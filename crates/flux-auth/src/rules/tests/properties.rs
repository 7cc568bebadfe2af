//! Compiled rules against the naive reading, for arbitrary rules, names, topics and filters.

use std::collections::BTreeMap;

use flux_topic::{TopicFilter, TopicName};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{
    Binding, Denied, OnOverlap, Otherwise, Reason, Role, RoleAuthorizer, Rules, Ruleset,
};
use super::naive::{self, Relations};
use crate::{Access, AccessRequest, Authorizer, Client, Identity, Verdict};

/// A filter of few levels out of few, or what is written as one.
fn any_filter(levels: &'static [&'static str], max: usize) -> impl Strategy<Value = String> {
    (vec(select(levels), 0..max), any::<bool>()).prop_filter_map("empty", |(mut levels, hash)| {
        levels.extend(hash.then_some("#"));
        let filter = levels.join("/");
        TopicFilter::parse(&filter).is_ok().then_some(filter)
    })
}

fn any_template() -> impl Strategy<Value = String> {
    any_filter(&["", "a", "a", "$x", "+", "{client_id}", "{username}", "{claim.k}", "{cert.cn}"], 3)
}

fn any_role() -> impl Strategy<Value = Role> {
    let list = || vec(any_template(), 0..3);
    let rare = || vec(any_template(), 0..2);
    let deny = (rare(), rare(), rare()).prop_map(|(publish, subscribe, retain)| Denied {
        publish,
        subscribe,
        retain,
    });
    (list(), list(), list(), option::of(0..=2_u8), deny).prop_map(
        |(publish, subscribe, retain, max_qos, deny)| {
            let description = String::new();
            Role { description, publish, subscribe, retain, max_qos, deny }
        },
    )
}

/// More denials than fit into one word, most of them of a role that the client has.
fn many_denials() -> impl Strategy<Value = Rules> {
    let denied = vec(vec(any_template(), 0..90), 3);
    denied.prop_map(|denied| {
        let role = |subscribe| Role {
            subscribe: vec!["#".into(), "$x/#".into()],
            deny: Denied { subscribe, ..Denied::default() },
            ..Role::default()
        };
        let names = ["r0", "r1", "r2"].map(String::from);
        let roles = names.into_iter().zip(denied.into_iter().map(role)).collect();
        let roles_of_all = ["r0", "r2"].map(String::from).to_vec();
        let bind = vec![Binding { roles: roles_of_all, everyone: true, ..Binding::default() }];
        Rules { default: None, on_overlap: OnOverlap::Refuse, roles, bind }
    })
}

fn any_binding() -> impl Strategy<Value = Binding> {
    let name = || option::of(select(vec!["a", "b", "?", "a*", "", "*"]).prop_map(String::from));
    let claim = option::of(select(vec!["a", "b"]));
    let listener = option::weighted(0.2, Just(String::from("l")));
    let certificate = option::weighted(0.2, select(vec!["a", "b"]));
    let networks = ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "2001:db8::/32", "::/0"];
    let address = option::weighted(0.2, select(networks.to_vec()));
    let place = (listener, address.prop_map(|it| it.map(|it| it.parse::<IpNet>().unwrap())));
    let roles = vec(select(vec!["r0", "r1", "r2"]).prop_map(String::from), 1..3);
    (name(), name(), claim, certificate, place, roles).prop_map(
        |(user, client_id, claim, certificate, (listener, address), roles)| {
            let one = |name: &str, value: Option<&str>| -> BTreeMap<String, String> {
                value.map(|value| (name.into(), value.into())).into_iter().collect()
            };
            let (claim, certificate) = (one("k", claim), one("cn", certificate));
            let everyone = false;
            let binding =
                Binding { roles, everyone, user, client_id, claim, certificate, listener, address };
            let roles = binding.roles.clone();
            let is_bare = binding == Binding { roles: roles.clone(), ..Binding::default() };
            if is_bare { Binding { roles, everyone: true, ..Binding::default() } } else { binding }
        },
    )
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let default = option::of(select(vec![Otherwise::Allow, Otherwise::Deny]));
    let on_overlap = select(vec![OnOverlap::Refuse, OnOverlap::Filter]);
    (default, on_overlap, vec(any_role(), 3), vec(any_binding(), 0..4)).prop_map(
        |(default, on_overlap, roles, bind)| {
            let names = ["r0", "r1", "r2"].map(String::from);
            Rules { default, on_overlap, roles: names.into_iter().zip(roles).collect(), bind }
        },
    )
}

fn any_client(names: &'static [&'static str]) -> impl Strategy<Value = Client> {
    let name = move || select(names);
    let (roles, values) = (vec(select(vec!["r0", "r9"]), 0..2), vec(name(), 0..3));
    let attributes = (values, option::of(name()));
    // An IPv4 client of an IPv6 socket is one of them.
    let peers = ["10.1.2.3:9", "10.2.0.1:9", "[::ffff:10.1.2.3]:9", "[2001:db8::1]:9", "[::1]:9"];
    let place = (any::<bool>(), option::of(select(peers.to_vec())));
    (name(), option::of(name()), prop::bool::weighted(0.2), roles, attributes, place).prop_map(
        |(client_id, username, is_claimed, roles, (claims, field), (has_listener, peer))| {
            let mut identity = username.map_or_else(Identity::anonymous, Identity::user);
            // Some have not proven their name.
            identity.is_claimed = is_claimed && identity.username.is_some();
            identity.roles = roles.into_iter().map(Box::from).collect();
            let claims = claims.into_iter().map(|value| ("claim.k", value));
            identity.attributes = claims.chain(field.map(|value| ("cert.cn", value))).collect();
            let mut client = Client::new(client_id, identity);
            client.listener = has_listener.then(|| "l".into());
            client.peer = peer.map(|peer| peer.parse().unwrap());
            client
        },
    )
}

fn any_topic() -> impl Strategy<Value = String> {
    let levels = vec(select(vec!["", "a", "a", "b", "$x"]), 1..4);
    levels.prop_map(|levels| levels.join("/")).prop_filter("empty", |topic| !topic.is_empty())
}

fn any_access() -> impl Strategy<Value = AccessRequest> {
    let filter = || any_filter(&["", "a", "a", "b", "$x", "+"], 4);
    let shared = option::weighted(0.2, Just("$share/g/"));
    prop_oneof![
        1 => Just(AccessRequest::Connect),
        8 => (any_topic(), 0..=2_u8, any::<bool>()).prop_map(|(topic, qos, retain)| {
            AccessRequest::Publish { topic: topic.into(), qos, retain }
        }),
        1 => (any_topic(), 0..=2_u8, any::<bool>()).prop_map(|(topic, qos, retain)| {
            AccessRequest::Will { topic: topic.into(), qos, retain }
        }),
        8 => (shared, filter(), 0..=2_u8).prop_map(|(shared, filter, qos)| {
            let filter = format!("{}{filter}", shared.unwrap_or_default()).into();
            AccessRequest::Subscribe { filter, qos }
        }),
        1 => (filter(), 0..=2_u8).prop_map(|(filter, qos)| {
            AccessRequest::Resume { filter: filter.into(), qos }
        }),
    ]
}

/// Every topic name of few levels: one of them, `z`, is in no rule and no filter.
fn small_topics() -> Vec<String> {
    let mut names = vec![String::new()];
    let mut topics: Vec<String> = Vec::new();
    for depth in 0..4 {
        let slash = if depth == 0 { "" } else { "/" };
        let below =
            |name: &String| ["", "a", "$x", "z"].map(|level| format!("{name}{slash}{level}"));
        names = names.iter().flat_map(below).collect();
        topics.extend(names.iter().filter(|name| !name.is_empty()).cloned());
    }
    topics
}

/// Names made of the levels of the small topics, and names that fill nothing.
const SMALL_NAMES: &[&str] = &["a", "a", "z", "$x", "", "+", "#", "a/a"];

thread_local! {
    static TOPICS: Vec<String> = small_topics();
}

fn any_small_topic(is_one: impl Fn(TopicName<'_>) -> bool) -> bool {
    TOPICS.with(|topics| topics.iter().any(|topic| is_one(TopicName::parse(topic).unwrap())))
}

/// Coverage and overlap by their definition, one name after the other.
const BY_BRUTE_FORCE: Relations = Relations {
    covers: |wide, narrow| !any_small_topic(|topic| narrow.matches(topic) && !wide.matches(topic)),
    overlaps: |a, b| any_small_topic(|topic| a.matches(topic) && b.matches(topic)),
};

const AS_FILTERS_DO: Relations =
    Relations { covers: TopicFilter::covers, overlaps: TopicFilter::overlaps };

fn verdict_of(reason: &Reason) -> Verdict {
    match reason {
        Reason::Rule { verdict, .. } | Reason::Default { verdict, .. } => *verdict,
        Reason::Role { .. } => Verdict::Allow,
        Reason::Malformed { .. } => Verdict::Deny,
    }
}

/// Whether the rule that is named as the reason stands in that list, and decides so if it is the only one and all else
/// is decided the other way.
fn by_itself(rules: &Rules, client: &Client, access: Access<'_>, reason: &Reason) -> bool {
    let Reason::Rule { verdict, action, role, list, filter } = reason else { return true };
    let whole = &rules.roles[role];
    let mut one = Role { max_qos: whole.max_qos, ..Role::default() };
    let (from, to) = match *list {
        "publish" => (&whole.publish, &mut one.publish),
        "subscribe" => (&whole.subscribe, &mut one.subscribe),
        "retain" => (&whole.retain, &mut one.retain),
        "deny.publish" => (&whole.deny.publish, &mut one.deny.publish),
        "deny.subscribe" => (&whole.deny.subscribe, &mut one.deny.subscribe),
        "deny.retain" => (&whole.deny.retain, &mut one.deny.retain),
        _ => return false,
    };
    to.push(filter.clone());
    let stands_there = from.contains(filter);
    // What is retained must be publishable, which is another question.
    let about_retain = *action == "retain";
    if about_retain {
        one.publish = ["#", "$x/#"].map(String::from).to_vec();
    }
    let access = match access {
        Access::Publish { topic, qos, .. } => Access::Publish { topic, qos, retain: about_retain },
        Access::Will { topic, qos, .. } => Access::Will { topic, qos, retain: about_retain },
        other => other,
    };
    let roles = BTreeMap::from([(role.clone(), one)]);
    let alone = Rules { default: None, roles, ..rules.clone() };
    let otherwise = match verdict {
        Verdict::Allow => Otherwise::Deny,
        Verdict::Deny => Otherwise::Allow,
    };
    let decided = naive::verdict(&alone, otherwise, &AS_FILTERS_DO, client, access);
    stands_there && decided == *verdict
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn compiled_rules_say_what_the_naive_reading_says(
        rules in any_rules(),
        otherwise in select(vec![Otherwise::Allow, Otherwise::Deny]),
        client in any_client(&["a", "a", "b", "$x", "", "+", "#", "a/b", "aa", "a\0"]),
        accesses in vec(any_access(), 1..12),
    ) {
        let authorizer = RoleAuthorizer::new(Ruleset::compile(&rules, otherwise).unwrap());
        for access in &accesses {
            let access = access.as_access();
            let expected = naive::verdict(&rules, otherwise, &AS_FILTERS_DO, &client, access);
            let explanation = authorizer.explain(&client, access);
            prop_assert_eq!(explanation.verdict, expected, "{:?}: {}", access, explanation);
            prop_assert_eq!(authorizer.decide(&client, access), expected.into());
            for reason in &explanation.reasons {
                let alone = by_itself(&rules, &client, access, reason);
                prop_assert!(alone, "{:?}: {:?}", access, reason);
            }
            let denies = |reason: &Reason| verdict_of(reason) == Verdict::Deny;
            let is_denied = explanation.reasons.iter().any(denies);
            prop_assert_eq!(is_denied, expected == Verdict::Deny, "{}", explanation);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn coverage_is_what_brute_force_finds(
        rules in any_rules(),
        client in any_client(SMALL_NAMES),
        filters in vec(any_filter(&["", "a", "$x", "+"], 3), 1..6),
    ) {
        let otherwise = Otherwise::Deny;
        let authorizer = RoleAuthorizer::new(Ruleset::compile(&rules, otherwise).unwrap());
        for filter in &filters {
            let access = Access::Subscribe { filter, qos: 0 };
            let expected = naive::verdict(&rules, otherwise, &BY_BRUTE_FORCE, &client, access);
            prop_assert_eq!(authorizer.explain(&client, access).verdict, expected, "{}", filter);
        }
    }

    #[test]
    fn many_denials_overlap_what_each_of_them_does(
        rules in many_denials(),
        client in any_client(&["a", "b", "$x", "", "a/b"]),
        filters in vec(any_filter(&["a", "b", "$x", "+"], 5), 1..12),
    ) {
        let authorizer = RoleAuthorizer::new(Ruleset::compile(&rules, Otherwise::Deny).unwrap());
        for filter in &filters {
            let access = Access::Subscribe { filter, qos: 0 };
            let expected = naive::verdict(&rules, Otherwise::Deny, &AS_FILTERS_DO, &client, access);
            prop_assert_eq!(authorizer.explain(&client, access).verdict, expected, "{}", filter);
        }
    }

    #[test]
    fn nobody_receives_what_is_denied_nor_is_granted_what_is_not_allowed(
        rules in any_rules(),
        client in any_client(SMALL_NAMES),
        filter in any_filter(&["", "a", "$x", "+"], 3),
    ) {
        let rules = Rules { default: Some(Otherwise::Deny), ..rules };
        let authorizer = RoleAuthorizer::new(Ruleset::compile(&rules, Otherwise::Deny).unwrap());
        let access = Access::Subscribe { filter: &filter, qos: 0 };
        let is_granted = authorizer.decide(&client, access).verdict() == Some(Verdict::Allow);
        let asked = TopicFilter::parse(&filter).unwrap();
        let leaks = is_granted && any_small_topic(|topic| {
            let exactly = Access::Subscribe { filter: topic.as_str(), qos: 0 };
            let is_allowed = authorizer.rights(&client).decide(exactly) == Verdict::Allow;
            asked.matches(topic) && authorizer.may_receive(&client, topic) != is_allowed
        });
        prop_assert!(!leaks, "{filter}");
    }
}
