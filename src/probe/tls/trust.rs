//! TLS configurations: which roots are trusted, which client certificate is sent.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, Error as TlsError, RootCertStore};

use crate::model::ClientIdentity;
use crate::probe::options::ProbeError;

use super::crypto::{lenient, provider};
use super::verifier::{ChainVerifier, RecordingVerifier};

/// What sites with the same files share. A handshake copies one of the configurations and adds its own verifier and ALPN.
pub(super) struct TrustStore {
    pub(super) config: ClientConfig,
    /// For sites of which nothing is verified.
    pub(super) lenient: ClientConfig,
    pub(super) chains: Arc<ChainVerifier>,
}

impl TrustStore {
    /// Trusts the platform's roots and `extra_roots`, and sends `identity` to servers that ask. Pushes a notice where the
    /// platform has no roots.
    pub(super) fn new(
        extra_roots: Vec<CertificateDer<'static>>,
        identity: Option<&ClientIdentity>,
        notices: &mut Vec<String>,
    ) -> Result<Self, ProbeError> {
        let provider = Arc::new(provider());
        let algorithms = provider.signature_verification_algorithms;
        let verifier = verifier(extra_roots.clone(), &provider, notices)?;
        let chains = Arc::new(ChainVerifier::new(verifier, extra_roots, algorithms));
        let config = config(provider, &chains, identity)?;
        Ok(Self { config, lenient: self::config(Arc::new(lenient()), &chains, identity)?, chains })
    }
}

fn config(
    provider: Arc<CryptoProvider>,
    chains: &Arc<ChainVerifier>,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, ProbeError> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ProbeError::Tls(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(RecordingVerifier::new(Arc::clone(chains), false)));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
            let key = PrivateKeyDer::try_from(identity.key.clone())
                .map_err(|_| ProbeError::Identity("the key has no known format".to_owned()))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| ProbeError::Identity(error.to_string()))?
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The platform's verifier; without usable roots of the platform, one that trusts `extra_roots` alone, if there are any.
fn verifier(
    extra_roots: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
    notices: &mut Vec<String>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, ProbeError> {
    let failed = |error: TlsError| ProbeError::Roots(error.to_string());
    let mut own = RootCertStore::empty();
    for root in &extra_roots {
        own.add(root.clone()).map_err(failed)?;
    }
    match rustls_platform_verifier::Verifier::new_with_extra_roots(extra_roots, Arc::clone(provider)) {
        Ok(verifier) => return Ok(Some(Arc::new(verifier))),
        Err(error) => notices.push(format!(
            "no trusted root certificates on this machine, so https sites will be down as tls_untrusted: {error}; \
             install the ca-certificates package"
        )),
    }
    if own.is_empty() {
        return Ok(None);
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(own), Arc::clone(provider)).build();
    Ok(Some(verifier.map_err(|error| ProbeError::Roots(error.to_string()))?))
}
