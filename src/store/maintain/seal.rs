//! Sealing: every sample of the journal moves into the blocks of its site.
//!
//! A site's last block is extended until it fills its page, so slow sites do not take a page per quarter of an hour.
//! Hours that are over are rolled up in the same transaction (see [`super::rollup_builder`]). A long journal is moved
//! in several transactions, some sites in each, so that none exceeds the database's memory; the last one empties the
//! journal.
//!
//! Invariants: how far a site is sealed is written with its blocks, and samples before that count only in the blocks,
//! wherever else they still are (in the journal until it is emptied, or in an entry written twice after a commit of
//! unknown outcome); a gap in the numbers starts a new block. Cost: one page read and written per site.

use redb::{ReadableTable, Table, WriteTransaction};

use crate::model::{Sample, SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::codec::columns::Encoder;
use crate::store::tables::journal::Journal;
use crate::store::tables::record::SealedRecord;
use crate::store::tables::rollup::Grain;
use crate::store::tables::schema;
use crate::store::tables::sealed::read_sealed;

use super::rollup_builder::{AtHand, Extent, RollupBuilder};

type Blocks<'txn> = Table<'txn, (u32, u64), &'static [u8]>;

/// The result of sealing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Samples that moved into blocks.
    pub samples: u64,
    /// Journal entries, and groups within them, that could not be read and are gone.
    pub damaged: u64,
    /// Sites that had samples in the journal.
    pub sites: usize,
}

/// Bytes of journal after which sealing `sites` sites is due early. Sealing rewrites a page or two of each site, so there
/// should be some pages of samples for each; but it holds the journal in memory, however many there are.
pub fn due_after(sites: usize) -> usize {
    const A_SITE: usize = 64 << 10;
    const LEAST: usize = 4 << 20;
    const MOST: usize = 32 << 20;
    sites.saturating_mul(A_SITE).clamp(LEAST, MOST)
}

/// Pages of one transaction that moves a part of a long journal: 2 MiB. The database holds half of its memory for what
/// is not committed yet; anything beyond is written, read again for its checksum and written once more. Tests move one
/// or two sites at a time, so all of them cover parts.
pub const PART: usize = if cfg!(test) { 3 } else { 500 };

/// Samples per page at most; fewer only make the parts smaller.
const PAGE: u64 = 256;

/// Further pages per site: its last block, and the rows of its hours.
const SITE_PAGES: usize = 2;

/// A journal on its way into blocks.
#[derive(Debug)]
pub struct Sealing {
    tail: Journal,
    /// Sites before this number are done.
    from: SiteId,
    /// See [`Extent::decided`].
    decided: Timestamp,
    outcome: Sealed,
}

impl Sealing {
    /// Of everything in the journal, which does not change until it is sealed.
    /// No hour that ends after `decided` is rolled up.
    pub fn of(journal: &impl ReadableTable<u64, &'static [u8]>, decided: Timestamp) -> Result<Self, redb::Error> {
        let tail = Journal::load(journal)?;
        let outcome = Sealed { samples: 0, damaged: tail.damaged, sites: 0 };
        Ok(Self { tail, from: SiteId(0), decided, outcome })
    }

    /// The site before which a part of `pages` ends; `None` if the rest fits.
    pub fn part(&self, pages: usize) -> Option<SiteId> {
        let mut taken = 0;
        let mut sites = self.tail.sites_from(self.from);
        sites.by_ref().find(|site| {
            let full = taken >= pages;
            taken += SITE_PAGES + usize::try_from(self.tail.samples(*site) / PAGE).unwrap_or(usize::MAX - SITE_PAGES);
            full
        })
    }

    /// Seals the sites before `end` in `transaction`, which the caller commits. Their samples stay in the journal,
    /// where readers ignore sealed ones.
    pub fn seal_before(&mut self, transaction: &WriteTransaction, end: SiteId) -> Result<(), redb::Error> {
        self.run(transaction, Some(end))
    }

    /// Seals the rest and empties the journal in `transaction`, which the caller commits.
    pub fn finish(mut self, transaction: &WriteTransaction) -> Result<Sealed, redb::Error> {
        if !self.tail.is_empty() {
            self.run(transaction, None)?;
            transaction.delete_table(schema::JOURNAL)?;
            transaction.open_table(schema::JOURNAL)?;
        }
        Ok(self.outcome)
    }

    fn run(&mut self, transaction: &WriteTransaction, end: Option<SiteId>) -> Result<(), redb::Error> {
        let behind = transaction.open_table(schema::META)?.get(schema::BEHIND)?.map(|site| site.value());
        let mut blocks = transaction.open_table(schema::BLOCKS)?;
        let mut sealed = transaction.open_table(schema::SEALED)?;
        let mut roller = RollupBuilder::new(transaction)?;
        let mut site_sealer = SiteSealer::default();
        let mut row = Vec::new();
        for site in self.tail.sites_from(self.from).take_while(|site| end.is_none_or(|end| *site < end)) {
            let before = read_sealed(&sealed, &blocks, &roller, site)?;
            let mut after = site_sealer.run(site, before, &self.tail, &mut blocks, &mut self.outcome)?;
            // `catch_up` rolls up sites of a format 1 file, in bounded parts.
            if site_sealer.is_hour_over && behind.is_none_or(|behind| u64::from(site.0) < behind) {
                let extent = Extent { decided: self.decided, ..Extent::OVER };
                roller.roll(site, &mut after, &blocks, site_sealer.written(), extent)?;
            }
            after.encode((site.0, 0), &mut row);
            sealed.insert(site.0, row.as_slice())?;
            self.outcome.sites += 1;
        }
        self.from = end.unwrap_or(self.from);
        Ok(())
    }
}

/// Buffers that are used for one site after the other.
#[derive(Default)]
struct SiteSealer {
    encoder: Encoder,
    bytes: Vec<u8>,
    /// Consecutive samples that go into blocks together.
    samples: Vec<Sample>,
    /// The number of the first of them.
    first_seq: u64,
    /// The largest time before them.
    peak: Timestamp,
    /// Whether a sample is of another hour than the one before it.
    is_hour_over: bool,
}

impl SiteSealer {
    fn run(
        &mut self,
        site: SiteId,
        mut record: SealedRecord,
        tail: &Journal,
        blocks: &mut Blocks<'_>,
        outcome: &mut Sealed,
    ) -> Result<SealedRecord, redb::Error> {
        self.take_up_last(site, &record, blocks)?;
        self.is_hour_over = false;
        for place in tail.of(site) {
            let mut start = self.samples.len();
            let Ok(first) = tail.decode_at(*place, record.next_seq, &mut self.samples) else {
                outcome.damaged += 1;
                continue;
            };
            if first != record.next_seq {
                let after_gap = self.samples.split_off(start);
                self.write(site, blocks)?;
                self.samples = after_gap;
                self.first_seq = first;
                start = 0;
            }
            self.is_hour_over |= advance(&mut record, first, &self.samples[start..]);
            outcome.samples += record.next_seq - first;
        }
        self.write(site, blocks)?;
        Ok(record)
    }

    /// Loads the site's last block if it has room and the journal continues it.
    fn take_up_last(&mut self, site: SiteId, record: &SealedRecord, blocks: &Blocks<'_>) -> Result<(), redb::Error> {
        self.samples.clear();
        self.first_seq = record.next_seq;
        self.peak = record.peak;
        let Some(row) = blocks.range(schema::whole(site.0))?.next_back() else { return Ok(()) };
        let (key, bytes) = row?;
        let first_seq = key.value().1;
        if block::is_full(bytes.value().len()) {
            return Ok(());
        }
        match block::decode(key.value(), bytes.value(), &mut self.samples) {
            Ok(head) if first_seq + head.count as u64 == record.next_seq => {
                self.first_seq = first_seq;
                self.peak = head.peak;
            }
            _ => self.samples.clear(),
        }
        Ok(())
    }

    fn write(&mut self, site: SiteId, blocks: &mut Blocks<'_>) -> Result<(), redb::Error> {
        let mut rest = self.samples.as_slice();
        let mut seq = self.first_seq;
        while !rest.is_empty() {
            let head = block::encode((site.0, seq), rest, self.peak, &mut self.encoder, &mut self.bytes);
            blocks.insert((site.0, seq), self.bytes.as_slice())?;
            self.peak = head.peak;
            seq += head.count as u64;
            rest = &rest[head.count..];
        }
        Ok(())
    }

    /// The samples of the site's last blocks, as they were just written.
    fn written(&self) -> AtHand<'_> {
        (self.first_seq, &self.samples)
    }
}

/// Advances `record` over `samples` from number `first` on; returns whether one is of another hour than the one before
/// it.
fn advance(record: &mut SealedRecord, first: u64, samples: &[Sample]) -> bool {
    record.next_seq = first;
    let mut is_hour_over = false;
    for sample in samples {
        is_hour_over |= Grain::Hour.of(sample.at) != Grain::Hour.of(record.last_at);
        if sample.at < record.peak {
            record.setback = record.next_seq;
        }
        record.peak = record.peak.max(sample.at);
        record.last_at = sample.at;
        record.next_seq += 1;
    }
    is_hour_over
}

impl Sealed {
    /// A notice for the user, if any.
    pub fn notice(&self) -> Option<String> {
        let damaged = self.damaged;
        (damaged > 0).then(|| {
            format!("{damaged} damaged records of the store's journal could not be read: their samples are lost")
        })
    }
}
