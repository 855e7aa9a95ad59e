//! The sums of committed checks of each site, for counters that go on for ever.
//!
//! They begin with what is rolled up in the store, and go on with the samples after that, each read once. So they are the same
//! after a restart, also after a kill, and a counter never goes back. A silent check whose outage of this machine's network may
//! yet be found waits until that is decided, because it would change what it counts as.
//!
//! Invariants: nothing counts that is not on the disk; at any time the sums are those of the stored samples up to each site's
//! next number, without those that wait. A site without a store counts what its ring held. Bounds: [`AT_ONCE`] samples a
//! transaction; while more than [`WAITING_MAX`] wait, no further ones are read, and the counters lag.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::alert::network::is_silence;
use crate::engine::{Board, Snapshot};
use crate::model::{Sample, SiteId, SiteSlot, Timestamp};
use crate::serve::metrics::{LateSums, SiteSums};
use crate::store::{Archive, ExportBatch, ExportReader, Outages, StoreError};

/// Samples a transaction.
const AT_ONCE: usize = 50_000;

/// Sites a transaction at the start.
const SITES_AT_ONCE: usize = 64;

/// Silent checks that wait for a decision.
const WAITING_MAX: usize = 500_000;

/// Certificates are read again after so long.
const CERTIFICATES_EVERY: u64 = 60_000_000;

/// See the module.
#[derive(Default)]
pub struct StoredSums {
    /// None until everything rolled up was read.
    reader: Option<ExportReader>,
    begun: BTreeMap<SiteId, u64>,
    /// Shared with the answers that are being sent; what changes while they are is copied.
    sums: HashMap<SiteId, Arc<SiteSums>>,
    names: HashMap<Arc<str>, SiteId>,
    waiting: Vec<(SiteId, Sample)>,
    late: LateSums,
    expiries: HashMap<SiteId, Timestamp>,
    expiries_read: Option<Timestamp>,
}

/// What was found since a time.
#[derive(Clone, Copy)]
pub struct ReadUntil {
    /// Silent checks that started before are settled.
    pub decided: Timestamp,
    /// When webmon started.
    pub started: Timestamp,
    /// Now.
    pub now: Timestamp,
}

impl StoredSums {
    /// Reads what is new in the store at `path`. Returns whether everything was read.
    ///
    /// # Errors
    /// The store's; nothing is counted twice.
    pub fn follow(&mut self, path: &Path, until: ReadUntil) -> Result<(), StoreError> {
        let archive = Archive::open(path)?;
        if self.reader.is_none() {
            self.begin(&archive)?;
        }
        self.read_new(&archive, until)?;
        if self.expiries_read.is_none_or(|read| until.now.since(read).as_micros() >= u128::from(CERTIFICATES_EVERY)) {
            let certificates = archive.certificates()?;
            self.expiries = certificates.into_iter().map(|(site, shown)| (site, shown.not_after)).collect();
            self.expiries_read = Some(until.now);
        }
        Ok(())
    }

    /// Sums up what is rolled up.
    fn begin(&mut self, archive: &Archive) -> Result<(), StoreError> {
        loop {
            // A reading that failed goes on after the last site.
            let from = self.begun.last_key_value().map_or(SiteId(0), |(site, _)| SiteId(site.0 + 1));
            let found = archive.rolled(from, SITES_AT_ONCE)?;
            for base in &found {
                self.sums.insert(base.site, Arc::new(SiteSums::of(&base.rollup)));
                self.begun.insert(base.site, base.next_seq);
            }
            if found.len() < SITES_AT_ONCE {
                break;
            }
        }
        self.names = archive.sites()?.into_iter().map(|site| (site.name, site.id)).collect();
        self.reader = Some(ExportReader::new(&std::mem::take(&mut self.begun), u64::MAX));
        Ok(())
    }

    fn read_new(&mut self, archive: &Archive, until: ReadUntil) -> Result<(), StoreError> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let mut found = ExportBatch::default();
        let mut new = Vec::new();
        while self.waiting.len() + new.len() < WAITING_MAX {
            // A reader that fails has not moved on for what it did not give.
            let read = archive.follow(reader, AT_ONCE, &mut found);
            new.append(&mut found.samples);
            let more = read.map(|()| found.more);
            let outages = more.as_ref().map_or_else(|_| None, |_| archive.outages().ok());
            let is_last = !matches!(more, Ok(true));
            for (site, _, sample) in new.drain(..) {
                if !self.sums.contains_key(&site)
                    && let Some(name) = reader.name(site)
                {
                    self.names.insert(Arc::clone(name), site);
                }
                self.waiting.push((site, sample));
            }
            if let Some(outages) = &outages {
                settle(&mut self.waiting, (&mut self.sums, &mut self.late), outages, until);
            }
            if is_last {
                return more.map(drop);
            }
        }
        Ok(())
    }

    /// The sums of the site `name`; none without a committed check.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Arc<SiteSums>> {
        self.sums.get(self.names.get(name)?)
    }

    /// The end of the certificate that `name` presented last.
    #[must_use]
    pub fn expires(&self, name: &str) -> Option<Timestamp> {
        self.expiries.get(self.names.get(name)?).copied()
    }

    /// How late checks started.
    #[must_use]
    pub const fn late(&self) -> &LateSums {
        &self.late
    }
}

/// Counts those of `waiting` that are settled, as they count.
fn settle(
    waiting: &mut Vec<(SiteId, Sample)>,
    (sums, late): (&mut HashMap<SiteId, Arc<SiteSums>>, &mut LateSums),
    outages: &Outages,
    until: ReadUntil,
) {
    let mut masks = HashMap::new();
    waiting.retain(|(site, sample)| {
        let is_settled = !is_silence(sample.cause) || sample.started() < until.decided;
        if is_settled {
            let mask = masks.entry(*site).or_insert_with(|| outages.of(*site));
            Arc::make_mut(sums.entry(*site).or_default()).add(&mask.seen(sample));
            if sample.at >= until.started {
                late.add(sample.late.get());
            }
        }
        !is_settled
    });
}

/// The sums of a monitor without a store: what its rings held since it started.
#[derive(Default)]
pub struct LiveSums {
    next: HashMap<SiteSlot, u64>,
    sums: HashMap<Arc<str>, Arc<SiteSums>>,
    late: LateSums,
}

impl LiveSums {
    /// Reads what is new in the rings of the sites of `snapshot`.
    pub fn follow(&mut self, board: &Board, snapshot: &Snapshot) {
        let mut samples = Vec::new();
        for site in &snapshot.sites {
            let Some(ring) = board.ring(site.slot) else { continue };
            let mut reader = match self.next.get(&site.slot) {
                Some(&next) => ring.reader_at(next),
                None => ring.reader_at_oldest(),
            };
            samples.clear();
            let drained = reader.drain(&mut samples);
            if samples.is_empty() {
                continue;
            }
            self.next.insert(site.slot, drained.first_seq + samples.len() as u64);
            let sums = Arc::make_mut(self.sums.entry(Arc::clone(&site.name)).or_default());
            for sample in &samples {
                sums.add(sample);
                self.late.add(sample.late.get());
            }
        }
    }

    /// The sums of the site `name`.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Arc<SiteSums>> {
        self.sums.get(name)
    }

    /// How late checks started.
    #[must_use]
    pub const fn late(&self) -> &LateSums {
        &self.late
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::alert::network::{Blind, Outage, Realm};
    use crate::model::{Cause, Micros, Phase, Phases, StoreHealth};
    use crate::ring::Producer;
    use crate::store::{Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(1_795_338_000);

    /// When check number `n` was started.
    fn started(n: u64) -> Timestamp {
        START.after(Duration::from_secs(10 * n))
    }

    /// Every 15th check is answered wrongly; those from 30 to 39, and 45, get no answer.
    fn check(n: u64) -> Sample {
        let cause = match n {
            30..40 | 45 => Cause::ConnectTimeout,
            n if n % 15 == 1 => Cause::Status,
            _ => Cause::Ok,
        };
        let took = Micros::new(2_000_000);
        Sample {
            phases: Phases::NONE.with(Phase::Connect, took),
            ..Sample::bare(started(n).after(took.as_duration()), cause)
        }
    }

    fn until(decided: Timestamp, now: Timestamp) -> ReadUntil {
        ReadUntil { decided, started: START, now }
    }

    fn counts(sums: &StoredSums) -> [u64; 3] {
        sums.of("api").map_or([0; 3], |sums| [sums.up, sums.down, sums.unknown])
    }

    /// A counter that has said down cannot take it back: what may be an outage of the own network waits until that is decided.
    #[test]
    fn checks_in_an_outage_of_the_own_network_count_as_unknown_and_never_as_down() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let site = store.register(&["api".into()], START).unwrap().remove(0);
        let mut producer = Producer::new(4_096, site.next_seq);
        let mut writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        let intake = writer.entrance();
        let flush = |writer: &mut Writer, now: Timestamp, decided: Timestamp| {
            crate::model::lock::lock(&intake).note_decided(decided);
            let flushed = writer.flush(now);
            assert!(matches!(flushed.health, StoreHealth::Ok { .. }), "{flushed:?}");
        };

        // The outage began at check 30, and it is not over.
        (0..36).for_each(|n| _ = producer.push(check(n)));
        flush(&mut writer, started(36), started(30));
        let mut sums = StoredSums::default();
        sums.follow(&path, until(started(30), started(36))).unwrap();
        assert_eq!(counts(&sums), [28, 2, 0], "the six without an answer wait");

        // It is over, and kept.
        (36..60).for_each(|n| _ = producer.push(check(n)));
        let blind = Blind { realm: Realm::Global, from: started(30), to: started(40) };
        let outage = Outage { blind, hosts: 3, sites: vec![site.id] };
        crate::model::lock::lock(&intake).note_outage(&outage, true);
        flush(&mut writer, started(60), started(60));
        sums.follow(&path, until(started(60), started(60))).unwrap();
        // Of the silent ones 45 was no part of it.
        assert_eq!(counts(&sums), [46, 4, 10]);
        let causes = |sums: &StoredSums, cause| {
            sums.of("api").unwrap().causes[Cause::ALL.iter().position(|of| *of == cause).unwrap()]
        };
        assert_eq!([Cause::Local, Cause::ConnectTimeout, Cause::Status].map(|cause| causes(&sums, cause)), [10, 1, 3]);

        // Another webmon says the same: from the samples, and from the sums of hours once there are some.
        let mut again = StoredSums::default();
        again.follow(&path, until(Timestamp::MAX, started(60))).unwrap();
        assert_eq!((counts(&again), again.of("api")), (counts(&sums), sums.of("api")));
        (60..1_500).for_each(|n| _ = producer.push(check(n + 15)));
        flush(&mut writer, started(1_515), started(1_515));
        drop(writer.close(started(1_515)));
        sums.follow(&path, until(Timestamp::MAX, started(1_515))).unwrap();
        let archive = Archive::open(&path).unwrap();
        let rolled = archive.rolled(SiteId(0), 10).unwrap();
        assert!(rolled[0].next_seq > 60, "the outage is within what was rolled up: {}", rolled[0].next_seq);
        let mut later = StoredSums::default();
        later.follow(&path, until(Timestamp::MAX, started(1_515))).unwrap();
        assert_eq!(later.of("api"), sums.of("api"));
        assert_eq!(counts(&later)[2], 10);
        assert_eq!(counts(&later).iter().sum::<u64>(), 1_500);
    }

    /// The law of counters: whatever is decided when, none goes back.
    #[test]
    fn no_counter_goes_back_while_it_is_decided() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let site = store.register(&["api".into()], START).unwrap().remove(0);
        let mut producer = Producer::new(4_096, site.next_seq);
        let mut writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        let intake = writer.entrance();
        let (mut sums, mut before) = (StoredSums::default(), [0; 3]);
        for n in 0..60 {
            producer.push(check(n));
            let now = started(n).after(Duration::from_secs(3));
            // A check behind, and none within an outage that is not over.
            let decided = if (30..42).contains(&n) { started(30) } else { started(n.saturating_sub(1)) };
            if n == 42 {
                let blind = Blind { realm: Realm::Global, from: started(30), to: started(40) };
                crate::model::lock::lock(&intake).note_outage(&Outage { blind, hosts: 3, sites: vec![site.id] }, true);
            }
            crate::model::lock::lock(&intake).note_decided(decided);
            writer.flush(now);
            sums.follow(&path, until(decided, now)).unwrap();
            let counted = counts(&sums);
            assert!(counted.iter().zip(before).all(|(now, then)| *now >= then), "{before:?}, then {counted:?} at {n}");
            before = counted;
        }
        assert_eq!(before, [46, 4, 10]);
    }
}
