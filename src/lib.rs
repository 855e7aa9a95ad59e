//! webmon watches websites from a terminal: it probes each site on its own interval, keeps exact rolling statistics for
//! every timeframe, alerts when availability falls, shows it all on a dashboard, and stores every check in one file.
//!
//! This library is internal: it serves the binary, the benches and the tests, and has no stable interface.
//! `docs/ARCHITECTURE.md` describes the life of a sample, the layers, the threads and the words; `docs/decisions/` records why.
//!
//! # Laws
//!
//! - A slow disk or a slow terminal can lag; it can never delay a probe. webmon counts and shows what a lagging reader
//!   lost, and rebuilds a window that lost samples.
//! - Only [`app::clock`] reads a clock; elsewhere time is an argument.
//! - A failed probe is data: a sample with a cause from a closed list.
//! - Every figure says what it covers. Time in which webmon did not look is unknown, neither up nor down; without
//!   checks there is no availability.
//! - At `as_of`, each figure of a window equals a recomputation over the samples with
//!   `as_of − timeframe < at ≤ as_of`: exactly, and for percentiles within the histogram's resolution of 1 %.
//!
//! # Modules and allowed dependencies
//!
//! | layer | module | may import |
//! |---|---|---|
//! | 0 | [`model`] domain types · [`ring`] the lock-free ring | – · model |
//! | 1 | [`stats`] arithmetic · [`alert`] rules, incidents, the outbox | model · + stats |
//! | 2 | [`engine`] windows, states, snapshots | model, ring, stats, alert |
//! | 3 | [`probe`] the network · [`store`] the disk | model · model, stats, ring, alert |
//! | 4 | [`http`] a client for exports, notifications and registries | model, probe |
//! | 5 | [`rdap`] registrations of domains | model, http |
//! | 5 | `export` (feature `influx`) InfluxDB, from the store | model, alert, probe, http, store |
//! | 5 | `fleet` (feature `nats`) samples between locations over NATS | model, store, probe |
//! | 2 | [`backtest`] rules on stored samples | model, stats, alert |
//! | 4 | [`report`] lines and tables · [`tui`] the dashboard | model, stats, alert, `engine::snapshot` · + backtest for report |
//! | 5 | [`notify`] outlets | model, stats, alert, http, report |
//! | 5 | [`serve`] what is served by HTTP | model, stats, alert, `engine::snapshot`, report |
//! | 6 | [`config`] sites.yaml | model, alert, notify, `tui::arrangement` |
//! | 7 | [`app`] clock, scheduler, wiring, command line | all |
//!
//! `tests/layering/` checks the sources against this table, the layers of folders within each room, the crates that may
//! appear in one room only, and the sizes of files and folders. Rooms below `app` return notices; they do not log.

pub mod alert;
pub mod app;
pub mod backtest;
pub mod config;
pub mod demo;
pub mod engine;
#[cfg(feature = "influx")]
pub mod export;
#[cfg(feature = "nats")]
pub mod fleet;
pub mod http;
pub mod model;
pub mod notify;
pub mod panic_hook;
pub mod probe;
pub mod rdap;
pub mod report;
pub mod ring;
pub mod serve;
pub mod stats;
pub mod store;
pub mod tui;
