//! How host names are resolved.

use std::net::SocketAddr;

/// Who resolves host names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Resolver {
    /// webmon, which queries the system's name servers.
    #[default]
    Auto,
    /// The system, by getaddrinfo.
    System,
    /// webmon, which queries these name servers, at least one.
    Servers(Vec<SocketAddr>),
}
