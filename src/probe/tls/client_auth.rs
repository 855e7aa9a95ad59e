//! Records whether a server asked for a client certificate; its alert alone does not say.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// A server's request for a client certificate, and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertRequest {
    /// The server did not ask.
    None,
    /// The site has no certificate.
    NotConfigured,
    /// The site has one for its own origin, which this server is not of.
    Withheld,
    Answered,
}

/// Answers the request in one handshake.
pub(crate) struct ClientCertResolver {
    certificates: Arc<dyn ResolvesClientCert>,
    /// What a request without an answer is.
    unanswered: ClientCertRequest,
    request: AtomicU8,
}

impl ClientCertResolver {
    /// Records what `certificates` answers; if it has none, that is `unanswered`.
    pub(crate) fn new(certificates: Arc<dyn ResolvesClientCert>, unanswered: ClientCertRequest) -> Self {
        Self { certificates, unanswered, request: AtomicU8::new(ClientCertRequest::None as u8) }
    }

    pub(crate) fn request(&self) -> ClientCertRequest {
        // Relaxed: the handshake that wrote it has ended on this thread.
        match self.request.load(Ordering::Relaxed) {
            request if request == self.unanswered as u8 => self.unanswered,
            request if request == ClientCertRequest::Answered as u8 => ClientCertRequest::Answered,
            _ => ClientCertRequest::None,
        }
    }
}

impl ResolvesClientCert for ClientCertResolver {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let answer = self.certificates.resolve(issuers, schemes);
        let request = if answer.is_some() { ClientCertRequest::Answered } else { self.unanswered };
        self.request.store(request as u8, Ordering::Relaxed);
        answer
    }

    fn has_certs(&self) -> bool {
        self.certificates.has_certs()
    }
}

impl fmt::Debug for ClientCertResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientCertResolver({:?})", self.request())
    }
}
