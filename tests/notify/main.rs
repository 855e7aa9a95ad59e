//! Notifications against scripted services on loopback: what is sent, and what each answer comes to.
#![allow(clippy::unwrap_used, reason = "a test: what cannot be had ends it")]

mod answers;
mod fixtures;
mod heartbeat;
#[cfg(feature = "mail")]
mod mail;
mod presets;
mod real;
#[cfg(feature = "mail")]
mod smtp;
#[path = "../support/mod.rs"]
mod support;
