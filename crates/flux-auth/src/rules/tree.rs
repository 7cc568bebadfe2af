//! [`RuleTree`]: which of many rules concern a topic or a filter, found level by level.

use flux_topic::{LevelArena, Levels, NodeId, TopicFilter, TopicName};
use hashbrown::DefaultHashBuilder;

use super::template::{Template, TemplateLevel};

/// Rules, indexed by the levels of their filters.
///
/// A literal level is a branch of its own name, a wildcard or a placeholder one with a name that begins with
/// `+`, which no level of a topic does. A placeholder's branch is open to a client whose value is the level
/// asked about, so rules are the same nodes for all clients. A question costs what the part of the tree costs
/// that concerns it, however many roles have rules for the same topics.
pub(super) struct RuleTree {
    arena: LevelArena<Branch, DefaultHashBuilder>,
}

/// One rule, where its filter ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its number: rules of lower numbers are named first where several decide.
    pub(super) rule: usize,
    pub(super) role: usize,
    pub(super) kind: Kind,
    /// The highest QoS at which it allows.
    pub(super) max_qos: u8,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    AllowPublish,
    AllowRetain,
    AllowSubscribe,
    DenyPublish,
    DenyRetain,
    DenySubscribe,
}

/// For whom rules are looked for: others' rules are not visited.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// Its roles, in ascending order.
    pub(super) roles: &'a [usize],
    /// What it has for each placeholder, by its number.
    pub(super) values: &'a [Option<Box<str>>],
}

impl<'a> Asker<'a> {
    /// Returns what it has for a placeholder.
    pub(super) fn value(self, placeholder: usize) -> Option<&'a str> {
        self.values.get(placeholder)?.as_deref()
    }
}

impl RuleTree {
    pub(super) fn new() -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { arena: LevelArena::with_hasher(Branch::default(), hasher) }
    }

    /// Adds a rule. Roles come in ascending order.
    pub(super) fn insert(&mut self, template: &Template, entry: Entry) {
        let mut id = NodeId::ROOT;
        for level in with_least_levels(&template.levels) {
            id = match level {
                TemplateLevel::Literal(level) => self.child_or_add(id, level, |_, _| {}),
                TemplateLevel::Plus => {
                    self.child_or_add(id, "+", |branch, child| branch.plus = Some(child))
                }
                TemplateLevel::Placeholder(number) => {
                    self.child_or_add(id, &format!("+{number}"), |branch, child| {
                        branch.placeholders.push((*number, child));
                    })
                }
                TemplateLevel::Hash => {
                    push(&mut self.arena[id].below, entry);
                    return;
                }
            };
        }
        push(&mut self.arena[id].here, entry);
    }

    /// Visits each rule whose filter matches `topic`.
    pub(super) fn matching(
        &self,
        topic: TopicName<'_>,
        asker: Asker<'_>,
        visit: &mut impl FnMut(&Entry),
    ) {
        let walk = Walk { tree: self, asker, reserved: topic.is_reserved() };
        walk.cover(NodeId::ROOT, topic.levels(), visit);
    }

    /// Visits each rule whose filter covers the pattern of `filter`: see [`TopicFilter::covers`].
    pub(super) fn covering(
        &self,
        filter: &TopicFilter,
        asker: Asker<'_>,
        visit: &mut impl FnMut(&Entry),
    ) {
        let least = filter_with_least_levels(filter);
        let walk = Walk { tree: self, asker, reserved: filter.pattern().starts_with('$') };
        walk.cover(NodeId::ROOT, least.as_ref().unwrap_or(filter).levels(), visit);
    }

    fn child_or_add(
        &mut self,
        parent: NodeId,
        level: &str,
        enter: impl FnOnce(&mut Branch, NodeId),
    ) -> NodeId {
        let (child, is_new) = self.arena.child_or_add(parent, level, Branch::default());
        if is_new {
            enter(&mut self.arena[parent], child);
        }
        child
    }
}

/// What a node knows of its children, and the rules that end at it.
#[derive(Default)]
struct Branch {
    plus: Option<NodeId>,
    /// By the numbers of the placeholders.
    placeholders: Vec<(usize, NodeId)>,
    /// By their roles.
    here: Vec<Entry>,
    /// Rules that end here with a `#`, by their roles.
    below: Vec<Entry>,
}

/// One question. It recurs once for each level of a rule, which are few.
struct Walk<'a> {
    tree: &'a RuleTree,
    asker: Asker<'a>,
    /// Whether what is asked about starts with `$`, so that no wildcard in the first level sees it.
    reserved: bool,
}

impl Walk<'_> {
    /// As `flux_topic` covers: what the levels leave open, the rule must leave open.
    fn cover(&self, id: NodeId, mut levels: Levels<'_>, visit: &mut impl FnMut(&Entry)) {
        let branch = &self.tree.arena[id];
        self.visit(&branch.below, visit);
        let Some(level) = levels.next() else {
            self.visit(&branch.here, visit);
            return;
        };
        if level == "#" {
            return;
        }
        if let Some(plus) = branch.plus.filter(|_| !self.is_hidden(id)) {
            self.cover(plus, levels.clone(), visit);
        }
        if level == "+" {
            return;
        }
        for child in self.filled(id, level) {
            self.cover(child, levels.clone(), visit);
        }
        if let Some(child) = self.tree.arena.child(id, level) {
            self.cover(child, levels, visit);
        }
    }

    /// Returns the children behind placeholders that the client fills with this level.
    fn filled(&self, id: NodeId, level: &str) -> impl Iterator<Item = NodeId> {
        self.tree.arena[id].placeholders.iter().filter_map(move |(number, child)| {
            // Whoever chooses a name must not choose `$SYS`.
            let is_open = self.asker.value(*number) == Some(level)
                && (id != NodeId::ROOT || !level.starts_with('$'));
            is_open.then_some(*child)
        })
    }

    /// Visits those that belong to a role of the asker.
    fn visit(&self, entries: &[Entry], visit: &mut impl FnMut(&Entry)) {
        let roles = self.asker.roles;
        if entries.len() <= FEW {
            let held = entries.iter().filter(|entry| roles.binary_search(&entry.role).is_ok());
            held.for_each(visit);
            return;
        }
        for role in roles {
            let start = entries.partition_point(|entry| entry.role < *role);
            let rest = entries.get(start..).unwrap_or_default();
            rest.iter().take_while(|entry| entry.role == *role).for_each(&mut *visit);
        }
    }

    fn is_hidden(&self, id: NodeId) -> bool {
        self.reserved && id == NodeId::ROOT
    }
}

fn push(entries: &mut Vec<Entry>, entry: Entry) {
    let is_in_order = entries.last().is_none_or(|last| last.role <= entry.role);
    debug_assert!(is_in_order, "rules come in the order of their roles");
    entries.push(entry);
}

/// A name has at least one level, and is not empty `[MQTT-4.7.3-1]`: `#` is `+/#`, and `/#` is `/+/#`.
pub(super) fn with_least_levels(levels: &[TemplateLevel]) -> Vec<&TemplateLevel> {
    use TemplateLevel::{Hash, Literal, Plus};
    let mut least: Vec<_> = levels.iter().collect();
    match levels {
        [Hash] => least.insert(0, &Plus),
        [Literal(first), Hash] if first.is_empty() => least.insert(1, &Plus),
        _ => {}
    }
    least
}

/// The same for a filter that is asked about; `None` when it is as it should be.
pub(super) fn filter_with_least_levels(filter: &TopicFilter) -> Option<TopicFilter> {
    let least = match filter.pattern() {
        "#" => "+/#",
        "/#" => "/+/#",
        _ => return None,
    };
    TopicFilter::parse(least).ok()
}

/// So many rules are looked at one after the other; in tests hardly any, so that both ways are taken.
const FEW: usize = if cfg!(test) { 1 } else { 8 };
