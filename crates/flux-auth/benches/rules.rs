//! What decisions cost at 1,000 rules: looked up, and with the rights worked out anew. What one costs that a worker remembers
//! stands in flux-mqtt, `benches/verdicts.rs`.

use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use flux_auth::{
    Access, Authorizer, Client, Decision, Identity, Otherwise, RoleAuthorizer, Rules, Ruleset,
};
use flux_topic::TopicName;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for (name, rules) in [("sites", sites()?), ("one_topic", one_topic()?)] {
        let ruleset = Ruleset::compile(&rules, Otherwise::Deny)?;
        assert_eq!(ruleset.rule_count(), 1_000);
        let authorizer = RoleAuthorizer::new(ruleset);
        let client = Client::new("device-500", Identity::user("site-50"));
        let publish = Access::Publish { topic: "site/50/device-500/state", qos: 1, retain: false };
        let subscribe = Access::Subscribe { filter: "site/50/device-500/cmd/+", qos: 1 };
        assert_eq!(authorizer.decide(&client, publish), Decision::Allow);
        assert_eq!(authorizer.decide(&client, subscribe), Decision::Allow);

        criterion.bench_function(&format!("{name}/publish"), |bencher| {
            bencher.iter(|| authorizer.decide(black_box(&client), black_box(publish)));
        });
        criterion.bench_function(&format!("{name}/subscribe"), |bencher| {
            bencher.iter(|| authorizer.decide(black_box(&client), black_box(subscribe)));
        });
        criterion.bench_function(&format!("{name}/rights"), |bencher| {
            bencher.iter(|| authorizer.rights(&black_box(&client).clone()));
        });
    }
    // What all denials concern, what they all but concern and what may be had.
    let narrow = [
        ("all", "#", Decision::Deny),
        ("last", "+/+/secret/x999", Decision::Deny),
        ("allowed", "+/+/open/+/#", Decision::Allow),
    ];
    bench_denials(
        &mut criterion,
        "denials",
        |site| format!("site/{site}/secret/x{site}"),
        &narrow,
    )?;
    let wide = [
        ("all", "#", Decision::Deny),
        ("most", "a/+/#", Decision::Deny),
        ("last", "+/x999/+/#", Decision::Deny),
        ("allowed", "+/open/+/#", Decision::Allow),
        ("long", "+/open/+/+/+/+/+/+/+/+/+/+/#", Decision::Allow),
    ];
    bench_denials(&mut criterion, "wide_denials", |site| format!("+/x{site}/#"), &wide)?;
    // Each level of a topic goes two ways: the most that a tree can be made to look at.
    let both = |site: usize| {
        let level = |depth: usize| if (site >> depth).is_multiple_of(2) { "x500" } else { "+" };
        (0..10).map(level).collect::<Vec<_>>().join("/")
    };
    bench_denials(&mut criterion, "branching_denials", both, &[("all", "#", Decision::Deny)])?;
    criterion.final_summary();
    Ok(())
}

/// Measures what it takes to decide about these filters, and about one message where such are delivered, for a role
/// that has 1,000 denials.
fn bench_denials(
    criterion: &mut Criterion,
    group: &str,
    denial: impl Fn(usize) -> String,
    filters: &[(&str, &str, Decision)],
) -> Result<(), Box<dyn Error>> {
    let denied: Vec<_> = (0..1_000).map(|site| format!("{:?}", denial(site))).collect();
    let denied = denied.join(", ");
    let rules = toml::from_str(&format!(
        "roles.all = {{ subscribe = [\"#\"], deny.subscribe = [{denied}] }}\n\
         bind = [{{ everyone = true, roles = [\"all\"] }}]"
    ))?;
    let authorizer = RoleAuthorizer::new(Ruleset::compile(&rules, Otherwise::Deny)?);
    let client = Client::new("device-500", Identity::user("site-50"));
    for (name, filter, expected) in filters {
        let subscribe = Access::Subscribe { filter, qos: 1 };
        assert_eq!(authorizer.decide(&client, subscribe), *expected);
        criterion.bench_function(&format!("{group}/subscribe_{name}"), |bencher| {
            bencher.iter(|| authorizer.decide(black_box(&client), black_box(subscribe)));
        });
    }
    for (name, topic) in [("two", "site/x500/open/x1"), ("ten", &["x500"; 10].join("/"))] {
        let topic = TopicName::parse(topic)?;
        criterion.bench_function(&format!("{group}/deliver_{name}"), |bencher| {
            bencher.iter(|| authorizer.may_receive(black_box(&client), black_box(topic)));
        });
    }
    Ok(())
}

/// 100 roles of 10 rules, each for the devices of one site.
fn sites() -> Result<Rules, Box<dyn Error>> {
    let mut text = String::new();
    for site in 0..100 {
        write!(
            text,
            r#"
            [roles.site-{site}]
            publish = ["site/{site}/{{client_id}}/state", "site/{site}/{{client_id}}/data/#", "a/{site}", "b/{site}/+"]
            subscribe = ["site/{site}/{{client_id}}/cmd/#", "fw/{site}/#", "c/{site}", "d/{site}/+"]
            deny.publish = ["site/{site}/+/secret"]
            deny.subscribe = ["site/{site}/+/secret/#"]
            [[bind]]
            user = "site-{site}"
            roles = ["site-{site}"]
            "#
        )?;
    }
    Ok(toml::from_str(&text)?)
}

/// 500 roles whose rules all concern the topic, of which the client has one.
fn one_topic() -> Result<Rules, Box<dyn Error>> {
    let mut text = String::new();
    for role in 0..500 {
        write!(
            text,
            r##"
            [roles.site-{role}]
            publish = ["site/+/{{client_id}}/state"]
            subscribe = ["site/#"]
            [[bind]]
            user = "site-{role}"
            roles = ["site-{role}"]
            "##
        )?;
    }
    Ok(toml::from_str(&text)?)
}
