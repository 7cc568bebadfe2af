//! [`Bindings`]: which roles a client has.

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;

use super::description::Binding;
use super::error::RuleError;
use super::pattern::NamePattern;
use crate::{CERTIFICATE_FIELDS, Client};

/// All bindings, those for one exact user found by its name.
pub(super) struct Bindings {
    bindings: Vec<Conditions>,
    by_user: HashMap<Box<str>, Vec<usize>>,
    others: Vec<usize>,
}

impl Bindings {
    /// Reads bindings to roles with these numbers; what is wrong goes to `errors`.
    pub(super) fn compile(
        bindings: &[Binding],
        roles: &BTreeMap<&str, usize>,
        errors: &mut Vec<RuleError>,
    ) -> Self {
        let mut compiled =
            Self { bindings: Vec::new(), by_user: HashMap::new(), others: Vec::new() };
        for (at, binding) in bindings.iter().enumerate() {
            let conditions = Conditions::compile(binding, at + 1, roles, errors);
            let user = conditions.user.as_ref().and_then(NamePattern::exact);
            match user {
                Some(user) => compiled.by_user.entry(user.into()).or_default().push(at),
                None => compiled.others.push(at),
            }
            compiled.bindings.push(conditions);
        }
        compiled
    }

    /// Returns the listeners that bindings are for.
    pub(super) fn listeners(&self) -> impl Iterator<Item = &str> {
        self.bindings.iter().filter_map(|binding| binding.listener.as_deref())
    }

    /// Calls `visit` with each role that a client has, perhaps several times.
    pub(super) fn roles_of(&self, client: &Client, mut visit: impl FnMut(usize)) {
        let user = client.identity.owner().map(|user| &**user);
        let by_user = user.and_then(|user| self.by_user.get(user)).into_iter().flatten();
        for at in by_user.chain(&self.others) {
            if let Some(binding) = self.bindings.get(*at).filter(|it| it.are_fulfilled_by(client)) {
                binding.roles.iter().for_each(|role| visit(*role));
            }
        }
    }
}

/// A binding, ready to be asked.
struct Conditions {
    roles: Vec<usize>,
    user: Option<NamePattern>,
    client_id: Option<NamePattern>,
    /// Attributes and the value that one of theirs must be.
    attributes: Vec<(String, String)>,
    listener: Option<String>,
    address: Option<IpNet>,
}

impl Conditions {
    fn compile(
        written: &Binding,
        binding: usize,
        numbers: &BTreeMap<&str, usize>,
        errors: &mut Vec<RuleError>,
    ) -> Self {
        let Binding { roles, everyone, user, client_id, claim, certificate, listener, address } =
            written;
        let has_condition = user.is_some()
            || client_id.is_some()
            || !claim.is_empty()
            || !certificate.is_empty()
            || listener.is_some()
            || address.is_some();
        match (everyone, has_condition) {
            (true, true) => errors.push(RuleError::EveryoneAndConditions { binding }),
            (false, false) => errors.push(RuleError::NoCondition { binding }),
            (true, false) | (false, true) => {}
        }
        if roles.is_empty() {
            errors.push(RuleError::NoRoles { binding });
        }
        let mut known_roles = Vec::new();
        for role in roles {
            match numbers.get(role.as_str()) {
                Some(number) => known_roles.push(*number),
                None => {
                    let known = numbers.keys().copied().collect::<Vec<_>>().join(", ");
                    errors.push(RuleError::UnknownRole { binding, role: role.clone(), known });
                }
            }
        }
        let unknown = certificate.keys().filter(|it| !CERTIFICATE_FIELDS.contains(&it.as_str()));
        errors
            .extend(unknown.map(|field| RuleError::UnknownField { binding, field: field.clone() }));
        let mut pattern = |text: &Option<String>| {
            let pattern = text.as_ref()?;
            match pattern.parse() {
                Ok(parsed) => Some(parsed),
                Err(error) => {
                    errors.push(RuleError::Pattern { binding, pattern: pattern.clone(), error });
                    None
                }
            }
        };
        let claims = claim.iter().map(|(name, value)| (format!("claim.{name}"), value.clone()));
        let fields =
            certificate.iter().map(|(name, value)| (format!("cert.{name}"), value.clone()));
        Self {
            roles: known_roles,
            user: pattern(user),
            client_id: pattern(client_id),
            attributes: claims.chain(fields).collect(),
            listener: listener.clone(),
            address: *address,
        }
    }

    fn are_fulfilled_by(&self, client: &Client) -> bool {
        let Client { client_id, identity, peer, listener, .. } = client;
        let user = identity.owner().map(|user| &**user);
        self.user.as_ref().is_none_or(|it| user.is_some_and(|user| it.matches(user)))
            && self.client_id.as_ref().is_none_or(|it| it.matches(client_id))
            && self.listener.as_ref().is_none_or(|it| listener.as_deref() == Some(it))
            && self.attributes.iter().all(|(name, value)| identity.attributes.contains(name, value))
            && self.address.is_none_or(|network| {
                // An IPv4 client of an IPv6 socket is still an IPv4 client.
                peer.is_some_and(|peer| network.contains(&peer.ip().to_canonical()))
            })
    }
}
