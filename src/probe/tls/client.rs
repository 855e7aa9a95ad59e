//! TLS for other rooms that connect to servers: as strict as a probe, and in the same words.
//!
//! Cost: one configuration is copied per handshake, so that verdicts of parallel handshakes cannot mix.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::model::ClientIdentity;
use crate::probe::failure::Failure;

use super::client_auth::{ClientCertRequest, ClientCertResolver};
use super::crypto::provider;
use super::record::{HandshakeRecord, TlsFault};
use super::seed;
use super::trust::TrustStore;
use super::verifier::RecordingVerifier;

/// What a client trusts and which certificate it has.
pub struct TlsClient {
    trust: TrustStore,
    accepts_any: bool,
}

impl TlsClient {
    /// Trusts the platform's roots and `roots` (DER), or anybody if `accepts_any`; shows `identity` to servers that ask.
    ///
    /// # Errors
    /// Why no server can be verified.
    pub fn new(roots: &[Vec<u8>], identity: Option<&ClientIdentity>, accepts_any: bool) -> Result<Self, String> {
        let own = roots.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let mut notices = Vec::new();
        let trust = TrustStore::new(own, identity, &mut notices).map_err(|error| error.to_string())?;
        if !notices.is_empty() && roots.is_empty() && !accepts_any {
            return Err("no trusted root certificates on this machine; install the ca-certificates package".to_owned());
        }
        Ok(Self { trust, accepts_any })
    }

    /// Shakes hands over `stream` with the server `name`.
    ///
    /// # Errors
    /// [`TlsFault`].
    pub async fn shake<S>(&self, name: ServerName<'static>, stream: S) -> Result<TlsStream<S>, TlsFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        seed::ready(provider).await;
        let certificates = Arc::clone(&self.trust.config.client_auth_cert_resolver);
        shake(&self.trust, certificates, self.accepts_any, name, stream).await.map_err(TlsFault::from)
    }

    /// A configuration for connections that another crate makes, one after the other, and what will be known of the last one.
    pub async fn lend(&self) -> (ClientConfig, HandshakeRecord) {
        seed::ready(provider).await;
        let certificates = Arc::clone(&self.trust.config.client_auth_cert_resolver);
        configure(&self.trust, certificates, self.accepts_any)
    }
}

/// A configuration with a verifier of its own, by what `trust` holds, or for anybody if `accepts_any`.
fn configure(
    trust: &TrustStore,
    certificates: Arc<dyn ResolvesClientCert>,
    accepts_any: bool,
) -> (ClientConfig, HandshakeRecord) {
    let verifier = Arc::new(RecordingVerifier::new(Arc::clone(&trust.chains), accepts_any));
    let mut config = if accepts_any { &trust.lenient } else { &trust.config }.clone();
    let client = Arc::new(ClientCertResolver::new(certificates, ClientCertRequest::NotConfigured));
    let record = HandshakeRecord::of(&mut config, verifier, client);
    (config, record)
}

/// Shakes hands over `stream` with the server `name`, by what `trust` holds, or with anybody if `accepts_any`.
pub(super) async fn shake<S>(
    trust: &TrustStore,
    certificates: Arc<dyn ResolvesClientCert>,
    accepts_any: bool,
    name: ServerName<'static>,
    stream: S,
) -> Result<TlsStream<S>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (config, record) = configure(trust, certificates, accepts_any);
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    shaken.map_err(|error| record.explain(&error))
}
