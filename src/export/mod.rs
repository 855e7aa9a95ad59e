//! Export to InfluxDB: every stored sample arrives, outages and restarts included.
//!
//! ```text
//! store::Follower ─ samples and alerts ─▶ points, line ─ lines ─▶ delivery ─ a request ─▶ client ─▶ the server
//!                                                                   ▲                          │
//! store::Progress ◀─ all lines settled ─ exporter ◀─ what it means ─┴──── answer ◀─────────────┘
//! ```
//!
//! Nothing is queued: samples are durable already, so the exporter reads the store behind a cursor of its own, which moves
//! only after the server acknowledged. So an outage of any length, a restart or a kill costs nothing but time, and what is sent
//! twice is the same points. Everything but [`Client`] is pure: it is given the time, what was read and what was
//! answered, and says what to do. Limits: one request under way, of at most 5,000 lines and 1 MiB.

mod answer;
mod backoff;
mod client;
mod delivery;
mod exporter;
mod line;
mod points;

pub use answer::{ExportAnswer, Refusal, Reply};
pub use client::{Client, ExportError, compress};
pub use exporter::{Exporter, Labels};
