//! The encoding of everything stored. Public for benches and fuzzing.

pub(crate) mod address;
pub(crate) mod block;
pub(crate) mod certificate;
pub(crate) mod columns;
pub(crate) mod decoder;
pub(crate) mod frame;
pub(crate) mod histogram;
pub(crate) mod journal_entry;
pub(crate) mod rows;
pub(crate) mod stream_vbyte;

use crate::model::{Sample, SiteId};

pub use block::{BlockSummary, VERSIONS as BLOCK_VERSIONS, decode, encode};
pub use columns::Encoder;
pub use frame::{ANYWHERE, Damage, FrameKey};
pub use journal_entry::VERSIONS as ENTRY_VERSIONS;

/// `payload` as a frame of this version that belongs at `key`, its checksum included.
#[must_use]
pub fn sealed(version: u8, payload: &[u8], key: FrameKey) -> Vec<u8> {
    let mut frame = Vec::new();
    frame::begin(&mut frame, version);
    frame.extend_from_slice(payload);
    frame::seal(&mut frame, key);
    frame
}

/// The groups of a journal entry: site, number of the first sample, samples.
///
/// # Errors
/// The bytes are not those of an entry, or of one of its groups.
pub fn decode_entry(bytes: &[u8]) -> Result<Vec<(SiteId, u64, Vec<Sample>)>, Damage> {
    let (mut groups, mut decoded) = (Vec::new(), Ok(()));
    journal_entry::groups(bytes, |group| {
        let mut samples = Vec::new();
        match group.decode(bytes, &mut samples) {
            Ok(()) => groups.push((group.site, group.first_seq, samples)),
            Err(damage) => decoded = Err(damage),
        }
    })?;
    decoded.map(|()| groups)
}
