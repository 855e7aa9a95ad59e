//! Every sample and alert in one redb file. `docs/store-format.md` describes it.
//!
//! ```text
//! Writer   rings -> one durable commit per flush -> journal (key: a number, value: samples of all sites)
//!          every 15 min, at 4 to 32 MiB and at a clean stop: journal -> blocks, in one transaction
//! Store    open, register, replay: the needs of a start
//! Archive  the same file, read-only, from another process, beside the writer
//! ```
//!
//! Invariants: committed data survive a kill or a power loss at any moment, at most the last flush is lost, and nothing
//! is doubled (a power loss between any two disk operations is tested); sample numbers are gap-free except where
//! samples were lost and counted; every value has a checksum that covers its key, so a flipped bit costs a record but
//! is never read as a figure. A site is identified by its name: reordering, adding and removing sites keeps every
//! history; a new name in sites.yaml makes a new site, unless the site is renamed in the store too ([`Store::rename`]).

mod admin;
mod archive;
mod changes;
pub mod codec;
mod commit;
mod error;
mod file;
mod fleet;
mod intake;
mod limits;
mod lookups;
mod maintain;
mod read;
mod signing;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod upkeep;
mod verify;
mod writable;
mod writer;

pub use admin::backup::Compacted;
pub use admin::repair::Repaired;
pub use archive::Archive;
pub use changes::{Arrived, Changes, Why};
pub use error::StoreError;
pub use file::lock::LockHandle;
pub use file::open::Options;
pub use intake::Intake;
pub use limits::Keep;
pub use read::checks::StoredChecks;
pub use read::export_reader::{ExportBatch, ExportReader};
pub use read::export_start::Start;
pub use read::failures::StoredFailure;
pub use read::figures::Figures;
pub use read::moment::{Edition, Moment, Settled};
pub use read::rolled::RolledSite;
pub use read::samples::{Passed, StoredSample};
pub use read::view::{OpenIncident, Query, StoredSite};
pub use tables::blind::Outages;
pub use tables::export_cursor::{PointCounts, Progress, StoredSink};
pub use tables::hub::gathered::{Origin, Origins, StreamPosition};
pub use tables::hub::seen::{BlindTimes, SeenHour, SeenNews};
pub use tables::outbox::Kept;
#[cfg(feature = "nats")]
pub(crate) use tables::record::NUMBER_MAX;
pub use tables::record::Registered;
pub use tables::writer_signature::Signature;
pub use verify::{Contents, Gap, Verification};
pub use writable::{Opened, Store};
pub use writer::{Flushed, Writer, unsaved};
