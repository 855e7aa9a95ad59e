//! From a host name to addresses: the system's own lookup, or name servers asked directly.

pub(crate) mod aliases;
pub(crate) mod answer;
pub(crate) mod cache;
pub(crate) mod getaddrinfo;
pub(crate) mod name_server;
pub(crate) mod resolv_conf;
pub(crate) mod resolve;
pub(crate) mod server_order;
pub(crate) mod servers;
pub(crate) mod system_files;
