//! Asks registries when the registration of a domain ends, by RDAP (RFC 9082, RFC 9083).
//!
//! The bootstrap file of IANA (RFC 9224) says which registry has which domains. A host is a part of a registered domain, and only
//! its registry knows of which one: it is asked for the host, then without its first label, and so on, never for a bare
//! top-level domain.
//!
//! Invariants: no answer of a server is shown, only the name that was asked for. Bounds: 8 MiB of the bootstrap file, 1 MiB of an
//! answer, 3 redirects, 10 s for a request, 8 names for a host.

mod bootstrap;
mod directory;
mod registration;

pub use directory::{Directory, RdapError};
pub use registration::Registration;
