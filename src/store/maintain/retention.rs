//! Retention: removal of raw samples and hours beyond their age, and of the oldest ones when the file would grow too
//! large.
//!
//! A block is removed as a whole, the oldest of its site first, so the numbers of the remaining samples stay gap-free;
//! the texts of its failures are removed with it, and samples not rolled up yet are rolled up first. The record of how
//! far a site is sealed stays, so numbers and times continue. If the file is too large, the oldest alerts go first,
//! down to their share ([`super::alert_retention`]), then the oldest raw samples, the newest block of a site only when
//! no hours are left; days and sites are never removed. Outages of the own network go after the checks that they cover
//! ([`super::blind_retention`]). [`super::space`] defines the room in use.
//!
//! Invariants: a block with one young enough sample stays; nothing is removed by age while the clock is not trusted.
//! Bounds: [`BLOCKS_MAX`] blocks per transaction, fewer in a small file, the rest at the next flush. A block written
//! while a clock was far ahead stays, with those after it, until its time has come or its room is needed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use redb::{ReadableTable, ReadableTableMetadata, Table, WriteTransaction};

use crate::model::{SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::limits::Keep;
use crate::store::tables::hub::seen;
use crate::store::tables::record::TextRecord;
use crate::store::tables::rollup::Grain;
use crate::store::tables::sealed::read_sealed;
use crate::store::tables::{evidence, schema};

use super::alert_retention::{self, KeptAlerts};
use super::blind_retention;
use super::rollup_builder::{Extent, NOTHING, RollupBuilder};
use super::space::{BLOCK_BYTES, HOUR_BYTES, SpaceUsage, limit, needed};

/// Blocks and hours removed in one transaction: 32 MiB, more than one sealing adds.
pub const BLOCKS_MAX: usize = 8_192;

/// Retention of hours; days are never removed.
pub const HOURS_KEPT: Duration = Duration::from_hours(400 * 24);

/// The time of a site's first block, and its key.
type First = (Timestamp, (u32, u64));

/// Alerts that take as little writing to remove as a block.
const ALERTS_A_PAGE: usize = 16;

type Blocks<'txn> = Table<'txn, (u32, u64), &'static [u8]>;

/// The removed data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Blocks of samples.
    pub blocks: u64,
    /// Rollups of hours.
    pub hours: u64,
    /// Texts of failures.
    pub texts: u64,
    /// Alerts.
    pub alerts: u64,
    /// Approximate bytes of the alerts.
    pub alert_bytes: u64,
    /// Outages of this machine's own network.
    pub outages: u64,
    /// Whether there is more to remove.
    pub more: bool,
    /// Whether samples were removed to make room.
    pub is_full: bool,
    /// If not even the newest block of each site fits: the bytes needed.
    pub needs: Option<u64>,
}

/// Removes data beyond `keep` and `room` in `transaction`, which the caller commits: at most `most` blocks, hours and
/// alerts each. Without `by_age` the clock is not trusted, and data are removed only to make room. `kept` serves all
/// steps of one trimming, during which no alert is added.
pub fn trim(
    transaction: &WriteTransaction,
    (keep, room): (&Keep, Option<SpaceUsage>),
    (now, by_age): (Timestamp, bool),
    most: usize,
    kept: &mut KeptAlerts,
) -> Result<Trimmed, redb::Error> {
    let mut outcome = Trimmed::default();
    let mut gone = BTreeMap::new();
    let cutoff = keep.alert_retention.filter(|_| by_age).map(|retention| now.before(retention));
    let over_share = keep.max_size.filter(|_| room.is_some());
    let alerts = alert_retention::trim(transaction, (cutoff, over_share), most.saturating_mul(ALERTS_A_PAGE), kept)?;
    (outcome.alerts, outcome.alert_bytes) = (alerts.removed, alerts.bytes);
    {
        let mut trimmer = Trimmer::new(transaction, most, &mut gone)?;
        let sites = trimmer.sites()?;
        if by_age {
            if let Some(retention) = keep.retention {
                trimmer.by_age(now.before(retention), &sites)?;
            }
            trimmer.hours_before(now.before(HOURS_KEPT), &sites)?;
            seen::trim(transaction, now.before(HOURS_KEPT))?;
        }
        if let (Some(max_size), Some(room)) = (keep.max_size, room) {
            let used = room.now(trimmer.blocks.len()?, trimmer.roller.hours.len()?);
            let over = used.saturating_sub(alerts.bytes).saturating_sub(limit(max_size));
            // Removing the remaining alerts may make enough room.
            let freed = if over > 0 && !alerts.more { trimmer.free(over, &sites)? } else { Freed::default() };
            outcome.is_full = freed.bytes > 0;
            outcome.needs = freed.newest.then(|| needed(sites.len() as u64));
        }
        outcome.more = trimmer.left == 0 || alerts.more;
        (outcome.blocks, outcome.hours) = (trimmer.removed_blocks, trimmer.removed_hours);
    }
    for (site, next) in gone {
        outcome.texts += forget_texts(transaction, site, next)?;
    }
    outcome.outages = blind_retention::trim(transaction)?;
    Ok(outcome)
}

impl Trimmed {
    /// Adds the data that the next step removed.
    pub fn add(&mut self, next: Self) {
        self.blocks += next.blocks;
        self.hours += next.hours;
        self.texts += next.texts;
        self.alerts += next.alerts;
        self.alert_bytes += next.alert_bytes;
        self.outages += next.outages;
        self.more = next.more;
        self.is_full |= next.is_full;
        self.needs = self.needs.max(next.needs);
    }
}

/// The room made.
#[derive(Clone, Copy, Debug, Default)]
struct Freed {
    bytes: u64,
    /// Whether the newest block of a site was removed.
    newest: bool,
}

struct Trimmer<'txn, 'g> {
    blocks: Blocks<'txn>,
    sealed: Table<'txn, u32, &'static [u8]>,
    roller: RollupBuilder<'txn>,
    /// Blocks and hours that may still be removed.
    left: usize,
    removed_blocks: u64,
    removed_hours: u64,
    /// Sites that lost blocks, with the number of their first remaining block, if any.
    gone: &'g mut BTreeMap<u32, Option<u64>>,
}

impl<'txn, 'g> Trimmer<'txn, 'g> {
    fn new(
        transaction: &'txn WriteTransaction,
        left: usize,
        gone: &'g mut BTreeMap<u32, Option<u64>>,
    ) -> Result<Self, redb::Error> {
        let (blocks, sealed) = (transaction.open_table(schema::BLOCKS)?, transaction.open_table(schema::SEALED)?);
        let roller = RollupBuilder::new(transaction)?;
        Ok(Self { blocks, sealed, roller, left, removed_blocks: 0, removed_hours: 0, gone })
    }

    /// Every site with sealed samples.
    fn sites(&self) -> Result<Vec<u32>, redb::Error> {
        self.sealed.range::<u32>(..)?.map(|row| Ok(row?.0.value())).collect()
    }

    /// Removes the leading blocks of each site whose last sample is before `cutoff`.
    fn by_age(&mut self, cutoff: Timestamp, sites: &[u32]) -> Result<(), redb::Error> {
        for &site in sites {
            let mut old = Vec::new();
            // A damaged block has no age; it is removed with the next sound one.
            let mut unknown = Vec::new();
            for row in self.blocks.range(schema::whole(site))? {
                let (key, bytes) = row?;
                match is_old(key.value(), bytes.value(), cutoff) {
                    _ if old.len() + unknown.len() == self.left => break,
                    None => unknown.push(key.value()),
                    Some(true) => {
                        old.append(&mut unknown);
                        old.push(key.value());
                    }
                    Some(false) => break,
                }
            }
            for key in old {
                self.remove(key)?;
            }
        }
        Ok(())
    }

    /// Removes the hours that ended before `cutoff`.
    fn hours_before(&mut self, cutoff: Timestamp, sites: &[u32]) -> Result<(), redb::Error> {
        for &site in sites {
            let old = (site, 0)..(site, Grain::Hour.of(cutoff));
            let old: Vec<(u32, u64)> = self
                .roller
                .hours
                .range(old)?
                .take(self.left)
                .map(|row| Ok(row?.0.value()))
                .collect::<Result<_, redb::Error>>()?;
            for key in old {
                self.remove_hour(key)?;
            }
        }
        Ok(())
    }

    /// Makes room for `bytes`: removes the oldest blocks except the last of each site, then the oldest hours, then the
    /// last blocks.
    fn free(&mut self, bytes: u64, sites: &[u32]) -> Result<Freed, redb::Error> {
        let freed = self.oldest(bytes.div_ceil(BLOCK_BYTES), sites, 1)? * BLOCK_BYTES;
        let freed = freed + self.oldest_hours(bytes.saturating_sub(freed).div_ceil(HOUR_BYTES), sites)? * HOUR_BYTES;
        let newest = self.oldest(bytes.saturating_sub(freed).div_ceil(BLOCK_BYTES), sites, 0)?;
        Ok(Freed { bytes: freed + newest * BLOCK_BYTES, newest: newest > 0 })
    }

    /// Removes the `count` oldest blocks of all sites, keeping `kept` of each; returns how many were removed.
    fn oldest(&mut self, count: u64, sites: &[u32], kept: usize) -> Result<u64, redb::Error> {
        let mut firsts = BinaryHeap::new();
        if count > 0 {
            for &site in sites {
                firsts.extend(self.first(site, kept)?.map(Reverse));
            }
        }
        let mut went = 0;
        while went < count
            && let Some(Reverse((_, key))) = firsts.pop().filter(|_| self.left > 0)
        {
            self.remove(key)?;
            went += 1;
            firsts.extend(self.first(key.0, kept)?.map(Reverse));
        }
        Ok(went)
    }

    /// Removes the `count` oldest hours of all sites; returns how many were removed.
    fn oldest_hours(&mut self, count: u64, sites: &[u32]) -> Result<u64, redb::Error> {
        let mut firsts = BinaryHeap::new();
        let first = |this: &Self, site: u32| -> Result<Option<Reverse<(u64, u32)>>, redb::Error> {
            let row = this.roller.hours.range(schema::whole(site))?.next().transpose()?;
            Ok(row.map(|(key, _)| Reverse((key.value().1, site))))
        };
        if count > 0 {
            for &site in sites {
                firsts.extend(first(self, site)?);
            }
        }
        let mut went = 0;
        while went < count
            && let Some(Reverse((hour, site))) = firsts.pop().filter(|_| self.left > 0)
        {
            self.remove_hour((site, hour))?;
            went += 1;
            firsts.extend(first(self, site)?);
        }
        Ok(went)
    }

    /// The first block of `site` and its time, if there are more than `kept`; a damaged one comes before all others.
    fn first(&self, site: u32, kept: usize) -> Result<Option<First>, redb::Error> {
        let mut rows = self.blocks.range(schema::whole(site))?;
        let Some(row) = rows.next().filter(|_| rows.by_ref().take(kept).count() == kept) else { return Ok(None) };
        let (key, bytes) = row?;
        let time = block::head(key.value(), bytes.value()).map_or(Timestamp::ZERO, |head| head.low);
        Ok(Some((time, key.value())))
    }

    fn remove(&mut self, key: (u32, u64)) -> Result<(), redb::Error> {
        let next = self
            .blocks
            .range(schema::whole(key.0))?
            .find(|row| row.as_ref().map_or(true, |(next, _)| next.value() > key))
            .transpose()?;
        let next = next.map(|(key, _)| key.value().1);
        self.roll_up_before(key.0, next)?;
        self.blocks.remove(key)?;
        self.left -= 1;
        self.removed_blocks += 1;
        self.gone.insert(key.0, next);
        Ok(())
    }

    fn remove_hour(&mut self, key: (u32, u64)) -> Result<(), redb::Error> {
        self.roller.hours.remove(key)?;
        self.left -= 1;
        self.removed_hours += 1;
        Ok(())
    }

    /// Rolls up the samples in blocks before number `next`, or in all blocks.
    fn roll_up_before(&mut self, site: u32, next: Option<u64>) -> Result<(), redb::Error> {
        let mut record = read_sealed(&self.sealed, &self.blocks, &self.roller, SiteId(site))?;
        let until = next.unwrap_or(record.next_seq);
        if record.rolled >= until {
            return Ok(());
        }
        self.roller.roll(
            SiteId(site),
            &mut record,
            &self.blocks,
            NOTHING,
            Extent { until, newest: true, ..Extent::OVER },
        )?;
        let mut row = Vec::new();
        record.encode((site, 0), &mut row);
        self.sealed.insert(site, row.as_slice())?;
        Ok(())
    }
}

/// Whether the last sample of the block at `key` is before `cutoff`; `None` if damaged.
fn is_old(key: (u32, u64), bytes: &[u8], cutoff: Timestamp) -> Option<bool> {
    let head = block::head(key, bytes).ok()?;
    if head.peak < cutoff || head.low >= cutoff {
        return Some(head.peak < cutoff);
    }
    let mut samples = Vec::new();
    block::decode(key, bytes, &mut samples).ok()?;
    Some(samples.iter().all(|sample| sample.at < cutoff))
}

/// Removes the texts of `site` that belong to samples before number `next`, or before all that is not sealed.
fn forget_texts(transaction: &WriteTransaction, site: u32, next: Option<u64>) -> Result<u64, redb::Error> {
    let next = if let Some(next) = next {
        next
    } else {
        let blocks = transaction.open_table(schema::BLOCKS)?;
        let roller = RollupBuilder::new(transaction)?;
        read_sealed(&transaction.open_table(schema::SEALED)?, &blocks, &roller, SiteId(site))?.next_seq
    };
    evidence::forget(transaction, site, next)?;
    let mut failures = transaction.open_table(schema::FAILURES)?;
    let mut gone = Vec::new();
    for row in failures.range((site, 0)..(site, next))? {
        let (key, bytes) = row?;
        if TextRecord::decode(key.value(), bytes.value()).map_or(true, |text| text.last_seq < next) {
            gone.push(key.value());
        }
    }
    for key in &gone {
        failures.remove(key)?;
    }
    Ok(gone.len() as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redb::{Database, ReadableDatabase};

    use super::*;
    use crate::alert::AlertState;
    use crate::alert::record::tests::record;
    use crate::model::{Cause, Evidence, Observation, Sample, StoreHealth};
    use crate::ring::Producer;
    use crate::store::file::database::builder;
    use crate::store::file::open::Options;
    use crate::store::maintain::space::measure;
    use crate::store::read::view::Query;
    use crate::store::tests::samples::day_of;
    use crate::store::tests::simulated_disk::Disk;
    use crate::store::writable::Store;
    use crate::store::writer::{Flushed, Writer};

    const HOUR: Duration = Duration::from_hours(1);

    struct Rig {
        producers: Vec<Producer>,
        writer: Writer,
        notices: Vec<String>,
    }

    impl Rig {
        fn new(store: Store, sites: usize) -> Self {
            let names: Vec<Arc<str>> = (0..sites).map(|site| Arc::from(format!("site {site}"))).collect();
            let registered = store.register(&names, Timestamp::from_secs(1)).unwrap();
            let producers: Vec<Producer> = registered.iter().map(|site| Producer::new(4_096, site.next_seq)).collect();
            let readers = registered.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
            let writer = Writer::new(store, readers.collect()).unwrap();
            Self { producers, writer, notices: Vec::new() }
        }

        /// The same samples of every site, with a text for each failure, a flush every quarter of an hour.
        fn run(&mut self, samples: &[Sample]) {
            for batch in samples.chunks(90) {
                for (index, producer) in self.producers.iter_mut().enumerate() {
                    for sample in batch {
                        let seq = producer.push(*sample);
                        let evidence = (sample.cause != Cause::Ok)
                            .then(|| Box::new(Evidence { url: format!("http://a.test/{seq}"), ..Evidence::default() }));
                        let seen = Observation { evidence, ..Observation::failed(sample.cause, format!("no {seq}")) };
                        self.writer.note_failure(index, seq, &seen);
                        self.writer.note_evidence(index, seq, sample.at, &seen);
                    }
                }
                let Flushed { health, notices, dropped, .. } = self.writer.flush(batch[batch.len() - 1].at);
                assert!(matches!(health, StoreHealth::Ok { .. }), "{health:?}");
                assert_eq!(dropped, 0);
                self.notices.extend(notices);
            }
        }

        /// The samples of a site and whether each has its text, with the number of the first.
        fn stored(&self, site: u32) -> (u64, Vec<(Sample, bool)>) {
            let (mut first, mut all) = (None, Vec::new());
            let query = Query { sites: Some(vec![SiteId(site)]), ..Query::ALL };
            let passed = self.writer.store().samples(&query, |stored| {
                let first = *first.get_or_insert(stored.seq);
                assert_eq!(stored.seq, first + all.len() as u64, "numbers are gap-free");
                all.push((stored.sample, stored.detail.is_some()));
                Ok::<(), ()>(())
            });
            assert_eq!(passed.unwrap().unwrap().damaged, 0);
            let evidence = self
                .writer
                .store()
                .look(|transaction| evidence::within(transaction, SiteId(site), &(Timestamp::ZERO..=Timestamp::MAX)));
            let oldest: Option<Sample> = all.first().map(|(sample, _)| *sample);
            for answer in evidence.unwrap() {
                assert!(oldest.is_some_and(|oldest| oldest.at <= answer.at), "evidence goes with its sample");
            }
            (first.unwrap_or(0), all)
        }
    }

    fn kept(keep: Keep) -> (Disk, Store) {
        let disk = Disk::default();
        let store = disk.store().unwrap().keeping(keep);
        (disk, store)
    }

    fn texts(database: &Database) -> Vec<TextRecord> {
        let failures = database.begin_read().unwrap().open_table(schema::FAILURES).unwrap();
        let rows = failures.iter().unwrap().map(|row| row.unwrap());
        rows.map(|(key, bytes)| TextRecord::decode(key.value(), bytes.value()).unwrap()).collect()
    }

    #[test]
    fn samples_go_by_age_in_whole_blocks_with_their_texts() {
        let (disk, store) = kept(Keep { retention: Some(6 * HOUR), max_size: None, alert_retention: None });
        let mut rig = Rig::new(store, 2);
        let day = day_of(3, 8_640);
        rig.run(&day);
        let end = day[day.len() - 1].at;
        for site in 0..2 {
            let (first, stored) = rig.stored(site);
            let from = usize::try_from(first).unwrap();
            assert_eq!(stored.iter().map(|(sample, _)| *sample).collect::<Vec<_>>(), day[from..]);
            assert!(stored.iter().all(|(sample, text)| *text == (sample.cause != crate::model::Cause::Ok)));
            let oldest = end.since(day[from].at);
            // At most a block, three quarters of an hour, and the quarter of an hour between sealings are too many.
            assert!((6 * HOUR..7 * HOUR + HOUR / 4).contains(&oldest), "{oldest:?}");
        }
        let first = rig.stored(0).0;
        assert!(rig.writer.close(end).notices.is_empty());
        let texts = texts(&disk.open().unwrap());
        assert!(!texts.is_empty() && texts.iter().all(|text| text.last_seq >= first));
    }

    #[test]
    fn outages_go_with_the_checks_that_they_cover_and_not_before() {
        use crate::alert::network::{Blind, Outage, Realm};
        use crate::store::tables::blind;

        let (_disk, store) = kept(Keep { retention: Some(6 * HOUR), max_size: None, alert_retention: None });
        let mut rig = Rig::new(store, 2);
        let day = day_of(3, 8_640);
        let outage = |hour: u32| {
            let from = day[0].at.after(hour * HOUR);
            let blind = Blind { realm: Realm::Global, from, to: from.after(HOUR / 2) };
            let outage = Outage { blind, hosts: 3, sites: vec![SiteId(0), SiteId(1)] };
            (blind::key(blind.realm, from), Some(blind::encode(&outage)))
        };
        let rows = [1, 2, 21].map(outage).into_iter().collect();
        rig.writer.store().change(|transaction| blind::write(transaction, &rows)).unwrap();
        let left = |rig: &Rig| {
            let mask = rig.writer.store().outages().unwrap().of(SiteId(1));
            mask.spans().iter().map(|(from, _)| from.since(day[0].at)).collect::<Vec<_>>()
        };
        let all = [1, 2, 21].map(|hour| hour * HOUR);
        rig.run(&day[..2_600]);
        let first = usize::try_from(rig.stored(1).0).unwrap();
        assert!(day[first].at < day[0].at.after(2 * HOUR), "checks of both are stored");
        assert_eq!(left(&rig), all);
        rig.run(&day[2_600..]);
        assert_eq!(left(&rig), all[2..]);
    }

    #[test]
    fn numbers_and_the_newest_time_go_on_when_nothing_is_left() {
        let (disk, store) = kept(Keep { retention: Some(HOUR), max_size: None, alert_retention: None });
        let mut rig = Rig::new(store, 1);
        let day = day_of(4, 1_000);
        rig.run(&day);
        let end = day[day.len() - 1].at;
        let mut rig = {
            assert!(rig.writer.close(end.after(23 * HOUR)).notices.is_empty());
            let archive = disk.archive().unwrap();
            let (verdict, contents) = (archive.verify().unwrap(), archive.contents().unwrap());
            assert!(verdict.is_sound(), "sums without samples are no damage: {verdict:?}");
            assert!(contents.blocks == 0 && contents.rollups.0 > 1, "{contents:?}");
            drop(archive);
            Rig::new(disk.store().unwrap(), 1)
        };
        assert_eq!(rig.stored(0), (0, Vec::new()));
        let known = rig.writer.store().register(&["site 0".into()], end).unwrap()[0];
        assert_eq!((known.next_seq, known.last_at), (1_000, Some(end)));
        assert_eq!(known.known_since, Timestamp::from_secs(1));
        rig.run(&day_of(4, 1_050)[1_000..]);
        let (first, stored) = rig.stored(0);
        assert_eq!((first, stored.len()), (1_000, 50));
    }

    #[test]
    fn a_damaged_block_goes_with_the_sound_one_after_it_and_one_transaction_takes_only_so_many() {
        let (disk, store) = kept(Keep::default());
        let mut rig = Rig::new(store, 1);
        let day = day_of(5, 4_000);
        rig.run(&day);
        assert!(rig.writer.close(day[day.len() - 1].at).notices.is_empty());
        let database = disk.open().unwrap();
        let change = database.begin_write().unwrap();
        let keys = |change: &WriteTransaction| -> Vec<(u32, u64)> {
            let blocks = change.open_table(schema::BLOCKS).unwrap();
            blocks.iter().unwrap().map(|row| row.unwrap().0.value()).collect()
        };
        let before = keys(&change);
        change.open_table(schema::BLOCKS).unwrap().insert(before[0], [1, 2, 3].as_slice()).unwrap();
        let keep = Keep { retention: Some(HOUR), max_size: None, alert_retention: None };
        // Three blocks are old: the damaged one, and two whose last samples are.
        let now = day[usize::try_from(before[3].1).unwrap()].at.after(HOUR);
        let first = trim(&change, (&keep, None), (now, true), 2, &mut KeptAlerts::default()).unwrap();
        assert_eq!((first.blocks, first.more, first.is_full), (2, true, false));
        let second = trim(&change, (&keep, None), (now, true), 2, &mut KeptAlerts::default()).unwrap();
        assert_eq!((second.blocks, second.more), (1, false));
        assert_eq!(keys(&change), before[3..]);
    }

    /// The room of a large file is counted once; alerts that went since then are known from their bytes.
    #[test]
    fn samples_stay_where_the_alerts_beyond_their_share_make_the_room() {
        let (disk, store) = kept(Keep::default());
        let mut rig = Rig::new(store, 1);
        let day = day_of(7, 4_000);
        rig.run(&day);
        assert!(rig.writer.close(day[day.len() - 1].at).notices.is_empty());
        let database = disk.open().unwrap();
        let change = database.begin_write().unwrap();
        for number in 0..20_000 {
            change.open_table(schema::ALERTS).unwrap().insert(number, [7; 100].as_slice()).unwrap();
        }
        let keep = Keep { max_size: Some(1 << 20), ..Keep::default() };
        let large = 1 << 30;
        let mut room = measure(&change, &keep, large, None, true).unwrap();
        let (mut all, mut kept) = (Trimmed::default(), KeptAlerts::default());
        while {
            room = measure(&change, &keep, large, room, false).unwrap();
            let step = trim(&change, (&keep, room), (Timestamp::ZERO, false), 8, &mut kept).unwrap();
            room = room.map(|room| room.without(step.alert_bytes));
            all.add(step);
            step.more
        } {}
        assert!(all.alerts > 10_000, "{all:?}");
        assert_eq!((all.blocks, all.hours, all.is_full), (0, 0, false), "{all:?}");
        // One that is still too large then loses samples.
        let small = Keep { max_size: Some(100 << 10), ..Keep::default() };
        let mut all = Trimmed::default();
        while {
            let room = measure(&change, &small, large, None, true).unwrap();
            all.add(trim(&change, (&small, room), (Timestamp::ZERO, false), 8, &mut kept).unwrap());
            all.more
        } {}
        assert!(all.alerts > 0 && all.blocks > 0 && all.is_full, "{all:?}");
    }

    #[test]
    fn the_oldest_of_all_sites_go_when_the_pages_in_use_come_near_the_limit_and_alerts_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let max_size = 1 << 20;
        let options = Options {
            keep: Keep { retention: None, max_size: Some(max_size), alert_retention: None },
            ..Options::default()
        };
        let mut rig = Rig::new(Store::open(&path, &options, Timestamp::ZERO).unwrap().store, 3);
        let days = day_of(6, 40_000);
        let alert = record("site 1", AlertState::Down, days[0].at);
        rig.writer.note_alert(SiteId(1), alert);
        rig.run(&days);
        let stored: Vec<(u64, usize)> =
            (0..3).map(|site| rig.stored(site)).map(|(first, all)| (first, all.len())).collect();
        for (first, count) in &stored {
            assert_eq!(first + *count as u64, 40_000);
            // Fifteen bytes a sample: the room is used, and all sites go back equally far.
            assert!((5_000..25_000).contains(count), "{stored:?}");
            assert!(first.abs_diff(stored[0].0) < 600, "{stored:?}");
        }
        assert_eq!(rig.notices.len(), 1, "it is told once: {:?}", rig.notices);
        assert_eq!(rig.writer.store().alerts(&Query::ALL).unwrap().len(), 1);
        assert!(rig.writer.close(days[days.len() - 1].at).notices.is_empty());
        let database = builder().open(&path).unwrap();
        let stats = database.begin_write().unwrap().stats().unwrap();
        let allocated = stats.allocated_pages() * stats.page_size() as u64;
        assert!((max_size * 3 / 10..max_size).contains(&allocated), "{allocated}");
    }

    /// Pages that a reader holds are no history that could be removed: a stopped backup cost 300 sites all but 3 to 23
    /// samples each.
    #[test]
    fn nothing_goes_for_pages_that_a_reader_holds_and_the_reader_is_told_of() {
        let folder = tempfile::tempdir().unwrap();
        let max_size = 1 << 20;
        let keep = Keep { retention: None, max_size: Some(max_size), alert_retention: None };
        let mut left = Vec::new();
        for holds in [false, true] {
            let path = folder.path().join(format!("{holds}.redb"));
            let options = Options { keep, ..Options::default() };
            let mut rig = Rig::new(Store::open(&path, &options, Timestamp::ZERO).unwrap().store, 3);
            let days = day_of(6, 30_000);
            rig.run(&days[..15_000]);
            let held = holds.then(|| rig.writer.store().database.as_ref().unwrap().begin_read().unwrap());
            rig.run(&days[15_000..]);
            left.push(rig.stored(1).1.len());
            let told = rig.notices.iter().any(|notice| notice.contains("a reader keeps"));
            assert_eq!(told, holds, "{:?}", rig.notices);
            drop(held);
        }
        assert!(left[1] >= left[0] / 2, "samples without and with a reader: {left:?}");
    }
}
