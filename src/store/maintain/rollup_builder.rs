//! Rolling up: once an hour is over, its samples become a row of that hour and part of the row of its day.
//!
//! How far a site is rolled up is a *number*, written in the same transaction as the rows: the rows are exactly the sum
//! of the samples before it, whatever their times and whenever the program stops. Later samples are read from blocks
//! and journal. A site is rolled up when sealing finds a sample of another hour than the one before it, and then up to
//! the run of samples of its newest hour, so a row is normally written once. Samples are also rolled up before their
//! block is trimmed.
//!
//! Invariants: a sample counts in one row of each table or in none; where a clock was set back, the row of a closed
//! hour is extended. A damaged row of a day is rebuilt from its hours; a damaged block is in no row.
//! Bounds: [`BLOCKS_MAX`] blocks per transaction for a file without rollups; the rest at later flushes.

use redb::{ReadableTable, Table, WriteTransaction};

use crate::alert::network::Mask;
use crate::model::{Sample, SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::tables::blind::Outages;
use crate::store::tables::record::SealedRecord;
use crate::store::tables::rollup::{Grain, RollupRow};
use crate::store::tables::schema;
use crate::store::tables::sealed::{Rolled, reach, read_sealed};

/// Blocks of a file without rollups that are read in one transaction: about half a million samples, 50 ms.
pub const BLOCKS_MAX: usize = 2_000;

type Rows<'txn> = Table<'txn, (u32, u64), &'static [u8]>;

/// The rollups of a transaction.
pub struct RollupBuilder<'txn> {
    /// One row per site and hour.
    pub hours: Rows<'txn>,
    days: Rows<'txn>,
    outages: Table<'txn, (u32, u64), &'static [u8]>,
    /// What is in `outages`, once it was needed.
    known: Option<Outages>,
    bytes: Vec<u8>,
    samples: Vec<Sample>,
}

/// The samples to roll up.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Samples before this number.
    pub until: u64,
    /// Include those of the newest hour, which may continue.
    pub newest: bool,
    /// No hour that ends after it: an outage of this machine's network may yet be found there.
    pub decided: Timestamp,
    /// Blocks that may be read.
    pub blocks: usize,
}

/// The newest samples of a site already in memory, so their blocks need not be read: the number of the first, and the
/// samples.
pub type AtHand<'a> = (u64, &'a [Sample]);

/// No samples in memory.
pub const NOTHING: AtHand<'static> = (u64::MAX, &[]);

impl Extent {
    /// All hours that are over.
    pub const OVER: Self = Self { until: u64::MAX, newest: false, decided: Timestamp::MAX, blocks: usize::MAX };
}

impl<'txn> RollupBuilder<'txn> {
    /// The rollups as `transaction` sees them.
    pub fn new(transaction: &'txn WriteTransaction) -> Result<Self, redb::Error> {
        let (hours, days) = (transaction.open_table(schema::HOURS)?, transaction.open_table(schema::DAYS)?);
        let outages = transaction.open_table(schema::BLIND)?;
        Ok(Self { hours, days, outages, known: None, bytes: Vec::new(), samples: Vec::new() })
    }

    /// Rolls up the samples of `site` in `blocks` from where `record` says it was left, those that are `at_hand` from
    /// there, and brings `record` up to date. Returns the number of blocks that were read; if it is the limit, there
    /// may be more.
    pub fn roll(
        &mut self,
        site: SiteId,
        record: &mut SealedRecord,
        blocks: &impl ReadableTable<(u32, u64), &'static [u8]>,
        at_hand: AtHand<'_>,
        extent: Extent,
    ) -> Result<usize, redb::Error> {
        let until = extent.until.min(record.next_seq);
        let blocks_end = until.min(at_hand.0);
        let before = blocks.range((site.0, 0)..=(site.0, record.rolled))?.next_back().transpose()?;
        let from = before.map_or(record.rolled, |(key, _)| key.value().1).min(blocks_end);
        let mask = match &self.known {
            Some(known) => known.of(site),
            None => self.known.insert(Outages::within(&self.outages)?).of(site),
        };
        let (decided, is_over) = (extent.decided, false);
        let mut run = SiteRollup { record: *record, hour: None, day: RollupRow::default(), mask, decided, is_over };
        let mut read = 0;
        for row in blocks.range((site.0, from)..(site.0, blocks_end))? {
            if read == extent.blocks {
                break;
            }
            read += 1;
            let (key, bytes) = row?;
            let mut samples = std::mem::take(&mut self.samples);
            samples.clear();
            if block::decode(key.value(), bytes.value(), &mut samples).is_ok() {
                self.admit_all(site, &mut run, (key.value().1, &samples), until)?;
            }
            self.samples = samples;
        }
        self.admit_all(site, &mut run, at_hand, until)?;
        if extent.newest && read < extent.blocks && !run.is_over {
            self.close_hour(site, &mut run)?;
            // Samples that no block holds any more are lost.
            run.record.rolled = run.record.rolled.max(until);
        }
        self.write_day(site, &mut run)?;
        (record.rolled, record.rolled_at) = (run.record.rolled, run.record.rolled_at);
        Ok(read)
    }

    /// Those of `samples`, numbered from the first on, that come next, and before number `until`.
    fn admit_all(
        &mut self,
        site: SiteId,
        run: &mut SiteRollup,
        (first, samples): AtHand<'_>,
        until: u64,
    ) -> Result<(), redb::Error> {
        // Where a number is out of range, so is the index.
        let index = |seq: u64| usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX).min(samples.len());
        let mut rest = samples.get(index(run.next_seq())..index(until)).unwrap_or_default();
        let mut seq = first.max(run.next_seq());
        while let Some(next) = rest.first().filter(|_| !run.is_over) {
            let hour = Grain::Hour.of(next.at);
            if run.decided < Grain::Hour.start(hour + 1) {
                run.is_over = true;
                return self.close_hour(site, run);
            }
            let length = rest.iter().position(|sample| Grain::Hour.of(sample.at) != hour).unwrap_or(rest.len());
            let (same, later) = rest.split_at(length);
            self.admit(site, run, hour, (seq, same))?;
            seq += same.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Samples of one hour.
    fn admit(
        &mut self,
        site: SiteId,
        run: &mut SiteRollup,
        hour: u64,
        (first, samples): AtHand<'_>,
    ) -> Result<(), redb::Error> {
        if run.hour.as_ref().is_some_and(|(open, _)| *open != hour) {
            self.close_hour(site, run)?;
        }
        let before = (run.record.rolled_at > Timestamp::ZERO).then_some(run.record.rolled_at);
        let (_, roll) = run.hour.get_or_insert_with(|| (hour, RollupRow { first_seq: first, ..RollupRow::default() }));
        if run.mask.is_empty() {
            roll.stretch.admit_all(samples, before);
        } else {
            let seen: Vec<Sample> = samples.iter().map(|sample| run.mask.seen(sample)).collect();
            roll.stretch.admit_all(&seen, before);
        }
        roll.next_seq = first + samples.len() as u64;
        Ok(())
    }

    /// Writes the open hour, and adds it to the open day.
    fn close_hour(&mut self, site: SiteId, run: &mut SiteRollup) -> Result<(), redb::Error> {
        let Some((hour, roll)) = run.hour.take() else { return Ok(()) };
        let day = Grain::Day.of(Grain::Hour.start(hour));
        if run.day.next_seq > 0 && run.day_number() != day {
            self.write_day(site, run)?;
        }
        run.day.append(&roll);
        run.record.rolled = roll.next_seq;
        run.record.rolled_at = roll.stretch.last_at.unwrap_or_default();
        let key = (site.0, hour);
        match self.hours.get(key)?.and_then(|row| RollupRow::decode(key, row.value()).ok()) {
            None => roll.encode(key, &mut self.bytes),
            Some(mut stored) => {
                stored.append(&roll);
                stored.encode(key, &mut self.bytes);
            }
        }
        self.hours.insert(key, self.bytes.as_slice())?;
        Ok(())
    }

    /// Adds the open day to its row.
    fn write_day(&mut self, site: SiteId, run: &mut SiteRollup) -> Result<(), redb::Error> {
        if run.day.next_seq == 0 {
            return Ok(());
        }
        let key = (site.0, run.day_number());
        let day = std::mem::take(&mut run.day);
        match self.days.get(key)?.map(|row| RollupRow::decode(key, row.value())) {
            None => day.encode(key, &mut self.bytes),
            Some(Ok(mut stored)) => {
                stored.append(&day);
                stored.encode(key, &mut self.bytes);
            }
            Some(Err(_)) => self.sum_of_hours(key)?.encode(key, &mut self.bytes),
        }
        self.days.insert(key, self.bytes.as_slice())?;
        Ok(())
    }

    /// The day at `key`, from the rows of its hours.
    fn sum_of_hours(&self, (site, day): (u32, u64)) -> Result<RollupRow, redb::Error> {
        let mut sum = RollupRow::default();
        for row in self.hours.range((site, day * 24)..(site, (day + 1) * 24))? {
            let (key, bytes) = row?;
            if let Ok(hour) = RollupRow::decode(key.value(), bytes.value()) {
                sum.append(&hour);
            }
        }
        Ok(sum)
    }
}

impl Rolled for RollupBuilder<'_> {
    fn reach(&self, site: SiteId) -> Result<(u64, Timestamp), redb::Error> {
        reach(&self.hours, site)
    }
}

/// The hours and the day that are being summed up.
struct SiteRollup {
    record: SealedRecord,
    /// Its number, and its samples from number `record.rolled` on.
    hour: Option<(u64, RollupRow)>,
    /// The hours that were closed and are not in the row of their day.
    day: RollupRow,
    /// Which samples count as unknown.
    mask: Mask,
    /// See [`Extent::decided`].
    decided: Timestamp,
    /// Whether the first hour that ends after it was met.
    is_over: bool,
}

impl SiteRollup {
    /// The number of the sample that comes next.
    fn next_seq(&self) -> u64 {
        self.hour.as_ref().map_or(self.record.rolled, |(_, roll)| roll.next_seq)
    }

    fn day_number(&self) -> u64 {
        Grain::Day.of(self.day.stretch.last_at.unwrap_or_default())
    }
}

/// Rolls up a bounded part of the samples of a file of format 1; returns whether there is more.
pub fn catch_up(transaction: &WriteTransaction, most: usize) -> Result<bool, redb::Error> {
    let Some(from) = transaction.open_table(schema::META)?.get(schema::BEHIND)?.map(|site| site.value()) else {
        return Ok(false);
    };
    let mut sealed = transaction.open_table(schema::SEALED)?;
    let blocks = transaction.open_table(schema::BLOCKS)?;
    let mut roller = RollupBuilder::new(transaction)?;
    let from = u32::try_from(from).unwrap_or(u32::MAX);
    let sites: Vec<u32> = sealed.range(from..)?.map(|row| Ok(row?.0.value())).collect::<Result<_, redb::Error>>()?;
    let mut left = most;
    let mut row = Vec::new();
    let mut behind = None;
    for site in sites {
        let mut record = read_sealed(&sealed, &blocks, &roller, SiteId(site))?;
        left -= roller.roll(SiteId(site), &mut record, &blocks, NOTHING, Extent { blocks: left, ..Extent::OVER })?;
        record.encode((site, 0), &mut row);
        sealed.insert(site, row.as_slice())?;
        if left == 0 {
            behind = Some(u64::from(site));
            break;
        }
    }
    let mut meta = transaction.open_table(schema::META)?;
    match behind {
        Some(site) => meta.insert(schema::BEHIND, site)?,
        None => meta.remove(schema::BEHIND)?,
    };
    Ok(behind.is_some())
}
