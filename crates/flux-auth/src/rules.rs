//! Roles: rules written in a file, and the authorizer that they become.
//!
//! [`Rules`] is plain data, and says what the words mean. Compiled, it is a [`Ruleset`]; a [`RoleAuthorizer`] decides by
//! one, and may be given another while it runs.

mod authorizer;
mod binding;
mod description;
mod error;
mod explanation;
mod judgement;
mod overlaps;
mod pattern;
mod rights;
mod ruleset;
mod template;
#[cfg(test)]
mod tests;
mod tree;

pub use self::authorizer::RoleAuthorizer;
pub use self::description::{Binding, Denied, OnOverlap, Otherwise, Role, Rules};
pub use self::error::{RuleError, RuleErrors};
pub use self::explanation::{Explanation, Reason};
pub use self::pattern::{NamePattern, ParsePatternError};
pub(crate) use self::rights::KeptRights;
pub use self::rights::Rights;
pub use self::ruleset::Ruleset;
