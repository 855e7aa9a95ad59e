//! HTTP and TLS for exports, notifications and registries.
//!
//! ```text
//! Outgoing ─▶ Client ─▶ Endpoint (TCP, or CONNECT through a proxy; TLS) ─▶ probe::bounded ─▶ Reply
//! ```
//!
//! Invariants: redirects are not followed, so only the configured server gets a token; no error holds a URL, a header or a body.
//! Bounds: those of [`Client`]; a server's bytes are read under the limits of a probe.

mod client;
mod endpoint;
mod error;
mod reply;
mod tunnel;

pub use hyper::Method;

pub use client::{Client, Outgoing};
pub use endpoint::{Endpoint, Terms};
pub use error::{RequestError, SetupError};
pub use reply::{Reply, reason_phrase, retry_after};
