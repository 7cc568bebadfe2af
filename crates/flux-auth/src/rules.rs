//! Roles: rules written in a file, and the authorizer that they become.
//!
//! [`Rules`] is plain data. Compiled, it is a [`Ruleset`]; a [`RoleAuthorizer`] decides by one, and may
//! be given another while it runs. The words:
//!
//! - A **role** is a list of topic filters for each thing that one can do, and for each thing that is denied.
//! - A **binding** says who has which roles. A client may have several; their rules add up.
//! - **Any deny wins, else any allow, else the default.** The order of rules and roles means nothing.
//! - A PUBLISH with the retain flag asks twice: whether it may be published, and whether it may be retained.
//! - A SUBSCRIBE is allowed if *one* allowed filter covers all that is asked. Of a shared subscription the
//!   inner filter counts. A denied filter that overlaps it refuses it, or see [`OnOverlap`].
//! - A filter that starts with a wildcard matches no topic that starts with `$` `[MQTT-4.7.2-1]`: `$SYS` has to
//!   be granted by name.
//! - A **placeholder** stands for a whole level: `{client_id}`, `{username}`, `{cert.cn}`, `{claim.site}`. A value
//!   that is not exactly one plain level (empty, with `/`, `+`, `#` or U+0000, several values, or in the first
//!   level with `$` in front) fills nothing: the rule does not match.

mod authorizer;
mod binding;
mod cache;
mod description;
mod error;
mod explanation;
mod judgement;
mod pattern;
mod rights;
mod ruleset;
mod template;
#[cfg(test)]
mod tests;
mod tree;

pub use self::authorizer::RoleAuthorizer;
pub use self::cache::VerdictCache;
pub use self::description::{Binding, Denied, OnOverlap, Otherwise, Role, Rules};
pub use self::error::{RuleError, RuleErrors};
pub use self::explanation::{Explanation, Reason};
pub use self::pattern::{NamePattern, ParsePatternError};
pub(crate) use self::rights::KeptRights;
pub use self::rights::Rights;
pub use self::ruleset::Ruleset;
