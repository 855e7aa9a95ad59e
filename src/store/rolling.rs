//! Rolling up: the samples of each hour, once it is over, become a row of that hour and a part of the row of its day.
//!
//! Idea: how far a site is rolled up is a *number*, written in the same transaction as the rows: they are exactly the sum of
//! the samples before it, whatever their times are and whenever the program is stopped or killed. What comes later is
//! read from its blocks and from the journal. A site is rolled up when sealing finds a sample of another hour than the one
//! before it, and then up to the run of samples of its newest hour, so a row is normally written once. Samples are rolled up
//! too before their block is let go of. Invariants: a sample is counted in one row of each table or in none; where a
//! clock was set back, the row of an hour that was closed is taken up again. A damaged row of a day is made again
//! from its hours; a damaged block is in no row. Limits: [`BLOCKS_MAX`] blocks a transaction for a file that had no
//! rollups; the rest at the next flush.

use redb::{ReadableTable, Table, WriteTransaction};

use crate::model::{Sample, SiteId, Timestamp};

use super::block;
use super::record::SealedRecord;
use super::roll::{Grain, Roll};
use super::schema;
use super::seal::{Rolled, read_sealed};

/// Blocks of a file without rollups that are read in one transaction: about half a million samples, 50 ms.
pub const BLOCKS_MAX: usize = 2_000;

type Rows<'txn> = Table<'txn, (u32, u64), &'static [u8]>;

/// The rollups of a transaction.
pub struct Roller<'txn> {
    /// One row a site and hour.
    pub hours: Rows<'txn>,
    days: Rows<'txn>,
    bytes: Vec<u8>,
    samples: Vec<Sample>,
}

/// What to roll up.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Samples before this number.
    pub until: u64,
    /// Also those of the newest hour among them, which may go on.
    pub newest: bool,
    /// Blocks that may be read.
    pub blocks: usize,
}

impl Extent {
    /// All hours that are over.
    pub const OVER: Self = Self { until: u64::MAX, newest: false, blocks: usize::MAX };
}

impl<'txn> Roller<'txn> {
    /// The rollups as `transaction` sees them.
    pub fn new(transaction: &'txn WriteTransaction) -> Result<Self, redb::Error> {
        let (hours, days) = (transaction.open_table(schema::HOURS)?, transaction.open_table(schema::DAYS)?);
        Ok(Self { hours, days, bytes: Vec::new(), samples: Vec::new() })
    }

    /// Rolls up the samples of `site` in `blocks` from where `record` says it was left, and brings `record` up to date. Returns
    /// the number of blocks that were read; as many as were allowed means that there may be more.
    pub fn roll(
        &mut self,
        site: SiteId,
        record: &mut SealedRecord,
        blocks: &impl ReadableTable<(u32, u64), &'static [u8]>,
        extent: Extent,
    ) -> Result<usize, redb::Error> {
        let until = extent.until.min(record.next_seq);
        let before = blocks.range((site.0, 0)..=(site.0, record.rolled))?.next_back().transpose()?;
        let from = before.map_or(record.rolled, |(key, _)| key.value().1);
        let mut run = Run { record: *record, hour: None, day: Roll::default() };
        let mut read = 0;
        for row in blocks.range((site.0, from)..(site.0, until))? {
            if read == extent.blocks {
                break;
            }
            read += 1;
            let (key, bytes) = row?;
            let mut samples = std::mem::take(&mut self.samples);
            samples.clear();
            if block::decode(key.value(), bytes.value(), &mut samples).is_ok() {
                for (seq, sample) in (key.value().1..).zip(&samples) {
                    if (run.next_seq()..until).contains(&seq) {
                        self.admit(site, &mut run, seq, sample)?;
                    }
                }
            }
            self.samples = samples;
        }
        if extent.newest && read < extent.blocks {
            self.close_hour(site, &mut run)?;
            // What no block holds any more will not come.
            run.record.rolled = run.record.rolled.max(until);
        }
        self.write_day(site, &mut run)?;
        (record.rolled, record.rolled_at) = (run.record.rolled, run.record.rolled_at);
        Ok(read)
    }

    fn admit(&mut self, site: SiteId, run: &mut Run, seq: u64, sample: &Sample) -> Result<(), redb::Error> {
        let number = Grain::Hour.of(sample.at);
        if run.hour.as_ref().is_some_and(|(open, _)| *open != number) {
            self.close_hour(site, run)?;
        }
        let before = (run.record.rolled_at > Timestamp::ZERO).then_some(run.record.rolled_at);
        let (_, roll) = run.hour.get_or_insert_with(|| (number, Roll { first_seq: seq, ..Roll::default() }));
        roll.stretch.admit(sample, before);
        roll.next_seq = seq + 1;
        Ok(())
    }

    /// Writes the open hour, and adds it to the open day.
    fn close_hour(&mut self, site: SiteId, run: &mut Run) -> Result<(), redb::Error> {
        let Some((hour, roll)) = run.hour.take() else { return Ok(()) };
        let day = Grain::Day.of(Grain::Hour.start(hour));
        if run.day.next_seq > 0 && run.day_number() != day {
            self.write_day(site, run)?;
        }
        run.day.append(&roll);
        run.record.rolled = roll.next_seq;
        run.record.rolled_at = roll.stretch.last_at.unwrap_or_default();
        let key = (site.0, hour);
        let stored = self.hours.get(key)?.and_then(|row| Roll::decode(key, row.value()).ok());
        let sum = joined(stored, roll);
        sum.encode(key, &mut self.bytes);
        self.hours.insert(key, self.bytes.as_slice())?;
        Ok(())
    }

    /// Adds the open day to its row.
    fn write_day(&mut self, site: SiteId, run: &mut Run) -> Result<(), redb::Error> {
        if run.day.next_seq == 0 {
            return Ok(());
        }
        let key = (site.0, run.day_number());
        let part = std::mem::take(&mut run.day);
        let stored = self.days.get(key)?.map(|row| Roll::decode(key, row.value()));
        let sum = match stored {
            None => part,
            Some(Ok(stored)) => joined(Some(stored), part),
            Some(Err(_)) => self.sum_of_hours(key)?,
        };
        sum.encode(key, &mut self.bytes);
        self.days.insert(key, self.bytes.as_slice())?;
        Ok(())
    }

    /// The day at `key`, from the rows of its hours.
    fn sum_of_hours(&self, (site, day): (u32, u64)) -> Result<Roll, redb::Error> {
        let mut sum = Roll::default();
        for row in self.hours.range((site, day * 24)..(site, (day + 1) * 24))? {
            let (key, bytes) = row?;
            if let Ok(hour) = Roll::decode(key.value(), bytes.value()) {
                sum.append(&hour);
            }
        }
        Ok(sum)
    }
}

impl Rolled for Roller<'_> {
    fn reach(&self, site: SiteId) -> Result<(u64, Timestamp), redb::Error> {
        reach(&self.hours, site)
    }
}

/// How far the rows of a site reach: the number after the last sample in them, and its time. Reads all of them.
pub fn reach(
    hours: &impl ReadableTable<(u32, u64), &'static [u8]>,
    site: SiteId,
) -> Result<(u64, Timestamp), redb::Error> {
    let mut reached = (0, Timestamp::ZERO);
    for row in hours.range(schema::whole(site.0))? {
        let (key, bytes) = row?;
        if let Ok(roll) = Roll::decode(key.value(), bytes.value()) {
            reached = reached.max((roll.next_seq, roll.stretch.last_at.unwrap_or_default()));
        }
    }
    Ok(reached)
}

/// The hours and the day that are being summed up.
struct Run {
    record: SealedRecord,
    /// Its number, and its samples from number `record.rolled` on.
    hour: Option<(u64, Roll)>,
    /// The hours that were closed and are not in the row of their day.
    day: Roll,
}

impl Run {
    /// The number of the sample that comes next.
    fn next_seq(&self) -> u64 {
        self.hour.as_ref().map_or(self.record.rolled, |(_, roll)| roll.next_seq)
    }

    fn day_number(&self) -> u64 {
        Grain::Day.of(self.day.stretch.last_at.unwrap_or_default())
    }
}

fn joined(stored: Option<Roll>, part: Roll) -> Roll {
    match stored {
        None => part,
        Some(mut sum) => {
            sum.append(&part);
            sum
        }
    }
}

/// Rolls up what a file has from before there were rollups, a bounded part of it; whether there is more.
pub fn catch_up(transaction: &WriteTransaction, most: usize) -> Result<bool, redb::Error> {
    let Some(from) = transaction.open_table(schema::META)?.get(schema::BEHIND)?.map(|site| site.value()) else {
        return Ok(false);
    };
    let mut sealed = transaction.open_table(schema::SEALED)?;
    let blocks = transaction.open_table(schema::BLOCKS)?;
    let mut roller = Roller::new(transaction)?;
    let from = u32::try_from(from).unwrap_or(u32::MAX);
    let sites: Vec<u32> = sealed.range(from..)?.map(|row| Ok(row?.0.value())).collect::<Result<_, redb::Error>>()?;
    let mut left = most;
    let mut row = Vec::new();
    let mut behind = None;
    for site in sites {
        let mut record = read_sealed(&sealed, &blocks, &roller, SiteId(site))?;
        left -= roller.roll(SiteId(site), &mut record, &blocks, Extent { blocks: left, ..Extent::OVER })?;
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
