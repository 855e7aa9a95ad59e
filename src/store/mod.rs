//! Every sample and alert in one redb file.
//!
//! ```text
//! Writer   rings -> one durable commit a flush -> journal (key: a number, value: samples of all sites)
//!          every 15 min, at 32 MiB and at a clean stop: journal -> blocks, in one transaction
//! Store    open, register, replay: what a start needs
//! Archive  the same file, read-only, from another program, beside the writer
//!
//! meta      the number of the format                     journal   number -> entry (entry.rs)
//! sites     site -> name, known since                    blocks    (site, first seq) -> block (block.rs)
//! sealed    site -> next seq, last time, peak, setback   failures  (site, first seq) -> text of consecutive failures
//! alerts    number -> alert, in the order of finding    hours, days (site, number of it) -> rollup (roll.rs)
//! certificates  site -> what its certificate last said (certificate.rs)
//! sinks     number -> where samples are exported to      cursors   (sink, site) -> next seq to export
//! ```
//!
//! An incident is open when the newest alert of a site is a `down`; nothing else is stored of it. Laws: what was
//! committed survives a kill or a power loss at any moment, at most the last flush is lost, nothing is doubled
//! (power loss between any two disk operations is tried); numbers of samples are gap-free but where samples were lost
//! and counted; every value has a checksum that also covers its key, so a flipped bit costs a record but is never read as
//! a figure. A site is known by its name: re-ordering, adding and removing sites keeps every history; another name in
//! sites.yaml makes a new site, unless the site is renamed in the store, too ([`Store::rename`]).

mod admin;
mod archive;
mod changes;
pub mod codec;
mod commit;
mod error;
mod file;
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
pub use read::export_reader::{ExportBatch, ExportReader};
pub use read::export_start::Start;
pub use read::figures::Figures;
pub use read::samples::{Passed, StoredSample};
pub use read::view::{Query, StoredSite};
pub use tables::export_cursor::{PointCounts, Progress, StoredSink};
pub use tables::record::Registered;
pub use tables::writer_signature::Signature;
pub use verify::{Contents, Gap, Verification};
pub use writable::{Opened, Store};
pub use writer::{Flushed, Writer, unsaved};
