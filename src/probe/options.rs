//! Options of a prober, and why one cannot be built.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::{DomainBook, Resolver};

use super::tcp::route::has_route;

/// Options of an [`HttpProber`](super::HttpProber).
#[derive(Clone, Debug)]
pub struct ProberOptions {
    /// How names are resolved.
    pub resolver: Resolver,
    /// Root certificates (DER) that are trusted in addition to the platform's.
    pub extra_roots: Vec<Vec<u8>>,
    /// Asks the kernel for a route; tests simulate a machine without a network.
    pub has_route: fn(IpAddr) -> bool,
    /// Keep [`Observation::evidence`](crate::model::Observation::evidence) of successful checks, too.
    pub all_evidence: bool,
    /// What is known of the sites' domains.
    pub domains: DomainBook,
    /// The processor time of the calling thread, where the system tells.
    pub thread_time: Option<fn() -> Duration>,
}

impl Default for ProberOptions {
    fn default() -> Self {
        Self {
            resolver: Resolver::Auto,
            extra_roots: Vec::new(),
            has_route,
            all_evidence: false,
            domains: DomainBook::default(),
            thread_time: None,
        }
    }
}

/// Why a prober cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A root certificate cannot be used.
    #[error("cannot use a root certificate: {0}; it must be one X.509 certificate in DER form")]
    Roots(String),
    /// A client's certificate and key do not belong together, or cannot be used.
    #[error("cannot use the client certificate: {0}; check client_cert and client_key")]
    Identity(String),
    /// The cryptography refused its configuration.
    #[error("cannot set up TLS: {0}; please report this")]
    Tls(String),
}
