//! Each rule of the language, by example.

use super::{authorizer, rules};
use crate::{
    Access, Authorizer, Client, Decision, Identity, Otherwise, RoleAuthorizer, RuleError, Ruleset,
};

fn client(client_id: &str, user: &str) -> Client {
    Client::new(client_id, Identity::user(user))
}

#[track_caller]
fn check(authorizer: &RoleAuthorizer, client: &Client, access: Access<'_>, expected: bool) {
    let decision = authorizer.decide(client, access);
    let explanation = authorizer.explain(client, access);
    assert_eq!(decision, explanation.verdict.into(), "{explanation}");
    assert_eq!(decision == Decision::Allow, expected, "{access:?} of {client:?}: {explanation}");
}

fn publish(topic: &str) -> Access<'_> {
    Access::Publish { topic, qos: 0, retain: false }
}

fn subscribe(filter: &str) -> Access<'_> {
    Access::Subscribe { filter, qos: 0 }
}

#[test]
fn what_no_rule_allows_is_denied() {
    let authorizer = authorizer(
        r##"roles.r = { publish = ["a/+"], subscribe = ["b/#"] }
            bind = [{ user = "alice", roles = ["r"] }]"##,
    );
    let alice = client("c", "alice");
    check(&authorizer, &alice, Access::Connect, true);
    check(&authorizer, &alice, publish("a/x"), true);
    check(&authorizer, &alice, publish("a/x/y"), false);
    check(&authorizer, &alice, publish("b"), false);
    check(&authorizer, &alice, subscribe("b/+/x"), true);
    check(&authorizer, &alice, subscribe("a/x"), false);
    check(&authorizer, &alice, Access::Resume { filter: "b/x", qos: 0 }, true);
    check(&authorizer, &alice, Access::Resume { filter: "#", qos: 0 }, false);
    let bob = client("c", "bob");
    check(&authorizer, &bob, Access::Connect, false);
    check(&authorizer, &bob, publish("a/x"), false);
    check(&authorizer, &Client::new("alice", Identity::anonymous()), publish("a/x"), false);
}

#[test]
fn any_deny_wins_whatever_role_it_is_in() {
    let authorizer = authorizer(
        r##"[roles.a_wide]
            publish = ["#"]
            subscribe = ["#"]
            retain = ["#"]
            [roles.z_narrow]
            deny = { publish = ["a/b"], subscribe = ["s/x/#"], retain = ["kept"] }
            [[bind]]
            everyone = true
            roles = ["a_wide", "z_narrow"]"##,
    );
    let anyone = Client::new("c", Identity::anonymous());
    check(&authorizer, &anyone, publish("a/b"), false);
    check(&authorizer, &anyone, Access::Will { topic: "a/b", qos: 0, retain: false }, false);
    check(&authorizer, &anyone, publish("a/c"), true);
    check(&authorizer, &anyone, publish("kept"), true);
    check(&authorizer, &anyone, Access::Publish { topic: "kept", qos: 0, retain: true }, false);
    check(&authorizer, &anyone, Access::Publish { topic: "other", qos: 0, retain: true }, true);
    check(&authorizer, &anyone, subscribe("s/y"), true);
    for overlaps in ["s/x", "s/x/y", "s/+/y", "s/#", "#", "$share/g/s/#"] {
        check(&authorizer, &anyone, subscribe(overlaps), false);
    }
}

#[test]
fn what_overlaps_a_denial_may_be_filtered_at_delivery() {
    let authorizer = authorizer(
        r##"on_overlap = "filter"
            roles.r = { subscribe = ["#"], deny.subscribe = ["s/{client_id}/x"] }
            bind = [{ everyone = true, roles = ["r"] }]"##,
    );
    let c = client("c", "u");
    check(&authorizer, &c, subscribe("s/#"), true);
    check(&authorizer, &c, subscribe("s/c/x"), false);
    let may_receive =
        |topic| authorizer.may_receive(&c, flux_topic::TopicName::parse(topic).unwrap());
    assert!(may_receive("s/d/x") && may_receive("s/c"));
    assert!(!may_receive("s/c/x"));
}

#[test]
fn the_default_decides_where_nothing_else_does() {
    let open = authorizer(
        r##"default = "allow"
            roles.r.deny.publish = ["a"]
            bind = [{ user = "bob", roles = ["r"] }]"##,
    );
    let bob = client("c", "bob");
    check(&open, &bob, publish("a"), false);
    check(&open, &bob, publish("b"), true);
    check(&open, &client("c", "eve"), publish("a"), true);
    check(&open, &client("c", "eve"), Access::Connect, true);
    check(&open, &bob, publish("b/+"), false);
    check(&open, &bob, subscribe("b#"), false);

    let nothing = Ruleset::compile(&rules(""), Otherwise::Allow).unwrap();
    check(&RoleAuthorizer::new(nothing), &bob, publish("a"), true);
    let nothing = Ruleset::compile(&rules("default = \"deny\""), Otherwise::Allow).unwrap();
    check(&RoleAuthorizer::new(nothing), &bob, publish("a"), false);
}

#[test]
fn the_retain_flag_is_a_question_of_its_own() {
    let authorizer = authorizer(
        r##"roles.r = { publish = ["a/#"], retain = ["a/state", "b"] }
            bind = [{ everyone = true, roles = ["r"] }]"##,
    );
    let c = client("c", "u");
    let retained = |topic| Access::Publish { topic, qos: 0, retain: true };
    check(&authorizer, &c, retained("a/state"), true);
    check(&authorizer, &c, retained("a/other"), false);
    check(&authorizer, &c, publish("a/other"), true);
    check(&authorizer, &c, retained("b"), false);
    check(&authorizer, &c, Access::Will { topic: "a/other", qos: 0, retain: true }, false);
}

#[test]
fn a_role_allows_up_to_a_quality_of_service_and_denies_at_all() {
    let authorizer = authorizer(
        r##"roles.low = { publish = ["a", "b"], subscribe = ["a"], max_qos = 0, deny.publish = ["d"] }
            roles.high = { publish = ["b", "d"], max_qos = 2 }
            bind = [{ everyone = true, roles = ["low", "high"] }]"##,
    );
    let c = client("c", "u");
    let at = |topic, qos| Access::Publish { topic, qos, retain: false };
    check(&authorizer, &c, at("a", 0), true);
    check(&authorizer, &c, at("a", 1), false);
    check(&authorizer, &c, at("b", 2), true);
    check(&authorizer, &c, at("d", 2), false);
    check(&authorizer, &c, Access::Subscribe { filter: "a", qos: 0 }, true);
    check(&authorizer, &c, Access::Subscribe { filter: "a", qos: 1 }, false);
    let why = authorizer.explain(&c, at("a", 1)).to_string();
    assert!(why.contains("role `low` allows `a` up to QoS 0"), "{why}");
}

#[test]
fn a_placeholder_is_filled_by_one_plain_level_or_matches_nothing() {
    let authorizer = authorizer(
        r##"[roles.r]
            publish = ["c/{client_id}/x", "u/{username}", "cert/{cert.cn}/#", "{claim.site}/all"]
            subscribe = ["c/{client_id}/#", "{claim.site}/#"]
            [[bind]]
            everyone = true
            roles = ["r"]"##,
    );
    let own = client("7", "alice");
    check(&authorizer, &own, publish("c/7/x"), true);
    check(&authorizer, &own, publish("c/8/x"), false);
    check(&authorizer, &own, publish("c/{client_id}/x"), false);
    check(&authorizer, &own, publish("u/alice"), true);
    check(&authorizer, &own, subscribe("c/7/+/y"), true);
    check(&authorizer, &own, subscribe("c/+/y"), false);
    for hostile in ["+", "#", "7/x", "", "a+", "a\0b", "/"] {
        let hostile = client(hostile, hostile);
        for topic in ["c/7/x", "c/7/x/x", "u/", "u/a", "c//x"] {
            check(&authorizer, &hostile, publish(topic), false);
        }
        for filter in ["c/#", "c/+/#", "c/7/#", "c//#", "c/7/x/#"] {
            check(&authorizer, &hostile, subscribe(filter), false);
        }
    }
    let anonymous = Client::new("7", Identity::anonymous());
    check(&authorizer, &anonymous, publish("u/"), false);

    let mut known = client("7", "alice");
    known.identity.attributes =
        [("cert.cn", "meter"), ("claim.site", "a"), ("claim.site", "b")].into_iter().collect();
    check(&authorizer, &known, publish("cert/meter/x"), true);
    check(&authorizer, &known, publish("cert"), false);
    check(&authorizer, &known, publish("a/all"), false);

    let mut reserved = client("7", "alice");
    reserved.identity.attributes = [("claim.site", "$SYS")].into_iter().collect();
    check(&authorizer, &reserved, publish("$SYS/all"), false);
    check(&authorizer, &reserved, subscribe("$SYS/#"), false);
}

#[test]
fn system_topics_are_granted_by_name_only() {
    let authorizer = authorizer(
        r##"roles.all = { publish = ["#"], subscribe = ["#", "+/+"] }
            roles.ops.subscribe = ["$SYS/#"]
            bind = [{ everyone = true, roles = ["all"] }, { user = "ops", roles = ["ops"] }]"##,
    );
    let ops = client("c", "ops");
    check(&authorizer, &client("c", "u"), subscribe("#"), true);
    check(&authorizer, &client("c", "u"), subscribe("$SYS/#"), false);
    check(&authorizer, &client("c", "u"), subscribe("$share/g/$SYS/+"), false);
    check(&authorizer, &client("c", "u"), publish("$SYS/x"), false);
    check(&authorizer, &ops, subscribe("$SYS/broker/+"), true);
    check(&authorizer, &ops, subscribe("$share/g/$SYS/#"), true);
}

#[test]
fn of_a_shared_subscription_the_inner_filter_counts() {
    let authorizer = authorizer(
        r##"roles.r.subscribe = ["a/#"]
            bind = [{ everyone = true, roles = ["r"] }]"##,
    );
    let c = client("c", "u");
    check(&authorizer, &c, subscribe("$share/g/a/+"), true);
    check(&authorizer, &c, subscribe("$share/a/b"), false);
    check(&authorizer, &c, subscribe("$share/g/#"), false);
}

#[test]
fn a_binding_asks_for_all_of_its_conditions() {
    let authorizer = authorizer(
        r##"roles.r.publish = ["a"]
            [[bind]]
            roles = ["r"]
            user = "meter-*"
            client_id = "m?"
            claim = { group = "vendor" }
            certificate = { cn = "x" }
            listener = "public"
            address = "10.0.0.0/8""##,
    );
    let full = || {
        let mut full = client("m7", "meter-7");
        full.identity.attributes =
            [("claim.group", "other"), ("claim.group", "vendor"), ("cert.cn", "x")]
                .into_iter()
                .collect();
        full.listener = Some("public".into());
        full.peer = Some("[::ffff:10.1.2.3]:9".parse().unwrap());
        full
    };
    check(&authorizer, &full(), publish("a"), true);
    let spoils: [fn(&mut Client); 9] = [
        |it| it.identity.is_claimed = true,
        |it| it.identity.username = Some("a meter-7".into()),
        |it| it.identity.username = None,
        |it| it.client_id = "m77".into(),
        |it| it.identity.attributes = [("claim.group", "vendor")].into_iter().collect(),
        |it| {
            it.identity.attributes =
                [("cert.group", "vendor"), ("cert.cn", "x")].into_iter().collect();
        },
        |it| it.listener = None,
        |it| it.peer = Some("11.0.0.1:9".parse().unwrap()),
        |it| it.peer = None,
    ];
    for spoil in spoils {
        let mut client = full();
        spoil(&mut client);
        check(&authorizer, &client, publish("a"), false);
    }
}

/// Who came before anybody was asked may call itself what it likes.
#[test]
fn a_name_that_nobody_checked_has_the_rights_of_no_user() {
    let authorizer = authorizer(
        r##"roles.all.publish = ["#"]
            roles.own.publish = ["{username}/x"]
            bind = [{ user = "root", roles = ["all"] }, { everyone = true, roles = ["own"] }]"##,
    );
    let root = client("c", "root");
    check(&authorizer, &root, publish("a"), true);
    check(&authorizer, &root, publish("root/x"), true);
    let root = Client::new("c", Identity::claimed("root"));
    check(&authorizer, &root, publish("a"), false);
    check(&authorizer, &root, publish("root/x"), false);
}

#[test]
fn roles_may_come_with_the_identity() {
    let authorizer = authorizer("roles.b.publish = [\"x\"]\nroles.a.publish = [\"y\"]");
    let mut client = client("c", "u");
    client.identity.roles = vec!["b".into(), "unknown".into()];
    check(&authorizer, &client, publish("x"), true);
    check(&authorizer, &client, publish("y"), false);
    assert_eq!(authorizer.explain(&client, publish("x")).roles, ["b"]);
}

#[test]
fn rules_change_while_a_client_is_there() {
    let one = |topic: &str| {
        let text = format!(
            "roles.r.publish = [\"{topic}\"]\nbind = [{{ everyone = true, roles = [\"r\"] }}]"
        );
        Ruleset::compile(&rules(&text), Otherwise::Deny).unwrap()
    };
    let authorizer = RoleAuthorizer::new(one("a"));
    let c = client("c", "u");
    let stamp = authorizer.stamp(&c);
    assert_eq!(authorizer.decide(&c, publish("a")), Decision::Allow);
    assert_eq!(authorizer.stamp(&c), stamp);

    authorizer.replace(one("b"));
    assert_ne!(authorizer.stamp(&c), stamp);
    assert_eq!(authorizer.decide(&c, publish("b")), Decision::Allow);
    check(&authorizer, &c, publish("a"), false);
}

#[test]
fn all_that_is_wrong_is_told_with_the_place_and_what_to_do() {
    let wrong = rules(
        r##"[roles.a]
            publish = ["{username}/#/b", "x/{clientid}", "dev-{client_id}/x", "{cert.comon_name}"]
            subscribe = ["$share/g/a", "{a/b}", "x{y}"]
            max_qos = 3
            [[bind]]
            roles = ["b"]
            certificate = { comon_name = "x" }
            [[bind]]
            everyone = true
            user = "a\\"
            roles = []
            [[bind]]
            roles = ["a"]"##,
    );
    let errors = Ruleset::compile(&wrong, Otherwise::Deny).unwrap_err();
    let lines: Vec<_> = errors.0.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "role `a`: max_qos is 3, the limit is 2",
            "role `a`, publish: `{username}/#/b`: `#` at byte 11 is followed by more levels: end the filter with \
             it, or write `+`",
            "role `a`, publish: `x/{clientid}`: there is no `{clientid}`: write {client_id}, {username}, \
             {claim.NAME}, or {cert.NAME} with one of these names: cn, dns, email, fingerprint, san, subject, uri",
            "role `a`, publish: `dev-{client_id}/x`: `dev-{client_id}` is more than a placeholder: it must be \
             a whole level, between two `/`",
            "role `a`, publish: `{cert.comon_name}`: there is no `{cert.comon_name}`: write {client_id}, {username}, \
             {claim.NAME}, or {cert.NAME} with one of these names: cn, dns, email, fingerprint, san, subject, uri",
            "role `a`, subscribe: `$share/g/a` names a group: write the filter behind `$share/name/` alone, \
             rules are about topics",
            "binding 1: there is no role `b`: define [roles.b], or name one of: a",
            "binding 1: a certificate has no `comon_name`: write one of cn, dns, email, fingerprint, san, subject, uri",
            "binding 2 is for everyone and has conditions: remove one or the other",
            "binding 2 gives no roles: write roles = [\"..\"]",
            "binding 2: `a\\`: the pattern ends with `\\`: write `\\\\` for a backslash",
            "binding 3 has no condition: write user = \"..\", or everyone = true if all are meant",
        ]
    );
    let deep = format!("roles.a.publish = [\"{}\"]", "a/".repeat(128));
    let deep = Ruleset::compile(&rules(&deep), Otherwise::Deny).unwrap_err();
    assert!(matches!(deep.0[..], [RuleError::TooManyLevels { levels: 129, max: 128, .. }]));
}

#[test]
fn an_explanation_names_the_rule_and_what_is_not_filled() {
    let authorizer = authorizer(
        r##"roles.device.publish = ["dev/{client_id}/#", "dev/{claim.site}"]
            bind = [{ everyone = true, roles = ["device"] }]"##,
    );
    let allowed = authorizer.explain(&client("7", "u"), publish("dev/7/x")).to_string();
    assert_eq!(
        allowed,
        "allowed\n  publish: role `device` allows it: publish = `dev/{client_id}/#`\n  roles: device\n  \
         {claim.site} matches nothing: the client has none, or several"
    );
    let denied = authorizer.explain(&client("a/b", "u"), publish("dev/a/b")).to_string();
    assert!(denied.contains("no rule says anything, and the default of the broker"), "{denied}");
    assert!(
        denied.contains("{client_id} matches nothing: `a/b` is not one plain level"),
        "{denied}"
    );
}

/// The examples of the guide are what they say.
#[test]
fn the_guide_can_be_copied() {
    let guide = include_str!("../../../../../docs/guide/roles.md");
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    let [meters, secrets] = examples.as_slice() else { panic!("{} examples", examples.len()) };
    let (meters, meter) = (authorizer(meters), client("7", "meter-7"));
    check(&meters, &meter, publish("dev/7/up/x"), true);
    check(&meters, &meter, publish("dev/8/up/x"), false);
    let (secrets, anybody) = (authorizer(secrets), client("c", "u"));
    check(&secrets, &anybody, publish("a/secret/b"), true);
    check(&secrets, &anybody, subscribe("a/secret/b"), false);
    check(&secrets, &anybody, subscribe("#"), true);
}
