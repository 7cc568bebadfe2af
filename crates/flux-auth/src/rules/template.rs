//! [`Template`]: the filter of a rule, with placeholders for whole levels.

use flux_topic::TopicFilter;

use super::error::RuleError;
use crate::{CERTIFICATE_FIELDS, Client};

/// A filter whose levels may be placeholders.
///
/// **Invariant:** with any plain level for each placeholder it is a topic filter, of no shared subscription.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) levels: Vec<TemplateLevel>,
}

impl Template {
    /// Reads a filter of the list `list` of a role; `number` returns the number of a placeholder.
    pub(super) fn parse(
        role: &str,
        list: &'static str,
        filter: &str,
        mut number: impl FnMut(Placeholder) -> usize,
    ) -> Result<Self, RuleError> {
        let (role, text) = (|| role.to_owned(), || filter.to_owned());
        let mut plain = Vec::new();
        let mut levels = Vec::new();
        for level in filter.split('/') {
            let (read, stands_in) = match braced(level) {
                Some(name) => {
                    let placeholder =
                        Placeholder::parse(name).filter(Placeholder::can_be).ok_or_else(|| {
                            let placeholder = level.to_owned();
                            RuleError::UnknownPlaceholder {
                                role: role(),
                                list,
                                filter: text(),
                                placeholder,
                            }
                        })?;
                    // As long, so that errors name the place.
                    (TemplateLevel::Placeholder(number(placeholder)), "x".repeat(level.len()))
                }
                None if has_placeholder(level) => {
                    let level = level.to_owned();
                    return Err(RuleError::PlaceholderNotAlone {
                        role: role(),
                        list,
                        filter: text(),
                        level,
                    });
                }
                None => (TemplateLevel::of(level), level.to_owned()),
            };
            levels.push(read);
            plain.push(stands_in);
        }
        let parsed = TopicFilter::parse(&plain.join("/")).map_err(|error| RuleError::Filter {
            role: role(),
            list,
            filter: text(),
            error,
        })?;
        if parsed.share_name().is_some() {
            return Err(RuleError::Shared { role: role(), list, filter: text() });
        }
        if levels.len() > MAX_LEVELS {
            let (levels, max) = (levels.len(), MAX_LEVELS);
            return Err(RuleError::TooManyLevels {
                role: role(),
                list,
                filter: text(),
                levels,
                max,
            });
        }
        Ok(Self { levels })
    }
}

/// One level of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TemplateLevel {
    Literal(Box<str>),
    Plus,
    Hash,
    /// The placeholder with this number.
    Placeholder(usize),
}

impl TemplateLevel {
    fn of(level: &str) -> Self {
        match level {
            "+" => Self::Plus,
            "#" => Self::Hash,
            other => Self::Literal(other.into()),
        }
    }
}

/// What a level is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placeholder {
    ClientId,
    Username,
    /// An attribute of the identity, by its whole name: `cert.cn`, `claim.site`.
    Attribute(Box<str>),
}

impl Placeholder {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "client_id" => Some(Self::ClientId),
            "username" => Some(Self::Username),
            _ => {
                let attribute = name.strip_prefix("cert.").or_else(|| name.strip_prefix("claim."));
                attribute.filter(|attribute| !attribute.is_empty())?;
                Some(Self::Attribute(name.into()))
            }
        }
    }

    /// Returns whether any client can have it: a deny that names what nobody has would deny nothing.
    fn can_be(&self) -> bool {
        match self {
            Self::ClientId | Self::Username => true,
            Self::Attribute(name) => {
                name.strip_prefix("cert.").is_none_or(|field| CERTIFICATE_FIELDS.contains(&field))
            }
        }
    }

    /// Returns the client's value, if it is exactly one plain level.
    pub(super) fn fill<'a>(&self, client: &'a Client) -> Option<&'a str> {
        self.value(client).filter(|value| is_plain_level(value))
    }

    /// Returns the client's value, whatever it is.
    pub(super) fn value<'a>(&self, client: &'a Client) -> Option<&'a str> {
        match self {
            Self::ClientId => Some(&client.client_id),
            Self::Username => client.identity.owner().map(|user| &**user),
            Self::Attribute(name) => client.identity.attributes.single(name),
        }
    }

    /// Returns how it is written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::ClientId => "{client_id}".into(),
            Self::Username => "{username}".into(),
            Self::Attribute(name) => format!("{{{name}}}"),
        }
    }
}

fn is_plain_level(value: &str) -> bool {
    !value.is_empty() && !value.contains(['/', '+', '#', '\0'])
}

/// Returns what stands between the braces of a level that begins and ends with them.
fn braced(level: &str) -> Option<&str> {
    level.strip_prefix('{')?.strip_suffix('}').filter(|name| !name.contains(['{', '}']))
}

/// Returns whether somebody meant a placeholder: other braces in a level are plain text.
fn has_placeholder(level: &str) -> bool {
    level.match_indices('{').any(|(at, _)| {
        let rest = level.get(at + 1..).unwrap_or_default();
        rest.split_once('}').is_some_and(|(name, _)| Placeholder::parse(name).is_some())
    })
}

/// The most levels that the filter of a rule may have: as many as the broker takes by default.
const MAX_LEVELS: usize = 128;
