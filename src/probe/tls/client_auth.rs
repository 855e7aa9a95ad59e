//! Whether a server asked for a client certificate, and what it got: its alert alone does not say.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// What became of a server's question for a client certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It did not ask.
    Not,
    /// The site has none.
    InVain,
    /// The site has one, for its own origin, which this server is not of.
    Withheld,
    /// One was shown.
    Answered,
}

/// Who answers the question in one handshake.
pub(crate) struct Client {
    answers: Arc<dyn ResolvesClientCert>,
    /// What a question without an answer is.
    unanswered: Asked,
    asked: AtomicU8,
}

impl Client {
    /// Records what `answers` does; if it has no certificate, that is `unanswered`.
    pub(crate) fn before(answers: Arc<dyn ResolvesClientCert>, unanswered: Asked) -> Self {
        Self { answers, unanswered, asked: AtomicU8::new(Asked::Not as u8) }
    }

    /// What has been recorded.
    pub(crate) fn asked(&self) -> Asked {
        // Relaxed: the handshake that wrote it has ended on this thread.
        match self.asked.load(Ordering::Relaxed) {
            asked if asked == self.unanswered as u8 => self.unanswered,
            asked if asked == Asked::Answered as u8 => Asked::Answered,
            _ => Asked::Not,
        }
    }
}

impl ResolvesClientCert for Client {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let answer = self.answers.resolve(issuers, schemes);
        let asked = if answer.is_some() { Asked::Answered } else { self.unanswered };
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
