//! Operating system: signals, threads, limits, the machine's name, the service manager, child processes.

pub(crate) mod limits;
pub(crate) mod machine;
#[cfg(unix)]
pub(crate) mod reap;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod threads;
