//! Who may do what, and what matches what: written down twice, once for the broker to ask, once slowly.

use flux_auth::{Access, Authorizer, Client, Decision, Verdict};

/// The authorizer of a world. Whether it answers at once is the world's choice; what it answers is not.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Has to be asked.
    pub asks: bool,
}

impl Rules {
    /// Returns the answer.
    pub(crate) fn verdict(access: Access<'_>) -> Verdict {
        let is_allowed = match access {
            Access::Connect | Access::Resume { .. } | Access::Will { .. } => true,
            Access::Publish { topic, .. } => may_publish(topic),
            Access::Subscribe { filter, .. } => may_subscribe(filter),
        };
        if is_allowed { Verdict::Allow } else { Verdict::Deny }
    }
}

impl Authorizer for Rules {
    fn decide(&self, _client: &Client, access: Access<'_>) -> Decision {
        // What came while the question was under way would be dropped for want of an answer.
        let is_known = matches!(access, Access::Resume { .. });
        if self.asks && !is_known { Decision::Ask } else { Self::verdict(access).into() }
    }
}

/// Whether clients may publish to this topic.
#[must_use]
pub(crate) fn may_publish(topic: &str) -> bool {
    topic != FORBIDDEN
}

/// Whether clients may subscribe to this filter.
#[must_use]
pub(crate) fn may_subscribe(filter: &str) -> bool {
    filter != FORBIDDEN
}

/// Whether a filter matches a topic (MQTT 5.0 section 4.7), level by level, as one would by hand.
#[must_use]
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let names: Vec<&str> = topic.split('/').collect();
    let is_hidden = topic.starts_with('$') && filter.starts_with(['+', '#']);
    !is_hidden && levels_match(&levels, &names)
}

fn levels_match(levels: &[&str], names: &[&str]) -> bool {
    match (levels, names) {
        ([], []) | (["#"], _) => true,
        (["+", levels @ ..], [_, names @ ..]) => levels_match(levels, names),
        ([level, levels @ ..], [name, names @ ..]) => level == name && levels_match(levels, names),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

/// Splits the share name off a shared subscription; returns the filter behind it.
#[must_use]
pub(crate) fn shared(filter: &str) -> Option<&str> {
    filter.strip_prefix("$share/")?.split_once('/').map(|(_, filter)| filter)
}

const FORBIDDEN: &str = "d/no";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic) in
            [("#", "a/b"), ("a/#", "a"), ("a/#", "a/b"), ("+/b", "a/b"), ("a/+", "a/b"), ("a", "a")]
        {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in
            [("#", "$c/a"), ("+/a", "$c/a"), ("+", "a/b"), ("a/+", "a"), ("a/b", "a"), ("a", "a/b")]
        {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
        assert_eq!(shared("$share/g/a/#"), Some("a/#"));
        assert_eq!(shared("a/#"), None);
    }
}
