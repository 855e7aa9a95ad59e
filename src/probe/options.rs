//! Options of a prober.

use std::net::SocketAddr;

/// Who answers for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    /// The system's name servers, asked by webmon itself.
    #[default]
    Auto,
    /// The system's own lookup, getaddrinfo.
    System,
    /// These name servers, at least one.
    Servers(Vec<SocketAddr>),
}
