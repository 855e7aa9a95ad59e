//! The running monitor: headless, in a terminal, with its store, alerts, log and export.
#![allow(clippy::unwrap_used, reason = "a test: what cannot be had ends it")]

#[cfg(unix)]
mod alerting;
#[cfg(target_os = "linux")]
mod alive;
mod domains;
#[cfg(all(unix, feature = "influx"))]
mod export;
#[cfg(unix)]
mod first;
#[cfg(unix)]
mod headless;
#[cfg(unix)]
mod lines;
#[cfg(unix)]
mod logs;
#[cfg(target_os = "linux")]
mod maintenance;
#[cfg(target_os = "linux")]
mod network;
#[cfg(target_os = "linux")]
mod own_network;
#[cfg(unix)]
mod reload;
mod store;
#[path = "../support/mod.rs"]
mod support;
#[cfg(target_os = "linux")]
mod terminal;
