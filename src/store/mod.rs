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

mod alert_trim;
mod append;
mod archive;
mod aside;
mod backup;
mod beginning;
mod block;
mod buckets;
mod bytes;
mod certificate;
mod columns;
mod decode;
#[cfg(test)]
pub(crate) mod disk;
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
mod holder;
mod image;
mod intake;
mod lookups;
#[cfg(test)]
mod model_tests;
mod news;
mod opened;
mod opening;
mod patient;
mod place;
mod read;
mod record;
mod recount;
mod rehearsal;
mod rename;
mod repair;
mod roll;
mod rolling;
mod room;
mod rows;
mod samples;
mod schema;
mod seal;
mod signature;
mod sink;
mod tail;
mod trace;
#[cfg(test)]
mod trial;
mod trim;
mod trust;
mod upkeep;
mod verify;
mod wire;
mod writer;

pub use archive::Archive;
pub use backup::Compacted;
pub use error::StoreError;
pub use figures::Figures;
pub use file::Options;
pub use follow::{Follower, Found};
pub use intake::Intake;
pub use news::{Arrived, News, Why};
pub use opened::{Opened, Registered, Store};
pub use patient::Link;
pub use read::{Query, StoredSite};
pub use repair::Repaired;
pub use samples::{Passed, StoredSample};
pub use signature::Signature;
pub use sink::{Progress, Start, StoredSink, Tally};
pub use trim::Keep;
pub use verify::{Contents, Gap, Verdict};
pub use writer::{Flushed, Writer, unsaved};

/// The code of blocks and journal entries, on its own: for measuring it, and for trying any bytes on it.
pub mod codec {
    use crate::model::{Sample, SiteId};

    pub use super::block::VERSION as BLOCK_VERSION;
    pub use super::block::{Head, decode, encode};
    pub use super::columns::Encoder;
    use super::entry;
    pub use super::entry::VERSIONS as ENTRY_VERSIONS;
    pub use super::wire::{ANYWHERE, Damage, Key};

    /// `payload` as a frame of this version that belongs at `key`, its checksum included.
    #[must_use]
    pub fn sealed(version: u8, payload: &[u8], key: Key) -> Vec<u8> {
        let mut frame = Vec::new();
        super::wire::begin(&mut frame, version);
        frame.extend_from_slice(payload);
        super::wire::seal(&mut frame, key);
        frame
    }

    /// The groups of a journal entry: site, number of the first sample, samples.
    ///
    /// # Errors
    /// The bytes are not those of an entry, or of one of its groups.
    pub fn decode_entry(bytes: &[u8]) -> Result<Vec<(SiteId, u64, Vec<Sample>)>, Damage> {
        let (mut groups, mut decoded) = (Vec::new(), Ok(()));
        entry::groups(bytes, |group| {
            let mut samples = Vec::new();
            match group.decode(bytes, &mut samples) {
                Ok(()) => groups.push((group.site, group.first_seq, samples)),
                Err(damage) => decoded = Err(damage),
            }
        })?;
        decoded.map(|()| groups)
    }
}
