//! Operating system: signals, threads, limits, the machine's name, the service manager, child processes, programs of sites.yaml,
//! tmux.

pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod program;
#[cfg(unix)]
pub(crate) mod reap;
pub(crate) mod signals;
pub(crate) mod systemd;
pub(crate) mod threads;
pub(crate) mod tmux;
