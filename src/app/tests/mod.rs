//! The whole monitor on paused time, and the whole program in a terminal.

#[cfg(test)]
pub(crate) mod hub_store;
#[cfg(test)]
pub(crate) mod monitor;
#[cfg(all(test, target_os = "linux"))]
pub(crate) mod panics;
