//! [`RuleErrors`]: all that is wrong with rules.

use std::error::Error;
use std::fmt;

use flux_topic::ParseFilterError;
use thiserror::Error;

use super::pattern::ParsePatternError;
use crate::CERTIFICATE_FIELDS;

/// All that is wrong with some rules, in the order of roles and bindings; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleErrors(pub Vec<RuleError>);

impl fmt::Display for RuleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl Error for RuleErrors {}

/// One thing that is wrong with rules. Bindings count from 1, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RuleError {
    /// A filter is none.
    #[error("role `{role}`, {list}: `{filter}`: {error}")]
    Filter {
        /// The role.
        role: String,
        /// Which of its lists.
        list: &'static str,
        /// The filter as it is written.
        filter: String,
        /// Why it is no filter.
        error: ParseFilterError,
    },
    /// A filter is one of a shared subscription.
    #[error(
        "role `{role}`, {list}: `{filter}` names a group: write the filter behind `$share/name/` alone, \
         rules are about topics"
    )]
    Shared {
        /// The role.
        role: String,
        /// Which of its lists.
        list: &'static str,
        /// The filter as it is written.
        filter: String,
    },
    /// A filter is deeper than the broker reads.
    #[error("role `{role}`, {list}: `{filter}` has {levels} levels, the limit is {max}")]
    TooManyLevels {
        /// The role.
        role: String,
        /// Which of its lists.
        list: &'static str,
        /// The filter as it is written.
        filter: String,
        /// How many levels it has.
        levels: usize,
        /// How many it may have.
        max: usize,
    },
    /// A level in braces is no placeholder.
    #[error(
        "role `{role}`, {list}: `{filter}`: there is no `{placeholder}`: write {{client_id}}, {{username}}, \
         {{claim.NAME}}, or {{cert.NAME}} with one of these names: {}",
        CERTIFICATE_FIELDS.join(", ")
    )]
    UnknownPlaceholder {
        /// The role.
        role: String,
        /// Which of its lists.
        list: &'static str,
        /// The filter as it is written.
        filter: String,
        /// What stands in braces, with them.
        placeholder: String,
    },
    /// A placeholder is a part of a level.
    #[error(
        "role `{role}`, {list}: `{filter}`: `{level}` is more than a placeholder: it must be a whole level, \
         between two `/`"
    )]
    PlaceholderNotAlone {
        /// The role.
        role: String,
        /// Which of its lists.
        list: &'static str,
        /// The filter as it is written.
        filter: String,
        /// The level.
        level: String,
    },
    /// There is no such QoS.
    #[error("role `{role}`: max_qos is {max_qos}, the limit is 2")]
    MaxQos {
        /// The role.
        role: String,
        /// What is written.
        max_qos: u8,
    },
    /// A binding names a role that is not defined.
    #[error(
        "binding {binding}: there is no role `{role}`: define [roles.{role}], or name one of: {known}"
    )]
    UnknownRole {
        /// Which binding.
        binding: usize,
        /// The role it names.
        role: String,
        /// The roles there are.
        known: String,
    },
    /// A binding asks for what no certificate says.
    #[error(
        "binding {binding}: a certificate has no `{field}`: write one of {}",
        CERTIFICATE_FIELDS.join(", ")
    )]
    UnknownField {
        /// Which binding.
        binding: usize,
        /// The field it names.
        field: String,
    },
    /// A binding says for nobody what it gives.
    #[error(
        "binding {binding} has no condition: write user = \"..\", or everyone = true if all are meant"
    )]
    NoCondition {
        /// Which binding.
        binding: usize,
    },
    /// A binding has conditions and is for everyone.
    #[error("binding {binding} is for everyone and has conditions: remove one or the other")]
    EveryoneAndConditions {
        /// Which binding.
        binding: usize,
    },
    /// A binding gives nothing.
    #[error("binding {binding} gives no roles: write roles = [\"..\"]")]
    NoRoles {
        /// Which binding.
        binding: usize,
    },
    /// A pattern of names is none.
    #[error("binding {binding}: `{pattern}`: {error}")]
    Pattern {
        /// Which binding.
        binding: usize,
        /// The pattern as it is written.
        pattern: String,
        /// What is wrong with it.
        error: ParsePatternError,
    },
}
