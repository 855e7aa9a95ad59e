//! Whether a server asked who we are, and what it got: an alert of TLS 1.2 does not say that this was the matter.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// What became of a server's question for a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// It did not ask.
    Not,
    /// There was none to show.
    InVain,
    /// One was shown.
    Answered,
}

/// Who answers the question in one handshake.
pub(super) struct Client {
    answers: Arc<dyn ResolvesClientCert>,
    asked: AtomicU8,
}

impl Client {
    /// Writes down what `answers` does.
    pub(super) fn before(answers: Arc<dyn ResolvesClientCert>) -> Self {
        Self { answers, asked: AtomicU8::new(Asked::Not as u8) }
    }

    /// What has been written down.
    pub(super) fn asked(&self) -> Asked {
        // Relaxed: the handshake that wrote it has ended on this thread.
        match self.asked.load(Ordering::Relaxed) {
            asked if asked == Asked::InVain as u8 => Asked::InVain,
            asked if asked == Asked::Answered as u8 => Asked::Answered,
            _ => Asked::Not,
        }
    }
}

impl ResolvesClientCert for Client {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let answer = self.answers.resolve(issuers, schemes);
        let asked = if answer.is_some() { Asked::Answered } else { Asked::InVain };
        self.asked.store(asked as u8, Ordering::Relaxed);
        answer
    }

    fn has_certs(&self) -> bool {
        self.answers.has_certs()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({:?})", self.asked())
    }
}
