//! [`ClientIdRules`]: which client identifiers a user may have.

use serde::Deserialize;

use crate::{NamePattern, ParsePatternError};

/// Ties users to client identifiers, so that nobody takes over the session of another user.
///
/// A user that some rule is for may have only client identifiers that one of these rules names; other users may
/// have any. Where a user is tied, an identifier that the broker assigns is refused like any other.
#[derive(Clone, Debug, Default)]
pub struct ClientIdRules {
    rules: Vec<(NamePattern, Vec<String>)>,
}

/// One rule as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientIdRule {
    /// The users that it is for: a name, or a [pattern](NamePattern).
    pub user: String,
    /// The client identifiers they may have: patterns, in which `{username}` stands for the name of the user.
    pub client_id: Vec<String>,
}

impl ClientIdRules {
    /// Reads rules.
    ///
    /// # Errors
    ///
    /// When a pattern is none.
    pub fn compile(rules: &[ClientIdRule]) -> Result<Self, ParsePatternError> {
        let compile = |rule: &ClientIdRule| {
            for pattern in &rule.client_id {
                pattern.parse::<NamePattern>()?;
            }
            Ok((rule.user.parse()?, rule.client_id.clone()))
        };
        Ok(Self { rules: rules.iter().map(compile).collect::<Result<_, _>>()? })
    }

    /// Returns whether a user, or somebody without a name, may have this client identifier.
    #[must_use]
    pub fn allow(&self, username: Option<&str>, client_id: &str) -> bool {
        let username = username.unwrap_or_default();
        let mut rules = self.rules.iter().filter(|(user, _)| user.matches(username)).peekable();
        let is_free = rules.peek().is_none();
        is_free
            || rules.flat_map(|(_, patterns)| patterns).any(|pattern| {
                let filled = pattern.replace("{username}", &escaped(username));
                filled.parse::<NamePattern>().is_ok_and(|pattern| pattern.matches(client_id))
            })
    }
}

/// Returns a pattern for exactly this name: a user called `*` is no wildcard.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        if matches!(character, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &[(&str, &[&str])], username: Option<&str>, client_id: &str, expected: bool) {
        let rule = |(user, ids): &(&str, &[&str])| ClientIdRule {
            user: (*user).into(),
            client_id: ids.iter().map(|id| (*id).into()).collect(),
        };
        let rules: Vec<_> = rules.iter().map(rule).collect();
        let rules = ClientIdRules::compile(&rules).unwrap();
        assert_eq!(rules.allow(username, client_id), expected, "{username:?} as {client_id:?}");
    }

    #[test]
    fn who_is_tied_has_only_what_a_rule_names() {
        let rules: &[(&str, &[&str])] =
            &[("meter-*", &["{username}", "{username}-?"]), ("meter-7", &["old"]), ("mute", &[])];
        check(rules, Some("meter-7"), "meter-7", true);
        check(rules, Some("meter-7"), "meter-7-b", true);
        check(rules, Some("meter-7"), "old", true);
        check(rules, Some("meter-8"), "old", false);
        check(rules, Some("meter-8"), "meter-7", false);
        check(rules, Some("mute"), "anything", false);
        check(rules, Some("alice"), "anything", true);
        check(rules, None, "anything", true);
        check(&[("*", &["x"])], None, "y", false);
    }

    #[test]
    fn a_name_is_no_pattern() {
        let rules: &[(&str, &[&str])] = &[("*", &["{username}"])];
        check(rules, Some("*"), "victim", false);
        check(rules, Some("*"), "*", true);
        check(rules, Some(r"a\"), r"a\", true);
        check(rules, Some("?"), "a", false);
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let rule = ClientIdRule { user: "a".into(), client_id: vec!["b\\".into()] };
        assert_eq!(ClientIdRules::compile(&[rule]).unwrap_err(), ParsePatternError);
    }
}
