//! Reads stored history for the dashboard. The file is opened for each read, beside its writer. Of a site over the locations of a hub
//! it shows the checks of all of them.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Flags, Sample, SiteId, Timestamp};
use crate::stats::PeriodFigures;
use crate::store::{Archive, Query, StoreError};
use crate::tui::{HOUR, HistoryBuilder, HistoryRequest, SiteHistory};

use super::reader_thread::{ReaderThread, Waiting};

/// Samples between two looks for a newer request.
const LOOK_EVERY: u64 = 4_096;

/// A reader of history.
pub type HistoryReader = ReaderThread<HistoryRequest, Option<Arc<SiteHistory>>>;

/// Starts a reader of the store at `path`.
///
/// # Errors
/// The system refuses a thread.
pub fn open(path: PathBuf) -> io::Result<HistoryReader> {
    ReaderThread::open("webmon-past", None, move |wish, waiting| match reading(&path, &wish, waiting) {
        ControlFlow::Continue(past) => ControlFlow::Continue(Some(Arc::new(past))),
        ControlFlow::Break(newer) => ControlFlow::Break(newer),
    })
}

/// The history for `wish`, read by this thread.
#[must_use]
pub fn read_now(path: &Path, wish: &HistoryRequest) -> SiteHistory {
    match reading(path, wish, &Waiting::none()) {
        ControlFlow::Continue(past) => past,
        ControlFlow::Break(_) => unreachable!("nobody asks for anything else"),
    }
}

/// The history for `wish`, or a newer request that arrived meanwhile.
fn reading(
    path: &Path,
    wish: &HistoryRequest,
    waiting: &Waiting<HistoryRequest>,
) -> ControlFlow<HistoryRequest, SiteHistory> {
    match gathered(path, wish, waiting) {
        // The share of the checks of several places is not that of the time in which they saw it up.
        Ok(ControlFlow::Continue(past)) if !wish.locations.is_empty() => {
            ControlFlow::Continue(SiteHistory { is_exact: false, ..past })
        }
        Ok(flow) => flow,
        Err(error) => {
            let mut past = HistoryBuilder::new(wish.clone()).finish(None, |_, _| false);
            past.trouble = Some(error.reason());
            ControlFlow::Continue(past)
        }
    }
}

fn gathered(
    path: &Path,
    wish: &HistoryRequest,
    waiting: &Waiting<HistoryRequest>,
) -> Result<ControlFlow<HistoryRequest, SiteHistory>, StoreError> {
    let archive = Archive::open(path)?;
    let mut gather = HistoryBuilder::new(wish.clone());
    let names = if wish.locations.is_empty() { std::slice::from_ref(&wish.site) } else { &wish.locations[..] };
    let mut sites = Vec::new();
    for name in names {
        sites.extend(archive.named(name)?);
    }
    if sites.is_empty() {
        return Ok(ControlFlow::Continue(gather.finish(None, |_, _| false)));
    }
    let (mut oldest, mut is_trimmed) = (None, false);
    for &site in &sites {
        let all = Query { sites: Some(vec![site]), ..Query::ALL };
        let (raw, begins) = (first(&archive, &all)?, begins(&archive, &all)?);
        // The oldest stored check is not the first one made, and it is within the period or after it.
        let follows = |begins: Timestamp| raw.is_none_or(|raw| raw > begins.after(wish.cadence.silence()));
        is_trimmed |= raw.is_none_or(|raw| raw > gather.from()) && begins.is_some_and(follows);
        oldest = oldest.into_iter().chain(begins).min();
    }
    let others = |since, until| first(&archive, &Query { sites: None, since, until }).is_ok_and(|at| at.is_some());
    if is_trimmed || wish.scope().cell >= HOUR {
        return Ok(ControlFlow::Continue(sums(&archive, &sites, wish, oldest, others)?));
    }
    let (outages, mut count) = (archive.outages()?, 0);
    let mut pooled = Vec::new();
    for &site in &sites {
        let query = Query { sites: Some(vec![site]), since: gather.from(), until: wish.until.after(LAST) };
        let mask = outages.of(site);
        let passed = archive.samples(&query, |stored| {
            let sample = mask.seen(&stored.sample);
            if sites.len() == 1 {
                gather.admit(&sample);
            } else {
                pooled.push(sample);
            }
            count += 1;
            let newer = if count % LOOK_EVERY == 0 { waiting.newest() } else { None };
            newer.map_or(Ok(()), Err)
        })?;
        if let Err(newer) = passed {
            return Ok(ControlFlow::Break(newer));
        }
    }
    // A hole of one location is none of all.
    pooled.sort_by_key(|sample: &Sample| sample.at);
    for mut sample in pooled {
        sample.flags = sample.flags.without(Flags::AFTER_HOLE);
        gather.admit(&sample);
    }
    Ok(ControlFlow::Continue(gather.finish(oldest, others)))
}

/// The history from hourly totals; of several sites, which are one at several locations, pooled.
fn sums(
    archive: &Archive,
    sites: &[SiteId],
    wish: &HistoryRequest,
    begins: Option<Timestamp>,
    others: impl FnMut(Timestamp, Timestamp) -> bool,
) -> Result<SiteHistory, StoreError> {
    let mut periods = wish.parts();
    // The whole period after its parts, as of the same instant.
    periods.push((wish.scope().from, wish.until.after(LAST)));
    let mut sums = vec![(PeriodFigures::default(), true); periods.len()];
    for &site in sites {
        for ((sum, is_exact), part) in sums.iter_mut().zip(archive.parts(site, &periods)?) {
            *is_exact &= part.is_exact && part.damaged == 0;
            if sites.len() == 1 { *sum = part.stretch } else { sum.pool(&part.stretch) }
        }
    }
    let whole = sums.pop().unwrap_or_default();
    let parts: Vec<PeriodFigures> = sums.into_iter().map(|(part, _)| part).collect();
    Ok(SiteHistory::of_sums(wish.clone(), &parts, whole, begins, others))
}

/// When the oldest check was due of which anything is stored.
fn begins(archive: &Archive, all: &Query) -> Result<Option<Timestamp>, StoreError> {
    let figures = archive.figures(all, None)?;
    Ok(figures.iter().filter_map(|figures| figures.stretch.oldest).map(|oldest| oldest.due).min())
}

/// A query excludes its end; a history includes it.
const LAST: std::time::Duration = std::time::Duration::from_micros(1);

/// The time of the first sample of `query`.
fn first(archive: &Archive, query: &Query) -> Result<Option<Timestamp>, StoreError> {
    let mut at = None;
    let _stopped = archive.samples(query, |stored| {
        at = Some(stored.sample.at);
        Err(())
    })?;
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Cause, Micros, Observation};
    use crate::ring::Producer;
    use crate::stats::Cadence;
    use crate::store::{Keep, Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(1_795_255_200);

    /// A store with two sites that are checked every 10 s: both until minute 10 and from minute 30 on; the second one
    /// also from minute 12 to minute 18, while the first was paused.
    fn stored(folder: &Path) -> (PathBuf, Writer) {
        let path = folder.join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let sites = store.register(&["api".into(), "docs".into()], START).unwrap();
        let mut producers = [0, 0].map(|seq| Producer::new(1_000, seq));
        let readers = sites.iter().zip(&producers).map(|(site, producer)| (site.id, producer.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        for (site, minutes) in [(0, [0..10, 30..60]), (1, [0..18, 30..60])] {
            for minutes in minutes {
                for tick in minutes.start * 6..minutes.end * 6 {
                    let cause = if tick % 60 == 7 { Cause::Reset } else { Cause::Ok };
                    let at = START.after(Duration::from_secs(tick * 10 + 1));
                    let mut sample = Observation::failed(cause, "").sample(at, Micros::ZERO, 0);
                    if tick == 180 {
                        sample.flags = Flags::AFTER_HOLE;
                    }
                    producers[site].push(sample);
                }
            }
        }
        writer.flush(START);
        (path, writer)
    }

    fn wanted(site: &str, from: u64, until: u64) -> HistoryRequest {
        HistoryRequest {
            site: site.into(),
            locations: Vec::new(),
            cadence: Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) },
            span: Duration::from_mins(until - from),
            until: START.after(Duration::from_mins(until)),
            live: false,
            columns: 60,
        }
    }

    fn read(path: &Path, wish: &HistoryRequest) -> SiteHistory {
        let ControlFlow::Continue(past) = reading(path, wish, &Waiting::none()) else {
            panic!("nothing newer was wished for")
        };
        past
    }

    #[test]
    fn a_stretch_is_what_was_stored_of_it_with_its_holes_and_their_reasons() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let past = read(&path, &wanted("api", 0, 40));
        // The last cell holds the end, so the first one begins a cell later than a stretch before it.
        assert_eq!((past.summary.counts.up, past.summary.counts.down), (114, 2));
        assert_eq!(past.series.cells.iter().map(|cell| cell.beat.up + cell.beat.down).max(), Some(4));
        assert_eq!(past.begins, Some(START.after(Duration::from_secs(1))));
        let minutes = |hole: &crate::tui::HistoryGap| {
            (hole.from.since(START).as_secs() / 60, hole.until.since(START).as_secs() / 60)
        };
        assert_eq!(past.holes.iter().map(minutes).collect::<Vec<_>>(), [(9, 30)]);
        assert!(past.holes[0].others, "the other site was checked");
        let past = read(&path, &wanted("docs", 0, 40));
        assert!(!past.holes[0].others && minutes(&past.holes[0]) == (17, 30), "{:?}", past.holes);
        // A stretch that lies in the hole, and one before anything was stored.
        let past = read(&path, &wanted("api", 20, 28));
        assert_eq!((past.summary.counts.checks(), past.holes.len()), (0, 1));
        let mut early = wanted("api", 0, 1);
        early.until = START.before(Duration::from_hours(1));
        let past = read(&path, &early);
        assert_eq!((past.summary.counts.checks(), past.holes.len()), (0, 0));
        assert!(past.begins.is_some());
        assert_eq!(read(&path, &wanted("nobody", 0, 1)).begins, None);
    }

    #[test]
    fn the_checks_of_all_locations_are_on_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let both = |from, until| HistoryRequest {
            locations: vec!["api".into(), "docs".into()],
            ..wanted("over all", from, until)
        };
        let (one, other) = (read(&path, &wanted("api", 0, 40)), read(&path, &wanted("docs", 0, 40)));
        let past = read(&path, &both(0, 40));
        assert_eq!(past.summary.counts.up, one.summary.counts.up + other.summary.counts.up);
        assert_eq!(past.summary.counts.down, one.summary.counts.down + other.summary.counts.down);
        assert_eq!((past.begins, past.is_exact), (one.begins, false));
        // The hole of one is none where the other was checked.
        let minutes =
            |past: &SiteHistory| past.holes.iter().map(|hole| hole.until.since(hole.from).as_secs() / 60).max();
        assert_eq!((minutes(&one), minutes(&past), minutes(&other)), (Some(20), Some(12), Some(12)));
        // A week, from the totals of hours.
        let week = |wish: HistoryRequest| HistoryRequest { span: Duration::from_hours(168), ..wish };
        let (one, other) = (read(&path, &week(wanted("api", 0, 60))), read(&path, &week(wanted("docs", 0, 60))));
        let past = read(&path, &week(both(0, 60)));
        assert_eq!(past.summary.counts.up, one.summary.counts.up + other.summary.counts.up);
        assert_eq!(past.series.spread.iter().sum::<u64>(), past.summary.counts.up);
    }

    #[test]
    fn a_store_that_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let past = read(&folder.path().join("nothing.redb"), &wanted("api", 0, 40));
        assert_eq!(past.trouble.as_deref(), Some("the file is gone"));
        let library = open(path).unwrap();
        library.request(wanted("api", 0, 40));
        let past = loop {
            if let Some(past) = library.read() {
                break past;
            }
            std::thread::yield_now();
        };
        assert_eq!(past.wanted, wanted("api", 0, 40));
    }

    #[test]
    fn what_is_too_old_for_single_checks_is_shown_by_its_hours() {
        const HOUR: u64 = 3_600;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let keep = Keep { retention: Some(Duration::from_secs(6 * HOUR)), ..Keep::default() };
        let store = Store::open(&path, &Options { keep, ..Options::default() }, START).unwrap().store;
        let id = store.register(&["api".into()], START).unwrap()[0].id;
        let mut producer = Producer::new(1_000, 0);
        let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
        // Two days, a check a minute, the first of each hour failed.
        let first = START.as_micros() / (HOUR * 1_000_000) * HOUR;
        let at = |secs: u64| Timestamp::from_secs(first + secs);
        for minute in 0..48 * 60 {
            let cause = if minute % 60 == 0 { Cause::Reset } else { Cause::Ok };
            producer.push(Observation::failed(cause, "").sample(at(minute * 60 + 30), Micros::ZERO, 0));
            if minute % 60 == 59 {
                writer.flush(at((minute + 1) * 60));
            }
        }
        let wanted = |span: u64, until: u64| HistoryRequest {
            site: "api".into(),
            locations: Vec::new(),
            cadence: Cadence { interval: Duration::from_mins(1), timeout: Duration::from_secs(5) },
            span: Duration::from_secs(span),
            until: at(until),
            live: false,
            columns: 60,
        };
        let archive = Archive::open(&path).unwrap();
        let raw = first_of(&archive, id);
        assert!(raw > Some(at(24 * HOUR)), "the first day is gone: {raw:?}");
        let week = read(&path, &wanted(7 * 24 * HOUR, 48 * HOUR - 1));
        assert_eq!((week.summary.counts.up, week.summary.counts.down), (48 * 59, 48));
        assert_eq!((week.is_exact, week.is_hourly, week.begins), (true, false, Some(at(30))));
        assert_eq!(week.series.cells.iter().map(|cell| cell.beat.down).sum::<u32>(), 48);
        // An hour of the first day, its edges in the middle of two: each cell shows its hour.
        let old = read(&path, &wanted(HOUR, 5 * HOUR + 1_200));
        assert_eq!((old.is_exact, old.is_hourly), (false, true));
        assert!(old.series.cells.iter().all(|cell| (cell.beat.up, cell.beat.down) == (59, 1)));
        assert_eq!(old.summary.counts.checks(), 60, "the hour of which more than half is in it");
        // What is kept in full is shown in full.
        let new = read(&path, &wanted(HOUR, 47 * HOUR));
        assert_eq!((new.is_exact, new.is_hourly), (true, false));
        assert_eq!(new.series.cells.iter().map(|cell| cell.beat.up + cell.beat.down).max(), Some(1));
    }

    fn first_of(archive: &Archive, site: SiteId) -> Option<Timestamp> {
        first(archive, &Query { sites: Some(vec![site]), ..Query::ALL }).unwrap()
    }

    #[test]
    fn the_number_of_a_site_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, _writer) = stored(folder.path());
        let archive = Archive::open(&path).unwrap();
        assert_eq!((archive.named("docs").unwrap(), archive.named("no").unwrap()), (Some(SiteId(1)), None));
    }
}
