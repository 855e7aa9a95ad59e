//! Every sample and alert in one redb file.
//!
//! ```text
//! Writer   rings -> one durable commit a flush -> journal (key: a number, value: samples of all sites)
//!          every 15 min, at 24 MiB and at a clean stop: journal -> blocks, in one transaction
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
//! a figure. A site is known by its name: re-ordering, adding and removing sites keeps every history, renaming one makes
//! a new site.

mod append;
mod archive;
mod backup;
mod block;
mod bytes;
mod certificate;
mod columns;
mod decode;
#[cfg(test)]
mod disk;
mod entry;
mod error;
#[cfg(test)]
mod fault_tests;
mod figures;
#[cfg(test)]
mod figures_tests;
mod file;
mod follow;
mod glimpse;
#[cfg(test)]
mod model_tests;
mod news;
mod opened;
mod read;
mod record;
mod recount;
mod roll;
mod rolling;
mod samples;
mod schema;
mod seal;
mod signature;
mod sink;
mod tail;
#[cfg(test)]
mod trial;
mod trim;
mod verify;
mod wire;
mod writer;

pub use archive::Archive;
pub use backup::Compacted;
pub use error::StoreError;
pub use figures::Figures;
pub use file::Options;
pub use follow::{Follower, Found};
pub use news::{Arrived, News, Why};
pub use opened::{Opened, Registered, Store};
pub use read::{Query, StoredSite};
pub use samples::{Passed, StoredSample};
pub use signature::Signature;
pub use sink::{Progress, Start, StoredSink, Tally};
pub use trim::Keep;
pub use verify::{Contents, Gap, Verdict};
pub use writer::{Flushed, Writer};

/// The code of one block, on its own: for measuring it.
pub mod codec {
    pub use super::block::{Head, decode, encode};
    pub use super::columns::Encoder;
    pub use super::wire::{Damage, Key};
}
