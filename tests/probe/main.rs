//! Probes against scripted servers on loopback: what each answer, or its absence, comes to.
#![allow(clippy::unwrap_used, reason = "a test: what cannot be had ends it")]

mod body;
#[cfg(all(unix, feature = "http3"))]
mod caddy;
mod exchange;
mod hops;
mod http2;
#[cfg(feature = "http3")]
mod http3;
mod journeys;
mod limits;
mod names;
mod path;
mod ports;
mod proxies;
mod real;
#[cfg(unix)]
mod real_proxies;
mod records;
mod registries;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod ways;
