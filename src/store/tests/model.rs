//! The store beside a naive model: whatever is committed in whatever order, every query answers as a plain filter
//! over all that was committed does.

use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use crate::alert::record::tests::record;
use crate::alert::{AlertState, RuleKind};
use crate::model::{Cause, Observation, Sample, SiteId, Timestamp};
use crate::ring::Producer;
use crate::store::error::StoreError;
use crate::store::read::view::{OpenIncident, Query};
use crate::store::tables::record::SiteRecord;
use crate::store::tables::schema;
use crate::store::writer::Writer;

use super::samples::samples;
use super::simulated_disk::Disk;

const SITES: u32 = 4;

/// One thing that happens to the store.
#[derive(Clone, Debug)]
enum Event {
    /// Samples of a site; the clock moves on by so many µs before each, now and then backwards.
    Samples(u32, Vec<(Sample, i64)>),
    /// A flush, so many seconds later.
    Flush(u64),
    /// A clean stop and a new start, with the sites in another order.
    Restart(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let step = prop_oneof![9 => 1i64..20_000_000, 1 => -600_000_000i64..0];
    let batch = prop::collection::vec((samples(), step), 1..40);
    let event = prop_oneof![
        6 => (0..SITES, batch).prop_map(|(site, batch)| Event::Samples(site, batch)),
        4 => (0u64..2_000).prop_map(Event::Flush),
        1 => (0..SITES as usize).prop_map(Event::Restart),
    ];
    prop::collection::vec(event, 1..40)
}

/// The rings and the writer of one run of the program.
struct ModelRun {
    producers: Vec<(SiteId, Producer)>,
    writer: Writer,
}

impl ModelRun {
    fn start(disk: &Disk, rotated: usize) -> Self {
        let store = disk.store().unwrap();
        let mut names: Vec<Arc<str>> = (0..SITES).map(|site| Arc::from(format!("site {site}"))).collect();
        names.rotate_left(rotated);
        let registered = store.register(&names, Timestamp::from_secs(1)).unwrap();
        let mut producers: Vec<(SiteId, Producer)> =
            registered.iter().map(|site| (site.id, Producer::new(2_048, site.next_seq))).collect();
        // Number 0 is "site 0", wherever it stands now.
        for (name, (id, _)) in names.iter().zip(&producers) {
            assert_eq!(**name, format!("site {}", id.0));
        }
        producers.sort_by_key(|(id, _)| *id);
        let readers = producers.iter().map(|(id, producer)| (*id, producer.ring().reader_at_head()));
        let writer = Writer::new(store, readers.collect()).unwrap();
        Self { producers, writer }
    }
}

fn text(site: u32, seq: u64) -> Observation {
    let address: SocketAddr = ([127, 0, 0, 1], u16::try_from(seq % 3).unwrap()).into();
    let mut observation = Observation::failed(Cause::Reset, format!("site {site} reset {}", seq / 5));
    observation.address = Some(address);
    observation
}

/// What a plain program would keep: each site's samples in the order of their numbers.
type Model = Vec<Vec<Sample>>;

/// What `query` must give: each site filtered, the sites merged by the time of the next sample.
fn expected(model: &Model, query: &Query) -> Vec<(SiteId, u64, Sample)> {
    let all = || (0..SITES).map(SiteId).collect();
    let mut queues: Vec<Vec<(SiteId, u64, Sample)>> = Vec::new();
    for site in query.sites.clone().unwrap_or_else(all) {
        let kept = model[site.0 as usize].iter().enumerate().filter(|(_, sample)| query.covers(sample.at));
        queues.push(kept.map(|(seq, sample)| (site, seq as u64, *sample)).collect());
    }
    let mut merged = Vec::new();
    while let Some(queue) = queues.iter_mut().filter(|queue| !queue.is_empty()).min_by_key(|queue| queue[0].2.at) {
        merged.push(queue.remove(0));
    }
    merged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_query_answers_as_a_plain_filter_does(
        events in events(), restricted: bool, since in 0u64..3_000, length in 0u64..3_000,
    ) {
        let disk = Disk::default();
        let mut run = ModelRun::start(&disk, 0);
        let mut model: Model = vec![Vec::new(); SITES as usize];
        let mut now = Timestamp::from_secs(1_000);
        for event in events {
            match event {
                Event::Samples(site, batch) => {
                    let index = site as usize;
                    for (mut sample, step) in batch {
                        let last = model[index].last().map_or(1_000_000_000, |sample| sample.at.as_micros());
                        sample.at = Timestamp::from_micros(last.saturating_add_signed(step));
                        let seq = run.producers[index].1.push(sample);
                        prop_assert_eq!(seq, model[index].len() as u64);
                        let mut failed = text(site, seq);
                        failed.cause = sample.cause;
                        run.writer.note_failure(index, seq, &failed);
                        model[index].push(sample.saturated());
                    }
                }
                Event::Flush(seconds) => {
                    now = now.after(std::time::Duration::from_secs(seconds));
                    run.writer.flush(now);
                }
                Event::Restart(rotated) => {
                    prop_assert_eq!(run.writer.close(now).notices, Vec::<String>::new());
                    run = ModelRun::start(&disk, rotated);
                }
            }
        }
        run.writer.flush(now);
        let sites = restricted.then(|| vec![SiteId(3), SiteId(1)]);
        let range = [since, since + length].map(Timestamp::from_secs);
        for query in [Query::ALL, Query { sites, since: range[0], until: range[1] }] {
            let mut found = Vec::new();
            let passed = run.writer.store().samples(&query, |stored| {
                let failed = stored.sample.cause != Cause::Ok;
                let text = failed.then(|| text(stored.site.0, stored.seq));
                assert_eq!(stored.detail, text.as_ref().map(|text| text.detail.as_str()));
                assert_eq!(stored.address, text.and_then(|text| text.address));
                found.push((stored.site, stored.seq, stored.sample));
                Ok::<(), ()>(())
            });
            prop_assert_eq!(passed.unwrap().unwrap().samples, found.len() as u64);
            prop_assert_eq!(found, expected(&model, &query));
        }
        let mut whole = 0;
        for site in 0..SITES {
            let samples = &model[site as usize];
            let from = Timestamp::from_secs(since);
            let mut replayed = Vec::new();
            let first = run.writer.store().replay(SiteId(site), from, &mut replayed).unwrap();
            prop_assert_eq!(first + replayed.len() as u64, samples.len() as u64);
            let start = usize::try_from(first).unwrap();
            prop_assert_eq!(&replayed, &samples[start..]);
            prop_assert!(replayed.is_sorted_by(|a, b| a.at < b.at) && replayed.iter().all(|sample| sample.at >= from));
            // And it is the longest such run.
            prop_assert!(start == 0 || samples[start - 1].at < from || samples.get(start).is_some_and(|next| samples[start - 1].at >= next.at));
            whole += replayed.len();
        }
        prop_assert!(whole <= model.iter().map(Vec::len).sum());
    }
}

/// One site stopped by a query that ends before it: what a consumer refuses ends the reading at once.
#[test]
fn reading_stops_when_the_consumer_does() {
    let disk = Disk::default();
    let mut run = ModelRun::start(&disk, 0);
    for sample in super::samples::day(50) {
        run.producers[0].1.push(sample);
    }
    run.writer.flush(Timestamp::from_secs(9));
    let mut taken = 0;
    let stopped = run.writer.store().samples(&Query::ALL, |_| {
        taken += 1;
        if taken == 10 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((stopped.unwrap(), taken), (Err("enough"), 10));
}

#[test]
fn nothing_new_is_no_commit() {
    let disk = Disk::default();
    let mut run = ModelRun::start(&disk, 0);
    run.producers[0].1.push(super::samples::day(1)[0]);
    assert_eq!(run.writer.flush(Timestamp::from_secs(1)).committed, 1);
    let before = disk.log_length();
    assert_eq!(run.writer.flush(Timestamp::from_secs(2)).committed, 0);
    assert_eq!(disk.log_length(), before);
}

#[test]
fn an_incident_is_open_until_its_site_is_up_or_ended() {
    let disk = Disk::default();
    let mut run = ModelRun::start(&disk, 0);
    let mut at = Timestamp::from_secs(100);
    // The clock is set back in between: the order is that of the finding.
    let said = [
        (0, AlertState::Down, 100),
        (1, AlertState::Down, 50),
        (0, AlertState::Up, 40),
        (2, AlertState::Down, 60),
        (2, AlertState::Ended, 70),
    ];
    for (site, state, seconds) in said {
        at = Timestamp::from_secs(seconds);
        let alert = record(&format!("site {site}"), state, at);
        run.writer.note_alert(SiteId(site), alert);
    }
    assert_eq!(run.writer.close(at).notices, Vec::<String>::new());
    let store = disk.store().unwrap();
    let open = OpenIncident {
        site: SiteId(1),
        name: "site 1".into(),
        rule: RuleKind::Availability,
        since: Timestamp::from_secs(50),
        number: None,
        reading: None,
    };
    assert_eq!(store.open_incidents().unwrap(), [open]);
    let times = |query: &Query| -> Vec<u64> {
        store.alerts(query).unwrap().iter().map(|alert| alert.at.as_micros() / 1_000_000).collect()
    };
    assert_eq!(times(&Query::ALL), [40, 50, 60, 70, 100]);
    let some = Query {
        sites: Some(vec![SiteId(2), SiteId(0)]),
        since: Timestamp::from_secs(60),
        until: Timestamp::from_secs(100),
    };
    assert_eq!(times(&some), [60, 70]);
}

#[test]
fn texts_of_a_site_are_bounded_and_the_newest_stay() {
    let disk = Disk::default();
    let mut run = ModelRun::start(&disk, 0);
    let count = 2_000u64;
    for seq in 0..count {
        let mut sample = super::samples::day(1)[0];
        sample.at = Timestamp::from_secs(1_000 + seq);
        sample.cause = Cause::Reset;
        run.producers[0].1.push(sample);
        run.writer.note_failure(0, seq, &Observation::failed(Cause::Reset, format!("{seq} {}", "x".repeat(80))));
    }
    assert_eq!(run.writer.close(Timestamp::from_secs(9_000)).notices, Vec::<String>::new());
    let mut kept = Vec::new();
    let all = |stored: &crate::store::StoredSample<'_>| {
        kept.extend(stored.detail.map(|_| stored.seq));
        Ok::<(), ()>(())
    };
    disk.store().unwrap().samples(&Query::ALL, all).unwrap().unwrap();
    assert!((500..800).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, (count - kept.len() as u64..count).collect::<Vec<_>>());
}

/// Three blocks' worth of samples, then the clock is set back by an hour and a half and as many come again.
#[test]
fn a_clock_that_was_set_back_hides_nothing_from_a_query() {
    let disk = Disk::default();
    let mut run = ModelRun::start(&disk, 0);
    let template = super::samples::day(1)[0];
    let times = (0..900).map(|index| 10_000 + 10 * index).chain((0..900).map(|index| 4_600 + 10 * index));
    let times: Vec<u64> = times.collect();
    for &seconds in &times {
        run.producers[0].1.push(Sample { at: Timestamp::from_secs(seconds), ..template });
    }
    assert_eq!(run.writer.close(Timestamp::from_secs(20_000)).notices, Vec::<String>::new());
    let store = disk.store().unwrap();
    for (since, until) in [(0, 8_000), (0, 4_700), (9_000, 10_500), (13_000, 30_000), (18_000, 18_001), (4_600, 4_601)]
    {
        let query = Query { sites: None, since: Timestamp::from_secs(since), until: Timestamp::from_secs(until) };
        let mut found = Vec::new();
        let each = |stored: &crate::store::StoredSample<'_>| {
            found.push(stored.sample.at.as_micros() / 1_000_000);
            Ok::<(), ()>(())
        };
        store.samples(&query, each).unwrap().unwrap();
        let expected: Vec<u64> = times.iter().copied().filter(|at| (since..until).contains(at)).collect();
        assert_eq!(found, expected, "{since} to {until}");
    }
    // The last one is not the newest.
    drop(store);
    let range = disk.archive().unwrap().contents().unwrap().range;
    assert_eq!(range.map(|(from, to)| [from, to]), Some([4_600, 18_990].map(Timestamp::from_secs)));
}

/// A file forged with the last number of a site or of a commit: no number is used again.
#[test]
fn forged_numbers_at_the_end_of_their_range_do_not_wrap() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    let names = |names: &[&str]| -> Vec<Arc<str>> { names.iter().map(|name| Arc::from(*name)).collect() };
    let first = store.register(&names(&["first"]), Timestamp::ZERO).unwrap()[0].id;
    store.close().unwrap();
    let database = disk.open().unwrap();
    let change = database.begin_write().unwrap();
    {
        let record = SiteRecord { name: "last".into(), known_since: Timestamp::ZERO };
        let mut row = Vec::new();
        record.encode((u32::MAX, 0), &mut row);
        change.open_table(schema::SITES).unwrap().insert(u32::MAX, row.as_slice()).unwrap();
    }
    change.commit().unwrap();
    drop(database);
    let store = disk.store().unwrap();
    let known = store.register(&names(&["first", "new", "last", "another"]), Timestamp::ZERO).unwrap();
    let ids: Vec<u32> = known.iter().map(|site| site.id.0).collect();
    assert_eq!((ids[0], ids[2]), (first.0, u32::MAX));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 4, "{ids:?}");
    store.close().unwrap();
    let database = disk.open().unwrap();
    let change = database.begin_write().unwrap();
    change.open_table(schema::JOURNAL).unwrap().insert(u64::MAX, [0_u8].as_slice()).unwrap();
    change.commit().unwrap();
    drop(database);
    // It is refused or the row is put aside, but no number is given twice.
    let store = disk.store().unwrap();
    let pending = store.pending();
    assert!(matches!(pending, Err(StoreError::Damaged { .. })) || store.look(is_journal_empty).unwrap());
}

fn is_journal_empty(transaction: &redb::ReadTransaction) -> Result<bool, redb::Error> {
    use redb::ReadableTableMetadata as _;
    Ok(transaction.open_table(schema::JOURNAL)?.is_empty()?)
}
