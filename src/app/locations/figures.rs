//! What the locations of a site saw of it together in any stored period: from stored hours, and otherwise from single checks.
//!
//! Invariants: what a stored hour holds is not worked out again; an hour that is not stored is the same from its checks. The figures are
//! exact if every location is past the period, or a day has gone since. Bounds: the checks of [`AT_ONCE`] hours are in memory at
//! a time. Cost: a row an hour, or a walk through the checks where there is none.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;
use std::vec::IntoIter;

use crate::alert::maintenance::Span;
use crate::alert::quorum::{Sight, Track, Verdict, spans};
#[cfg(feature = "nats")]
use crate::engine::Row;
#[cfg(feature = "nats")]
use crate::model::Timeframe;
use crate::model::time::duration;
use crate::model::{Location, Outcome, SiteId, Timestamp};
use crate::stats::{Availability, BeatTimes, Summary};
#[cfg(feature = "nats")]
use crate::stats::{PeriodParts, Unmade};
#[cfg(feature = "nats")]
use crate::store::Query;
use crate::store::{Archive, BlindTimes, Moment, SeenHour, StoreError, StoredChecks};

use super::groups::{Group, Member};

/// After so long, a location that is not past an hour is waited for no longer.
pub(crate) const PATIENCE: Duration = Duration::from_hours(24);

const HOUR: u64 = 3_600_000_000;

/// Hours whose checks are in memory at once.
const AT_ONCE: u64 = 12;

/// What a hub's store says about its locations, for a reader with several questions.
pub(crate) struct Past<'a> {
    archive: &'a Archive,
    pub(super) moment: &'a Moment,
    blind: &'a BlindTimes,
    now: Timestamp,
}

/// What was seen in a period.
#[derive(Clone, Debug, Default)]
pub(crate) struct SeenPeriod {
    pub sight: Sight,
    /// Whether no location may yet send what changes it, and all that it needs is there.
    pub is_exact: bool,
    /// Whether all checks that it needs are there.
    pub is_whole: bool,
}

impl SeenPeriod {
    /// Of no time at all.
    fn exact() -> Self {
        Self { sight: Sight::default(), is_exact: true, is_whole: true }
    }

    /// Appends the period that follows.
    fn append(&mut self, later: &Self) {
        self.sight.append(&later.sight);
        self.is_exact &= later.is_exact;
        self.is_whole &= later.is_whole;
    }
}

/// The checks of a location that were read.
type ReadTrack = Track<IntoIter<(Timestamp, Outcome)>>;

/// A part of a period.
enum Piece {
    Stored(u64, SeenHour),
    Checks(Range<Timestamp>),
}

/// Lets `summary`, which is of all checks, have the availability and the coverage that were seen.
pub(crate) fn show(sight: &Sight, summary: &mut Summary) {
    summary.availability = sight.seen.availability();
    summary.coverage = sight.seen.coverage().map(Availability::ratio);
}

/// The number of the hour that holds `at`.
#[must_use]
pub(crate) const fn hour_of(at: Timestamp) -> u64 {
    at.as_micros() / HOUR
}

/// The first instant of hour number `hour`.
#[must_use]
pub(crate) const fn hour_start(hour: u64) -> Timestamp {
    Timestamp::from_micros(hour * HOUR)
}

impl<'a> Past<'a> {
    /// The past in `archive` as of `moment`, at `now`.
    #[must_use]
    pub(crate) const fn new(archive: &'a Archive, moment: &'a Moment, blind: &'a BlindTimes, now: Timestamp) -> Self {
        Self { archive, moment, blind, now }
    }

    /// What the locations of `group` saw in `period`, also told to `cells`, whose length is whole hours or shorter than one. Before
    /// `begins`, when its oldest stored check was due, nothing is known.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) fn seen(
        &self,
        (group, begins): (&Group, Option<Timestamp>),
        period: Range<Timestamp>,
        mut cells: Option<&mut BeatTimes>,
    ) -> Result<SeenPeriod, StoreError> {
        let mut found = SeenPeriod::exact();
        let start = begins.map_or(period.end, |begins| begins.clamp(period.start, period.end));
        found.sight.take(Verdict::Unknown, period.start..start);
        let period = start..period.end;
        let mut known: BTreeMap<SiteId, StoredChecks> = BTreeMap::new();
        // Cells that are shorter than an hour need the checks.
        let by_hours = cells.as_ref().is_none_or(|cells| cells.is_hourly());
        for piece in self.pieces(group, &period, by_hours)? {
            match piece {
                Piece::Stored(hour, seen) => {
                    found.sight.append(&seen.sight);
                    if let Some(cells) = &mut cells {
                        cells.add_at(hour_start(hour), (seen.sight.seen.up, seen.sight.seen.down));
                    }
                }
                Piece::Checks(span) => {
                    let each = |verdict: Verdict, span: Range<Timestamp>| {
                        if let Some(cells) = &mut cells {
                            cells.take(verdict.is_up(), &span);
                        }
                        found.sight.take(verdict, span);
                    };
                    let is_whole = self.walk(group, span.clone(), &mut known, each)?;
                    found.is_whole &= is_whole;
                    found.is_exact &= is_whole && (!by_hours || self.is_over(group, span.end));
                }
            }
        }
        if !by_hours {
            found.is_exact &= self.is_over(group, period.end);
        }
        Ok(found)
    }

    /// Reads what the locations of `group` saw in `parts` of a period, one after the other. Before `begins` nothing is known.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) fn parts(
        &self,
        (group, begins): (&Group, Option<Timestamp>),
        parts: &[Span],
    ) -> Result<SeenPeriod, StoreError> {
        let mut found = SeenPeriod::exact();
        for &(since, until) in parts {
            found.sight.outages.interrupt();
            found.append(&self.seen((group, begins), since..until, None)?);
        }
        Ok(found)
    }

    /// Reads what the locations of `group` saw in each of `cells`. Before `begins` nothing is known.
    ///
    /// Cost: one walk through the checks for cells that follow each other and are shorter than an hour.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) fn cells(
        &self,
        (group, begins): (&Group, Option<Timestamp>),
        cells: &[Span],
    ) -> Result<Vec<Sight>, StoreError> {
        let is_short = |&(since, until): &Span| duration::micros(until.since(since)) < HOUR;
        let (Some(first), Some(last)) = (cells.first(), cells.last()) else { return Ok(Vec::new()) };
        let is_row = cells.windows(2).all(|pair| pair[0].1 == pair[1].0);
        if !is_row || !cells.iter().any(is_short) {
            let one = |&(since, until): &Span| Ok(self.seen((group, begins), since..until, None)?.sight);
            return cells.iter().map(one).collect();
        }
        let mut found = vec![Sight::default(); cells.len()];
        let mut place = 0;
        let mut take = |verdict: Verdict, span: Range<Timestamp>| {
            while let Some(&(since, until)) = cells.get(place).filter(|(since, _)| *since < span.end) {
                found[place].take(verdict, span.start.max(since)..span.end.min(until));
                if span.end < until {
                    return;
                }
                place += 1;
            }
        };
        let start = begins.map_or(last.1, |begins| begins.clamp(first.0, last.1));
        take(Verdict::Unknown, first.0..start);
        let mut known = BTreeMap::new();
        for piece in self.pieces(group, &(start..last.1), false)? {
            if let Piece::Checks(span) = piece {
                self.walk(group, span, &mut known, &mut take)?;
            }
        }
        Ok(found)
    }

    /// Whether the stored hours of `group` are those of its present locations. After one has joined, the newest hour is the last one to be
    /// worked out again.
    pub(super) fn is_worked_out(&self, group: &Group) -> Result<bool, StoreError> {
        let Some(site) = group.id else { return Ok(true) };
        let Some(newest) = self.archive.newest_seen(site)? else { return Ok(true) };
        let hour = self.archive.seen(site, newest..newest + 1)?.remove(&newest);
        Ok(hour.is_some_and(|hour| usize::try_from(hour.locations) == Ok(group.locations())))
    }

    /// The blind times of `location`.
    pub(super) fn blind(&self, location: &Location) -> &[Range<Timestamp>] {
        self.blind.get(location).map_or(&[], Vec::as_slice)
    }

    /// What the locations of `group` saw in hour number `hour`, from its checks; `None` if they are gone.
    ///
    /// # Errors
    /// Those of the database.
    #[cfg(any(feature = "nats", test))]
    pub(crate) fn hour(&self, group: &Group, hour: u64) -> Result<Option<SeenHour>, StoreError> {
        let mut sight = Sight::default();
        let span = hour_start(hour)..hour_start(hour + 1);
        let is_whole = self.walk(group, span, &mut BTreeMap::new(), |verdict, span| sight.take(verdict, span))?;
        let locations = u32::try_from(group.locations()).unwrap_or(u32::MAX);
        Ok(is_whole.then_some(SeenHour { locations, sight }))
    }

    /// The row of `group` in a view of `timeframe` at `as_of`.
    ///
    /// # Errors
    /// Those of the database.
    #[cfg(feature = "nats")]
    pub(crate) fn row(&self, group: &Group, (timeframe, as_of): (Timeframe, Timestamp)) -> Result<Row, StoreError> {
        // A window includes its end and not its start; a query includes its start and not its end.
        let tick = Duration::from_micros(1);
        let cutoff = timeframe.cutoff(as_of);
        let ids = group.members.iter().map(|member| member.id).collect();
        let query = Query { sites: Some(ids), since: cutoff.after(tick), until: as_of.after(tick) };
        let (mut pooled, mut unmade, mut begins, mut is_exact) =
            (PeriodParts::default(), Unmade::default(), None, true);
        for (member, figures) in group.members.iter().zip(self.moment.figures(&query, None)?) {
            let missing = member.cadence.unmade((cutoff, as_of), figures.stretch.oldest, figures.stretch.newest_due);
            unmade.outside += missing.outside;
            unmade.open += missing.open;
            is_exact &= figures.is_exact && figures.damaged == 0;
            begins = [begins, figures.begins].into_iter().flatten().min();
            let mut part = PeriodParts::default();
            part.whole = figures.stretch;
            pooled.pool(&part);
        }
        let mut cells = BeatTimes::new(as_of, timeframe);
        let oldest = cells.start();
        // In a view, time before the first check does not count as a gap.
        let since = begins.map_or(as_of, |begins| begins.clamp(cutoff, as_of));
        if oldest < cutoff {
            self.seen((group, begins), oldest..cutoff, Some(&mut cells))?;
        }
        let seen = self.seen((group, begins), since..as_of, Some(&mut cells))?;
        let mut summary = pooled.whole.rollup.summary(as_of, timeframe, unmade);
        show(&seen.sight, &mut summary);
        let oldest = pooled.whole.oldest.map(|oldest| oldest.due);
        Ok(Row { summary, beats: cells.beats(), oldest, is_exact: is_exact && seen.is_exact })
    }

    /// `period` in its stored hours, if they are `wanted`, and what lies between them.
    fn pieces(&self, group: &Group, period: &Range<Timestamp>, wanted: bool) -> Result<Vec<Piece>, StoreError> {
        let whole = period.start.as_micros().div_ceil(HOUR)..hour_of(period.end);
        let stored = match group.id.filter(|_| wanted && whole.start < whole.end) {
            Some(site) => self.archive.seen(site, whole)?,
            None => BTreeMap::new(),
        };
        let (mut pieces, mut from) = (Vec::new(), period.start);
        let until = |from: Timestamp, end: Timestamp, pieces: &mut Vec<Piece>| {
            let mut from = from;
            while from < end {
                let next = hour_start(hour_of(from) + AT_ONCE).min(end);
                pieces.push(Piece::Checks(from..next));
                from = next;
            }
        };
        for (hour, seen) in stored {
            until(from, hour_start(hour), &mut pieces);
            pieces.push(Piece::Stored(hour, seen));
            from = hour_start(hour + 1);
        }
        until(from, period.end, &mut pieces);
        Ok(pieces)
    }

    /// Passes what the locations saw in `span` to `each`. Returns whether all their checks in it are there.
    fn walk(
        &self,
        group: &Group,
        span: Range<Timestamp>,
        known: &mut BTreeMap<SiteId, StoredChecks>,
        each: impl FnMut(Verdict, Range<Timestamp>),
    ) -> Result<bool, StoreError> {
        let mut tracks: Vec<(&Location, ReadTrack)> = Vec::new();
        let mut is_whole = true;
        for member in &group.members {
            let hold = member.cadence.interval + member.cadence.timeout;
            let checks = self.moment.checks(member.id, (span.start.before(hold), span.end), known.get(&member.id))?;
            is_whole &= checks.is_whole || checks.begins.is_none();
            let outcomes: Vec<(Timestamp, Outcome)> =
                checks.samples.iter().map(|sample| (sample.at, checks.mask.seen(sample).outcome())).collect();
            known.insert(member.id, checks);
            if let Some((_, track)) = tracks.last_mut().filter(|(location, _)| **location == member.location) {
                // Another store of the location.
                let mut both: Vec<_> = std::mem::take(&mut track.samples).chain(outcomes).collect();
                both.sort_by_key(|(at, _)| *at);
                (track.samples, track.hold) = (both.into_iter(), hold);
            } else {
                let blind = self.blind(&member.location).to_vec();
                tracks.push((&member.location, Track { samples: outcomes.into_iter(), hold, blind }));
            }
        }
        spans(tracks.into_iter().map(|(_, track)| track).collect(), span, &group.rule, each);
        Ok(is_whole)
    }

    /// Whether nothing that comes changes what was seen until `end`: each location is past it, give or take a missed check, or
    /// is waited for no longer.
    fn is_over(&self, group: &Group, end: Timestamp) -> bool {
        let is_past =
            |member: &Member| member.newest.is_some_and(|newest| end <= newest.after(member.cadence.silence()));
        end.after(PATIENCE) <= self.now || group.members.iter().all(|member| !member.is_awaited || is_past(member))
    }
}
