//! [`Explanation`]: which rule decides, and why.

use std::fmt;

use super::judgement::{Ground, Judged, Judgement};
use super::rights::Rights;
use super::ruleset::Ruleset;
use crate::{Access, Client, Verdict};

/// A decision with its reasons, for people. It prints as several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What is decided.
    pub verdict: Verdict,
    /// Why: one reason for each question, such as whether a message may be published and whether it may be
    /// retained. All have to be allowed.
    pub reasons: Vec<Reason>,
    /// The roles of the client.
    pub roles: Vec<String>,
    /// Placeholders of the rules that the client does not fill, and why.
    pub unfilled: Vec<String>,
}

/// The answer to one question, and its ground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A rule decides.
    Rule {
        /// What it decides.
        verdict: Verdict,
        /// The question: `publish`, say.
        action: &'static str,
        /// The role that the rule belongs to.
        role: String,
        /// The list of the role that the rule is in.
        list: &'static str,
        /// The filter as it is written.
        filter: String,
    },
    /// The client has a role, and so it may connect.
    Role {
        /// One of its roles.
        role: String,
    },
    /// No rule decides, so the default does.
    Default {
        /// What it decides.
        verdict: Verdict,
        /// The question.
        action: &'static str,
        /// Whether the rules say themselves what the default is.
        is_written: bool,
        /// Rules that would allow it at a lower QoS: their role, its highest QoS and the filter.
        at_lower_qos: Vec<(String, u8, String)>,
    },
    /// What is asked about is no topic name, or no topic filter.
    Malformed {
        /// The question.
        action: &'static str,
    },
}

impl Explanation {
    pub(super) fn of(rights: &Rights, client: &Client, access: Access<'_>) -> Self {
        let ruleset = &*rights.ruleset;
        let judgement = Judgement::of(rights, access);
        let first = reason(ruleset, judgement.first, action(access), || {
            at_lower_qos(rights, access, |judgement| Some(judgement.first))
        });
        let retain = judgement.retain.map(|judged| {
            reason(ruleset, judged, "retain", || at_lower_qos(rights, access, |it| it.retain))
        });
        Self {
            verdict: judgement.verdict(),
            reasons: std::iter::once(first).chain(retain).collect(),
            roles: rights.roles().map(str::to_owned).collect(),
            unfilled: unfilled(rights, client),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Allow => "allowed",
            Verdict::Deny => "denied",
        };
        writeln!(f, "{verdict}")?;
        for reason in &self.reasons {
            writeln!(f, "  {reason}")?;
        }
        match self.roles.as_slice() {
            [] => write!(f, "  roles: none, no binding fits this client")?,
            roles => write!(f, "  roles: {}", roles.join(", "))?,
        }
        for unfilled in &self.unfilled {
            write!(f, "\n  {unfilled}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { verdict, action, role, list, filter } => {
                let verb = match verdict {
                    Verdict::Allow => "allows",
                    Verdict::Deny => "denies",
                };
                write!(f, "{action}: role `{role}` {verb} it: {list} = `{filter}`")
            }
            Self::Role { role } => write!(f, "connect: it has a role: `{role}`"),
            Self::Default { verdict, action, is_written, at_lower_qos } => {
                let verb = match verdict {
                    Verdict::Allow => "allows",
                    Verdict::Deny => "denies",
                };
                let whose = if *is_written { "the rules" } else { "the broker, `acl.default`," };
                write!(f, "{action}: no rule says anything, and the default of {whose} {verb} it")?;
                for (role, max_qos, filter) in at_lower_qos {
                    write!(f, "; role `{role}` allows `{filter}` up to QoS {max_qos}")?;
                }
                Ok(())
            }
            Self::Malformed { action } => {
                write!(f, "{action}: what is asked about is no topic name, or no topic filter")
            }
        }
    }
}

fn action(access: Access<'_>) -> &'static str {
    match access {
        Access::Connect => "connect",
        Access::Publish { .. } => "publish",
        Access::Will { .. } => "will",
        Access::Subscribe { .. } => "subscribe",
        Access::Resume { .. } => "resume",
    }
}

fn reason(
    ruleset: &Ruleset,
    judged: Judged,
    action: &'static str,
    at_lower_qos: impl FnOnce() -> Vec<(String, u8, String)>,
) -> Reason {
    let Judged { verdict, ground } = judged;
    let is_written = ruleset.is_default_written;
    let by_default = |at_lower_qos| Reason::Default { verdict, action, is_written, at_lower_qos };
    let role = |role: usize| ruleset.roles.get(role).map(ToString::to_string).unwrap_or_default();
    match ground {
        Ground::Rule(number) => match ruleset.rules.get(number) {
            Some(rule) => {
                let (role, filter) = (role(rule.role), rule.filter.to_string());
                Reason::Rule { verdict, action, role, list: rule.list, filter }
            }
            None => by_default(Vec::new()),
        },
        Ground::Role(number) => Reason::Role { role: role(number) },
        Ground::Default => by_default(at_lower_qos()),
        Ground::Malformed => Reason::Malformed { action },
    }
}

/// Asks once more at QoS 0, and returns the rule that allows it then.
fn at_lower_qos(
    rights: &Rights,
    access: Access<'_>,
    judged: impl FnOnce(Judgement) -> Option<Judged>,
) -> Vec<(String, u8, String)> {
    let lower = match access {
        Access::Connect => return Vec::new(),
        Access::Publish { topic, retain, .. } => Access::Publish { topic, qos: 0, retain },
        Access::Will { topic, retain, .. } => Access::Will { topic, qos: 0, retain },
        Access::Subscribe { filter, .. } => Access::Subscribe { filter, qos: 0 },
        Access::Resume { filter, .. } => Access::Resume { filter, qos: 0 },
    };
    let Some(Judged { verdict: Verdict::Allow, ground: Ground::Rule(number) }) =
        judged(Judgement::of(rights, lower))
    else {
        return Vec::new();
    };
    let rule = rights.ruleset.rules.get(number);
    let of = |rule: &super::ruleset::Rule| {
        let role = rights.ruleset.roles.get(rule.role)?;
        Some((role.to_string(), rule.max_qos, rule.filter.to_string()))
    };
    rule.and_then(of).into_iter().collect()
}

fn unfilled(rights: &Rights, client: &Client) -> Vec<String> {
    let sentence = |placeholder: &super::template::Placeholder| {
        let text = placeholder.text();
        match placeholder.value(client) {
            Some(value) => {
                format!("{text} matches nothing: `{value}` is not one plain level")
            }
            None => format!("{text} matches nothing: the client has none, or several"),
        }
    };
    rights.unfilled().map(sentence).collect()
}
