//! Why a server cannot be asked, or does not answer.
//!
//! Invariants: no error holds a URL, the value of a header, or a body.

/// Why no request can be made to a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The host cannot be verified by a certificate.
    #[error("no certificate can name the host {host}")]
    Host {
        /// As written in the URL.
        host: String,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The proxy is not one.
    #[error("a proxy is reached by http://host:port")]
    Proxy,
    /// Path and query of the URL are not valid in a request.
    #[error("the URL holds a character that no request can have")]
    Target,
    /// A header has an invalid name or value.
    #[error("the header {0} holds a character that no header can have")]
    Header(String),
}

/// Why there is no answer, in one clean line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The network, the server, or no answer in time: it may work later. The server may or may not have acted.
    Network(String),
    /// There was no connection: it may work later. Nothing of the request was sent.
    Unreached(String),
    /// The server, or the proxy, is not one to talk to: TLS failed, or credentials are missing. Nothing of the request was
    /// sent.
    Refused(String),
}

impl RequestError {
    /// The reason.
    #[must_use]
    pub fn into_reason(self) -> String {
        match self {
            Self::Network(reason) | Self::Unreached(reason) | Self::Refused(reason) => reason,
        }
    }
}
