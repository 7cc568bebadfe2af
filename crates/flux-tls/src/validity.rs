//! Until when certificates of clients are good, without a look at who signed them.

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::identity::AdmitError;

/// Checks that a certificate has not expired.
///
/// # Errors
///
/// When it has, or cannot be parsed.
pub(crate) fn check(der: &[u8], now: UnixTime) -> Result<(), AdmitError> {
    let (_, parsed) =
        X509Certificate::from_der(der).map_err(|error| AdmitError::Broken(error.to_string()))?;
    let not_after = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    if now.as_secs() <= not_after {
        return Ok(());
    }
    let not_after = UnixTime::since_unix_epoch(std::time::Duration::from_secs(not_after));
    let expired = CertificateError::ExpiredContext { time: now, not_after };
    Err(AdmitError::Refused(Error::InvalidCertificate(expired)))
}

/// Returns the certificates in a session that rustls has written down.
///
/// How it writes is its own affair, but certificates stand there as TLS 1.2 sends them: after their length in three
/// bytes. So they are found wherever they are. What only looks like one costs a session at worst; and were one not found,
/// [`TlsConfig::identify`](crate::TlsConfig::identify) would still refuse it.
pub(crate) fn certificates_in(session: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..session.len()).filter_map(|start| {
        let rest = session.get(start..)?;
        let (length, rest) = rest.split_first_chunk::<3>()?;
        let [high, middle, low] = length.map(usize::from);
        let der = rest.get(..(high << 16) | (middle << 8) | low)?;
        // A sequence, as every certificate is; else it need not be parsed.
        if der.first() != Some(&0x30) {
            return None;
        }
        let (after, _) = X509Certificate::from_der(der).ok()?;
        after.is_empty().then_some(der)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tests::authority::Authority;

    #[test]
    fn certificates_are_found_between_other_things() {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let root = Authority::new("root");
        let ders: Vec<_> = ["a", "b"]
            .map(|name| CertificateDer::from_pem_slice(root.sign(&[name]).pem.as_bytes()).unwrap())
            .into();
        let mut session = vec![0, 0, 2, 0x30, 0, 7, 0, 0, 0];
        for der in &ders {
            session.extend(&u32::try_from(der.len()).unwrap().to_be_bytes()[1..]);
            session.extend(&**der);
        }
        session.extend([0, 0, 1]);
        let found: Vec<&[u8]> = certificates_in(&session).collect();
        assert_eq!(found, [&*ders[0], &*ders[1]]);
        assert_eq!(certificates_in(&session[..session.len() - 4]).count(), 1);
    }

    #[test]
    fn the_last_second_is_still_good() {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let pem = Authority::new("root").pem;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let at = |seconds| check(&der, UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        // The first of January 2028.
        let not_after = 1_830_297_600;
        assert_eq!(at(not_after), Ok(()));
        let error = at(not_after + 1).unwrap_err().to_string();
        assert!(error.contains("expired"), "{error}");
    }
}
