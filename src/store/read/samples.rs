//! Stored samples of many sites by time, with the texts of their failures.
//!
//! Each site is read block by block, in the order of its numbers, and the sites are merged by a heap on the time of
//! their next sample. The start in a site is found by bisecting its blocks on their peaks, which never fall; reading
//! ends at the first block that begins too late, unless a clock was set back after it.
//!
//! Invariants: each step is a transaction of its own, so a slow consumer does not hold pages; samples sealed in the
//! meantime are neither missed nor doubled, because the journal was read once, at the start, together with how far each
//! site was sealed then; numbers without a sample are counted.
//! Bounds: one block per site is decoded at a time; whether a site's first blocks were removed or are hidden by damage
//! is unknown.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;

use redb::ReadTransaction;

use crate::model::{Cause, Sample, SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::error::guard;
use crate::store::tables::journal::Journal;
use crate::store::tables::record::TextRecord;
use crate::store::tables::schema;

use super::view::{self, Query, Sites, View};

/// One sample as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredSample<'a> {
    /// The site.
    pub site: SiteId,
    /// The name of its site.
    pub name: &'a Arc<str>,
    /// Its number.
    pub seq: u64,
    /// The sample.
    pub sample: Sample,
    /// The reason of a failure in words, where it was kept.
    pub detail: Option<&'a str>,
    /// The address of a failure's last connection or attempt, where it was kept.
    pub address: Option<SocketAddr>,
}

/// Statistics of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Samples delivered.
    pub samples: u64,
    /// Blocks and journal entries that could not be read; their samples are missing.
    pub damaged: u64,
    /// Numbers between those that were handed out, and next to them, of which there is no sample: it was lost before it
    /// could be saved, or damage hides it.
    pub missing: u64,
}

/// Hands every sample that `query` asks for to `each`, by time; at equal times in the order of the query. The samples
/// of one site keep the order of their numbers, also where its clock was set back. `begin` starts a transaction.
pub fn visit<E>(
    query: &Query,
    begin: impl Fn() -> Result<ReadTransaction, redb::Error>,
    mut each: impl FnMut(&StoredSample<'_>) -> Result<(), E>,
) -> Result<Result<Passed, E>, redb::Error> {
    let (sites, mut walks, tail) = guard(|| start(query, &begin()?))?;
    let mut passed = Passed { damaged: tail.damaged, ..Passed::default() };
    let mut heap = BinaryHeap::with_capacity(walks.len());
    for (order, walk) in walks.iter_mut().enumerate() {
        let next = guard(|| walk.next_at(&tail, &begin, &mut passed))?;
        heap.extend(next.map(|at| Reverse((at, order))));
    }
    while let Some(Reverse((_, order))) = heap.pop() {
        let walk = &mut walks[order];
        let name = &sites[&walk.site].name;
        if let Err(stop) = each(&walk.take(name)) {
            return Ok(Err(stop));
        }
        passed.samples += 1;
        let next = match walk.buffered() {
            Some(at) => Some(at),
            None => guard(|| walk.next_at(&tail, &begin, &mut passed))?,
        };
        heap.extend(next.map(|at| Reverse((at, order))));
    }
    Ok(Ok(passed))
}

/// One look at everything but the blocks: the sites, where to begin in each, and the journal.
fn start<'q>(
    query: &'q Query,
    transaction: &ReadTransaction,
) -> Result<(Sites, Vec<Walk<'q>>, Arc<Journal>), redb::Error> {
    let sites = view::sites(transaction)?;
    let ids = query.sites.clone().unwrap_or_else(|| {
        let mut all: Vec<SiteId> = sites.keys().copied().collect();
        all.sort_unstable();
        all
    });
    let view = View::new(transaction)?;
    let mut walks = Vec::with_capacity(ids.len());
    for site in ids.into_iter().filter(|site| sites.contains_key(site)) {
        walks.push(Walk::start(site, query, &view)?);
    }
    Ok((sites, walks, view.tail))
}

/// The least number such that every block of `site` that begins before it ends before `since`; the blocks end at number
/// `end`. Halves the blocks on their peaks.
pub fn first_block(view: &View, site: SiteId, end: u64, since: Timestamp) -> Result<u64, redb::Error> {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        let Some(row) = view.blocks.range((site.0, low)..=(site.0, middle))?.next_back() else {
            low = middle + 1;
            continue;
        };
        let (key, bytes) = row?;
        let first = key.value().1;
        match block::head(key.value(), bytes.value()) {
            Ok(head) if head.peak < since => {
                low = first.saturating_add(head.count as u64).max(middle + 1);
            }
            // A damaged one cannot be skipped: it shows when it is read.
            _ => high = first,
        }
    }
    Ok(low)
}

/// Follows the numbers of a site's samples: which are missing between those that are read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    /// The number that comes next; none before the first that is asked for, and after what could not be read.
    next: Option<u64>,
    /// Numbers without a sample since the last one that was asked for.
    passed_over: u64,
}

impl Chain {
    /// Whether some were asked for.
    pub const fn is_begun(&self) -> bool {
        self.next.is_some()
    }

    /// Goes on with `count` samples from number `first` on. Returns how many are missing before them, if some are asked
    /// for on both sides.
    pub fn follow(&mut self, first: u64, count: usize, is_asked: bool) -> u64 {
        if self.next.is_none() && !is_asked {
            return 0;
        }
        let end = first.saturating_add(count as u64);
        self.passed_over += self.next.map_or(0, |next| first.saturating_sub(next));
        self.next = Some(self.next.map_or(end, |next| next.max(end)));
        if is_asked { std::mem::take(&mut self.passed_over) } else { 0 }
    }
}

/// The way through the samples of one site.
struct Walk<'q> {
    site: SiteId,
    query: &'q Query,
    /// Blocks that begin before this number are done.
    block_from: u64,
    /// Blocks end here, the journal begins.
    sealed_end: u64,
    /// The time of the last sample in them.
    sealed_at: Timestamp,
    /// No clock was set back at or after this number.
    setback: u64,
    /// Groups of the journal that are done.
    groups_done: usize,
    /// Which numbers are there.
    chain: Chain,
    /// Samples with their numbers, those to come from `position` on.
    buffer: Vec<(u64, Sample)>,
    position: usize,
    /// Texts that may belong to samples of the buffer, by their first number.
    texts: Vec<(u64, TextRecord)>,
}

impl<'q> Walk<'q> {
    fn start(site: SiteId, query: &'q Query, view: &View) -> Result<Self, redb::Error> {
        let sealed = view.sealed(site)?;
        let mut walk = Self {
            site,
            query,
            block_from: 0,
            sealed_end: sealed.next_seq,
            sealed_at: sealed.last_at,
            setback: sealed.setback,
            groups_done: 0,
            chain: Chain::default(),
            buffer: Vec::new(),
            position: 0,
            texts: Vec::new(),
        };
        if query.since > Timestamp::ZERO {
            walk.block_from = first_block(view, site, sealed.next_seq, query.since)?;
        }
        Ok(walk)
    }

    /// The time of the next sample, reading on if needed.
    fn next_at(
        &mut self,
        tail: &Journal,
        begin: &impl Fn() -> Result<ReadTransaction, redb::Error>,
        passed: &mut Passed,
    ) -> Result<Option<Timestamp>, redb::Error> {
        while self.position == self.buffer.len() && self.block_from < self.sealed_end {
            self.read_block(&begin()?, passed)?;
        }
        while self.position == self.buffer.len() && self.groups_done < tail.count(self.site) {
            let mut samples = Vec::new();
            if let Ok(first) = tail.decode(self.site, self.groups_done, self.sealed_end, &mut samples) {
                self.fill(first, &samples, &begin()?)?;
                passed.missing += self.chain.follow(first, samples.len(), !self.buffer.is_empty());
            } else {
                passed.damaged += 1;
                self.chain = Chain::default();
            }
            self.groups_done += 1;
        }
        Ok(self.buffered())
    }

    /// The time of the next sample, if it is at hand.
    fn buffered(&self) -> Option<Timestamp> {
        self.buffer.get(self.position).map(|(_, sample)| sample.at)
    }

    /// Fills the buffer with what the query asks for from the next block.
    fn read_block(&mut self, transaction: &ReadTransaction, passed: &mut Passed) -> Result<(), redb::Error> {
        let blocks = transaction.open_table(schema::BLOCKS)?;
        let range = (self.site.0, self.block_from)..(self.site.0, self.sealed_end);
        let Some(row) = blocks.range(range)?.next() else {
            self.block_from = self.sealed_end;
            // The journal begins where the blocks should end.
            passed.missing += self.chain.follow(self.sealed_end, 0, self.query.covers(self.sealed_at));
            return Ok(());
        };
        let (key, bytes) = row?;
        let first = key.value().1;
        self.block_from = first + 1;
        let mut samples = Vec::new();
        match block::decode(key.value(), bytes.value(), &mut samples) {
            Ok(head) if head.low >= self.query.until && first > self.setback && !self.query.covers(head.low) => {
                self.block_from = self.sealed_end;
                self.chain = Chain::default();
                Ok(())
            }
            Ok(_) => {
                // A block that was taken up again meanwhile holds samples that are also in the tail.
                let count =
                    usize::try_from(self.sealed_end - first).map_or(samples.len(), |left| left.min(samples.len()));
                self.fill(first, &samples[..count], transaction)?;
                passed.missing += self.chain.follow(first, count, !self.buffer.is_empty());
                Ok(())
            }
            Err(_) => {
                passed.damaged += 1;
                self.chain = Chain::default();
                Ok(())
            }
        }
    }

    /// Replaces the buffer by those of `samples` that the query asks for.
    fn fill(&mut self, first: u64, samples: &[Sample], transaction: &ReadTransaction) -> Result<(), redb::Error> {
        self.position = 0;
        self.buffer.clear();
        self.texts.clear();
        let asked = (first..).zip(samples.iter().copied()).filter(|(_, sample)| self.query.covers(sample.at));
        self.buffer.extend(asked);
        let mut failed = self.buffer.iter().filter(|(_, sample)| sample.cause != Cause::Ok).map(|(seq, _)| *seq);
        let Some(first_failed) = failed.next() else { return Ok(()) };
        let last_failed = failed.next_back().unwrap_or(first_failed);
        let failures = transaction.open_table(schema::FAILURES)?;
        for row in failures.range((self.site.0, 0)..=(self.site.0, last_failed))?.rev() {
            let (key, bytes) = row?;
            let Ok(text) = TextRecord::decode(key.value(), bytes.value()) else { continue };
            if text.last_seq < first_failed {
                break;
            }
            self.texts.push((key.value().1, text));
        }
        self.texts.reverse();
        Ok(())
    }

    /// The next sample; [`Walk::next_at`] has said that there is one.
    fn take<'a>(&'a mut self, name: &'a Arc<str>) -> StoredSample<'a> {
        let (seq, sample) = self.buffer[self.position];
        self.position += 1;
        let mut stored = StoredSample { site: self.site, name, seq, sample, detail: None, address: None };
        if sample.cause != Cause::Ok {
            let before = self.texts.partition_point(|(first, _)| *first <= seq);
            if let Some((_, text)) = self.texts[..before].last().filter(|(_, text)| seq <= text.last_seq) {
                stored.detail = (!text.detail.is_empty()).then_some(text.detail.as_str());
                stored.address = text.address;
            }
        }
        stored
    }
}
