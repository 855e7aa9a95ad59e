//! A journal entry: the samples of one commit, of all sites, or a part of them. `docs/store-format.md` has the layout.
//!
//! ```text
//! version 3 | groups of (site | first seq | count | rows) | CRC-32C
//! version 2 | the same with rows of the layout before HTTP/3 | CRC-32C
//! version 1 | base | groups of (site | first seq | count | length | columns of that length) | CRC-32C
//! ```
//!
//! A group is consecutive samples of one site, as rows (see [`super::rows`]); version 1 has the columns of a block. Earlier
//! versions are still read. A group states its length, so a reader of one site can skip the others.
//!
//! Invariants: within a site, entries are in order of seq.
//! Bounds: an entry has at most [`ENTRY_MAX`] bytes, a group at most [`GROUP_MAX`] samples.

use std::ops::{Range, RangeInclusive};

use crate::model::{Packed, Sample, SiteId, Timestamp};

use super::decoder;
use super::frame::{self, CHECKSUM, Damage, put};
use super::rows::{self, Layout, Widths};

/// The versions that are read; the last one is written.
pub const VERSIONS: RangeInclusive<u8> = COLUMNS..=ROWS_WITH_HTTP3;

/// Groups are columns of numbers.
const COLUMNS: u8 = 1;

/// Groups are rows of [`Layout::BeforeHttp3`].
const ROWS: u8 = 2;

/// Groups are rows of [`Layout::Present`].
const ROWS_WITH_HTTP3: u8 = 3;

/// An entry has at most this many bytes: just under 64 KiB, for pages come in powers of two.
const ENTRY_MAX: usize = 65_400;

/// Samples in one group.
const GROUP_MAX: usize = 1 << 10;

/// Bytes before the rows of a group, at their largest: site, number, count.
const HEADER_MAX: usize = 5 + 10 + 2;

const _: () = assert!(GROUP_MAX < 1 << 14 && rows::BEHIND == CHECKSUM);

/// A finished entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEntry {
    /// As stored.
    pub bytes: Vec<u8>,
    /// Samples in it.
    pub samples: u64,
}

/// Collects groups into entries.
#[derive(Debug, Default)]
pub struct Packer {
    open: Vec<u8>,
    samples: u64,
}

impl Packer {
    /// Adds consecutive `samples` of `site` from `first_seq` on; full entries go to `done`.
    pub fn push(&mut self, site: SiteId, first_seq: u64, samples: &[Packed], done: &mut Vec<EncodedEntry>) {
        let (mut seq, mut rest) = (first_seq, samples);
        while !rest.is_empty() {
            if self.samples == 0 {
                frame::begin(&mut self.open, ROWS_WITH_HTTP3);
            }
            let group = &rest[..rest.len().min(GROUP_MAX)];
            let widths = Widths::of(group);
            let room = ENTRY_MAX.saturating_sub(self.open.len() + HEADER_MAX + CHECKSUM);
            let Some(more) = room.checked_sub(rows::AHEAD) else {
                self.close(done);
                continue;
            };
            let (group, later) = rest.split_at(group.len().min(1 + more / widths.row()));
            for number in [u64::from(site.0), seq, group.len() as u64] {
                put(&mut self.open, number);
            }
            rows::put(group, widths, &mut self.open);
            self.samples += group.len() as u64;
            seq += group.len() as u64;
            rest = later;
        }
    }

    /// Moves the open entry, if any, to `done`.
    pub fn close(&mut self, done: &mut Vec<EncodedEntry>) {
        if self.samples > 0 {
            frame::seal(&mut self.open, frame::ANYWHERE);
            done.push(EncodedEntry { bytes: self.open.clone(), samples: self.samples });
            self.samples = 0;
        }
    }
}

/// The encoding of the samples of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// In rows of this layout.
    Rows(Layout),
    /// In columns, with times from this one on.
    Columns(Timestamp),
}

/// Consecutive samples of one site within an entry, not yet decoded.
#[derive(Clone, Debug)]
pub struct SampleGroup {
    /// The site.
    pub site: SiteId,
    /// The number of the first.
    pub first_seq: u64,
    /// How many.
    pub count: usize,
    /// Their encoding, the same for all groups of an entry.
    pub code: Code,
    /// Their bytes in the entry.
    pub place: Range<usize>,
}

impl SampleGroup {
    /// The number after the last.
    pub const fn next_seq(&self) -> u64 {
        self.first_seq + self.count as u64
    }

    /// Appends the samples to `out`; `entry` is the one that the group was found in. On damage `out` is unchanged.
    pub fn decode(&self, entry: &[u8], out: &mut Vec<Sample>) -> Result<(), Damage> {
        decode(entry, self.place.clone(), (self.count, self.code), out)
    }
}

/// Appends the `count` samples of the group at `place`, encoded as `code`. On damage `out` is unchanged.
pub fn decode(
    entry: &[u8],
    place: Range<usize>,
    (count, code): (usize, Code),
    out: &mut Vec<Sample>,
) -> Result<(), Damage> {
    match code {
        Code::Rows(layout) => {
            // The next group or the checksum follows a group.
            let end = place.end.checked_add(rows::BEHIND).ok_or(Damage::Short)?;
            rows::take(entry.get(place.start..end).ok_or(Damage::Short)?, count, layout, out)
        }
        Code::Columns(base) => decoder::decode(entry.get(place).ok_or(Damage::Short)?, count, base, out),
    }
}

/// Calls `each` with every group of an entry, in order.
pub fn groups(entry: &[u8], mut each: impl FnMut(SampleGroup)) -> Result<(), Damage> {
    let (version, mut cursor) = frame::unseal_any(entry, VERSIONS, frame::ANYWHERE)?;
    let payload_end = entry.len() - CHECKSUM;
    let code = match version {
        COLUMNS => Code::Columns(Timestamp::from_micros(cursor.take()?)),
        ROWS => Code::Rows(Layout::BeforeHttp3),
        _ => Code::Rows(Layout::Present),
    };
    while cursor.left() > 0 {
        let site = SiteId(cursor.take_as()?);
        let first_seq = cursor.take()?;
        let count: u32 = cursor.take_as()?;
        first_seq.checked_add(u64::from(count)).ok_or(Damage::Range)?;
        let count = count as usize;
        let length = match code {
            Code::Columns(_) => cursor.take_as()?,
            Code::Rows(_) => Widths::read(cursor.0)?.bytes(count).ok_or(Damage::Range)?,
        };
        let start = payload_end - cursor.left();
        cursor.take_bytes(length)?;
        each(SampleGroup { site, first_seq, count, code, place: start..start + length });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::columns::Encoder;
    use super::*;
    use crate::model::{Http, Micros, Phase};
    use crate::store::tests::samples::{Noise, day_of, samples};
    use proptest::prelude::*;

    type Batch = Vec<(SiteId, u64, Vec<Sample>)>;

    fn pack(batch: &Batch) -> Vec<EncodedEntry> {
        let (mut packer, mut done) = (Packer::default(), Vec::new());
        for (site, seq, samples) in batch {
            let words: Vec<Packed> = samples.iter().map(Sample::packed).collect();
            packer.push(*site, *seq, &words, &mut done);
        }
        packer.close(&mut done);
        done
    }

    fn read(entry: &[u8]) -> Batch {
        let mut batch = Batch::new();
        groups(entry, |group| {
            let mut samples = Vec::new();
            group.decode(entry, &mut samples).unwrap();
            assert_eq!(group.next_seq(), group.first_seq + samples.len() as u64);
            batch.push((group.site, group.first_seq, samples));
        })
        .unwrap();
        batch
    }

    /// An entry of a batch as version 1 had it.
    fn pack_in_columns(batch: &Batch) -> Vec<u8> {
        let base = batch[0].2[0].at;
        let (mut entry, mut encoder) = (Vec::new(), Encoder::default());
        frame::begin(&mut entry, COLUMNS);
        put(&mut entry, base.as_micros());
        for (site, seq, samples) in batch {
            let mut columns = Vec::new();
            encoder.restart(base);
            encoder.push_all(samples);
            encoder.finish(&mut columns);
            for number in [u64::from(site.0), *seq, samples.len() as u64, columns.len() as u64] {
                put(&mut entry, number);
            }
            entry.extend(columns);
        }
        frame::seal(&mut entry, frame::ANYWHERE);
        entry
    }

    fn batches() -> impl Strategy<Value = Batch> {
        let group = (any::<u32>().prop_map(SiteId), 0..u64::MAX / 2, prop::collection::vec(samples(), 1..5));
        prop::collection::vec(group, 1..20)
    }

    /// An entry of a batch as version 2 had it, in which `skipped` has a bit more and no protocol is HTTP/3.
    fn pack_before_http3(batch: &Batch) -> Vec<u8> {
        let (mut packer, mut done) = (Packer::default(), Vec::new());
        for (site, seq, samples) in batch {
            let before = |sample: &Sample| {
                let mut halves = Sample { skipped: 0, ..*sample }.packed().halves();
                halves[8] |= sample.skipped;
                Packed::from_halves(halves)
            };
            packer.push(*site, *seq, &samples.iter().map(before).collect::<Vec<_>>(), &mut done);
        }
        packer.close(&mut done);
        assert_eq!(done.len(), 1, "a small batch is one entry");
        in_version(&done[0].bytes, ROWS)
    }

    /// The frame `entry` as one of `version`.
    fn in_version(entry: &[u8], version: u8) -> Vec<u8> {
        let mut frame = Vec::new();
        frame::begin(&mut frame, version);
        frame.extend_from_slice(&entry[1..entry.len() - CHECKSUM]);
        frame::seal(&mut frame, frame::ANYWHERE);
        frame
    }

    /// The samples that the versions before HTTP/3 could hold in rows.
    fn without_http3(sample: Sample) -> Sample {
        let http = if sample.http == Http::V3 { Http::V2 } else { sample.http };
        Sample { http, skipped: sample.skipped & ((1 << 25) - 1), ..Sample { skipped: 0, ..sample }.saturated() }
    }

    proptest! {
        #[test]
        fn entries_of_version_2_are_still_read(mut batch in batches()) {
            batch.iter_mut().flat_map(|(_, _, samples)| samples).for_each(|sample| *sample = without_http3(*sample));
            prop_assert_eq!(read(&pack_before_http3(&batch)), batch);
        }

        #[test]
        fn a_batch_reads_back_whole_and_in_order(mut batch in batches()) {
            let back: Batch = pack(&batch).iter().flat_map(|entry| read(&entry.bytes)).collect();
            batch.iter_mut().flat_map(|(_, _, samples)| samples).for_each(|sample| *sample = sample.saturated());
            prop_assert_eq!(back, batch);
        }

        #[test]
        fn entries_of_version_1_are_still_read(mut batch in batches()) {
            batch.iter_mut().flat_map(|(_, _, samples)| samples).for_each(|sample| *sample = without_http3(*sample));
            prop_assert_eq!(read(&pack_in_columns(&batch)), batch);
        }

        #[test]
        fn any_sealed_bytes_read_or_are_refused(mut bytes: Vec<u8>, version in VERSIONS, widths: bool) {
            if let Some(nibbles) = bytes.get_mut(3 + Packed::BYTES..3 + rows::AHEAD).filter(|_| widths) {
                // A group that could be one.
                nibbles.fill(0x11);
                bytes[..3].copy_from_slice(&[1, 1, 1]);
            }
            let mut frame = Vec::new();
            frame::begin(&mut frame, version);
            frame.extend_from_slice(&bytes);
            frame::seal(&mut frame, frame::ANYWHERE);
            let (mut out, mut decoded) = (Vec::new(), true);
            if groups(&frame, |group| decoded &= group.decode(&frame, &mut out).is_ok()).is_err() {
                prop_assert!(out.len() <= bytes.len(), "{decoded}");
            }
        }
    }

    /// A sample that is the `index`th of its site, with these skipped checks before it.
    fn sample(index: u64, http: Http, skipped: u32) -> Sample {
        let at = 1_795_255_200_075_000 + index * 10_000_001;
        let pair = |high: u64, low: u64| high << 32 | low;
        let (connect, tls, bytes) = (pair(11_000, 900), pair(38_000, 24_000), pair(15_000, 600));
        let plain = Sample::from_words([at << 12, connect, tls, bytes, 300 << 40 | 200 << 30]).unwrap();
        Sample { http, skipped, ..plain }
    }

    /// Written by the last build that wrote version 1.
    #[test]
    fn an_entry_of_version_1_in_the_file_of_an_earlier_build_is_read() {
        let stored = "01f899ede3e698980307460334c8f905030003152c012c012c01010807000001f05500000180bb000002e02801000001b0040000b0ea\
                      010000df9009e2eacd0900ac02000120c8f905010001012c0101080701f0550180bb02e0280101b004b0ea01a2c9bb0999a1f217";
        let of_version_1 = |index| sample(index, Http::V11, 0);
        let expected =
            vec![(SiteId(7), 70, (0..3).map(of_version_1).collect()), (SiteId(300), 0, vec![of_version_1(1)])];
        assert_eq!(read(&bytes(stored)), expected);
        assert_eq!(pack_in_columns(&expected), bytes(stored));
    }

    /// Written by the last build that wrote version 2, with more skipped checks than a sample can have now.
    #[test]
    fn an_entry_of_version_2_in_the_file_of_an_earlier_build_is_read() {
        let stored = "020746032080cfb4c7660c6684030000f82a0000c05d00007094000058020000983a000000000006322c0100140000010430\
                      90373ed159ffffff0710a09fc7da5a00000007ac02000130b00751e4660c6684030000f82a0000c05d0000709400005b0200\
                      00983a000007000007322c010001000000003a4bbcf9";
        let moved = |sample: Sample, transfer| {
            let phases = sample.phases.with(Phase::Transfer, Micros::new(transfer));
            Sample { phases, redirects: 3, ..sample }
        };
        let first = vec![
            moved(sample(0, Http::V11, 0), 600),
            moved(sample(1, Http::V2, (1 << 25) - 1), 601),
            moved(sample(2, Http::V10, 1 << 24), 602),
        ];
        let expected =
            vec![(SiteId(7), 70, first), (SiteId(300), 0, vec![moved(sample(3, Http::V2, (1 << 24) + 7), 603)])];
        assert_eq!(read(&bytes(stored)), expected);
        assert_eq!(pack_before_http3(&expected), bytes(stored));
    }

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes().as_chunks().0.iter().map(|[high, low]| nibble(*high) << 4 | nibble(*low)).collect()
    }

    fn nibble(digit: u8) -> u8 {
        u8::try_from(char::from(digit).to_digit(16).unwrap()).unwrap()
    }

    #[test]
    fn large_batches_are_split_and_a_flipped_bit_is_found() {
        let batch: Batch =
            (0..30).map(|site| (SiteId(site), 7, day_of(u64::from(site), 50 + 50 * u64::from(site)))).collect();
        let entries = pack(&batch);
        assert!(entries.len() > 5);
        assert_eq!(entries.iter().map(|entry| entry.samples).sum::<u64>(), 23_250);
        let mut noise = Noise(5);
        for (index, entry) in entries.iter().enumerate() {
            assert!(
                entry.bytes.len() <= ENTRY_MAX && (entry.bytes.len() > ENTRY_MAX - 150 || index + 1 == entries.len())
            );
            let mut hostile = entry.bytes.clone();
            let index = usize::try_from(noise.below(hostile.len() as u64)).unwrap();
            hostile[index] ^= 4;
            assert_eq!(groups(&hostile, |_| ()), Err(Damage::Checksum));
        }
        let mut joined: Batch = Batch::new();
        for (site, seq, samples) in entries.iter().flat_map(|entry| read(&entry.bytes)) {
            match joined.last_mut() {
                Some((last, first, all)) if *last == site && *first + all.len() as u64 == seq => all.extend(samples),
                _ => joined.push((site, seq, samples)),
            }
        }
        assert_eq!(joined, batch);
    }
}
