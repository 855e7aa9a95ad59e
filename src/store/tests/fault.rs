//! Faults at the seam to the disk: power loss between any write and sync, a full disk, flipped bits.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::record::tests::record;
use crate::alert::{AlertRecord, AlertState};
use crate::model::{Cause, Observation, Packed, Sample, SiteId, StoreHealth, Timestamp};
use crate::ring::Producer;
use crate::store::codec::journal_entry::Packer;
use crate::store::commit::TextSizes;
use crate::store::error::StoreError;
use crate::store::read::view::Query;
use crate::store::writable::Store;
use crate::store::writer::Writer;

use super::samples::{Noise, day_of};
use super::simulated_disk::{Disk, after_power_loss};

const SITES: usize = 3;

/// A monitor in small: rings, what was pushed into them, and the writer.
struct Rig {
    producers: Vec<Producer>,
    pushed: Vec<Vec<Sample>>,
    alerts: usize,
    writer: Option<Writer>,
    now: Timestamp,
}

fn names() -> Vec<Arc<str>> {
    (0..SITES).map(|site| Arc::from(format!("site {site}"))).collect()
}

impl Rig {
    fn new(store: Store) -> Self {
        let now = Timestamp::from_secs(1_795_255_200);
        let registered = store.register(&names(), now).unwrap();
        let producers: Vec<Producer> = registered.iter().map(|site| Producer::new(4_096, site.next_seq)).collect();
        let readers =
            registered.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
        let writer = Writer::new(store, readers.collect()).unwrap();
        Self { producers, pushed: vec![Vec::new(); SITES], alerts: 0, writer: Some(writer), now }
    }

    /// `count` checks of every site, the texts of the failed ones, and the flush.
    fn round(&mut self, count: usize) -> crate::store::Flushed {
        for site in 0..SITES {
            let start = self.pushed[site].len();
            let samples = day_of(site as u64, (start + count) as u64).split_off(start);
            for sample in samples {
                let seq = self.producers[site].push(sample);
                self.pushed[site].push(sample);
                let failed = Observation::failed(sample.cause, format!("failure {}", seq / 200));
                self.writer().note_failure(site, seq, &failed);
            }
        }
        self.flush()
    }

    fn flush(&mut self) -> crate::store::Flushed {
        self.now = self.now.after(Duration::from_mins(1));
        let now = self.now;
        self.writer().flush(now)
    }

    fn alert(&mut self, state: AlertState) {
        let alert = alert(&names()[0], state, self.now);
        self.writer().note_alert(SiteId(0), alert);
        self.alerts += 1;
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    fn close(&mut self) -> crate::store::Flushed {
        let now = self.now;
        self.writer.take().unwrap().close(now)
    }
}

fn alert(site: &Arc<str>, state: AlertState, at: Timestamp) -> AlertRecord {
    record(site, state, at)
}

/// Everything in the store, by site: the number, the sample, whether it has its text.
fn stored(store: &Store) -> Vec<Vec<(u64, Sample, bool)>> {
    let mut stored = vec![Vec::new(); SITES];
    let passed = store.samples(&Query::ALL, |found| {
        let own = format!("failure {}", found.seq / 200);
        assert!(found.detail.is_none_or(|detail| detail == own), "{found:?}");
        stored[found.site.0 as usize].push((found.seq, found.sample, found.detail.is_some()));
        Ok::<(), ()>(())
    });
    assert_eq!(passed.unwrap().unwrap().damaged, 0);
    stored
}

#[test]
fn whenever_the_power_fails_nothing_committed_is_lost_and_nothing_is_doubled() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    // How far the log was when this much was acknowledged.
    let mut acknowledged = vec![(disk.log_length(), 0, 0)];
    let mut pushed_by = vec![];
    for round in 0..40 {
        if round % 8 == 3 {
            rig.alert(if round % 16 == 3 { AlertState::Down } else { AlertState::Up });
        }
        pushed_by.push((disk.log_length(), rig.pushed[0].len() + 7, rig.alerts));
        assert_eq!(rig.round(7).committed, 21);
        acknowledged.push((disk.log_length(), rig.pushed[0].len(), rig.alerts));
    }
    pushed_by.push((disk.log_length(), rig.pushed[0].len(), rig.alerts));
    rig.close();
    let log = disk.log();
    let mut noise = Noise(11);
    let mut images = 0;
    for end in (acknowledged[0].0..=log.len()).step_by(2) {
        let image = Disk::of(after_power_loss(&log[..end], &mut noise));
        let store = image.store().unwrap_or_else(|error| panic!("after {end} of {} operations: {error}", log.len()));
        let (_, least, least_alerts) = *acknowledged.iter().rfind(|(at, ..)| *at <= end).unwrap();
        let (_, most, most_alerts) = *pushed_by.iter().rfind(|(at, ..)| *at <= end).unwrap_or(&pushed_by[0]);
        for (site, samples) in stored(&store).iter().enumerate() {
            assert!((least..=most).contains(&samples.len()), "{} of {least} to {most} after {end}", samples.len());
            for (index, (seq, sample, has_text)) in samples.iter().enumerate() {
                assert_eq!((*seq, *sample), (index as u64, rig.pushed[site][index]));
                assert_eq!(*has_text, sample.cause != Cause::Ok);
            }
        }
        assert!((least_alerts..=most_alerts).contains(&store.alerts(&Query::ALL).unwrap().len()));
        // It continues from there and reuses the lost numbers.
        if end % 20 == 0 {
            let before = stored(&store)[0].len();
            let mut again = Rig::new(store);
            assert_eq!(again.producers[0].next_seq(), before as u64);
            again.round(5);
            again.close();
            let numbers: Vec<u64> = stored(&image.store().unwrap())[0].iter().map(|(seq, ..)| *seq).collect();
            assert_eq!(numbers, (0..before as u64 + 5).collect::<Vec<_>>());
        }
        images += 1;
    }
    assert!(images > 100, "{images}");
}

#[test]
fn a_full_disk_loses_nothing_and_saving_goes_on_by_itself_once_there_is_room() {
    for room in [0, 1_000, 5_000, 20_000, 60_000] {
        let disk = Disk::default();
        let mut rig = Rig::new(disk.store().unwrap());
        assert_eq!(rig.round(10).committed, 30);
        rig.alert(AlertState::Down);
        disk.set_room(Some(room));
        let mut committed = 30;
        let mut failed = false;
        for _ in 0..20 {
            let flushed = rig.round(10);
            committed += flushed.committed;
            assert_eq!(flushed.dropped, 0);
            failed |= flushed.health == StoreHealth::NotSaving { since: rig.now, reason: "disk full".to_owned() };
        }
        assert!(failed, "room for {room} bytes was enough");
        disk.set_room(None);
        let flushed = rig.flush();
        assert!(matches!(flushed.health, StoreHealth::Ok { .. }), "{flushed:?}");
        assert!(
            flushed.notices[0].contains("disk full") && flushed.notices[0].contains("nothing was lost"),
            "{flushed:?}"
        );
        assert_eq!(committed + flushed.committed, 21 * 30);
        assert!(rig.close().notices.is_empty());
        let store = disk.store().unwrap();
        for (site, samples) in stored(&store).iter().enumerate() {
            let found: Vec<(u64, Sample)> = samples.iter().map(|(seq, sample, _)| (*seq, *sample)).collect();
            assert_eq!(found, (0..).zip(rig.pushed[site].iter().copied()).collect::<Vec<_>>());
        }
        assert_eq!(store.alerts(&Query::ALL).unwrap().len(), 1);
    }
}

/// A writer that closed its file on a full disk finds the store as it was, or sealed by a compaction; never writes over
/// what another one saved.
#[test]
fn what_waits_for_room_never_takes_the_place_of_what_another_writer_saved_meanwhile() {
    for another_writes in [false, true] {
        let disk = Disk::default();
        let mut store = disk.store().unwrap();
        store.sign(1, Timestamp::from_secs(1)).unwrap();
        let mut rig = Rig::new(store);
        assert_eq!(rig.round(10).committed, 30);
        disk.set_room(Some(0));
        rig.alert(AlertState::Down);
        assert_eq!(rig.round(10).committed, 0);
        disk.set_room(None);
        let mut other = disk.store().unwrap();
        if !another_writes {
            other.close().unwrap();
            assert_eq!(rig.round(10).committed, 60);
            assert!(rig.close().notices.is_empty());
            continue;
        }
        // Its clock is another one, so its samples are others.
        other.sign(2, Timestamp::from_secs(2)).unwrap();
        let mut other = Rig::new(other);
        other.alert(AlertState::Ended);
        assert_eq!(other.round(7).committed, 21);
        assert!(other.close().notices.is_empty());
        let before = disk.store().unwrap();
        let (samples, alerts) = (stored(&before), before.alerts(&Query::ALL).unwrap());
        drop(before);
        let refused = rig.round(10);
        let StoreHealth::NotSaving { reason, .. } = &refused.health else { panic!("{refused:?}") };
        assert!(reason.starts_with("another webmon wrote to the file"), "{reason}");
        let closed = rig.close();
        assert_eq!((closed.committed, closed.dropped), (0, 60), "{closed:?}");
        let after = disk.store().unwrap();
        assert_eq!((stored(&after), after.alerts(&Query::ALL).unwrap()), (samples, alerts));
    }
}

/// A file that may not be written is not called damaged, which would move it aside.
#[test]
fn a_disk_that_may_only_be_read_is_read_and_refused_for_what_it_is_and_saving_goes_on_after_it() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    assert_eq!(rig.round(10).committed, 30);
    disk.set_read_only(true);
    let refused = rig.round(10);
    let StoreHealth::NotSaving { reason, .. } = refused.health else { panic!("{refused:?}") };
    assert!(reason.contains("read-only"), "{reason}");
    // What is closed in this state is the image of a run that was cut off.
    let left = Disk::of(disk.image());
    left.set_read_only(true);
    match left.store() {
        Err(StoreError::Io { source, .. }) => assert_eq!(source.kind(), std::io::ErrorKind::ReadOnlyFilesystem),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was opened for writing"),
    }
    assert_eq!(left.image(), disk.image(), "not a byte was changed");
    disk.set_read_only(false);
    rig.now = rig.now.after(Duration::from_mins(1));
    assert_eq!(rig.flush().committed, 30);
    assert!(rig.close().notices.is_empty());
    let closed = Disk::of(disk.image());
    closed.set_read_only(true);
    assert!(matches!(closed.store(), Err(StoreError::Io { .. })));
    closed.set_read_only(false);
    assert!(stored(&closed.store().unwrap()).iter().all(|samples| samples.len() == 20));
}

/// A killed monitor, a full disk, and a reader: whatever the repair can still write before it fails.
#[test]
fn what_was_left_unclean_on_a_disk_without_room_is_read_as_it_is() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    (0..3).for_each(|_| _ = rig.round(10));
    let left = disk.image();
    let mut refused = 0;
    for room in (0..64).map(|pages| pages * 1_024) {
        let full = Disk::of(left.clone());
        full.set_room(Some(room));
        let archive = full.archive().unwrap_or_else(|error| panic!("with room for {room} bytes: {error}"));
        let mut seen = 0;
        let passed = archive.samples(&Query::ALL, |_| {
            seen += 1;
            Ok::<(), ()>(())
        });
        assert_eq!((seen, passed.unwrap().unwrap().damaged), (90, 0), "with room for {room} bytes");
        drop(archive);
        refused += usize::from(matches!(full.look(), Ok(None)));
        full.set_room(None);
        assert!(stored(&full.store().unwrap()).iter().all(|samples| samples.len() == 30));
    }
    assert!((1..64).contains(&refused), "{refused} of 64 could not be repaired");
}

#[test]
fn what_the_backlog_cannot_hold_is_lost_oldest_first_and_counted() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    rig.writer = rig.writer.take().map(|writer| writer.with_room(10_000));
    rig.round(10);
    disk.set_room(Some(0));
    let mut dropped = 0;
    for _ in 0..40 {
        dropped += rig.round(10).dropped;
    }
    assert!(dropped > 300, "{dropped}");
    disk.set_room(None);
    let flushed = rig.flush();
    assert_eq!(dropped + flushed.committed, 40 * 30);
    assert!(flushed.notices[0].contains(&format!("{dropped} samples were lost")), "{flushed:?}");
    rig.close();
    for (site, samples) in stored(&disk.store().unwrap()).iter().enumerate() {
        // The gap shows in the numbers, and every sample still has its own.
        assert!(samples.len() < rig.pushed[site].len());
        assert!(samples.iter().all(|(seq, sample, _)| *sample == rig.pushed[site][usize::try_from(*seq).unwrap()]));
        assert_eq!(samples.last().unwrap().0 + 1, rig.pushed[site].len() as u64);
    }
}

#[test]
fn a_disk_that_stays_full_until_the_end_is_told_and_counted() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    rig.round(10);
    disk.set_room(Some(0));
    rig.round(10);
    let closed = rig.close();
    assert_eq!((closed.committed, closed.dropped), (0, 30));
    assert!(closed.notices[0].contains("the last 30 samples") && closed.notices[0].contains("disk full"), "{closed:?}");
}

/// Everything is committed, only the journal cannot be sealed: nothing is lost, and no notice says so.
#[test]
fn a_disk_that_is_full_when_all_is_saved_costs_a_repair_and_nothing_else() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    rig.round(10);
    disk.set_room(Some(0));
    let closed = rig.close();
    assert_eq!((closed.committed, closed.dropped), (0, 0));
    assert!(closed.notices[0].contains("repairs itself") && closed.notices[0].contains("disk full"), "{closed:?}");
    disk.set_room(None);
    assert!(stored(&disk.store().unwrap()).iter().all(|samples| samples.len() == 10));
}

/// A read never returns a wrong sample: what a flipped bit hit is missing, or the store says that it is damaged.
#[test]
fn flipped_bits_never_become_figures() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    for _ in 0..4 {
        rig.round(300);
    }
    rig.close();
    let image = disk.image();
    let mut noise = Noise(2);
    let (mut whole, mut thinned, mut refused) = (0, 0, 0);
    for _ in 0..400 {
        let mut hostile = image.clone();
        let index = usize::try_from(noise.below(image.len() as u64)).unwrap();
        hostile[index] ^= 1 << noise.below(8);
        let Ok(store) = Disk::of(hostile.clone()).store() else {
            refused += 1;
            continue;
        };
        let mut found = 0;
        let read = store.samples(&Query::ALL, |stored| {
            let seq = usize::try_from(stored.seq).unwrap();
            assert_eq!(rig.pushed[stored.site.0 as usize][seq], stored.sample);
            found += 1;
            Ok::<(), ()>(())
        });
        match read {
            Ok(_) if found == 3 * 1_200 => whole += 1,
            Ok(passed) => {
                thinned += 1;
                let passed = passed.unwrap();
                assert!(passed.damaged + passed.missing > 0, "{found} samples at byte {index}, silently");
                let verdict = Disk::of(hostile).archive().and_then(|archive| archive.verify());
                assert!(!verdict.is_ok_and(|verdict| verdict.is_sound()), "byte {index} is found sound");
            }
            Err(_) => refused += 1,
        }
    }
    assert!(whole > 0 && thinned > 0, "{whole} {thinned} {refused}");
}

/// A commit that is on the disk and was yet answered with an error is made again over itself.
#[test]
fn a_commit_of_unknown_outcome_is_made_again_without_doubling() {
    for after in 0..6 {
        let disk = Disk::default();
        let mut rig = Rig::new(disk.store().unwrap());
        rig.round(10);
        rig.alert(AlertState::Down);
        disk.set_lying_sync(after);
        let mut failures = 0;
        for _ in 0..8 {
            let flushed = rig.round(10);
            failures += usize::from(matches!(flushed.health, StoreHealth::NotSaving { .. }));
        }
        assert_eq!(failures, 1, "sync {after}");
        assert!(rig.close().notices.is_empty());
        let store = disk.store().unwrap();
        for (site, samples) in stored(&store).iter().enumerate() {
            let found: Vec<(u64, Sample)> = samples.iter().map(|(seq, sample, _)| (*seq, *sample)).collect();
            assert_eq!(found, (0..).zip(rig.pushed[site].iter().copied()).collect::<Vec<_>>());
        }
        assert_eq!(store.alerts(&Query::ALL).unwrap().len(), 1);
    }
}

/// An entry that comes again after it was sealed, with more behind it, adds only what is new.
#[test]
fn sealing_leaves_out_what_is_sealed_already() {
    let disk = Disk::default();
    let mut store = disk.store().unwrap();
    let site = store.register(&names(), Timestamp::ZERO).unwrap()[0].id;
    let samples = day_of(1, 15);
    for (first, last) in [(0, 10), (0, 15), (3, 9)] {
        let (mut packer, mut entries) = (Packer::default(), Vec::new());
        let words: Vec<Packed> = samples[first..last].iter().map(Sample::packed).collect();
        packer.push(site, first as u64, &words, &mut entries);
        packer.close(&mut entries);
        let mut pending = store.pending().unwrap();
        pending.add_entries(&mut entries);
        store.write(|transaction| pending.write(transaction, &mut TextSizes::default())).unwrap();
        let before_sealing = stored(&store);
        store.seal().unwrap();
        assert_eq!(stored(&store), before_sealing);
        assert_eq!(
            store.register(&names(), Timestamp::ZERO).unwrap()[0].next_seq,
            last.max(before_sealing[0].len()) as u64
        );
    }
    let found: Vec<Sample> = stored(&store)[0].iter().map(|(_, sample, _)| *sample).collect();
    assert_eq!(found, samples);
}

/// The number of a sample that was lost in a crash is used again: its text must not have been kept.
#[test]
fn a_text_is_never_committed_before_its_sample() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    rig.round(10);
    rig.writer().note_failure(0, 10, &Observation::failed(Cause::Reset, "of a sample that never came"));
    rig.alert(AlertState::Down);
    rig.flush();
    let image = Disk::of(disk.image());
    let mut rig = Rig::new(image.store().unwrap());
    let mut failed = day_of(0, 11)[10];
    failed.cause = Cause::Reset;
    assert_eq!(rig.producers[0].push(failed), 10);
    rig.flush();
    let last = stored(rig.writer().store())[0].pop().unwrap();
    assert_eq!(last, (10, failed, false));
}
