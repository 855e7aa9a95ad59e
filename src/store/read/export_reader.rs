//! Delivers every stored sample once, from a reader's position: sealed ones first, then the journal as it grows.
//!
//! A reader keeps one number per site, that of its next sample. While sites are behind the sealed end, their blocks are
//! read, always the one with the oldest samples, so all sites advance together; after that, the journal is read from
//! the entry after the last one read, which costs only the new ones. The journal's numbers reveal whether unread
//! entries were sealed; then the sites are compared with the sealed ends again.
//!
//! Invariants: each call is one transaction; a sample is delivered once, whatever is sealed in the meantime, because
//! only numbers from a site's next one on are taken; trimmed or damaged samples are counted, and reading continues
//! after them. Numbers missing between stored samples were lost before they were stored, and reported then.
//! Bounds: a reader serves while one [`crate::store::Writer`] lives, because the next one may start the journal's
//! numbers again.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use crate::alert::AlertRecord;
use crate::model::{Sample, SiteId, Timestamp};
use crate::store::codec::frame::FrameKey;
use crate::store::codec::{block, journal_entry};
use crate::store::tables::alert::decode_alert;
use crate::store::tables::schema;
use crate::store::tables::sealed::{Rolled, read_sealed};

use super::view;

/// The position of a reader.
#[derive(Debug)]
pub struct ExportReader {
    /// The number of the next sample of each site; 0 if absent.
    next: HashMap<SiteId, u64>,
    next_alert: u64,
    names: HashMap<SiteId, Arc<str>>,
    /// Sites behind their sealed end, with a time not after their next sample, and that end.
    behind: BinaryHeap<Reverse<(Timestamp, SiteId, u64)>>,
    /// Earlier journal entries hold nothing new; `None`: unknown.
    journal: Option<u64>,
}

/// The result of one call.
#[derive(Debug, Default)]
pub struct ExportBatch {
    /// Samples with their sites and numbers; those of one site in order.
    pub samples: Vec<(SiteId, u64, Sample)>,
    /// Alerts with their numbers.
    pub alerts: Vec<(u64, AlertRecord)>,
    /// Samples that are gone or not readable.
    pub skipped: u64,
    /// Whether more is stored.
    pub more: bool,
}

/// How far the rollups go, which is not asked for here.
struct Unasked;

impl Rolled for Unasked {
    fn reach(&self, _: SiteId) -> Result<(u64, Timestamp), redb::Error> {
        Ok((0, Timestamp::ZERO))
    }
}

type Blocks = ReadOnlyTable<FrameKey, &'static [u8]>;

impl ExportReader {
    /// A reader at this position.
    #[must_use]
    pub fn new(cursors: &BTreeMap<SiteId, u64>, next_alert: u64) -> Self {
        let next = cursors.iter().map(|(site, next)| (*site, *next)).collect();
        Self { next, next_alert, names: HashMap::new(), behind: BinaryHeap::new(), journal: None }
    }

    /// The name of a delivered site.
    #[must_use]
    pub fn name(&self, site: SiteId) -> Option<&Arc<str>> {
        self.names.get(&site)
    }

    /// The number of the next sample of `site`.
    #[must_use]
    pub fn next(&self, site: SiteId) -> u64 {
        self.next.get(&site).copied().unwrap_or(0)
    }

    /// The number of the next sample of each site that it has come across.
    pub fn positions(&self) -> impl Iterator<Item = (SiteId, u64)> {
        self.next.iter().map(|(site, next)| (*site, *next))
    }

    /// The number of the next alert.
    #[must_use]
    pub const fn next_alert(&self) -> u64 {
        self.next_alert
    }

    /// Fills `found`, which is cleared, with at most `most` samples and alerts.
    pub(crate) fn read(
        &mut self,
        transaction: &ReadTransaction,
        most: usize,
        found: &mut ExportBatch,
    ) -> Result<(), redb::Error> {
        found.samples.clear();
        found.alerts.clear();
        (found.skipped, found.more) = (0, false);
        self.alerts(transaction, most, found)?;
        let most = most - found.alerts.len();
        let journal = transaction.open_table(schema::JOURNAL)?;
        let blocks = transaction.open_table(schema::BLOCKS)?;
        if self.behind.is_empty() && self.is_sealed_unread(&journal)? {
            self.compare(transaction, &blocks)?;
        }
        let catches_up = !self.behind.is_empty();
        while found.samples.len() < most
            && let Some(Reverse((_, site, end))) = self.behind.pop()
        {
            if let Some(last) = self.block(&blocks, (site, end), most, found)? {
                self.behind.push(Reverse((last, site, end)));
            }
        }
        if catches_up {
            // More may have been sealed in the meantime: the next call compares again before it reads the journal.
            found.more = true;
        } else {
            self.journal(&journal, most, found)?;
        }
        self.learn(transaction, found)
    }

    fn alerts(
        &mut self,
        transaction: &ReadTransaction,
        most: usize,
        found: &mut ExportBatch,
    ) -> Result<(), redb::Error> {
        let alerts = transaction.open_table(schema::ALERTS)?;
        let mut sites = Vec::new();
        for row in alerts.range(self.next_alert..)? {
            if found.alerts.len() == most {
                found.more = true;
                break;
            }
            let (number, bytes) = row?;
            self.next_alert = number.value() + 1;
            if let Ok((site, alert)) = decode_alert(bytes.value(), |_| "".into()) {
                sites.push(site);
                found.alerts.push((number.value(), alert));
            }
        }
        self.know(transaction, sites.iter().copied())?;
        for (site, (_, alert)) in sites.iter().zip(&mut found.alerts) {
            alert.facts.site =
                self.names.get(site).map_or_else(|| format!("(unknown site {})", site.0).into(), Arc::clone);
        }
        Ok(())
    }

    /// Whether unread journal entries may have been sealed.
    fn is_sealed_unread(&self, journal: &ReadOnlyTable<u64, &'static [u8]>) -> Result<bool, redb::Error> {
        let Some(from) = self.journal else { return Ok(true) };
        Ok(journal.first()?.is_none_or(|(first, _)| first.value() > from))
    }

    /// Finds the sites behind their sealed end.
    fn compare(&mut self, transaction: &ReadTransaction, blocks: &Blocks) -> Result<(), redb::Error> {
        let sealed = transaction.open_table(schema::SEALED)?;
        for row in sealed.range::<u32>(..)? {
            let site = SiteId(row?.0.value());
            let end = read_sealed(&sealed, blocks, &Unasked, site)?.next_seq;
            let next = self.next(site);
            if next < end {
                let oldest = match at_or_after(blocks, site, next, end)? {
                    Some((key, bytes)) => block::head(key, &bytes).map_or(Timestamp::ZERO, |head| head.low),
                    None => Timestamp::ZERO,
                };
                self.behind.push(Reverse((oldest, site, end)));
            }
        }
        // The journal now holds unsealed samples only; entries read before are skipped again.
        self.journal = Some(0);
        Ok(())
    }

    /// Delivers the new samples of the next block of `site`; returns the time of the last one if more precede `end`.
    fn block(
        &mut self,
        blocks: &Blocks,
        (site, end): (SiteId, u64),
        most: usize,
        found: &mut ExportBatch,
    ) -> Result<Option<Timestamp>, redb::Error> {
        let next = self.next(site);
        let Some((key, bytes)) = at_or_after(blocks, site, next, end)? else {
            found.skipped += end.saturating_sub(next);
            self.next.insert(site, end);
            return Ok(None);
        };
        let first = key.1;
        let mut samples = Vec::new();
        let mut last = Timestamp::ZERO;
        if block::decode(key, &bytes, &mut samples).is_ok() {
            if first > next
                && blocks.range(schema::whole(site.0))?.next().transpose()?.map(|(key, _)| key.value()) == Some(key)
            {
                found.skipped += first - next;
            }
            let room = most - found.samples.len();
            let new = (first..).zip(samples).skip_while(|(seq, _)| *seq < next).take_while(|(seq, _)| *seq < end);
            for (seq, sample) in new.take(room) {
                found.samples.push((site, seq, sample));
                last = sample.at;
                self.next.insert(site, seq + 1);
            }
        } else {
            let after = blocks.range((site.0, first + 1)..=(site.0, u64::MAX))?.next().transpose()?;
            let after = after.map_or(end, |(key, _)| key.value().1.min(end)).max(next);
            found.skipped += after - next;
            self.next.insert(site, after);
        }
        Ok((self.next(site) < end).then_some(last))
    }

    fn journal(
        &mut self,
        journal: &ReadOnlyTable<u64, &'static [u8]>,
        most: usize,
        found: &mut ExportBatch,
    ) -> Result<(), redb::Error> {
        let mut samples = Vec::new();
        for row in journal.range(self.journal.unwrap_or(0)..)? {
            let (number, bytes) = row?;
            let mut groups = Vec::new();
            // A damaged entry is counted when it is sealed.
            let sound = journal_entry::groups(bytes.value(), |group| groups.push(group)).is_ok();
            for group in groups.iter().take(if sound { groups.len() } else { 0 }) {
                let next = self.next(group.site);
                samples.clear();
                if group.next_seq() <= next || group.decode(bytes.value(), &mut samples).is_err() {
                    continue;
                }
                for (seq, sample) in (group.first_seq..).zip(&samples).skip_while(|(seq, _)| *seq < next) {
                    if found.samples.len() == most {
                        found.more = true;
                        return Ok(());
                    }
                    found.samples.push((group.site, seq, *sample));
                    self.next.insert(group.site, seq + 1);
                }
            }
            self.journal = Some(number.value() + 1);
        }
        Ok(())
    }

    /// Learns the names of the sites in `found`.
    fn learn(&mut self, transaction: &ReadTransaction, found: &ExportBatch) -> Result<(), redb::Error> {
        self.know(transaction, found.samples.iter().map(|(site, ..)| *site))
    }

    fn know(
        &mut self,
        transaction: &ReadTransaction,
        mut sites: impl Iterator<Item = SiteId>,
    ) -> Result<(), redb::Error> {
        if sites.any(|site| !self.names.contains_key(&site)) {
            self.names = view::sites(transaction)?.into_iter().map(|(site, record)| (site, record.name)).collect();
        }
        Ok(())
    }
}

/// The block of `site` that holds number `next`, or the first one after it; none that begins at `end` or later.
fn at_or_after(
    blocks: &Blocks,
    SiteId(site): SiteId,
    next: u64,
    end: u64,
) -> Result<Option<(FrameKey, Vec<u8>)>, redb::Error> {
    if let Some((key, bytes)) = blocks.range((site, 0)..=(site, next))?.next_back().transpose()? {
        let (key, bytes) = (key.value(), bytes.value());
        // A damaged block has no known end: the rest of it is skipped.
        let holds = block::head(key, bytes).map_or(true, |head| key.1 + head.count as u64 > next);
        if holds {
            return Ok(Some((key, bytes.to_vec())));
        }
    }
    let after = blocks.range((site, next.saturating_add(1))..(site, end))?.next().transpose()?;
    Ok(after.map(|(key, bytes)| (key.value(), bytes.value().to_vec())))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::alert::AlertState;
    use crate::alert::record::tests::record;
    use crate::ring::Producer;
    use crate::store::tests::samples::day_of;
    use crate::store::{Archive, Keep, Options, Start, Store, Writer};

    const SITES: u32 = 3;

    /// A store in the making, and a reader behind it.
    struct Rig {
        folder: tempfile::TempDir,
        producers: Vec<Producer>,
        writer: Option<Writer>,
        days: Vec<Vec<Sample>>,
        now: Timestamp,
        follower: ExportReader,
        /// What was handed out, by site.
        found: Vec<Vec<(u64, Sample)>>,
        skipped: u64,
    }

    impl Rig {
        fn new(keep: Keep) -> Self {
            let days: Vec<_> = (0..SITES).map(|site| day_of(u64::from(site), 6_000)).collect();
            let mut rig = Self {
                folder: tempfile::tempdir().unwrap(),
                producers: Vec::new(),
                writer: None,
                now: days[0][0].at,
                days,
                follower: ExportReader::new(&BTreeMap::new(), 0),
                found: vec![Vec::new(); SITES as usize],
                skipped: 0,
            };
            rig.open(keep);
            rig
        }

        fn path(&self) -> std::path::PathBuf {
            self.folder.path().join("webmon.redb")
        }

        fn store(path: &Path, keep: Keep) -> Store {
            Store::open(path, &Options { keep, ..Options::default() }, Timestamp::ZERO).unwrap().store
        }

        fn open(&mut self, keep: Keep) {
            let store = Self::store(&self.path(), keep);
            let names: Vec<Arc<str>> = (0..SITES).map(|site| Arc::from(format!("site {site}"))).collect();
            let known = store.register(&names, self.now).unwrap();
            self.producers = known.iter().map(|site| Producer::new(2_048, site.next_seq)).collect();
            let readers = known.iter().zip(&self.producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
            self.writer = Some(Writer::new(store, readers.collect()).unwrap());
        }

        fn writer(&mut self) -> &mut Writer {
            self.writer.as_mut().unwrap()
        }

        /// `count` more samples of `site`.
        fn check(&mut self, site: usize, count: u64) {
            let from = usize::try_from(self.producers[site].next_seq()).unwrap();
            let to = (from + usize::try_from(count).unwrap()).min(self.days[site].len());
            for sample in &self.days[site][from..to] {
                self.producers[site].push(*sample);
                self.now = self.now.max(sample.at);
            }
        }

        fn flush(&mut self, seal: bool) {
            let now = if seal { self.now.after(Duration::from_mins(16)) } else { self.now };
            self.now = now;
            assert_eq!(self.writer().flush(now).dropped, 0);
        }

        fn restart(&mut self, keep: Keep) {
            let now = self.now;
            assert!(self.writer.take().unwrap().close(now).notices.is_empty());
            self.open(keep);
        }

        fn reopen(&mut self) {
            let next = (0..SITES).map(|site| (SiteId(site), self.follower.next(SiteId(site)))).collect();
            self.follower = ExportReader::new(&next, 0);
        }

        /// One reading of at most `most`; whether there is more.
        fn read(&mut self, most: usize) -> bool {
            let mut found = ExportBatch::default();
            Archive::open(&self.path()).unwrap().follow(&mut self.follower, most, &mut found).unwrap();
            assert!(found.samples.len() + found.alerts.len() <= most);
            self.skipped += found.skipped;
            for (site, seq, sample) in &found.samples {
                assert_eq!(self.follower.name(*site).map(|name| &**name), Some(&*format!("site {}", site.0)));
                self.found[site.0 as usize].push((*seq, *sample));
            }
            found.more
        }

        /// Everything that was handed out is a sample of its number, once, in order; returns how many.
        fn handed_out(&self) -> u64 {
            for (found, day) in self.found.iter().zip(&self.days) {
                assert!(found.is_sorted_by(|(before, _), (after, _)| before < after), "a number came twice");
                for (seq, sample) in found {
                    assert_eq!(*sample, day[usize::try_from(*seq).unwrap()], "number {seq}");
                }
            }
            self.found.iter().map(|found| found.len() as u64).sum()
        }

        fn stored(&self) -> u64 {
            self.producers.iter().map(Producer::next_seq).sum()
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Check(usize, u64),
        Flush(bool),
        Read(usize),
        /// The reader begins again where it stands.
        Reopen,
        Restart,
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![
            4 => (0..SITES as usize, 1..400_u64).prop_map(|(site, count)| Act::Check(site, count)),
            3 => any::<bool>().prop_map(Act::Flush),
            3 => (1..700_usize).prop_map(Act::Read),
            1 => Just(Act::Reopen),
            1 => Just(Act::Restart),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn every_sample_is_handed_out_once_whatever_is_sealed_meanwhile(acts in prop::collection::vec(acts(), 1..25)) {
            let mut rig = Rig::new(Keep::default());
            for act in acts {
                match act {
                    Act::Check(site, count) => rig.check(site, count),
                    Act::Flush(seal) => rig.flush(seal),
                    Act::Read(most) => _ = rig.read(most),
                    Act::Reopen => rig.reopen(),
                    Act::Restart => {
                        rig.restart(Keep::default());
                        rig.reopen();
                    }
                }
            }
            rig.flush(false);
            while rig.read(500) {}
            prop_assert_eq!(rig.handed_out(), rig.stored());
            prop_assert_eq!(rig.skipped, 0);
        }
    }

    #[test]
    fn what_retention_took_is_counted_and_the_rest_goes_on() {
        let keep = Keep { retention: Some(Duration::from_hours(2)), ..Keep::default() };
        let mut rig = Rig::new(keep);
        rig.check(0, 50);
        rig.flush(false);
        assert!(!rig.read(1_000));
        for _ in 0..10 {
            rig.check(0, 400);
            rig.check(1, 30);
            rig.flush(true);
        }
        while rig.read(1_000) {}
        assert!(rig.skipped > 1_000, "{}", rig.skipped);
        assert_eq!(rig.handed_out() + rig.skipped, rig.stored());
        rig.check(0, 5);
        rig.flush(false);
        assert!(!rig.read(1_000));
        assert_eq!(rig.handed_out() + rig.skipped, rig.stored());
    }

    #[test]
    fn the_oldest_samples_of_all_sites_come_first() {
        let mut rig = Rig::new(Keep::default());
        for _ in 0..4 {
            (0..3).for_each(|site| rig.check(site, 500));
            rig.flush(true);
        }
        assert!(rig.read(3_000));
        let lengths: Vec<usize> = rig.found.iter().map(Vec::len).collect();
        assert!(lengths.iter().all(|&length| length > 600), "{lengths:?}");
    }

    #[test]
    fn a_new_sink_begins_where_it_is_told_to_and_a_known_one_where_it_was() {
        let mut rig = Rig::new(Keep::default());
        rig.check(0, 2_000);
        rig.check(1, 10);
        let at = rig.days[0][1_500].at;
        let alert = |at| record("site 0", AlertState::Down, at);
        for index in [100, 1_600] {
            let alert = alert(rig.days[0][index].at);
            rig.writer().note_alert(SiteId(0), alert);
        }
        rig.flush(false);
        let now = rig.now;
        assert!(rig.writer.take().unwrap().close(now).notices.is_empty());
        let store = Rig::store(&rig.path(), Keep::default());
        for (name, start, cursors, next_alert) in [
            ("now", Start::Now, [2_000, 10, 0], 2),
            ("since", Start::Since(at), [1_500, 10, 0], 1),
            ("all", Start::All, [0, 0, 0], 0),
            ("now", Start::All, [2_000, 10, 0], 2),
        ] {
            let progress = store.sink(name, start).unwrap();
            let found: Vec<u64> = progress.cursors.values().copied().collect();
            assert_eq!((&found[..], progress.next_alert), (&cursors[..], next_alert), "{name}");
        }
        let mut follower = ExportReader::new(&BTreeMap::new(), 1);
        let mut found = ExportBatch::default();
        drop(store);
        let archive = Archive::open(&rig.path()).unwrap();
        archive.follow(&mut follower, 5_000, &mut found).unwrap();
        assert_eq!(found.alerts, [(1, alert(rig.days[0][1_600].at))]);
        let behind: Vec<u64> = archive.sinks().unwrap().iter().map(|sink| sink.behind).collect();
        assert_eq!(behind, [0, 500, 2_010]);
    }

    #[test]
    fn progress_goes_with_the_next_commit_and_the_sink_that_was_longest_unused_is_forgotten() {
        let mut rig = Rig::new(Keep::default());
        let store = rig.writer.take().unwrap();
        drop(store);
        let store = Rig::store(&rig.path(), Keep::default());
        for number in 0..=crate::store::tables::export_cursor::SINKS_MAX {
            store.sink(&format!("sink {number}"), Start::Now).unwrap();
        }
        drop(store);
        rig.open(Keep::default());
        let mut progress = rig.writer.as_ref().unwrap().store().sink("sink 3", Start::Now).unwrap();
        progress.cursors = BTreeMap::from([(SiteId(1), 7)]);
        (progress.tally.sent, progress.acknowledged) = (9, Some(Timestamp::from_secs(5)));
        rig.writer().note_progress(progress.clone());
        rig.flush(false);
        let stored = |rig: &Rig| Archive::open(&rig.path()).unwrap().sinks().unwrap();
        assert_eq!(stored(&rig)[2].progress.tally.sent, 0, "it is not worth a commit of its own");
        rig.check(0, 1);
        rig.flush(false);
        let names: Vec<String> = stored(&rig).iter().map(|sink| sink.progress.name.to_string()).collect();
        assert_eq!(names, (1..9).map(|number| format!("sink {number}")).collect::<Vec<_>>());
        let sink = &stored(&rig)[2];
        assert_eq!((sink.progress.tally, sink.progress.acknowledged), (progress.tally, progress.acknowledged));
        assert_eq!(sink.progress.cursors[&SiteId(1)], 7);
    }
}
