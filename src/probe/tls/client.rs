//! TLS for other rooms that connect to servers: as strict as a probe, and in the same words.
//!
//! Cost: one configuration is copied per handshake, so that verdicts of parallel handshakes cannot mix.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::model::{Cause, ClientIdentity};
use crate::probe::failure::Failure;

use super::client_auth::{ClientCertRequest, ClientCertResolver};
use super::crypto::provider;
use super::errors::explain;
use super::seed;
use super::trust::TrustStore;
use super::verifier::RecordingVerifier;

/// What a client trusts and which certificate it has.
pub struct TlsClient {
    trust: TrustStore,
    accepts_any: bool,
}

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// One of the two sides refuses the other, so that a retry would not help; otherwise the connection broke.
    pub is_refusal: bool,
    /// One clean line.
    pub reason: String,
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
        shake(&self.trust, certificates, self.accepts_any, name, stream).await.map_err(|failure| {
            let is_refusal = !matches!(failure.cause, Cause::Reset | Cause::Closed | Cause::Local);
            TlsFault { is_refusal, reason: failure.detail }
        })
    }
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
    let verifier = Arc::new(RecordingVerifier::new(Arc::clone(&trust.chains), accepts_any));
    let mut config = if accepts_any { &trust.lenient } else { &trust.config }.clone();
    config.dangerous().set_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>);
    let client = Arc::new(ClientCertResolver::new(certificates, ClientCertRequest::NotConfigured));
    config.client_auth_cert_resolver = Arc::clone(&client) as Arc<dyn ResolvesClientCert>;
    let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    shaken.map_err(|error| explain(&error, verifier.take().as_ref(), client.request()))
}
