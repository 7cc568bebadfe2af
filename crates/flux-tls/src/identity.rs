//! Who a certificate says its holder is.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, SubjectAlternativeName};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::certificate::{ClientCertificate, Fingerprint};

/// Why a client's certificate does not admit it.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum AdmitError {
    /// It cannot be parsed.
    #[error("the client's certificate is broken: {0}")]
    Broken(String),
    /// It cannot be verified now.
    #[error("the client's certificate is refused: {0}")]
    Refused(#[from] rustls::Error),
}

/// Returns who this certificate says its holder is. Whether that is true is not looked at.
///
/// # Errors
///
/// When it cannot be parsed.
pub fn client_certificate(der: &CertificateDer<'_>) -> Result<ClientCertificate, AdmitError> {
    let (_, parsed) =
        X509Certificate::from_der(der).map_err(|error| AdmitError::Broken(error.to_string()))?;
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let mut fingerprint = Fingerprint([0; 32]);
    for (to, from) in fingerprint.0.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    let mut certificate = ClientCertificate::new(fingerprint);
    certificate.subject = subject(parsed.subject()).into();
    let mut common_names = parsed.subject().iter_common_name();
    if let (Some(name), None) = (common_names.next(), common_names.next()) {
        certificate.common_name = name.as_str().ok().and_then(clean);
    }
    let names =
        parsed.subject_alternative_name().map_err(|error| AdmitError::Broken(error.to_string()))?;
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::DNSName(name) => certificate.dns_names.extend(clean(name)),
            GeneralName::URI(name) => certificate.uris.extend(clean(name)),
            GeneralName::RFC822Name(name) => certificate.emails.extend(clean(name)),
            _ => {}
        }
    }
    Ok(certificate)
}

/// A name that can be one in MQTT: neither empty nor with control characters, which could make it look like
/// another one.
fn clean(name: &str) -> Option<Arc<str>> {
    (!name.is_empty() && !name.chars().any(char::is_control)).then(|| name.into())
}

/// Returns the DNS names among the alternative ones, in lower case.
pub(crate) fn dns_names(names: &SubjectAlternativeName<'_>) -> Vec<String> {
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.general_names.iter().filter_map(dns).collect()
}

/// Writes a name as RFC 4514 does: the most specific part first, and escaped, so that no value can pretend to be
/// several.
pub(crate) fn subject(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name
        .iter_rdn()
        .map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let name = SHORT_NAMES.iter().find(|(known, _)| *known == oid);
    match (name, attribute.as_str()) {
        (Some((_, name)), Ok(value)) => format!("{name}={}", escape(value)),
        (name, _) => {
            let hex: String =
                attribute.as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}=#{hex}", name.map_or(oid.as_str(), |(_, name)| name))
        }
    }
}

/// RFC 4514 section 3, and the two that are common beside it.
const SHORT_NAMES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.6", "C"),
    ("2.5.4.9", "STREET"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("2.5.4.5", "serialNumber"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// RFC 4514 section 2.4.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => escaped.extend(['\\', character]),
            '#' if index == 0 => escaped.push_str("\\#"),
            ' ' if index == 0 || index == last => escaped.push_str("\\ "),
            _ if character.is_control() => {
                let mut utf8 = [0; 4];
                for byte in character.encode_utf8(&mut utf8).bytes() {
                    escaped.push_str(&format!("\\{byte:02x}"));
                }
            }
            _ => escaped.push(character),
        }
    }
    escaped
}
