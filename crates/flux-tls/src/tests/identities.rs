//! Who a certificate says its holder is.

use rcgen::{DnType, DnValue, SanType};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::authority::Authority;
use crate::client_certificate;

#[test]
fn every_kind_of_name_is_found() {
    let signed = Authority::new("root").sign_with(&["meter.example.com"], |params| {
        params.distinguished_name.push(DnType::OrganizationName, "Example, Inc.");
        params
            .distinguished_name
            .push(DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap()));
        params.subject_alt_names.push(SanType::URI("urn:dev:1".try_into().unwrap()));
        params.subject_alt_names.push(SanType::Rfc822Name("a@example.com".try_into().unwrap()));
        params.subject_alt_names.push(SanType::DnsName("*.example.com".try_into().unwrap()));
    });
    let der = CertificateDer::from_pem_slice(signed.pem.as_bytes()).unwrap();
    let certificate = client_certificate(&der).unwrap();
    assert_eq!(certificate.common_name.as_deref(), Some("meter.example.com"));
    assert_eq!(&*certificate.subject, "C=DE,O=Example\\, Inc.,CN=meter.example.com");
    assert_eq!(certificate.dns_names, ["meter.example.com".into(), "*.example.com".into()]);
    assert_eq!(certificate.uris, ["urn:dev:1".into()]);
    assert_eq!(certificate.emails, ["a@example.com".into()]);
}

#[test]
fn the_fingerprint_is_that_of_other_tools() {
    // openssl x509 -in ec.crt -noout -fingerprint -sha256
    let der = CertificateDer::from_pem_slice(include_bytes!("files/ec.crt")).unwrap();
    let certificate = client_certificate(&der).unwrap();
    assert_eq!(certificate.fingerprint.to_string(), FINGERPRINT);
}

/// Nothing in a value can look like another part of the subject, nor like another name.
#[test]
fn a_value_stays_one_value() {
    #[track_caller]
    fn check(name: &str, subject: &str, common_name: Option<&str>) {
        let signed = Authority::new("root").sign_with(&["a"], |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, name);
        });
        let der = CertificateDer::from_pem_slice(signed.pem.as_bytes()).unwrap();
        let certificate = client_certificate(&der).unwrap();
        assert_eq!(&*certificate.subject, subject);
        assert_eq!(certificate.common_name.as_deref(), common_name);
    }
    check("meter", "CN=meter", Some("meter"));
    check("x,O=admin", "CN=x\\,O\\=admin", Some("x,O=admin"));
    check(" #a+b ", "CN=\\ #a\\+b\\ ", Some(" #a+b "));
    check("#", "CN=\\#", Some("#"));
    check("admin\0.example.com", "CN=admin\\00.example.com", None);
    check("zähler", "CN=zähler", Some("zähler"));
}

const FINGERPRINT: &str = "2b4ee0a079084ac6ad068ee1be9094faa067f705308ab5df6fe18bb25e6e9c88";
