//! A journal entry: the samples of one commit, of all sites, or a part of them.
//!
//! ```text
//! version 1 | base | groups of (site | first seq | count | length | columns of that length) | CRC-32C
//! ```
//!
//! A group is consecutive samples of one site in the columns of a block, so one codec serves both; its length
//! lets a reader of one site step over the others. Invariants: within a site, entries are in order of seq.
//! Limits: an entry is closed once it has [`FULL`] bytes, a group at [`GROUP_MAX`] samples, so the largest is
//! about 130 KB.

use std::ops::Range;

use crate::model::{Sample, SiteId, Timestamp};

use super::columns::Encoder;
use super::decode;
use super::wire::{self, CHECKSUM, Damage, put};

const VERSION: u8 = 1;

/// An entry takes no more groups from here on, in bytes: just under 64 KiB, for pages come in powers of two.
const FULL: usize = 60_000;

/// Samples in one group.
const GROUP_MAX: usize = 1 << 10;

/// A finished entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As stored.
    pub bytes: Vec<u8>,
    /// Samples in it.
    pub samples: u64,
}

/// Collects groups into entries.
#[derive(Debug, Default)]
pub struct Packer {
    encoder: Encoder,
    columns: Vec<u8>,
    open: Vec<u8>,
    base: Timestamp,
    samples: u64,
}

impl Packer {
    /// Takes in consecutive `samples` of `site` from `first_seq` on; entries that fill up go to `done`.
    pub fn push(&mut self, site: SiteId, first_seq: u64, samples: &[Sample], done: &mut Vec<Entry>) {
        let mut seq = first_seq;
        for group in samples.chunks(GROUP_MAX) {
            if self.samples == 0 {
                self.base = group[0].at;
                wire::begin(&mut self.open, VERSION);
                put(&mut self.open, self.base.as_micros());
            }
            self.encoder.restart(self.base);
            for sample in group {
                self.encoder.push(sample);
            }
            self.columns.clear();
            self.encoder.finish(&mut self.columns);
            for number in [u64::from(site.0), seq, group.len() as u64, self.columns.len() as u64] {
                put(&mut self.open, number);
            }
            self.open.extend_from_slice(&self.columns);
            self.samples += group.len() as u64;
            seq += group.len() as u64;
            if self.open.len() >= FULL {
                self.close(done);
            }
        }
    }

    /// Moves what is open, if anything, to `done`.
    pub fn close(&mut self, done: &mut Vec<Entry>) {
        if self.samples > 0 {
            wire::seal(&mut self.open, wire::ANYWHERE);
            done.push(Entry { bytes: self.open.clone(), samples: self.samples });
            self.samples = 0;
        }
    }
}

/// Consecutive samples of one site within an entry, not yet decoded.
#[derive(Clone, Debug)]
pub struct Group {
    /// Whose.
    pub site: SiteId,
    /// The number of the first.
    pub first_seq: u64,
    /// How many.
    pub count: usize,
    /// The time that its columns begin from: the same for all of an entry.
    pub base: Timestamp,
    /// Where its columns are in the entry.
    pub columns: Range<usize>,
}

impl Group {
    /// The number after the last.
    pub const fn next_seq(&self) -> u64 {
        self.first_seq + self.count as u64
    }

    /// Appends the samples to `out`; `entry` is the one that the group was found in. On damage `out` is as before.
    pub fn decode(&self, entry: &[u8], out: &mut Vec<Sample>) -> Result<(), Damage> {
        decode(entry, self.columns.clone(), (self.count, self.base), out)
    }
}

/// Appends the samples of the group that has its `columns` there, so many, from that time on.
pub fn decode(
    entry: &[u8],
    columns: Range<usize>,
    (count, base): (usize, Timestamp),
    out: &mut Vec<Sample>,
) -> Result<(), Damage> {
    decode::decode(entry.get(columns).ok_or(Damage::Short)?, count, base, out)
}

/// Calls `each` with every group of an entry, in order.
pub fn groups(entry: &[u8], mut each: impl FnMut(Group)) -> Result<(), Damage> {
    let mut cursor = wire::unseal(entry, VERSION, wire::ANYWHERE)?;
    let payload_end = entry.len() - CHECKSUM;
    let base = Timestamp::from_micros(cursor.take()?);
    while cursor.left() > 0 {
        let site = SiteId(cursor.take_as()?);
        let first_seq = cursor.take()?;
        let count: u32 = cursor.take_as()?;
        first_seq.checked_add(u64::from(count)).ok_or(Damage::Range)?;
        let length = cursor.take_as()?;
        let start = payload_end - cursor.left();
        cursor.take_bytes(length)?;
        each(Group { site, first_seq, count: count as usize, base, columns: start..start + length });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::trial::{Noise, day_of, samples};
    use super::*;
    use proptest::prelude::*;

    type Batch = Vec<(SiteId, u64, Vec<Sample>)>;

    fn pack(batch: &Batch) -> Vec<Entry> {
        let (mut packer, mut done) = (Packer::default(), Vec::new());
        for (site, seq, samples) in batch {
            packer.push(*site, *seq, samples, &mut done);
        }
        packer.close(&mut done);
        done
    }

    proptest! {
        #[test]
        fn a_batch_reads_back_whole_and_in_order(
            batch in prop::collection::vec((any::<u32>().prop_map(SiteId), 0..u64::MAX / 2, prop::collection::vec(samples(), 1..5)), 0..20),
        ) {
            let mut back: Batch = Vec::new();
            for entry in pack(&batch) {
                groups(&entry.bytes, |group| {
                    let mut samples = Vec::new();
                    group.decode(&entry.bytes, &mut samples).unwrap();
                    assert_eq!(group.next_seq(), group.first_seq + samples.len() as u64);
                    back.push((group.site, group.first_seq, samples));
                }).unwrap();
            }
            prop_assert_eq!(back, batch);
        }

        #[test]
        fn any_sealed_bytes_read_or_are_refused(bytes: Vec<u8>) {
            let mut frame = Vec::new();
            wire::begin(&mut frame, VERSION);
            frame.extend_from_slice(&bytes);
            wire::seal(&mut frame, wire::ANYWHERE);
            let (mut out, mut decoded) = (Vec::new(), true);
            if groups(&frame, |group| decoded &= group.decode(&frame, &mut out).is_ok()).is_err() {
                prop_assert!(out.len() <= bytes.len(), "{decoded}");
            }
        }
    }

    #[test]
    fn large_batches_are_split_and_a_flipped_bit_is_found() {
        let batch: Batch = (0..30).map(|site| (SiteId(site), 7, day_of(u64::from(site), 300))).collect();
        let entries = pack(&batch);
        assert!(entries.len() > 1);
        assert_eq!(entries.iter().map(|entry| entry.samples).sum::<u64>(), 9_000);
        let mut noise = Noise(5);
        for entry in &entries {
            assert!(entry.bytes.len() < 2 * FULL);
            let mut hostile = entry.bytes.clone();
            let index = usize::try_from(noise.below(hostile.len() as u64)).unwrap();
            hostile[index] ^= 4;
            assert_eq!(groups(&hostile, |_| ()), Err(Damage::Checksum));
        }
    }
}
