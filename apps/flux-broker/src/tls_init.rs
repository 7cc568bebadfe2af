//! `flux-broker tls init`: certificates for development.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{anyhow, bail};
use clap::Args;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Make an authority, a server certificate and a client certificate for development.
#[derive(Debug, Args)]
pub(crate) struct TlsInit {
    /// Folder for the files; it is made if there is none, and no file in it is overwritten
    folder: PathBuf,

    /// DNS name or IP address under which clients reach the broker; may be repeated. Default: localhost,
    /// 127.0.0.1 and ::1
    #[arg(long = "name", value_name = "NAME", value_delimiter = ',')]
    names: Vec<String>,

    /// Name of the client
    #[arg(long, value_name = "NAME", default_value = "client")]
    client: String,
}

impl TlsInit {
    /// Writes the files and returns what to do next.
    ///
    /// # Errors
    ///
    /// When a file is there already, or cannot be written; then those before it are.
    pub(crate) fn run(&self, now: SystemTime) -> anyhow::Result<Advice> {
        let files = self.files(now)?;
        let folder = &self.folder;
        let said = |path: &Path, error: io::Error| anyhow!("{}: {error}", path.display());
        fs::create_dir_all(folder).map_err(|error| said(folder, error))?;
        for File { name, .. } in &files {
            let path = folder.join(name);
            if path.exists() {
                let path = path.display();
                bail!("{path} is there already and is not overwritten");
            }
        }
        for File { name, content, is_private } in files {
            let path = folder.join(name);
            write(&path, &content, is_private).map_err(|error| said(&path, error))?;
        }
        let first = self.names().first().cloned().unwrap_or_default();
        Ok(Advice { folder: folder.clone(), name: first })
    }

    fn names(&self) -> Vec<String> {
        if self.names.is_empty() {
            ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
        } else {
            self.names.clone()
        }
    }

    fn files(&self, now: SystemTime) -> Result<[File; 6], rcgen::Error> {
        let (authority, key) = (authority(now), KeyPair::generate()?);
        let ca = authority.self_signed(&key)?.pem();
        let ca_key = key.serialize_pem();
        let issuer = Issuer::new(authority, key);
        let names = self.names();
        let mut server = params(now, names.first().map_or("", String::as_str), LEAF);
        server.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut client = params(now, &self.client, LEAF);
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (server_key, client_key) = (KeyPair::generate()?, KeyPair::generate()?);
        Ok([
            File::public("ca.crt", ca),
            File::private("ca.key", ca_key),
            File::public("server.crt", server.signed_by(&server_key, &issuer)?.pem()),
            File::private("server.key", server_key.serialize_pem()),
            File::public("client.crt", client.signed_by(&client_key, &issuer)?.pem()),
            File::private("client.key", client_key.serialize_pem()),
        ])
    }
}

/// What to do with the files.
pub(crate) struct Advice {
    folder: PathBuf,
    name: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { folder, name } = self;
        let folder = folder.display();
        write!(
            f,
            "Made an authority, a server certificate and a client certificate in {folder}, for development.\n\
             \n\
             Start the broker, which lets in whoever holds a certificate of this authority:\n\
             \n  flux-broker --tls-cert {folder}/server.crt --tls-key {folder}/server.key \\\n    \
             --tls-client-ca {folder}/ca.crt\n\
             \n\
             Connect:\n\
             \n  mosquitto_sub -h {name} -p 8883 --cafile {folder}/ca.crt \\\n    \
             --cert {folder}/client.crt --key {folder}/client.key -t '#'\n\
             \n\
             Whoever has {folder}/ca.key can make further clients: keep it off the machine of the broker."
        )
    }
}

struct File {
    name: &'static str,
    content: String,
    is_private: bool,
}

impl File {
    const fn public(name: &'static str, content: String) -> Self {
        Self { name, content, is_private: false }
    }

    const fn private(name: &'static str, content: String) -> Self {
        Self { name, content, is_private: true }
    }
}

/// Writes a new file, which only its owner can read if it is private: from the first byte on.
fn write(path: &Path, content: &str, is_private: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_private { 0o600 } else { 0o644 });
    let mut file = options.open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()
}

fn authority(now: SystemTime) -> CertificateParams {
    let mut params = params(now, "Flux development authority", AUTHORITY);
    // It signs servers and clients, and no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn params(now: SystemTime, name: &str, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    // Clocks differ.
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970.saturating_sub(DAY);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970 + life;
    params
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY: Duration = DAY.saturating_mul(3650);
/// What browsers take at most, of an authority that somebody installed.
const LEAF: Duration = DAY.saturating_mul(825);
