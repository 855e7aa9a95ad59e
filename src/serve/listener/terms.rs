//! What a listener goes by: who may ask for what, and the certificate that it shows. A reload replaces it as a whole.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::model::{ClientIdentity, ListenAccess, ListenAddress};

/// See the module.
#[derive(Clone)]
pub struct ServeTerms {
    /// The bound address.
    pub address: ListenAddress,
    /// Who may ask for what.
    pub access: ListenAccess,
    pub(super) acceptor: Option<TlsAcceptor>,
}

impl ServeTerms {
    /// The terms at `address`.
    ///
    /// # Errors
    /// The certificate or its key cannot be used, as a sentence.
    pub fn new(address: ListenAddress, access: ListenAccess) -> Result<Self, String> {
        let acceptor = access.tls.as_deref().map(acceptor).transpose()?;
        Ok(Self { address, access, acceptor })
    }

    /// Whether it serves HTTPS.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.acceptor.is_some()
    }
}

fn acceptor(identity: &ClientIdentity) -> Result<TlsAcceptor, String> {
    // The error may quote the key.
    let unusable = |what: &str| format!("`listen.tls`: {what}");
    let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::try_from(identity.key.clone()).map_err(|_| unusable("the key cannot be read"))?;
    let config =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
    let config = config.map_err(|error| unusable(&error.to_string()))?.with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).map_err(|error| {
        unusable(&format!("the key does not belong to the certificate, or cannot be used ({error})"))
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
