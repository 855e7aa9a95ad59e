//! Resolves host names, by the system's lookup or by asking name servers.

pub(crate) mod aliases;
pub(crate) mod answer;
pub(crate) mod cache;
mod expected;
pub(crate) mod getaddrinfo;
pub(crate) mod name_server;
mod record_set;
pub(crate) mod resolv_conf;
pub(crate) mod resolve;
pub(crate) mod server_order;
pub(crate) mod servers;
pub(crate) mod system_files;
