//! What else is known of a client: fields of its certificate, claims of its token.

/// Named values that an authenticator found, such as `cert.cn` or `claim.site`.
///
/// A name may have several values, as a claim with a list has. There is no order among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// Sorted, each pair once.
    pairs: Vec<(Box<str>, Box<str>)>,
}

impl Attributes {
    /// Adds one value of a name.
    pub fn insert(&mut self, name: &str, value: &str) {
        let pair = (Box::from(name), Box::from(value));
        if let Err(at) = self.pairs.binary_search(&pair) {
            self.pairs.insert(at, pair);
        }
    }

    /// Returns all values of a name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let start = self.pairs.partition_point(|(other, _)| &**other < name);
        let rest = self.pairs.get(start..).unwrap_or_default();
        rest.iter().take_while(move |(other, _)| &**other == name).map(|(_, value)| &**value)
    }

    /// Returns the value of a name that has exactly one.
    #[must_use]
    pub fn single(&self, name: &str) -> Option<&str> {
        let mut values = self.values(name);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Returns all names with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns whether one of the name's values is `value`.
    #[must_use]
    pub fn contains(&self, name: &str, value: &str) -> bool {
        self.values(name).any(|other| other == value)
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut attributes = Self::default();
        for (name, value) in pairs {
            attributes.insert(name, value);
        }
        attributes
    }
}

/// What a certificate may say of its holder: the names after `cert.`, in placeholders and bindings of rules. `san` has all of `dns`,
/// `email` and `uri`.
pub const CERTIFICATE_FIELDS: [&str; 7] =
    ["cn", "dns", "email", "fingerprint", "san", "subject", "uri"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_value_or_one_or_several() {
        let pairs = [("claim.site", "b"), ("cert.cn", "x"), ("claim.site", "a"), ("cert.cn", "x")];
        let attributes: Attributes = pairs.into_iter().collect();
        assert_eq!(attributes.values("claim.site").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(attributes.single("cert.cn"), Some("x"));
        assert_eq!(attributes.single("claim.site"), None);
        assert_eq!(attributes.single("claim"), None);
        assert!(attributes.contains("claim.site", "b"));
        assert!(!attributes.contains("claim.site", "x"));
    }
}
