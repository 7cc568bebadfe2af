//! What the claims of a verified token say (RFC 7519 section 4.1).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use thiserror::Error;

use super::authenticator::TokenSettings;
use crate::Identity;

/// Why a token that was signed does not let its bearer in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ClaimError {
    /// A claim that is needed is missing.
    #[error("the token has no claim `{claim}`")]
    Missing {
        /// Which claim.
        claim: String,
    },
    /// A claim is of another type than it has to be.
    #[error("the claim `{claim}` of the token is not what it should be")]
    Type {
        /// Which claim.
        claim: String,
    },
    /// It is over.
    #[error("the token has expired")]
    Expired,
    /// It has not begun.
    #[error("the token is not valid yet")]
    NotYet,
    /// Somebody else made it.
    #[error("the token is of another issuer")]
    Issuer,
    /// It is for somebody else.
    #[error("the token is for another audience")]
    Audience,
}

/// Returns whom the claims name, if they hold at this time.
pub(super) fn identity(
    claims: &Map<String, Value>,
    settings: &TokenSettings,
    now: SystemTime,
) -> Result<Identity, ClaimError> {
    let expires_at = time(claims, "exp")?.ok_or_else(|| missing("exp"))?;
    let expires_at = expires_at.checked_add(settings.leeway).ok_or_else(|| wrong("exp"))?;
    if now >= expires_at {
        return Err(ClaimError::Expired);
    }
    let begins_at = time(claims, "nbf")?;
    let latest = now.checked_add(settings.leeway).unwrap_or(now);
    if begins_at.is_some_and(|begins_at| begins_at > latest) {
        return Err(ClaimError::NotYet);
    }
    if let Some(issuer) = &settings.issuer
        && text(claims, "iss")?.ok_or_else(|| missing("iss"))? != issuer
    {
        return Err(ClaimError::Issuer);
    }
    // Whoever is not named must reject it, also who has no name (section 4.1.3).
    let audience = texts(claims, "aud")?;
    let is_meant = audience.iter().any(|name| settings.audience.iter().any(|own| own == name));
    match (claims.contains_key("aud"), settings.audience.is_empty()) {
        (false, true) => {}
        (false, false) => return Err(missing("aud")),
        (true, _) if is_meant => {}
        (true, _) => return Err(ClaimError::Audience),
    }
    let name = &settings.username_claim;
    let username = text(claims, name)?.ok_or_else(|| missing(name))?;
    if username.is_empty() {
        return Err(wrong(name));
    }
    let mut identity = Identity::user(username);
    if let Some(claim) = &settings.roles_claim {
        identity.roles = texts(claims, claim)?.into_iter().map(Box::from).collect();
    }
    for claim in &settings.claims {
        for value in texts(claims, claim)? {
            identity.attributes.insert(&format!("claim.{claim}"), value);
        }
    }
    identity.expires_at = Some(expires_at);
    Ok(identity)
}

/// Returns a moment in seconds since 1970, which may have a fraction (section 2, NumericDate).
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<SystemTime>, ClaimError> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let since_epoch = match value.as_u64() {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => value.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    };
    let moment = since_epoch.and_then(|since_epoch| UNIX_EPOCH.checked_add(since_epoch));
    moment.map(Some).ok_or_else(|| wrong(claim))
}

fn text<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<Option<&'a str>, ClaimError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong(claim)),
    }
}

/// Returns the texts of a claim that may be one or a list of them; none if there is no such claim.
fn texts<'a>(claims: &'a Map<String, Value>, claim: &str) -> Result<Vec<&'a str>, ClaimError> {
    match claims.get(claim) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(list)) => {
            list.iter().map(|value| value.as_str().ok_or_else(|| wrong(claim))).collect()
        }
        Some(_) => Err(wrong(claim)),
    }
}

fn missing(claim: &str) -> ClaimError {
    ClaimError::Missing { claim: claim.to_owned() }
}

fn wrong(claim: &str) -> ClaimError {
    ClaimError::Type { claim: claim.to_owned() }
}
