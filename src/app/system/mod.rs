//! Operating system: signals, threads, limits, the service manager, child processes.

pub(crate) mod limits;
#[cfg(unix)]
pub(crate) mod reap;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod threads;
