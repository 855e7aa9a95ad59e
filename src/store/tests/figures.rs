//! The law of the figures: whatever was written, trimmed and rolled up, a period has the figures of its samples.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use redb::{ReadableDatabase as _, ReadableTable as _};

use crate::model::{Cause, Flags, Outcome, Sample, SiteId, Timestamp};
use crate::ring::Producer;
use crate::stats::{Beat, PeriodFigures};
use crate::store::codec::frame::{self, put};
use crate::store::limits::Keep;
use crate::store::maintain::rollup_builder;
use crate::store::maintain::seal::due_after;
use crate::store::read::figures::Figures;
use crate::store::read::view::{Query, View};
use crate::store::tables::record::SealedRecord;
use crate::store::tables::schema;
use crate::store::verify;
use crate::store::writable::Store;
use crate::store::writer::Writer;

use super::samples::{Noise, day_of, samples};
use super::simulated_disk::{Disk, after_power_loss};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const START: u64 = 20_000 * DAY + 22 * HOUR;

/// A site, its samples, and the writer.
struct Rig {
    producer: Producer,
    writer: Writer,
    pushed: Vec<Sample>,
}

impl Rig {
    fn new(store: Store) -> Self {
        let site = store.register(&["api".into()], Timestamp::from_secs(1)).unwrap()[0];
        let producer = Producer::new(4_096, site.next_seq);
        let writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        Self { producer, writer, pushed: Vec::new() }
    }

    fn push(&mut self, sample: Sample) {
        self.producer.push(sample);
        self.pushed.push(sample.saturated());
    }

    /// A flush at the time of the newest sample, or a little later.
    fn flush(&mut self, later: Duration) {
        let now = self.pushed.last().map_or(Timestamp::from_secs(START), |sample| sample.at).after(later);
        let flushed = self.writer.flush(now);
        assert_eq!((flushed.notices, flushed.dropped), (Vec::new(), 0));
    }

    fn figures(&self, since: Timestamp, until: Timestamp) -> Figures {
        let query = Query { sites: Some(vec![SiteId(0)]), since, until };
        self.writer.store().figures(&query, None).unwrap().remove(0)
    }
}

/// What a plain recomputation gives.
fn recomputed(samples: &[Sample], since: Timestamp, until: Timestamp) -> PeriodFigures {
    let query = Query { sites: None, since, until };
    let mut stretch = PeriodFigures::default();
    for (seq, sample) in samples.iter().enumerate().filter(|(_, sample)| query.covers(sample.at)) {
        stretch.admit(sample, (seq > 0 && since > Timestamp::ZERO).then_some(since));
    }
    stretch
}

/// Steps from one sample to the next, µs: busy and slow sites, and times at the very edge of an hour.
fn steps() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 1u64..20_000_000, 4 => 60_000_000u64..2_400_000_000, 1 => 3_600_000_000u64..40_000_000_000]
}

fn batches() -> impl Strategy<Value = Vec<Vec<(Sample, u64, bool)>>> {
    let sample = (samples(), steps(), prop::bool::weighted(0.02));
    prop::collection::vec(prop::collection::vec(sample, 1..40), 1..12)
}

/// Instants of all kinds: on a day, on an hour, next to one, anywhere.
fn instants() -> impl Strategy<Value = Timestamp> {
    let days = (0u64..8, 0u64..24, prop_oneof![3 => Just(0i64), 1 => Just(-1), 1 => Just(1), 3 => 0i64..3_600_000_000]);
    days.prop_map(|(day, hour, micros)| {
        let base = (START - START % DAY + day * DAY + hour * (day % 2) * HOUR) * 1_000_000;
        Timestamp::from_micros(base.saturating_add_signed(micros))
    })
}

/// Everything of `samples`, as batches come, one flush after each; `setback` sets the clock back once.
fn fill(rig: &mut Rig, batches: Vec<Vec<(Sample, u64, bool)>>, setback: Option<usize>) {
    let mut at = START * 1_000_000;
    for (index, batch) in batches.into_iter().enumerate() {
        if setback == Some(index) {
            at = at.saturating_sub(10_000_000_000);
        }
        for (mut sample, step, after_hole) in batch {
            at += step;
            sample.at = Timestamp::from_micros(at);
            sample.skipped %= 1 << 20;
            let flags = sample.flags.without(Flags::AFTER_HOLE);
            sample.flags = if after_hole { flags.with(Flags::AFTER_HOLE) } else { flags };
            rig.push(sample);
        }
        rig.flush(Duration::from_mins(index as u64 % 3 * 7));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_figures_of_a_period_are_those_of_its_samples(
        batches in batches(), bounds in prop::collection::vec((instants(), instants()), 6), setback in prop::option::of(0usize..12),
    ) {
        let disk = Disk::default();
        let mut rig = Rig::new(disk.store().unwrap());
        let has_setback = setback.is_some_and(|at| at > 0 && at < batches.len());
        fill(&mut rig, batches, setback.filter(|at| *at > 0));
        let everything = (Timestamp::ZERO, Timestamp::MAX);
        for (since, until) in bounds.into_iter().map(|(a, b)| (a.min(b), a.max(b))).chain([everything]) {
            let found = rig.figures(since, until);
            let expected = recomputed(&rig.pushed, since, until);
            prop_assert!(found.is_exact && found.damaged == 0 && !found.has_gap);
            prop_assert_eq!(&found.stretch.rollup, &expected.rollup);
            prop_assert_eq!(found.stretch.newest_due, expected.newest_due);
            // Figures that depend on the order exist only for samples in order.
            if !has_setback {
                prop_assert_eq!(found.stretch.oldest, expected.oldest);
                prop_assert_eq!(found.stretch.last_at, expected.last_at);
                prop_assert_eq!(found.stretch.outages.longest, expected.outages.longest);
                if expected.holes.more + found.stretch.holes.more == 0 {
                    prop_assert_eq!(found.stretch.holes_since(since), expected.holes_since(since));
                }
            }
        }
        prop_assert!(verified(&disk).is_sound());
    }
}

fn verified(disk: &Disk) -> verify::Verification {
    verify::verify(&Disk::of(disk.image()).open().unwrap().begin_read().unwrap()).unwrap()
}

/// Who asks again and again reads only what is new in the journal, and sees what who asks for the first time sees.
#[test]
fn a_journal_that_is_kept_says_what_one_that_is_read_anew_does() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    let (mut sealed, mut before) = (0, 0);
    for (index, batch) in day_of(9, 1_200).chunks(7).enumerate() {
        for sample in batch {
            rig.push(*sample);
        }
        // Some looks see one more entry, some several, some the same journal as before.
        let flush = index % 5 != 3;
        if flush {
            rig.flush(Duration::ZERO);
        }
        let stored = if flush { rig.pushed.len() } else { before };
        before = stored;
        if index % 3 > 0 {
            let kept = rig.figures(Timestamp::ZERO, Timestamp::MAX);
            assert_eq!(
                kept.stretch,
                recomputed(&rig.pushed[..stored], Timestamp::ZERO, Timestamp::MAX),
                "look {index}"
            );
            let journal = disk.open().unwrap().begin_read().unwrap().open_table(schema::JOURNAL).unwrap();
            sealed += usize::from(journal.first().unwrap().is_none());
        }
    }
    assert!(sealed > 1, "{sealed}");
}

/// Few sites that are checked often are sealed long before a quarter of an hour, so that their journal stays small in
/// memory, and not before sealing is worth it.
#[test]
fn a_journal_of_few_sites_is_sealed_at_four_mebibytes() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    let mut longest = 0;
    for batch in day_of(9, 400_000).chunks(4_000) {
        for sample in batch {
            rig.push(*sample);
        }
        // The clock stands still.
        assert_eq!(rig.writer.flush(Timestamp::from_secs(START)).dropped, 0);
        let database = disk.open().unwrap();
        let journal = database.begin_read().unwrap().open_table(schema::JOURNAL).unwrap();
        let bytes: usize = journal.iter().unwrap().map(|row| row.unwrap().1.value().len()).sum();
        if bytes == 0 {
            break;
        }
        longest = bytes;
    }
    // The flush that reaches it is sealed with the next one.
    assert!((4 << 20..=(4 << 20) + 200_000).contains(&longest), "{longest}");
    assert_eq!([1, 60, 300, usize::MAX].map(due_after), [4 << 20, 4 << 20, 300 << 16, 32 << 20]);
}

/// A day of checks every ten seconds, sealed every quarter of an hour, of which only the newest hours are kept.
fn trimmed() -> (Disk, Rig) {
    let disk = Disk::default();
    let store = disk.store().unwrap().keeping(Keep { retention: Some(Duration::from_hours(6)), ..Keep::default() });
    let mut rig = Rig::new(store);
    for (index, sample) in day_of(9, 3 * 8_640).into_iter().enumerate() {
        rig.push(sample);
        if index % 90 == 89 {
            rig.flush(Duration::ZERO);
        }
    }
    (disk, rig)
}

#[test]
fn when_the_samples_are_gone_their_hours_and_days_answer_and_edges_are_marked() {
    let (disk, rig) = trimmed();
    let first = Timestamp::from_micros(rig.pushed[0].at.as_micros() / 3_600_000_000 * 3_600_000_000);
    let hours = |hours: u64| first.after(Duration::from_hours(hours));
    let minutes = |hours: u64, minutes: u64| first.after(Duration::from_mins(60 * hours + minutes));
    for (since, until, exact) in [
        (Timestamp::ZERO, Timestamp::MAX, Some((Timestamp::ZERO, Timestamp::MAX))),
        (hours(3), hours(60), Some((hours(3), hours(60)))),
        (minutes(70, 3), minutes(71, 11), Some((minutes(70, 3), minutes(71, 11)))),
        // Half an hour and more counts, less does not.
        (minutes(3, 20), hours(60), None),
        (minutes(3, 40), minutes(60, 10), None),
    ] {
        let found = rig.figures(since, until);
        assert_eq!((found.is_exact, found.damaged), (exact.is_some(), 0), "{since:?} {until:?}");
        assert!(!found.has_gap, "{since:?} {until:?}");
        let (from, to) = exact.unwrap_or_else(|| (if since < minutes(3, 30) { hours(3) } else { hours(4) }, hours(60)));
        assert_eq!(found.stretch.rollup, recomputed(&rig.pushed, from, to).rollup, "{since:?} {until:?}");
    }
    let verdict = verified(&disk);
    assert!(verdict.is_sound() && verdict.samples < 3_000, "{verdict:?}");
}

#[test]
fn when_hours_are_gone_their_days_answer() {
    let (disk, rig) = trimmed();
    let database = Disk::of(disk.image()).open().unwrap();
    let day = rig.pushed[0].at.as_micros() / 86_400_000_000 + 1;
    let let_go_before = |limit: u64| {
        let transaction = database.begin_write().unwrap();
        transaction.open_table(schema::HOURS).unwrap().retain(|(_, hour), _| hour >= limit).unwrap();
        transaction.commit().unwrap();
        let verdict = verify::verify(&database.begin_read().unwrap()).unwrap();
        assert!(verdict.is_sound(), "what was trimmed is no damage: {verdict:?}");
    };
    let_go_before(day * 24 + 5);
    let view = View::new(&database.begin_read().unwrap()).unwrap();
    let at = |hour: u64| Timestamp::from_secs((day * 24 + hour) * HOUR);
    for (since, until, exact, from, to) in [
        (at(0), at(24), true, at(0), at(24)),
        (at(3), at(24), false, at(0), at(24)),
        (at(20), at(30), false, at(24), at(30)),
        (at(24), at(30), true, at(24), at(30)),
    ] {
        let query = Query { sites: Some(vec![SiteId(0)]), since, until };
        let found = crate::store::read::figures::figures(&view, &query, None).unwrap().remove(0);
        assert_eq!(found.is_exact, exact, "{since:?}");
        assert_eq!(found.stretch.rollup, recomputed(&rig.pushed, from, to).rollup, "{since:?}");
    }
    let_go_before(u64::MAX);
}

/// Heartbeats of cells shorter and longer than an hour, against counting.
#[test]
fn a_heartbeat_counts_the_checks_of_each_cell() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    for (index, sample) in day_of(4, 20_000).into_iter().enumerate() {
        rig.push(sample);
        if index % 400 == 0 {
            rig.flush(Duration::ZERO);
        }
    }
    rig.flush(Duration::ZERO);
    let until = rig.pushed[19_000].at;
    for cell in [Duration::from_mins(24), Duration::from_hours(3), Duration::from_hours(12)] {
        let query = Query { sites: Some(vec![SiteId(0)]), since: Timestamp::ZERO, until };
        let beats = rig.writer.store().figures(&query, Some(cell)).unwrap().remove(0).beats.unwrap();
        let micros = u64::try_from(cell.as_micros()).unwrap();
        assert_eq!((beats.cell, beats.newest.as_micros() / micros), (cell, until.as_micros() / micros));
        for (back, beat) in (0..60u64).zip(beats.cells.iter().rev()) {
            let start = beats.newest.before(cell * u32::try_from(back).unwrap());
            let end = start.after(cell).min(until);
            let inside = |outcome| {
                let at = |sample: &&Sample| start <= sample.at && sample.at < end && sample.outcome() == outcome;
                u32::try_from(rig.pushed.iter().filter(at).count()).unwrap()
            };
            assert_eq!(*beat, Beat { up: inside(Outcome::Up), down: inside(Outcome::Down) }, "{cell:?} {back}");
        }
    }
}

/// Checks of a slow site over some hours, sealed at every flush and trimmed soon, with the power failing at any moment.
#[test]
fn whenever_the_power_fails_the_rollups_are_the_sum_of_what_was_committed() {
    let disk = Disk::default();
    let keep = Keep { retention: Some(Duration::from_hours(2)), ..Keep::default() };
    let mut rig = Rig::new(disk.store().unwrap().keeping(keep));
    let start = disk.log_length();
    for index in 0..60 {
        let template = day_of(2, 200)[index * 3];
        // Four hundred in a row, so that blocks fill and go.
        for step in 0..40u64 {
            let at = Timestamp::from_secs(START + index as u64 * 900 + step * 20);
            rig.push(Sample { at, ..template });
        }
        rig.flush(Duration::ZERO);
    }
    let log = disk.log();
    let mut noise = Noise(23);
    let (mut images, mut rolled) = (0, 0);
    for end in (start..=log.len()).step_by(13) {
        let image = Disk::of(after_power_loss(&log[..end], &mut noise));
        let database = image.open().unwrap();
        let transaction = database.begin_read().unwrap();
        let view = View::new(&transaction).unwrap();
        let count = usize::try_from(view.newest(SiteId(0)).unwrap().0).unwrap();
        let query = Query { sites: Some(vec![SiteId(0)]), ..Query::ALL };
        let found = crate::store::read::figures::figures(&view, &query, None).unwrap().remove(0);
        let expected = recomputed(&rig.pushed[..count], Timestamp::ZERO, Timestamp::MAX);
        assert_eq!(found.stretch, expected, "after {end} of {} operations", log.len());
        let verdict = verify::verify(&transaction).unwrap();
        assert!(verdict.is_sound(), "after {end} of {}: {verdict:?}", log.len());
        rolled += usize::from(verdict.samples < count as u64);
        images += 1;
    }
    assert!(images > 40 && rolled > 10, "{images} {rolled}");
}

/// Makes of a file what it was before there were rollups.
fn of_version_1(image: Vec<u8>) -> Disk {
    let disk = Disk::of(image);
    let database = disk.open().unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.delete_table(schema::HOURS).unwrap();
    transaction.delete_table(schema::DAYS).unwrap();
    transaction.open_table(schema::META).unwrap().insert("webmon schema", 1).unwrap();
    {
        let mut sealed = transaction.open_table(schema::SEALED).unwrap();
        let row = sealed.get(0).unwrap().unwrap().value().to_vec();
        let SealedRecord { next_seq, last_at, peak, setback, .. } = SealedRecord::decode((0, 0), &row).unwrap();
        let mut row = Vec::new();
        frame::begin(&mut row, 1);
        for number in [next_seq, last_at.as_micros(), peak.as_micros(), setback] {
            put(&mut row, number);
        }
        frame::seal(&mut row, (0, 0));
        sealed.insert(0, row.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
    drop(database);
    disk
}

#[test]
fn a_file_from_before_there_were_rollups_is_read_and_rolled_up_in_parts() {
    let disk = Disk::default();
    let mut rig = Rig::new(disk.store().unwrap());
    let samples = day_of(8, 20_000);
    for batch in samples.chunks(2_000) {
        for sample in batch {
            rig.push(*sample);
        }
        rig.flush(Duration::ZERO);
    }
    rig.flush(Duration::from_hours(1));
    let old = of_version_1(disk.image());
    let expected = recomputed(&samples, Timestamp::ZERO, Timestamp::MAX);
    let query = Query { sites: Some(vec![SiteId(0)]), ..Query::ALL };
    let read = |database: &redb::Database| {
        let view = View::new(&database.begin_read().unwrap()).unwrap();
        crate::store::read::figures::figures(&view, &query, None).unwrap().remove(0).stretch
    };
    let database = old.open().unwrap();
    assert_eq!(read(&database), expected);
    assert!(verify::verify(&database.begin_read().unwrap()).unwrap().is_sound());
    schema::upgrade(&database).unwrap();
    let mut parts = 0;
    loop {
        let transaction = database.begin_write().unwrap();
        let more = rollup_builder::catch_up(&transaction, 20).unwrap();
        transaction.commit().unwrap();
        assert_eq!(read(&database), expected, "after {parts} parts");
        parts += 1;
        if !more {
            break;
        }
    }
    assert!(parts >= 3, "{parts}");
    let rolled = View::new(&database.begin_read().unwrap()).unwrap().sealed(SiteId(0)).unwrap().rolled;
    // All but the newest hour.
    assert!((19_600..=20_000).contains(&rolled), "{rolled}");
    assert!(verify::verify(&database.begin_read().unwrap()).unwrap().is_sound());
}

#[test]
fn a_damaged_rollup_is_told_and_a_damaged_mark_of_how_far_they_go_is_found_again() {
    let (disk, rig) = trimmed();
    let database = Disk::of(disk.image()).open().unwrap();
    let expected = rig.figures(Timestamp::ZERO, Timestamp::MAX).stretch.rollup;
    let change = |change: &dyn Fn(&redb::WriteTransaction)| {
        let transaction = database.begin_write().unwrap();
        change(&transaction);
        transaction.commit().unwrap();
    };
    let read = || {
        let transaction = database.begin_read().unwrap();
        let query = Query { sites: Some(vec![SiteId(0)]), ..Query::ALL };
        let found =
            crate::store::read::figures::figures(&View::new(&transaction).unwrap(), &query, None).unwrap().remove(0);
        (found, verify::verify(&transaction).unwrap())
    };
    change(&|transaction| {
        transaction.open_table(schema::SEALED).unwrap().insert(0, [1, 2, 3].as_slice()).unwrap();
    });
    let (found, verdict) = read();
    assert_eq!((found.stretch.rollup, verdict.damaged), (expected.clone(), vec![("sealed", 1)]));
    // A day is its hours; an hour that is lost altogether is missing, and the figures say so.
    let (day, hour) =
        (rig.pushed[0].at.as_micros() / 86_400_000_000 + 1, rig.pushed[0].at.as_micros() / 3_600_000_000 + 1);
    change(&|transaction| {
        transaction.open_table(schema::DAYS).unwrap().insert((0, day), [1, 2, 3].as_slice()).unwrap();
    });
    let (found, verdict) = read();
    assert_eq!((found.stretch.rollup, found.damaged, found.is_exact), (expected.clone(), 1, true));
    assert_eq!(verdict.damaged, [("sealed", 1), ("days", 1)]);
    change(&|transaction| {
        let mut hours = transaction.open_table(schema::HOURS).unwrap();
        let row = hours.get((0, hour)).unwrap().unwrap().value().to_vec();
        // A sound row at the place of another is none.
        hours.insert((0, hour + 1), row.as_slice()).unwrap();
        let mut days = transaction.open_table(schema::DAYS).unwrap();
        days.insert((0, (hour + 1) / 24), [1, 2, 3].as_slice()).unwrap();
    });
    let (found, _) = read();
    assert!(found.damaged >= 2 && !found.is_exact);
    assert!(found.stretch.rollup.totals.counts.checks() < expected.totals.counts.checks());
}

/// Also where a site of many stands at the same time: each has its own.
#[test]
fn every_site_has_its_own_figures_in_the_order_of_the_query() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    let names: Vec<Arc<str>> = (0..3).map(|site| Arc::from(format!("site {site}"))).collect();
    let registered = store.register(&names, Timestamp::from_secs(1)).unwrap();
    let mut producers: Vec<Producer> = registered.iter().map(|site| Producer::new(4_096, site.next_seq)).collect();
    let readers = registered.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
    let mut writer = Writer::new(store, readers.collect()).unwrap();
    let days: Vec<Vec<Sample>> = (0..3).map(|site| day_of(site, 1_500 + 100 * site)).collect();
    for (producer, day) in producers.iter_mut().zip(&days) {
        for sample in day {
            producer.push(*sample);
        }
    }
    let now = days[2][1_600].at;
    writer.flush(now);
    writer.flush(now.after(Duration::from_hours(1)));
    let query = Query { sites: Some(vec![SiteId(2), SiteId(0), SiteId(9)]), ..Query::ALL };
    let found = writer.store().figures(&query, None).unwrap();
    assert_eq!(found.iter().map(|figures| figures.site.0).collect::<Vec<_>>(), [2, 0, 9]);
    for (figures, day) in found.iter().zip([&days[2], &days[0], &Vec::new()]) {
        assert_eq!(figures.stretch, recomputed(day, Timestamp::ZERO, Timestamp::MAX));
    }
    assert!(days[1].iter().any(|sample| sample.cause != Cause::Ok));
}
