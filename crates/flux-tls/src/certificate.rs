//! What a client's certificate says about it.

use std::fmt;
use std::sync::Arc;

/// A certificate that a client has proven to hold, and that the broker has verified up to a trusted
/// authority.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The Common Name, if there is exactly one.
    pub common_name: Option<Arc<str>>,
    /// The whole subject as RFC 4514 writes it, the most specific part first: `CN=meter,O=Example`.
    /// May be empty.
    pub subject: Arc<str>,
    /// The subject's alternative names (RFC 5280 section 4.2.1.6) that are DNS names.
    pub dns_names: Vec<Arc<str>>,
    /// Those that are URIs.
    pub uris: Vec<Arc<str>>,
    /// Those that are mail addresses.
    pub emails: Vec<Arc<str>>,
    /// SHA-256 of the whole certificate.
    pub fingerprint: Fingerprint,
}

impl ClientCertificate {
    /// Returns a certificate that says nothing but its fingerprint. The other fields are public: set
    /// what is known.
    #[must_use]
    pub fn new(fingerprint: Fingerprint) -> Self {
        Self {
            common_name: None,
            subject: "".into(),
            dns_names: Vec::new(),
            uris: Vec::new(),
            emails: Vec::new(),
            fingerprint,
        }
    }

    /// Returns all that it says, each with the name that rules know it by: `cn`, `subject`, `fingerprint`; `dns`, `uri` and
    /// `email`, and each of these three as `san` as well.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let one =
            [("subject", self.subject.to_string()), ("fingerprint", self.fingerprint.to_string())];
        let cn = self.common_name.iter().map(|name| ("cn", name.to_string()));
        let kinds = [("dns", &self.dns_names), ("uri", &self.uris), ("email", &self.emails)];
        let alternative = kinds.into_iter().flat_map(|(kind, names)| {
            names.iter().flat_map(move |name| [(kind, name.to_string()), ("san", name.to_string())])
        });
        one.into_iter().chain(cn).chain(alternative)
    }

    /// Returns the name that the certificate gives to its holder, or `None` when it has no such part,
    /// or several of a kind: then none of them is its name.
    #[must_use]
    pub fn name(&self, part: CertificateName) -> Option<Arc<str>> {
        let only = |names: &[Arc<str>]| match names {
            [name] => Some(name.clone()),
            _ => None,
        };
        match part {
            CertificateName::CommonName => self.common_name.clone(),
            CertificateName::Subject => Some(self.subject.clone()).filter(|name| !name.is_empty()),
            CertificateName::Dns => only(&self.dns_names),
            CertificateName::Uri => only(&self.uris),
            CertificateName::Email => only(&self.emails),
            CertificateName::Fingerprint => Some(self.fingerprint.to_string().into()),
        }
    }
}

/// Which part of a certificate is the name of its holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CertificateName {
    /// The Common Name.
    CommonName,
    /// The whole subject.
    Subject,
    /// The one DNS name among the alternative names.
    Dns,
    /// The one URI among them.
    Uri,
    /// The one mail address among them.
    Email,
    /// The fingerprint in hexadecimal.
    Fingerprint,
}

/// SHA-256 of a certificate. `Display` writes 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_only_one_of_its_kind() {
        let mut certificate = ClientCertificate::new(Fingerprint([0xAB; 32]));
        certificate.common_name = Some("meter".into());
        certificate.subject = "CN=meter,O=Example".into();
        certificate.uris = vec!["urn:a".into()];
        certificate.emails = vec!["a@example.com".into(), "b@example.com".into()];

        #[track_caller]
        fn check(certificate: &ClientCertificate, part: CertificateName, expected: Option<&str>) {
            assert_eq!(certificate.name(part).as_deref(), expected);
        }
        check(&certificate, CertificateName::CommonName, Some("meter"));
        check(&certificate, CertificateName::Subject, Some("CN=meter,O=Example"));
        check(&certificate, CertificateName::Dns, None);
        check(&certificate, CertificateName::Uri, Some("urn:a"));
        check(&certificate, CertificateName::Email, None);
        check(&certificate, CertificateName::Fingerprint, Some(&"ab".repeat(32)));
        let fields: Vec<_> = certificate.fields().collect();
        let field = |name, value: &str| (name, value.to_owned());
        assert_eq!(
            fields,
            [
                field("subject", "CN=meter,O=Example"),
                field("fingerprint", &"ab".repeat(32)),
                field("cn", "meter"),
                field("uri", "urn:a"),
                field("san", "urn:a"),
                field("email", "a@example.com"),
                field("san", "a@example.com"),
                field("email", "b@example.com"),
                field("san", "b@example.com"),
            ]
        );
        certificate.subject = "".into();
        check(&certificate, CertificateName::Subject, None);
    }
}
