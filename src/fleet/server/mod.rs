//! Sets a NATS server up for a fleet: certificates for hub and locations, and a configuration that maps them to users.
//!
//! ```text
//! names ─▶ folder (what is there, what is missing) ─▶ authority (certificates) ─▶ files
//!                          └─ users ─▶ permissions ─▶ conf ─▶ nats-server.conf
//! ```

mod authority;
mod conf;
mod folder;
mod permissions;

pub use conf::ServerPlan;
pub use folder::{Prepared, ServerFault, prepare};
