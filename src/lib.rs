//! webmon watches websites from a terminal: it probes each site on its own interval, keeps exact rolling statistics for
//! every timeframe, alerts when availability falls, shows it all on a dashboard, and remembers every check in one file.
//!
//! # The life of a sample
//!
//! ```text
//! scheduler (app)      a heap of due times, spread over the interval; owns each site's Producer
//!   │  prober.probe(&site).await -> Observation             a failure is an observation, never an error
//!   ▼
//! Sample (model)       fixed size, Copy, made once
//!   │  producer.push(sample)                                wait-free: no lock, no allocation, nobody is woken
//!   ▼
//! ring of the site     single writer, many readers, each with a cursor of its own
//!   ├─ engine          every 250 ms: head reader → Window::admit, tail readers → Window::retire
//!   │     → evaluator (alert) → snapshots, one Arc a site → dashboard (ui) or lines (report)
//!   └─ writer (store)  every flush: all rings → one durable commit
//!                         └─ exporter reads the store behind a cursor of its own → InfluxDB
//! ```
//!
//! Texts do not fit a sample: an `Arc<Observation>` goes beside it through one bounded queue a consumer and is joined by
//! (site, number). A full queue loses the text and counts it, never the sample.
//!
//! # Laws
//!
//! - A slow disk or a slow terminal can lag; it can never delay a probe. What a lagging reader lost is counted and
//!   shown, and a window that lost samples is rebuilt.
//! - Nothing reads a clock but [`app::clock`]; time is an argument everywhere else.
//! - A failed probe is data: a sample with a cause from a closed list.
//! - Every number says what it covers. Time in which webmon did not look is unknown, neither up nor down; without
//!   checks there is no availability.
//! - At `as_of`, each figure of a window is what a plain recomputation over the samples with
//!   `as_of − timeframe < at ≤ as_of` gives: exactly, and for percentiles within the histogram's resolution of 1 %.
//!
//! # The rooms, and who may know whom
//!
//! | layer | room | may import |
//! |---|---|---|
//! | 0 | [`model`] the nouns · [`ring`] the lock-free ring | – · model |
//! | 1 | [`stats`] arithmetic · [`alert`] the rule · [`config`] sites.yaml | model · + stats · + alert |
//! | 2 | [`engine`] windows, verdicts, snapshots | model, ring, stats, alert |
//! | 3 | [`probe`] the network · [`store`] the disk | model · model, stats, ring, alert |
//! | 3 | `export` (feature `influx`) InfluxDB, from the store | model, alert, probe, store |
//! | 4 | [`report`] lines and tables · [`tui`] the dashboard | model, stats, alert, `engine::snapshot` |
//! | 5 | [`app`] clock, scheduler, wiring, command line | all |
//!
//! `tests/layering.rs` holds the source to this table, to the layers of folders within each room, to the crates that may
//! appear only in one room, and to the lengths of files. Rooms below `app` return notices; they do not log.
//!
//! # Where this differs from the first plan, and why
//!
//! - sites.yaml is read from `granit-parser`'s events into a tree with spans rather than through serde: all faults of a
//!   file are found in one pass, each at its value, and an alias is never expanded, so a bomb of aliases costs nothing.
//! - The rule judges only when there is news (a check since the last judgement): otherwise samples that merely leave a
//!   window would announce what nobody saw.
//! - The connection of a probe is polled in the probe's own future: dropping it ends everything, no task to guard.
//! - Keys are read by a parser of our own: crossterm 0.29's source spins for ever on a terminal that vanished.
//! - First checks are spread over the interval but over no more than a minute (a second for 100 sites or fewer), so that a
//!   weekly check has a result today; in steps of 5 ms, so that hundreds of checks a second share their wake-ups.
//! - The journal holds samples as rows, the blocks as columns: a commit brings few samples of each site, and columns of few
//!   values cost more CPU than they save bytes.
//! - Checks begin while the past of other sites is still read: ten thousand sites take longer to remember than to ask.

pub mod alert;
pub mod app;
pub mod config;
pub mod demo;
pub mod engine;
#[cfg(feature = "influx")]
pub mod export;
pub mod model;
pub mod panic_hook;
pub mod probe;
pub mod report;
pub mod ring;
pub mod stats;
pub mod store;
pub mod tui;
