//! Which certificate a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::chain::Chain;

/// Certificates by the name that a client asks for (SNI, RFC 6066 section 3).
#[derive(Debug)]
pub(crate) struct ServerNames {
    default: Arc<CertifiedKey>,
    by_name: HashMap<String, Vec<Arc<CertifiedKey>>>,
}

impl ServerNames {
    pub(crate) fn new(default: &Chain, further: &[Chain]) -> Self {
        let mut by_name: HashMap<String, Vec<_>> = HashMap::new();
        for chain in further {
            for name in &chain.dns_names {
                by_name.entry(name.clone()).or_default().push(chain.key.clone());
            }
        }
        Self { default: default.key.clone(), by_name }
    }

    /// Returns the certificate of a name whose signature the client can verify.
    pub(crate) fn find(
        &self,
        name: &str,
        schemes: &[SignatureScheme],
    ) -> Option<&Arc<CertifiedKey>> {
        let usable = |keys: &&Arc<CertifiedKey>| keys.key.choose_scheme(schemes).is_some();
        let name = name.to_ascii_lowercase();
        let exact = self.by_name.get(&name).and_then(|keys| keys.iter().find(usable));
        exact.or_else(|| {
            // A wildcard stands for the first label, no more (RFC 9525 section 6.3).
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))?.iter().find(usable)
        })
    }
}

impl ResolvesServerCert for ServerNames {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.find(name, hello.signature_schemes()));
        Some(named.unwrap_or(&self.default).clone())
    }
}
