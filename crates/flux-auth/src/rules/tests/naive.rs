//! Rules read as a person would read them: one after the other, with the texts filled in.

use flux_topic::{TopicFilter, TopicName};

use super::super::{Binding, NamePattern, OnOverlap, Otherwise, Role, Rules};
use crate::{Access, Client, Verdict};

/// What two filters have to do with each other, by whatever definition.
pub(super) struct Relations {
    pub(super) covers: fn(&TopicFilter, &TopicFilter) -> bool,
    pub(super) overlaps: fn(&TopicFilter, &TopicFilter) -> bool,
}

pub(super) fn verdict(
    rules: &Rules,
    otherwise: Otherwise,
    relations: &Relations,
    client: &Client,
    access: Access<'_>,
) -> Verdict {
    let roles: Vec<&Role> = rules
        .roles
        .iter()
        .filter(|(name, _)| has_role(rules, client, name))
        .map(|(_, it)| it)
        .collect();
    let otherwise = rules.default.unwrap_or(otherwise) == Otherwise::Allow;
    let up_to = |role: &Role, qos: u8| qos <= role.max_qos.unwrap_or(2);
    let matches = |filters: &[String], topic: &str| {
        let topic = TopicName::parse(topic).unwrap();
        filters.iter().filter_map(|it| filled(it, client)).any(|it| it.matches(topic))
    };
    let decide = |denied: bool, allowed: bool| !denied && (allowed || otherwise);
    let publish = |topic: &str, qos: u8, retain: bool| {
        let published = decide(
            roles.iter().any(|it| matches(&it.deny.publish, topic)),
            roles.iter().any(|it| up_to(it, qos) && matches(&it.publish, topic)),
        );
        let retained = decide(
            roles.iter().any(|it| matches(&it.deny.retain, topic)),
            roles.iter().any(|it| up_to(it, qos) && matches(&it.retain, topic)),
        );
        published && (!retain || retained)
    };
    let subscribe = |filter: &str, qos: u8| {
        let asked = TopicFilter::parse(filter).unwrap();
        let any = |filters: &[String], relation: fn(&TopicFilter, &TopicFilter) -> bool| {
            filters.iter().filter_map(|it| filled(it, client)).any(|it| relation(&it, &asked))
        };
        let denies = match rules.on_overlap {
            OnOverlap::Refuse => relations.overlaps,
            OnOverlap::Filter => relations.covers,
        };
        decide(
            roles.iter().any(|it| any(&it.deny.subscribe, denies)),
            roles.iter().any(|it| up_to(it, qos) && any(&it.subscribe, relations.covers)),
        )
    };
    let is_allowed = match access {
        Access::Connect => decide(false, !roles.is_empty()),
        Access::Publish { topic, qos, retain } | Access::Will { topic, qos, retain } => {
            publish(topic, qos, retain)
        }
        Access::Subscribe { filter, qos } | Access::Resume { filter, qos } => {
            subscribe(filter, qos)
        }
    };
    if is_allowed { Verdict::Allow } else { Verdict::Deny }
}

fn has_role(rules: &Rules, client: &Client, name: &str) -> bool {
    client.identity.roles.iter().any(|it| **it == *name)
        || rules.bind.iter().any(|it| it.roles.iter().any(|it| it == name) && is_bound(it, client))
}

fn is_bound(binding: &Binding, client: &Client) -> bool {
    let fits = |pattern: &Option<String>, name: Option<&str>| match (pattern, name) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(pattern), Some(name)) => pattern.parse::<NamePattern>().unwrap().matches(name),
    };
    fits(&binding.user, client.identity.owner().map(|user| &**user))
        && fits(&binding.client_id, Some(&client.client_id))
        && binding.claim.iter().all(|(name, value)| {
            client.identity.attributes.contains(&format!("claim.{name}"), value)
        })
        && binding.certificate.iter().all(|(name, value)| {
            client.identity.attributes.contains(&format!("cert.{name}"), value)
        })
        && (binding.listener.is_none() || binding.listener.as_deref() == client.listener.as_deref())
        && binding.address.is_none_or(|network| {
            let address = client.peer.map(|peer| peer.ip().to_canonical());
            address.is_some_and(|address| network.contains(&address))
        })
}

/// Returns the filter with the client's values, if it has them all.
fn filled(template: &str, client: &Client) -> Option<TopicFilter> {
    let fill = |(at, level): (usize, &str)| {
        let value = match level {
            "{client_id}" => Some(client.client_id.to_string()),
            "{username}" => client.identity.owner().map(ToString::to_string),
            "{claim.k}" => client.identity.attributes.single("claim.k").map(str::to_owned),
            "{cert.cn}" => client.identity.attributes.single("cert.cn").map(str::to_owned),
            literal => return Some(literal.to_owned()),
        };
        value.filter(|value| {
            let is_plain = !value.is_empty() && !value.contains(['/', '+', '#', '\0']);
            is_plain && !(at == 0 && value.starts_with('$'))
        })
    };
    let levels: Option<Vec<String>> = template.split('/').enumerate().map(fill).collect();
    TopicFilter::parse(&levels?.join("/")).ok()
}
