//! A fleet over a real nats-server, as far as it is installed (Debian's `nats-server`); where it is not, the tests say so and pass.
//!
//! Each test has a server of its own on a free port, in a temporary folder, with the configuration and the certificates that
//! `webmon fleet server-config` makes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test: what cannot be had ends it")]

mod laws;
mod over;
mod pages;
mod permissions;
mod plan;
mod server;
mod setup;
#[path = "../support/mod.rs"]
mod support;
mod targets;
mod two_hubs;
mod verdicts;
mod watch;
