//! Files that cannot be used, and what is said about them.

use rcgen::date_time_ymd;

use super::authority::Authority;
use super::folder::Folder;
use crate::{CertificateFiles, TlsConfig, TlsSettings, TlsWarning};

#[track_caller]
fn check(folder: &Folder, settings: TlsSettings, expected: &str) {
    let error = TlsConfig::load(settings).expect_err("nothing is found to be wrong");
    assert_eq!(folder.sentences(&error), expected);
}

/// The chain is spoiled.
#[track_caller]
fn check_chain(content: impl AsRef<[u8]>, expected: &str) {
    let (folder, ..) = Folder::with_server();
    folder.write("server.crt", content);
    check(&folder, folder.settings(), expected);
}

/// The key is spoiled.
#[track_caller]
fn check_key(content: impl AsRef<[u8]>, expected: &str) {
    let (folder, ..) = Folder::with_server();
    folder.write("server.key", content);
    check(&folder, folder.settings(), expected);
}

#[test]
fn a_file_that_is_not_pem_is_told_from_one_that_is_cut_off() {
    let (_, root, server) = Folder::with_server();
    check_chain("", "server.crt: the file is empty");
    check_chain(
        "hello\n",
        "server.crt: there is no line that begins with -----BEGIN, PEM was expected",
    );
    check_chain(
        [0x30, 0x82, 1, 2, 0xFF, 0xFE],
        "server.crt: this is binary (DER or PKCS#12), PEM was expected; \
         convert it with \"openssl x509\", \"openssl pkey\" or \"openssl pkcs12\"",
    );
    check_chain(
        [0xFF, 0xFE, 0],
        "server.crt: this is not text, PEM was expected, which begins with -----BEGIN",
    );
    let two = format!("# comment\n{}{}", server.pem, root.pem);
    let lines = server.pem.lines().count();
    check_chain(
        &two.as_bytes()[..two.len() - 30],
        &format!(
            "server.crt:{}: -----BEGIN CERTIFICATE----- has no -----END CERTIFICATE-----: \
             the file was cut off or edited",
            lines + 2
        ),
    );
    check_chain(
        two.replacen("-----END CERTIFICATE", "-----END X509 CRL", 1),
        &format!(
            "server.crt:{}: -----END X509 CRL----- ends what began as -----BEGIN CERTIFICATE-----",
            lines + 1
        ),
    );
    check_chain(
        two.replacen("MII", "M?I", 1),
        "server.crt:2: this CERTIFICATE is not valid Base64: the file was cut off or edited",
    );
    check_chain(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "server.crt:1: this certificate is broken: Parsing Error: Der(UnexpectedTag { expected: Some(Tag(16)), actual: Tag(0) })",
    );
}

#[test]
fn files_that_cannot_be_read_are_all_named() {
    let (folder, ..) = Folder::with_server();
    let mut settings = folder.settings_with_clients();
    settings.certificate.chain = folder.path("none.crt");
    settings.certificate.key = folder.path(".");
    settings.client_ca = vec![folder.path("none.crt")];
    check(
        &folder,
        settings,
        "none.crt: cannot read it: there is no such file\n\
         .: cannot read it: it is a directory\n\
         none.crt: cannot read it: there is no such file",
    );
}

#[test]
fn a_file_with_the_wrong_things_says_what_is_in_it() {
    let (_, _, server) = Folder::with_server();
    check_chain(&server.key, "server.crt: there is no certificate in the file, only PRIVATE KEY");
    check_key(
        format!("{0}{0}", server.pem),
        "server.key: there is no private key in the file, only CERTIFICATE, CERTIFICATE",
    );
}

#[test]
fn a_key_that_cannot_be_used_says_why() {
    let (_, root, _) = Folder::with_server();
    let other = root.sign(&["other"]);
    check_key(&other.key, "server.key: this key does not belong to the certificate in server.crt");
    let lines = other.key.lines().count();
    check_key(
        format!("{0}{0}", other.key),
        &format!("server.key:{}: a second private key; one file holds one", lines + 1),
    );
    for (number, key) in [
        (1, include_str!("files/rsa-pkcs1-encrypted.key")),
        (1, include_str!("files/rsa-pkcs8-encrypted.key")),
    ] {
        check_key(
            key,
            &format!(
                "server.key:{number}: the key is encrypted, and the broker cannot ask for its password; \
                 decrypt it with \"openssl pkey -in KEY -out NEW\", and let only the broker read it"
            ),
        );
    }
    check_key(
        include_str!("files/k256.key"),
        "server.key:1: this key cannot be used (failed to parse private key as RSA, ECDSA, or EdDSA); \
         RSA of 2048 to 8192 bits, ECDSA on P-256 or P-384, or Ed25519 was expected",
    );
}

#[test]
fn keys_of_every_form_are_read() {
    for (chain, key) in [
        (include_str!("files/rsa.crt"), include_str!("files/rsa-pkcs1.key")),
        (include_str!("files/ec.crt"), include_str!("files/ec-sec1.key")),
    ] {
        let folder = Folder::new();
        folder.write("server.crt", chain.replace('\n', "\r\n"));
        folder.write("server.key", key);
        folder.load(folder.settings());
    }
    // PKCS#8, beside its certificate.
    let (folder, _, server) = Folder::with_server();
    folder.write("server.crt", format!("{}{}", server.key, server.pem));
    let mut settings = folder.settings();
    settings.certificate.key = folder.path("server.crt");
    folder.load(settings);
}

#[test]
fn a_chain_in_the_wrong_order_says_which_line() {
    let folder = Folder::new();
    let root = Authority::new("root");
    let middle = root.below("middle");
    let server = middle.sign(&["localhost"]);
    folder.write("server.key", &server.key);
    let lines = server.pem.lines().count();

    folder.write("server.crt", format!("{}{}{}", server.pem, middle.pem, root.pem));
    folder.load(folder.settings());

    folder.write("server.crt", format!("{}{}{}", server.pem, root.pem, middle.pem));
    check(
        &folder,
        folder.settings(),
        &format!(
            "server.crt:{}: this certificate is of \"CN=root\", expected was that of \"CN=middle\", which \
             signed the one before it; the order is: the server's, then each one's issuer",
            lines + 1
        ),
    );

    folder.write("server.crt", format!("{}{}", middle.pem, server.pem));
    check(
        &folder,
        folder.settings(),
        &format!(
            "server.crt:{}: the key server.key belongs to this certificate, which must come first in the file",
            middle.pem.lines().count() + 1
        ),
    );
}

#[test]
fn a_certificate_out_of_its_time_says_when() {
    let (folder, root, _) = Folder::with_server();
    let old = root.sign_with(&["localhost"], |params| {
        params.not_after = date_time_ymd(2027, 5, 31);
    });
    folder.write("server.crt", &old.pem);
    folder.write("server.key", &old.key);
    check(
        &folder,
        folder.settings(),
        "server.crt:1: the certificate of \"CN=localhost\" expired on May 31 00:00:00 2027 +00:00",
    );
    let new = root.sign_with(&["localhost"], |params| {
        params.not_before = date_time_ymd(2027, 6, 2);
    });
    folder.write("server.crt", &new.pem);
    folder.write("server.key", &new.key);
    check(
        &folder,
        folder.settings(),
        "server.crt:1: the certificate of \"CN=localhost\" is not valid before \
         Jun  2 00:00:00 2027 +00:00; is the clock right?",
    );
}

#[test]
fn files_about_clients_say_what_is_wrong() {
    let (folder, root, server) = Folder::with_server();
    let mut settings = folder.settings_with_clients();
    settings.client_ca.clear();
    check(&folder, settings, "client_ca is needed: certificates of clients are verified with it");

    folder.write("ca.crt", format!("{}{}", root.pem, server.pem));
    check(
        &folder,
        folder.settings_with_clients(),
        &format!(
            "ca.crt:{}: the certificate of \"CN=localhost\" is not one of an authority (CA), \
             and cannot sign those of clients",
            root.pem.lines().count() + 1
        ),
    );

    folder.write("ca.crt", &root.pem);
    folder.write("crl.pem", &root.pem);
    let mut settings = folder.settings_with_clients();
    settings.crl = vec![folder.path("crl.pem")];
    check(
        &folder,
        settings.clone(),
        "crl.pem: there is no revocation list (X509 CRL) in the file, only CERTIFICATE",
    );
    folder.write("crl.pem", "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    check(
        &folder,
        settings,
        "crl.pem:1: this revocation list is broken: Parsing Error: Der(UnexpectedTag { expected: Some(Tag(16)), actual: Tag(0) })",
    );
}

#[test]
fn a_further_certificate_must_have_a_name() {
    let (folder, root, _) = Folder::with_server();
    let nameless = root.sign_with(&["a"], |params| params.subject_alt_names.clear());
    folder.write("a.crt", &nameless.pem);
    folder.write("a.key", &nameless.key);
    let mut settings = folder.settings();
    settings.further_certificates =
        vec![CertificateFiles { chain: folder.path("a.crt"), key: folder.path("a.key") }];
    check(
        &folder,
        settings,
        "a.crt: this certificate is to be chosen by name, but has no DNS name (subjectAltName)",
    );
}

#[cfg(unix)]
#[test]
fn what_works_but_should_not_stay_so_is_a_warning() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt as _;

    let (folder, root, _) = Folder::with_server();
    let other = Authority::new("other");
    folder.write("ca.crt", format!("{}{}", root.pem, other.pem));
    folder.write("crl.pem", root.revoke_until(&[], 2027));
    set_permissions(folder.path("server.key"), Permissions::from_mode(0o640)).unwrap();
    let mut settings = folder.settings_with_clients();
    assert_eq!(folder.load(settings.clone()).warnings(), []);

    settings.crl = vec![folder.path("crl.pem")];
    set_permissions(folder.path("server.key"), Permissions::from_mode(0o644)).unwrap();
    let warnings = folder.load(settings).warnings();
    let (ca, key) = (folder.path("ca.crt"), folder.path("server.key"));
    assert_eq!(
        warnings,
        [
            TlsWarning::OldList { path: folder.path("crl.pem"), issuer: "CN=root".to_owned() },
            TlsWarning::NoList { path: ca, subject: "CN=other".to_owned() },
            TlsWarning::KeyForAll { path: key.clone() },
        ]
    );
    assert_eq!(
        (warnings[2].to_string(), warnings[2].help()),
        (
            format!("{}: every user can read this private key", key.display()),
            format!(
                "run \"chmod o= {}\"; first \"chgrp\" it to the broker's group, if the broker is not its owner",
                key.display()
            )
        )
    );
}
