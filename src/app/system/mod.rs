//! What the operating system offers and limits: signals, threads, descriptors, services, children.

pub(crate) mod limits;
#[cfg(unix)]
pub(crate) mod reap;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod threads;
