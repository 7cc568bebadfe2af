//! What a decision costs that a worker remembers, under 1,000 rules: it looks for the topic, and whether client and rules are
//! those of then. What one costs that is looked up stands in flux-auth, `benches/rules.rs`.

use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use flux_auth::{
    Access, Authorizer, Client, Decision, Identity, Otherwise, RoleAuthorizer, Ruleset, Verdict,
};
use flux_mqtt::RememberedVerdict;
use flux_topic::TopicName;

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    let mut text = String::new();
    for site in 0..500 {
        write!(
            text,
            r##"
            [roles.site-{site}]
            publish = ["site/{site}/{{client_id}}/state"]
            subscribe = ["site/{site}/#"]
            [[bind]]
            user = "site-{site}"
            roles = ["site-{site}"]
            "##
        )?;
    }
    let ruleset = Ruleset::compile(&toml::from_str(&text)?, Otherwise::Deny)?;
    assert_eq!(ruleset.rule_count(), 1_000);
    let authorizer = RoleAuthorizer::new(ruleset);
    let client = Client::new("device-500", Identity::user("site-50"));
    let topic = "site/50/device-500/state";
    let publish = Access::Publish { topic, qos: 0, retain: false };
    assert_eq!(authorizer.decide(&client, publish), Decision::Allow);

    let topic = TopicName::parse(topic)?;
    let mut remembered = RememberedVerdict::new(&authorizer, &client, topic);
    assert_eq!(remembered.verdict(&authorizer, &client, topic), Some(Verdict::Allow));
    criterion.bench_function("publish_remembered", |bencher| {
        bencher.iter(|| remembered.verdict(&authorizer, black_box(&client), black_box(topic)));
    });
    authorizer.replace(Ruleset::compile(&toml::from_str("")?, Otherwise::Deny)?);
    assert_eq!(remembered.verdict(&authorizer, &client, topic), None, "the rules are others");
    criterion.final_summary();
    Ok(())
}
