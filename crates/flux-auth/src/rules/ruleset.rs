//! [`Ruleset`]: rules that have been read, numbered and indexed.

use std::collections::BTreeMap;
use std::fmt;

use super::binding::Bindings;
use super::description::{OnOverlap, Otherwise, Role, Rules};
use super::error::{RuleError, RuleErrors};
use super::overlaps::Overlaps;
use super::template::{Placeholder, Template};
use super::tree::{Entry, Kind, RuleTree};

/// [`Rules`], compiled: all are valid, and found by what they are about.
pub struct Ruleset {
    pub(super) otherwise: Otherwise,
    pub(super) is_default_written: bool,
    pub(super) on_overlap: OnOverlap,
    /// By their numbers, in alphabetical order.
    pub(super) roles: Vec<Box<str>>,
    /// By their numbers.
    pub(super) rules: Vec<Rule>,
    pub(super) placeholders: Vec<Placeholder>,
    pub(super) bindings: Bindings,
    /// About publishing and retaining.
    pub(super) topics: RuleTree,
    /// About subscribing: what is allowed, what is denied.
    pub(super) allowed_filters: RuleTree,
    pub(super) denied_filters: RuleTree,
    /// The denied once more.
    pub(super) overlaps: Overlaps,
}

/// A rule as it is written.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) role: usize,
    pub(super) list: &'static str,
    pub(super) filter: Box<str>,
    pub(super) max_qos: u8,
}

impl Ruleset {
    /// Compiles rules. Where they do not say what the default is, it is `otherwise`.
    ///
    /// # Errors
    ///
    /// With all that is wrong, if anything is.
    pub fn compile(rules: &Rules, otherwise: Otherwise) -> Result<Self, RuleErrors> {
        let mut errors = Vec::new();
        let numbers: BTreeMap<&str, usize> =
            rules.roles.keys().map(String::as_str).zip(0..).collect();
        let mut ruleset = Self {
            otherwise: rules.default.unwrap_or(otherwise),
            is_default_written: rules.default.is_some(),
            on_overlap: rules.on_overlap,
            roles: rules.roles.keys().map(|name| name.as_str().into()).collect(),
            rules: Vec::new(),
            placeholders: Vec::new(),
            bindings: Bindings::compile(&[], &numbers, &mut errors),
            topics: RuleTree::new(),
            allowed_filters: RuleTree::new(),
            denied_filters: RuleTree::new(),
            overlaps: Overlaps::default(),
        };
        for (number, (name, role)) in rules.roles.iter().enumerate() {
            ruleset.add_role(number, name, role, &mut errors);
        }
        ruleset.bindings = Bindings::compile(&rules.bind, &numbers, &mut errors);
        if errors.is_empty() { Ok(ruleset) } else { Err(RuleErrors(errors)) }
    }

    /// Returns how many rules there are: one for each filter of each list.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// Whether messages are held back that a client subscribed to and may not have.
    pub(super) fn filters_deliveries(&self) -> bool {
        self.on_overlap == OnOverlap::Filter
    }

    /// Returns the names of the listeners that bindings are for. A binding for one that there is not never holds.
    pub fn bound_listeners(&self) -> impl Iterator<Item = &str> {
        self.bindings.listeners()
    }

    /// Returns the names of the roles, in alphabetical order.
    pub fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|name| &**name)
    }

    fn add_role(&mut self, number: usize, name: &str, role: &Role, errors: &mut Vec<RuleError>) {
        let Role { description: _, publish, subscribe, retain, max_qos, deny } = role;
        let max_qos = max_qos.unwrap_or(HIGHEST_QOS);
        if max_qos > HIGHEST_QOS {
            errors.push(RuleError::MaxQos { role: name.to_owned(), max_qos });
        }
        let lists = [
            (Kind::AllowPublish, "publish", publish),
            (Kind::AllowSubscribe, "subscribe", subscribe),
            (Kind::AllowRetain, "retain", retain),
            (Kind::DenyPublish, "deny.publish", &deny.publish),
            (Kind::DenySubscribe, "deny.subscribe", &deny.subscribe),
            (Kind::DenyRetain, "deny.retain", &deny.retain),
        ];
        for (kind, list, filters) in lists {
            for filter in filters {
                let number_of = |it| number_of(&mut self.placeholders, it);
                let template = match Template::parse(name, list, filter, number_of) {
                    Ok(template) => template,
                    Err(error) => {
                        errors.push(error);
                        continue;
                    }
                };
                let entry = Entry { rule: self.rules.len(), role: number, kind, max_qos };
                let filter = filter.as_str().into();
                self.rules.push(Rule { role: number, list, filter, max_qos });
                match kind {
                    Kind::AllowSubscribe => self.allowed_filters.insert(&template, entry),
                    Kind::DenySubscribe => {
                        self.denied_filters.insert(&template, entry);
                        self.overlaps.insert(&template, entry.rule, entry.role);
                    }
                    Kind::AllowPublish
                    | Kind::AllowRetain
                    | Kind::DenyPublish
                    | Kind::DenyRetain => self.topics.insert(&template, entry),
                }
            }
        }
    }
}

impl fmt::Debug for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruleset")
            .field("roles", &self.roles.len())
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// Returns the number of a placeholder: the same for the same one.
fn number_of(placeholders: &mut Vec<Placeholder>, placeholder: Placeholder) -> usize {
    let known = placeholders.iter().position(|other| *other == placeholder);
    known.unwrap_or_else(|| {
        placeholders.push(placeholder);
        placeholders.len() - 1
    })
}

const HIGHEST_QOS: u8 = 2;
