//! Rules as they are written.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Deserialize;

use crate::Verdict;

/// Who may do what, as a file says it.
///
/// - A **role** is a list of topic filters for each thing that one can do, and for each thing that is denied.
/// - A **binding** says who has which roles. A client may have several; their rules add up. Who has none, and is not
///   allowed by default, may not connect.
/// - **Any deny wins, else any allow, else the default.** The order of rules and roles means nothing.
/// - A PUBLISH with the retain flag asks twice: whether it may be published, and whether it may be retained. A will asks
///   like a PUBLISH.
/// - A SUBSCRIBE is allowed if *one* allowed filter covers all that is asked. Of a shared subscription the
///   inner filter counts. A denied filter that overlaps it refuses it, or see [`OnOverlap`].
/// - A filter that starts with a wildcard matches no topic that starts with `$` `[MQTT-4.7.2-1]`: `$SYS` has to
///   be granted by name.
/// - A **placeholder** stands for a whole level: `{client_id}`, `{username}`, `{cert.cn}`, `{claim.site}`. A value
///   that is not exactly one plain level (empty, with `/`, `+`, `#` or U+0000, several values, or in the first
///   level with `$` in front) fills nothing: the rule does not match.
///
/// - The **user** is the name that an authenticator vouches for ([`owner`](crate::Identity::owner)): a name that a client merely
///   gave has the rights of no user and fills no `{username}`, also in a broker that asks nobody for a proof.
///
/// ```
/// let rules: flux_auth::Rules = toml::from_str(r#"
///     [roles.device]
///     publish = ["dev/{client_id}/up/#", "dev/{client_id}/state"]
///     subscribe = ["dev/{client_id}/down/#"]
///     retain = ["dev/{client_id}/state"]
///     max_qos = 1
///
///     [roles.operator]
///     publish = ["dev/+/down/#"]
///     subscribe = ["dev/#", "$SYS/#"]
///     deny.publish = ["dev/+/down/reset"]
///
///     [[bind]]
///     user = "meter-*"
///     roles = ["device"]
///
///     [[bind]]
///     claim = { group = "operators" }
///     address = "10.0.0.0/8"
///     roles = ["operator"]
/// "#)?;
/// assert_eq!(rules.roles["device"].max_qos, Some(1));
/// # Ok::<(), toml::de::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// What is decided where no rule matches; `None` leaves it to the broker: what its `acl.default` says, else that
    /// it is denied.
    pub default: Option<Otherwise>,
    /// What becomes of a subscription that reaches into what is denied.
    pub on_overlap: OnOverlap,
    /// The roles, by name.
    pub roles: BTreeMap<String, Role>,
    /// Who has which roles.
    pub bind: Vec<Binding>,
}

/// What clients with this role may do, and what they may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Role {
    /// For people.
    pub description: String,
    /// Filters of the topics that may be published to.
    pub publish: Vec<String>,
    /// Filters that may be subscribed to, with whatever lies within them.
    pub subscribe: Vec<String>,
    /// Filters of the topics whose retained message may be set; they have to be publishable, too.
    pub retain: Vec<String>,
    /// The highest QoS that this role allows: 0, 1 or 2, which is the default. Denials hold at every QoS.
    pub max_qos: Option<u8>,
    /// What is denied, whatever this or another role allows.
    pub deny: Denied,
}

/// What a role denies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Denied {
    /// Filters of the topics that may not be published to.
    pub publish: Vec<String>,
    /// Filters of the topics that may not be received.
    pub subscribe: Vec<String>,
    /// Filters of the topics whose retained message may not be set.
    pub retain: Vec<String>,
}

/// Gives roles to the clients that fulfil all conditions which are set.
///
/// At least one must be set, or [`everyone`](Self::everyone).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Binding {
    /// The roles.
    pub roles: Vec<String>,
    /// All clients, also those without a name.
    pub everyone: bool,
    /// The user name: exact, or a [pattern](crate::NamePattern) with `*` and `?`.
    pub user: Option<String>,
    /// The client identifier, exact or a pattern. It proves nothing by itself: anyone may choose it.
    pub client_id: Option<String>,
    /// Claims of a token, by name: one value of each must be this one.
    pub claim: BTreeMap<String, String>,
    /// Fields of a client certificate, by name ([`CERTIFICATE_FIELDS`](crate::CERTIFICATE_FIELDS)): one value of each must be this one.
    pub certificate: BTreeMap<String, String>,
    /// The name of the listener that the client came in by.
    pub listener: Option<String>,
    /// The network that the client's address lies in.
    pub address: Option<IpNet>,
}

/// What is decided where no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Otherwise {
    /// What nobody denies is allowed.
    Allow,
    /// What nobody allows is denied.
    Deny,
}

impl From<Otherwise> for Verdict {
    fn from(otherwise: Otherwise) -> Self {
        match otherwise {
            Otherwise::Allow => Self::Allow,
            Otherwise::Deny => Self::Deny,
        }
    }
}

/// What becomes of a subscription that is allowed, but reaches into what is denied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOverlap {
    /// It is refused.
    #[default]
    Refuse,
    /// It is granted, unless all of it is denied, and each message has to be looked at before it is
    /// delivered: see [`Authorizer::may_receive`](crate::Authorizer::may_receive).
    Filter,
}
