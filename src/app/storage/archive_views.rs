//! Reads the figures of views of more than an hour from the store, just after each commit, when the store is complete.
//!
//! Invariants: a view refreshes on the wall clock like any other, the first time at the start; one refresh per view at a time,
//! the sites on the screen first; figures that cannot be read are retried at the next flush. Bounds: [`SITES`] sites per flush,
//! [`PARTS`] parts in the queue to the engine.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::engine::{Engine, Row, SiteInput};
use crate::model::{SiteId, SiteIndex, Timestamp, View};
use crate::stats::{Beats, Cadence};
use crate::store::{Archive, Figures, Query};

/// Sites that are read per flush, over all views: about 20 ms of the writer's thread.
pub const SITES: usize = 64;

pub const PARTS: usize = 64;

/// The rows of some sites in a long view.
#[derive(Debug)]
pub struct ViewRows {
    /// The number of the view.
    pub view: usize,
    /// The end of the window.
    pub as_of: Timestamp,
    /// The rows by site.
    pub rows: Vec<(SiteIndex, Arc<Row>)>,
    /// Whether these rows complete a refresh on the wall clock; the refresh at the start is not announced.
    pub is_refresh: bool,
}

/// See the module.
#[derive(Debug)]
pub struct ArchiveViews {
    passes: Vec<ViewRefresh>,
    sites: Vec<(Option<SiteId>, Cadence)>,
    /// The view to read next.
    turn: usize,
    seen: watch::Receiver<Vec<SiteIndex>>,
    parts: mpsc::Sender<ViewRows>,
}

/// A long view and its current refresh.
#[derive(Debug)]
struct ViewRefresh {
    number: usize,
    view: View,
    as_of: Timestamp,
    /// When the next refresh is due; zero before the first one.
    next: Timestamp,
    on_clock: bool,
    /// Sites still to be read, the next one last.
    left: Vec<SiteIndex>,
}

impl ArchiveViews {
    /// Those of `views` that are long, of these sites, in their order; `seen` are the numbers of the sites that a person
    /// looks at. None when no view is long.
    #[must_use]
    pub fn new(
        views: &[View],
        sites: Vec<(Option<SiteId>, Cadence)>,
        seen: watch::Receiver<Vec<SiteIndex>>,
    ) -> Option<(Self, mpsc::Receiver<ViewRows>)> {
        let long = views.iter().enumerate().filter(|(_, view)| view.is_long());
        let pass = |(number, view): (usize, &View)| ViewRefresh {
            number,
            view: *view,
            as_of: Timestamp::ZERO,
            next: Timestamp::ZERO,
            on_clock: false,
            left: Vec::new(),
        };
        let passes: Vec<ViewRefresh> = long.map(pass).collect();
        if passes.is_empty() {
            return None;
        }
        let (sender, parts) = mpsc::channel(PARTS);
        Some((Self { passes, sites, turn: 0, seen, parts: sender }, parts))
    }

    /// Whether there is any site to read at `now`.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.passes.iter().any(|pass| !pass.left.is_empty() || now >= pass.next)
    }

    /// Reads what is due at `now`, at most [`SITES`] sites; everything up to `now` is committed. `read` gives the figures of
    /// a query with cells of that length, none when it cannot.
    pub fn step(&mut self, now: Timestamp, read: impl Fn(&Query, Duration) -> Option<Vec<Figures>>) {
        for pass in &mut self.passes {
            if pass.left.is_empty() && now >= pass.next {
                pass.begin(now, self.sites.len(), &self.seen.borrow());
            }
        }
        let mut budget = SITES;
        for _ in 0..self.passes.len() {
            let pass = &mut self.passes[self.turn];
            let count = budget.min(pass.left.len());
            if count > 0 {
                let Ok(permit) = self.parts.try_reserve() else { return };
                let Some(part) = pass.read(&read, &self.sites, count) else { return };
                permit.send(part);
                budget -= count;
            }
            if budget == 0 {
                return;
            }
            self.turn = (self.turn + 1) % self.passes.len();
        }
    }
}

impl ViewRefresh {
    fn begin(&mut self, now: Timestamp, sites: usize, seen: &[SiteIndex]) {
        // The first refresh does not wait for the clock.
        self.on_clock = self.next > Timestamp::ZERO;
        self.as_of = if self.on_clock { self.view.aligned(now) } else { now };
        self.next = self.view.aligned(now).after(self.view.refresh.max(Duration::from_secs(1)));
        let mut is_left = vec![true; sites];
        let first: Vec<SiteIndex> =
            seen.iter().copied().filter(|site| is_left.get_mut(site.get()).is_some_and(std::mem::take)).collect();
        let others = (0..sites).rev().filter(|&site| is_left[site]).map(SiteIndex::new);
        self.left = others.chain(first.into_iter().rev()).collect();
    }

    /// The figures of the next `count` sites; none, and they stay to be read, when the store cannot.
    fn read(
        &mut self,
        read: impl Fn(&Query, Duration) -> Option<Vec<Figures>>,
        sites: &[(Option<SiteId>, Cadence)],
        count: usize,
    ) -> Option<ViewRows> {
        let now = &self.left[self.left.len() - count..];
        let indexes: Vec<SiteIndex> = now.iter().rev().copied().collect();
        // A window includes its end and not its start; a query includes its start and not its end.
        let tick = Duration::from_micros(1);
        let since = self.view.timeframe.cutoff(self.as_of);
        let query = Query {
            sites: Some(indexes.iter().filter_map(|index| sites[index.get()].0).collect()),
            since: since.after(tick),
            until: self.as_of.after(tick),
        };
        let cell = Beats::cell_of(self.view.timeframe);
        let figures = read(&query, cell)?;
        self.left.truncate(self.left.len() - count);
        let span = (since, self.as_of);
        let mut figures = figures.into_iter();
        let row = |index: SiteIndex| {
            let (id, cadence) = sites[index.get()];
            // The store does not know the others.
            let figures = id.and_then(|_| figures.next());
            let empty = || Row::empty(self.as_of, self.view.timeframe);
            (index, Arc::new(figures.map_or_else(empty, |figures| row(figures, span, cadence))))
        };
        let rows = indexes.into_iter().map(row).collect();
        Some(ViewRows { view: self.number, as_of: self.as_of, rows, is_refresh: self.on_clock && self.left.is_empty() })
    }
}

fn row(figures: Figures, (since, as_of): (Timestamp, Timestamp), cadence: Cadence) -> Row {
    let Figures { stretch, is_exact, damaged, beats, .. } = figures;
    Row {
        summary: stretch.window((since, as_of), cadence),
        beats: beats.expect("it was asked for"),
        oldest: stretch.oldest.map(|oldest| oldest.due),
        is_exact: is_exact && damaged == 0,
    }
}

/// The long views of a monitor in another process: opens the file that it writes for each read.
pub struct ReadOnlyArchiveViews {
    seen: Arc<watch::Sender<Vec<SiteIndex>>>,
    views: Option<(ArchiveViews, mpsc::Receiver<ViewRows>)>,
}

impl ReadOnlyArchiveViews {
    /// Those of `views` that are long, of the sites of `tracks`.
    #[must_use]
    pub fn new(views: &[View], tracks: &[SiteInput]) -> Self {
        let (seen, looked_at) = watch::channel(Vec::new());
        let cadence = |track: &SiteInput| Cadence { interval: track.interval, timeout: track.timeout };
        let sites = tracks.iter().map(|track| (None, cadence(track))).collect();
        Self { seen: Arc::new(seen), views: ArchiveViews::new(views, sites, looked_at) }
    }

    /// Replaces the views and sites, for the same dashboard.
    pub fn turn_to(&mut self, views: &[View], tracks: &[SiteInput]) {
        let seen = Arc::clone(&self.seen);
        let views = Self::new(views, tracks).views.map(|(mut views, parts)| {
            views.seen = seen.subscribe();
            (views, parts)
        });
        *self = Self { seen, views };
    }

    /// The sites on the dashboard's screen.
    #[must_use]
    pub fn seen(&self) -> Arc<watch::Sender<Vec<SiteIndex>>> {
        Arc::clone(&self.seen)
    }

    /// Reads what is due from the store at `path`, which knows everything up to `until`, and gives it to `engine`; `ids` are
    /// the numbers of the sites in it, as far as they are known.
    pub fn look(
        &mut self,
        path: &Path,
        ids: impl Iterator<Item = Option<SiteId>>,
        until: Timestamp,
        engine: &mut Engine,
    ) {
        let Some((views, parts)) = self.views.as_mut().filter(|(views, _)| views.is_due(until)) else { return };
        // The follower reports that the store cannot be read.
        let Ok(archive) = Archive::open(path) else { return };
        for ((id, _), known) in views.sites.iter_mut().zip(ids) {
            *id = known;
        }
        views.step(until, |query, cell| archive.figures(query, Some(cell)).ok());
        while let Ok(ViewRows { view, as_of, rows, is_refresh }) = parts.try_recv() {
            engine.supply(view, as_of, rows, is_refresh);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Micros, Observation, Phase, Sample, Timeframe};
    use crate::ring::Producer;
    use crate::stats::PeriodFigures;
    use crate::store::{Options, Store, Writer};

    const CADENCE: Cadence = Cadence { interval: Duration::from_mins(5), timeout: Duration::from_secs(10) };
    const START: Timestamp = Timestamp::from_secs(1_795_255_200);

    /// A check every five minutes, one in ten of them failed.
    fn samples(site: usize, count: u64) -> Vec<Sample> {
        (0..count)
            .map(|index| {
                let cause = if (index + site as u64).is_multiple_of(10) { Cause::Reset } else { Cause::Ok };
                let mut observation = Observation::failed(cause, "");
                observation.phases.add(Phase::Connect, Micros::new(1_000));
                observation.sample(START.after(CADENCE.interval * u32::try_from(index).unwrap()), Micros::ZERO, 0)
            })
            .collect()
    }

    struct Rig {
        writer: Writer,
        samples: Vec<Vec<Sample>>,
        long: ArchiveViews,
        parts: mpsc::Receiver<ViewRows>,
        seen: watch::Sender<Vec<SiteIndex>>,
        now: Timestamp,
    }

    fn view(hours: u64) -> View {
        View { timeframe: Timeframe::new(Duration::from_hours(hours)), refresh: Duration::from_mins(5) }
    }

    fn rig(folder: &std::path::Path, sites: usize, views: &[View]) -> Rig {
        let store = Store::open(&folder.join("webmon.redb"), &Options::default(), START).unwrap().store;
        let names: Vec<Arc<str>> = (0..sites).map(|site| Arc::from(format!("site {site}"))).collect();
        let registered = store.register(&names, START).unwrap();
        let mut producers: Vec<Producer> = registered.iter().map(|_| Producer::new(1_000, 0)).collect();
        let readers = registered.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        let samples: Vec<Vec<Sample>> = (0..sites).map(|site| samples(site, 600)).collect();
        for (producer, samples) in producers.iter_mut().zip(&samples) {
            for sample in samples {
                producer.push(*sample);
            }
        }
        let now = samples[0][599].at.after(Duration::from_secs(7));
        writer.flush(now);
        let (seen, looked_at) = watch::channel(Vec::new());
        let sites = registered.iter().map(|site| (Some(site.id), CADENCE)).collect();
        let (long, parts) = ArchiveViews::new(views, sites, looked_at).unwrap();
        Rig { writer, samples, long, parts, seen, now }
    }

    impl Rig {
        fn step(&mut self) -> Vec<ViewRows> {
            let store = self.writer.store();
            self.long.step(self.now, |query, cell| store.figures(query, Some(cell)).ok());
            std::iter::from_fn(|| self.parts.try_recv().ok()).collect()
        }
    }

    #[test]
    fn only_long_views_are_made_here() {
        let seen = watch::channel(Vec::new()).1;
        assert!(ArchiveViews::new(&[view(1)], vec![(Some(SiteId(0)), CADENCE)], seen).is_none());
    }

    #[test]
    fn a_row_has_the_figures_of_its_window_and_the_first_one_is_as_of_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = rig(folder.path(), 3, &[view(1), view(24), view(168)]);
        let parts = rig.step();
        let told: Vec<(usize, bool)> = parts.iter().map(|part| (part.view, part.is_refresh)).collect();
        assert_eq!(told, [(1, false), (2, false)]);
        for (part, hours) in parts.iter().zip([24, 168]) {
            assert_eq!(part.as_of, rig.now);
            let cutoff = rig.now.before(Duration::from_hours(hours));
            for (site, row) in &part.rows {
                let mut expected = PeriodFigures::default();
                for sample in rig.samples[site.get()].iter().filter(|sample| sample.at > cutoff) {
                    expected.admit(sample, None);
                }
                assert_eq!(row.summary, expected.window((cutoff, rig.now), CADENCE));
                assert!(row.is_exact);
                let beats: u64 = row.beats.cells.iter().map(|beat| u64::from(beat.up + beat.down)).sum();
                // The last cells of a bar reach as far back as the window, give or take one.
                let checks = row.summary.counts.checks();
                assert!(beats.abs_diff(checks) <= u64::from(hours == 24) * 5, "{beats} of {checks}");
            }
        }
        assert!(rig.step().is_empty(), "the next refresh is not due");
        rig.now = rig.now.after(Duration::from_mins(5));
        let parts = rig.step();
        assert!(parts.len() == 2 && parts.iter().all(|part| part.is_refresh));
        assert_eq!(parts[0].as_of, view(24).aligned(rig.now), "later ones fall on the clock");
    }

    /// A store of two days under a view of a day and one of a week: the sites were checked all the time.
    #[test]
    fn time_before_the_first_check_is_no_gap_as_in_a_short_view() {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = rig(folder.path(), 1, &[view(24), view(168)]);
        let parts = rig.step();
        let told: Vec<_> = parts.iter().map(|part| &part.rows[0].1.summary).collect();
        assert_eq!(told.iter().map(|summary| summary.counts.checks()).collect::<Vec<_>>(), [288, 600]);
        assert_eq!(told.iter().map(|summary| summary.coverage).collect::<Vec<_>>(), [Some(1.0); 2]);
    }

    #[test]
    fn a_bounded_number_of_sites_is_read_at_a_flush_those_on_the_screen_first() {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = rig(folder.path(), SITES + 20, &[view(24)]);
        rig.seen.send_replace([70, 3, 9_999, 3].map(SiteIndex).to_vec());
        assert_eq!(rig.step().len() + rig.step().len(), 2);
        rig.now = rig.now.after(Duration::from_mins(5));
        let first = rig.step();
        let order: Vec<usize> = first[0].rows.iter().map(|(site, _)| site.get()).collect();
        assert_eq!((first.len(), first[0].is_refresh, order.len()), (1, false, SITES));
        assert_eq!(order[..5], [70, 3, 0, 1, 2]);
        let second = rig.step();
        assert_eq!((second[0].rows.len(), second[0].is_refresh), (20, true));
        assert!(rig.step().is_empty());
    }

    #[test]
    fn what_nobody_takes_waits_and_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut rig = rig(folder.path(), 1, &[view(24)]);
        let store = rig.writer.store();
        let read = |query: &Query, cell| store.figures(query, Some(cell)).ok();
        for _ in 0..PARTS + 3 {
            rig.long.step(rig.now, read);
            rig.now = rig.now.after(Duration::from_mins(5));
        }
        let waiting = std::iter::from_fn(|| rig.parts.try_recv().ok()).count();
        assert_eq!(waiting, PARTS);
        rig.long.step(rig.now, |_, _| None);
        assert!(rig.parts.try_recv().is_err() && rig.long.is_due(rig.now), "what cannot be read is not given up");
        rig.long.step(rig.now, read);
        assert!(rig.parts.try_recv().is_ok_and(|part| part.is_refresh));
    }
}
