//! TCP connections, and whether this machine has a route at all.

pub(crate) mod connect;
pub(crate) mod route;
pub(crate) mod zone;
