//! Verification of the whole file: its contents, and whether every record is as written.
//!
//! One transaction, so sealing in the meantime changes nothing: every checksum is verified and every sample decoded,
//! the numbers of each site are followed from its first block to its newest sample, and its rollups are compared with
//! the sums of its samples.
//!
//! Invariants: nothing is written; a sound store has neither damaged records nor missing numbers, except samples lost
//! before they could be saved, which was reported. Cost: the file is read once, about a second for 500 MB.

pub(crate) mod rollups;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};

use crate::model::{SiteId, Timestamp};

use super::codec::block;
use super::codec::frame::Damage;
use super::read::view::{self, View};
use super::tables::hub::{gathered, seen};
use super::tables::journal::Journal;
use super::tables::record::{SealedRecord, SiteRecord, TextRecord};
use super::tables::{alert, blind, certificate, evidence, export_cursor, outbox, schema};
use rollups::{Recount, Recounted};

/// Gaps that are listed; further ones are counted.
const GAPS_MAX: usize = 20;

/// Blocks between two progress reports: less than a millisecond.
const TELL_EVERY: u64 = 16;

/// The contents of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The number of its format.
    pub format: u64,
    /// Bytes that the file takes on its disk.
    pub bytes: u64,
    /// Stored sites.
    pub sites: u64,
    /// Raw samples, by their numbers.
    pub samples: u64,
    /// The times of the oldest and the newest of them.
    pub range: Option<(Timestamp, Timestamp)>,
    /// Blocks of sealed samples.
    pub blocks: u64,
    /// Commits that are not sealed yet.
    pub journal: u64,
    /// Hours and days that are rolled up, of all sites.
    pub rollups: (u64, u64),
    /// Alerts.
    pub alerts: u64,
    /// Texts of failures.
    pub texts: u64,
}

type Rollups = TableDefinition<'static, (u32, u64), &'static [u8]>;

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Records that were read, and samples in them.
    pub records: u64,
    /// Samples in sound records.
    pub samples: u64,
    /// Damaged records: the table, and how many.
    pub damaged: Vec<(&'static str, u64)>,
    /// Numbers without a sample, the first ones found.
    pub gaps: Vec<Gap>,
    /// All numbers without a sample.
    pub missing: u64,
    /// Damage to the database itself, for which a writer would move the file aside.
    pub unusable: Option<String>,
}

/// Numbers of one site without samples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The name of the site.
    pub site: Arc<str>,
    /// The first number that is missing.
    pub first: u64,
    /// The number of the sample after them.
    pub next: u64,
}

impl Verification {
    /// Whether nothing is damaged or missing.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.missing == 0 && self.unusable.is_none()
    }

    fn note(&mut self, table: &'static str, outcome: Result<(), Damage>) {
        self.records += 1;
        if outcome.is_err() {
            self.damage(table, 1);
        }
    }

    fn damage(&mut self, table: &'static str, count: u64) {
        match self.damaged.iter_mut().find(|(name, _)| *name == table) {
            Some((_, sum)) => *sum += count,
            None => self.damaged.push((table, count)),
        }
    }
}

/// The contents of the file of this many `bytes`. Cost: a page per site, or a block where a clock was set back.
pub fn contents(transaction: &ReadTransaction, bytes: u64) -> Result<Contents, redb::Error> {
    let view = View::new(transaction)?;
    let sites = view::sites(transaction)?;
    let mut contents = Contents {
        format: schema::version(transaction)?,
        bytes,
        sites: sites.len() as u64,
        blocks: view.blocks.len()?,
        journal: transaction.open_table(schema::JOURNAL)?.len()?,
        rollups: (rows(transaction, schema::HOURS)?, rows(transaction, schema::DAYS)?),
        alerts: transaction.open_table(schema::ALERTS)?.len()?,
        texts: transaction.open_table(schema::FAILURES)?.len()?,
        ..Contents::default()
    };
    for &site in sites.keys() {
        let (next_seq, newest) = view.newest(site)?;
        let Some((first, oldest)) = oldest(&view, site)? else { continue };
        contents.samples += next_seq.saturating_sub(first);
        // Where a clock was set back, the last one is not the newest.
        let newest = newest.unwrap_or(oldest).max(view.sealed(site)?.peak);
        let (from, to) = contents.range.unwrap_or((oldest, newest));
        contents.range = Some((from.min(oldest), to.max(newest)));
    }
    Ok(contents)
}

/// The number of rollups in `table`; none in a file from before there were any.
fn rows(transaction: &ReadTransaction, table: Rollups) -> Result<u64, redb::Error> {
    schema::later_table(transaction, table)?.map_or(Ok(0), |table| Ok(table.len()?))
}

/// The number of the first sample of `site`, and the time of the oldest, damaged records left out.
fn oldest(view: &View, site: SiteId) -> Result<Option<(u64, Timestamp)>, redb::Error> {
    let setback = view.sealed(site)?.setback;
    let mut found: Option<(u64, Timestamp)> = None;
    for row in view.blocks.range(schema::whole(site.0))? {
        let (key, bytes) = row?;
        let key = key.value();
        if let Ok(head) = block::head(key, bytes.value()) {
            found = Some(found.map_or((key.1, head.low), |(first, low)| (first, low.min(head.low))));
            // From here on, times only grow.
            if key.1 >= setback {
                break;
            }
        }
    }
    if found.is_some() {
        return Ok(found);
    }
    let mut samples = Vec::new();
    let sealed = view.sealed(site)?.next_seq;
    for index in 0..view.tail.count(site) {
        if let Ok(first) = view.tail.decode(site, index, sealed, &mut samples)
            && let Some(sample) = samples.first()
        {
            return Ok(Some((first, sample.at)));
        }
    }
    Ok(None)
}

/// Reads everything.
#[cfg(test)]
pub fn verify(transaction: &ReadTransaction) -> Result<Verification, redb::Error> {
    verify_with(transaction, |_, _| ())
}

/// Reads everything. `progress` hears now and then how many blocks were read, and of how many.
pub fn verify_with(transaction: &ReadTransaction, progress: impl FnMut(u64, u64)) -> Result<Verification, redb::Error> {
    let mut verdict = Verification::default();
    let (on, to) = (transaction, &mut verdict);
    each(on, to, ("sites", schema::SITES), |id, bytes| SiteRecord::decode((id, 0), bytes).map(drop))?;
    each(on, to, ("sealed", schema::SEALED), |id, bytes| SealedRecord::decode((id, 0), bytes).map(drop))?;
    each(on, to, ("failures", schema::FAILURES), |key, bytes| TextRecord::decode(key, bytes).map(drop))?;
    each(on, to, ("alerts", schema::ALERTS), |_, bytes| alert::decode_alert(bytes, |_| "".into()).map(drop))?;
    each(on, to, ("certificates", schema::CERTIFICATES), |id, bytes| certificate::decode((id, 0), bytes).map(drop))?;
    each(on, to, ("outbox", schema::OUTBOX), outbox::check)?;
    each(on, to, ("blind", schema::BLIND), |key, bytes| blind::decode(key, bytes).map(drop))?;
    each(on, to, ("evidence", schema::EVIDENCE), |key, bytes| evidence::decode(key, bytes).map(drop))?;
    each(on, to, ("origins", schema::ORIGINS), |site, bytes| gathered::Origin::decode((site, 0), bytes).map(drop))?;
    each(on, to, ("seen", schema::SEEN), |key, bytes| seen::decode(key, bytes).map(drop))?;
    each(on, to, ("sightless", schema::SIGHTLESS), |key, bytes| seen::decode_blind(key, bytes).map(drop))?;
    each(on, to, ("sinks", schema::SINKS), export_cursor::check)?;
    each(on, to, ("cursors", schema::CURSORS), |key, bytes| export_cursor::decode_cursor(key, bytes).map(drop))?;
    let view = View::new(transaction)?;
    verdict.records += transaction.open_table(schema::JOURNAL)?.len()?;
    if view.tail.damaged > 0 {
        verdict.damage("journal", view.tail.damaged);
    }
    let blocks = (0, view.blocks.len()?);
    let mut follower =
        SequenceCheck { site: SiteId(0), name: "".into(), next: None, verdict: &mut verdict, blocks, progress };
    let mut sites: Vec<_> = view::sites(transaction)?.into_iter().collect();
    sites.sort_by_key(|(id, _)| *id);
    for (site, record) in sites {
        (follower.site, follower.name, follower.next) = (site, record.name, None);
        follower.blocks(&view)?;
        follower.tail(&view.tail);
    }
    // Damage to the pages above them hides blocks; what was trimmed is not counted any more.
    let (read, all) = follower.blocks;
    if read != all {
        verdict.damage("blocks", all.abs_diff(read));
    }
    Ok(verdict)
}

/// Notes in `verdict` whether every row of the table of this name is what was written, by `judge`, and whether there
/// are as many as the table says: damage to the pages above can hide some.
fn each<K: redb::Key + 'static>(
    transaction: &ReadTransaction,
    verdict: &mut Verification,
    (name, table): (&'static str, TableDefinition<'_, K, &'static [u8]>),
    judge: impl Fn(K::SelfType<'_>, &[u8]) -> Result<(), Damage>,
) -> Result<(), redb::Error> {
    let Some(rows) = schema::later_table(transaction, table)? else { return Ok(()) };
    let mut found = 0;
    for row in rows.iter()? {
        let (key, bytes) = row?;
        verdict.note(name, judge(key.value(), bytes.value()));
        found += 1;
    }
    let hidden = rows.len()?.abs_diff(found);
    if hidden > 0 {
        verdict.damage(name, hidden);
    }
    Ok(())
}

/// Follows the numbers of one site.
struct SequenceCheck<'v, P> {
    site: SiteId,
    name: Arc<str>,
    /// The number that comes next; none at the beginning and after a damaged record.
    next: Option<u64>,
    verdict: &'v mut Verification,
    /// Blocks that were read, of all sites, and blocks that there are.
    blocks: (u64, u64),
    progress: P,
}

impl<P: FnMut(u64, u64)> SequenceCheck<'_, P> {
    fn blocks(&mut self, view: &View) -> Result<(), redb::Error> {
        let mut samples = Vec::new();
        let record = view.sealed(self.site)?;
        let mut recount = Recount::new(record.rolled, view.outages.of(self.site));
        for row in view.blocks.range(schema::whole(self.site.0))? {
            let (key, bytes) = row?;
            self.blocks.0 += 1;
            if self.blocks.0.is_multiple_of(TELL_EVERY) {
                (self.progress)(self.blocks.0, self.blocks.1);
            }
            samples.clear();
            let head = block::decode(key.value(), bytes.value(), &mut samples);
            recount.admit(key.value().1, head.map(|head| head.peak).ok(), &samples);
            self.verdict.note("blocks", head.map(drop));
            self.step(key.value().1, head.map(|head| head.count).ok(), "blocks");
        }
        let Recounted { rows, hours, days } = recount.compare(view, self.site)?;
        self.verdict.records += rows;
        for (table, wrong) in [("hours", hours), ("days", days)].into_iter().filter(|(_, wrong)| *wrong > 0) {
            self.verdict.damage(table, wrong);
        }
        let sealed = record.next_seq;
        if self.next.is_some_and(|next| next > sealed) {
            self.verdict.damage("sealed", 1);
        }
        // All blocks may have been trimmed, then the journal begins where sealing ended.
        self.reach(sealed);
        Ok(())
    }

    fn tail(&mut self, tail: &Journal) {
        for index in 0..tail.count(self.site) {
            let mut samples = Vec::new();
            match tail.decode(self.site, index, self.next.unwrap_or(0), &mut samples) {
                // What is sealed already comes twice after a commit of unknown outcome.
                Ok(_) if samples.is_empty() => {}
                Ok(first) => self.step(first, Some(samples.len()), "journal"),
                Err(_) => {
                    self.verdict.damage("journal", 1);
                    self.next = None;
                }
            }
        }
    }

    /// A record whose first sample has number `first`; it holds so many, none if it is damaged.
    fn step(&mut self, first: u64, count: Option<usize>, table: &'static str) {
        if self.next.is_some_and(|next| first < next) {
            self.verdict.damage(table, 1);
        } else {
            self.reach(first);
        }
        self.verdict.samples += count.unwrap_or(0) as u64;
        self.next = count.map(|count| first.saturating_add(count as u64));
    }

    /// Samples continue at number `first`.
    fn reach(&mut self, first: u64) {
        if let Some(next) = self.next.filter(|next| *next < first) {
            self.verdict.missing += first - next;
            if self.verdict.gaps.len() < GAPS_MAX {
                self.verdict.gaps.push(Gap { site: self.name.clone(), first: next, next: first });
            }
        }
        self.next = Some(first.max(self.next.unwrap_or(0)));
    }
}
