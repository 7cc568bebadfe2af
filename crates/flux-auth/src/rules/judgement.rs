//! [`Judgement`]: one access held against the rights of a client.

use flux_topic::{TopicFilter, TopicName};

use super::description::OnOverlap;
use super::rights::Rights;
use super::tree::{Entry, Kind};
use crate::{Access, Verdict};

/// What is decided about an access, and on what grounds. It is the same for a decision and its explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    /// About the access itself.
    pub(super) first: Judged,
    /// About its retain flag.
    pub(super) retain: Option<Judged>,
}

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) ground: Ground,
}

/// Why it is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// The rule with this number.
    Rule(usize),
    /// The client has this role, and so it may connect.
    Role(usize),
    /// No rule says anything: the default does.
    Default,
    /// The text is no topic name or filter; the broker lets none through.
    Malformed,
}

impl Judgement {
    pub(super) fn of(rights: &Rights, access: Access<'_>) -> Self {
        match access {
            Access::Connect => Self { first: connect(rights), retain: None },
            Access::Publish { topic, qos, retain } | Access::Will { topic, qos, retain } => {
                publish(rights, topic, qos, retain)
            }
            Access::Subscribe { filter, qos } | Access::Resume { filter, qos } => {
                Self { first: subscribe(rights, filter, qos), retain: None }
            }
        }
    }

    pub(super) fn verdict(self) -> Verdict {
        match (self.first.verdict, self.retain.map(|judged| judged.verdict)) {
            (Verdict::Allow, None | Some(Verdict::Allow)) => Verdict::Allow,
            (Verdict::Deny, _) | (_, Some(Verdict::Deny)) => Verdict::Deny,
        }
    }
}

/// Who has a role may connect, also if there is nothing that it may do.
fn connect(rights: &Rights) -> Judged {
    match rights.first_role() {
        Some(role) => Judged { verdict: Verdict::Allow, ground: Ground::Role(role) },
        None => by_default(rights),
    }
}

fn publish(rights: &Rights, topic: &str, qos: u8, retain: bool) -> Judgement {
    let Ok(topic) = TopicName::parse(topic) else {
        return Judgement { first: MALFORMED, retain: None };
    };
    let (mut published, mut retained) = (Found::default(), Found::default());
    rights.ruleset.topics.matching(topic, rights.asker(), &mut |entry| match entry.kind {
        Kind::AllowPublish => published.allow(entry, qos),
        Kind::DenyPublish => published.deny(entry),
        Kind::AllowRetain => retained.allow(entry, qos),
        Kind::DenyRetain => retained.deny(entry),
        Kind::AllowSubscribe | Kind::DenySubscribe => {}
    });
    Judgement { first: published.judged(rights), retain: retain.then(|| retained.judged(rights)) }
}

fn subscribe(rights: &Rights, filter: &str, qos: u8) -> Judged {
    let Ok(filter) = TopicFilter::parse(filter) else { return MALFORMED };
    let (ruleset, mut found) = (&rights.ruleset, Found::default());
    match ruleset.on_overlap {
        OnOverlap::Refuse => found.deny = ruleset.overlaps.first(&filter, rights.asker()),
        OnOverlap::Filter => {
            let mut deny = |entry: &Entry| found.deny(entry);
            ruleset.denied_filters.covering(&filter, rights.asker(), &mut deny);
        }
    }
    ruleset.allowed_filters.covering(&filter, rights.asker(), &mut |entry| {
        found.allow(entry, qos);
    });
    found.judged(rights)
}

/// The rules that were found for one question: of each kind the one with the lowest number.
#[derive(Clone, Copy, Default)]
struct Found {
    allow: Option<usize>,
    deny: Option<usize>,
}

impl Found {
    fn allow(&mut self, entry: &Entry, qos: u8) {
        if qos <= entry.max_qos {
            keep_lowest(&mut self.allow, entry.rule);
        }
    }

    fn deny(&mut self, entry: &Entry) {
        keep_lowest(&mut self.deny, entry.rule);
    }

    fn judged(self, rights: &Rights) -> Judged {
        match (self.deny, self.allow) {
            (Some(rule), _) => Judged { verdict: Verdict::Deny, ground: Ground::Rule(rule) },
            (None, Some(rule)) => Judged { verdict: Verdict::Allow, ground: Ground::Rule(rule) },
            (None, None) => by_default(rights),
        }
    }
}

fn keep_lowest(kept: &mut Option<usize>, rule: usize) {
    *kept = Some(kept.map_or(rule, |kept| kept.min(rule)));
}

fn by_default(rights: &Rights) -> Judged {
    Judged { verdict: rights.ruleset.otherwise.into(), ground: Ground::Default }
}

const MALFORMED: Judged = Judged { verdict: Verdict::Deny, ground: Ground::Malformed };
