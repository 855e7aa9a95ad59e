//! Export to InfluxDB: every stored sample arrives, outages and restarts included.
//!
//! ```text
//! store::ExportReader ─ samples and alerts ─▶ points, line ─ lines ─▶ delivery ─ a request ─▶ client ─▶ the server
//!                                                                   ▲                          │
//! store::Progress ◀─ all lines settled ─ exporter ◀─── its meaning ──┴──── answer ◀─────────────┘
//! ```
//!
//! Nothing is queued: samples are durable already, so the exporter reads the store with its own cursor, which moves only after
//! the server acknowledges. An outage, a restart or a kill delays points and loses none; a point that is sent twice is the
//! same point. Everything but [`Client`] is pure. Bounds: one request at a time, of at most 5,000 lines and 1 MiB.

mod answer;
mod client;
mod delivery;
mod exporter;
mod line;
mod points;

pub use answer::{ExportAnswer, Refusal};
pub use client::{Client, ExportError, compress};
pub use exporter::{Exporter, Labels};
