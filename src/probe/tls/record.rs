//! Keeps the results of one handshake over TCP or QUIC: the chain that the server presented, and the client certificate that it
//! requested.

use std::error::Error;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, Error as TlsError};

use crate::model::Cause;
use crate::probe::failure::{Failure, chain};

use super::chain::presented::PresentedChain;
use super::client_auth::{ClientCertRequest, ClientCertResolver};
use super::errors::{explain, refused_chain};
use super::verifier::RecordingVerifier;

/// Why a handshake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFault {
    /// What is wrong.
    pub cause: Cause,
    /// One of the two sides refuses the other, so that a retry would not help; otherwise the connection broke.
    pub is_refusal: bool,
    /// One clean line.
    pub reason: String,
}

impl From<Failure> for TlsFault {
    fn from(failure: Failure) -> Self {
        let is_refusal = !matches!(failure.cause, Cause::Reset | Cause::Closed | Cause::Local);
        Self { cause: failure.cause, is_refusal, reason: failure.detail }
    }
}

/// The record of the last handshake with a configuration.
pub struct HandshakeRecord {
    verifier: Arc<RecordingVerifier>,
    client: Arc<ClientCertResolver>,
}

impl HandshakeRecord {
    /// Records the handshakes with `config`, which verifies by `verifier` and answers by `client` from now on.
    pub(super) fn of(
        config: &mut ClientConfig,
        verifier: Arc<RecordingVerifier>,
        client: Arc<ClientCertResolver>,
    ) -> Self {
        config.dangerous().set_certificate_verifier(Arc::clone(&verifier) as Arc<dyn ServerCertVerifier>);
        config.client_auth_cert_resolver = Arc::clone(&client) as Arc<dyn ResolvesClientCert>;
        Self { verifier, client }
    }

    /// The chain that the server presented, and whether it asked for a client certificate. The chain is given once.
    pub(crate) fn read(&self) -> (Option<PresentedChain>, ClientCertRequest) {
        (self.verifier.take(), self.client.request())
    }

    /// Why the handshake failed by `error`.
    pub(super) fn explain(&self, error: &(dyn Error + 'static)) -> Failure {
        let (presented, request) = self.read();
        explain(error, presented.as_ref(), request)
    }

    /// Why the connection failed by `error`, in the handshake or right after it; none if TLS has no part in that.
    #[must_use]
    pub fn fault(&self, error: &(dyn Error + 'static)) -> Option<TlsFault> {
        if let Some(refused) = self.refused() {
            return Some(refused);
        }
        let is_tls = chain(error).any(<dyn Error>::is::<TlsError>);
        is_tls.then(|| explain(error, None, self.client.request()).into())
    }

    /// Why the chain that the server presented last was refused, if it was. It is given once.
    #[must_use]
    pub fn refused(&self) -> Option<TlsFault> {
        refused_chain(self.verifier.take().as_ref()).map(TlsFault::from)
    }

    /// Whether the server asked for a client certificate and there was none.
    #[must_use]
    pub fn lacks_certificate(&self) -> bool {
        self.client.request() == ClientCertRequest::NotConfigured
    }
}
