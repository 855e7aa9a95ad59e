//! The figures of any period: days, hours and, at the edges, raw samples, added up.
//!
//! The rows of days and hours are exactly the samples before the number up to which their site is rolled up, so a
//! period is the sum of four parts that share no sample: the whole days in it; the whole hours in it that are of no
//! such day; the samples before that number in the part of an hour at either end; and the samples from that number on,
//! from blocks and journal.
//!
//! Law: the figures of a period equal a recomputation over all its samples, exactly for counts, sums, means, maxima,
//! codes and coverage, within the histogram's resolution for percentiles (property-tested). Where the raw samples of an
//! edge were removed, its hour counts if at least half of it lies in the period (for removed hours, its day), and the
//! figures are not exact.
//! Cost: a row per day, an hour and a block per edge.

use std::ops::Range;
use std::time::Duration;

use redb::ReadOnlyTable;

use crate::model::{Outcome, Sample, SiteId, Timestamp};
use crate::stats::{Beat, Beats, PeriodFigures};
use crate::store::tables::record::SealedRecord;
use crate::store::tables::rollup::{self, Grain, RollupRow};
use crate::store::tables::schema;

use super::samples::Chain;
use super::view::{Query, View};
use super::walk::{Walked, walk};

type Rows = ReadOnlyTable<(u32, u64), &'static [u8]>;

/// The figures of one site in a period.
#[derive(Clone, Debug)]
pub struct Figures {
    /// The site.
    pub site: SiteId,
    /// The sums over its samples in the period.
    pub stretch: PeriodFigures,
    /// The due time of the oldest check of which anything is stored, whatever the period; `None` with a heartbeat,
    /// because it costs a block.
    pub begins: Option<Timestamp>,
    /// Whether they are exact to the sample: no edge was rounded to an hour or a day.
    pub is_exact: bool,
    /// Damaged records, whose samples are missing.
    pub damaged: u64,
    /// Whether sample numbers are missing in the period: lost before they were saved, or hidden by damage.
    pub has_gap: bool,
    /// The heartbeat up to the end of the period, if requested.
    pub beats: Option<Beats>,
}

/// What all periods of one site share.
pub struct Foundation {
    site: SiteId,
    sealed: SealedRecord,
    /// The number of the oldest remaining raw sample.
    pub first_raw: u64,
    /// As in [`Figures`].
    pub begins: Option<Timestamp>,
}

impl Foundation {
    /// That of `site`; `has_begins` costs a block.
    pub fn of(view: &View, site: SiteId, has_begins: bool) -> Result<Self, redb::Error> {
        let sealed = view.sealed(site)?;
        let first = view.blocks.range(schema::whole(site.0))?.next().transpose()?;
        let first_raw = first.map_or(sealed.next_seq, |(key, _)| key.value().1);
        let begins = if has_begins { super::beginning::begins(view, site)? } else { None };
        Ok(Self { site, sealed, first_raw, begins })
    }
}

/// The figures of each site that `query` names, in its order, with a heartbeat of cells of this length (whole hours, or
/// shorter than one). A site that the store does not know has none.
pub fn figures(view: &View, query: &Query, cell: Option<Duration>) -> Result<Vec<Figures>, redb::Error> {
    let one = |&site: &SiteId| {
        let foundation = Foundation::of(view, site, cell.is_none())?;
        part(view, &foundation, (query.since, query.until), cell)
    };
    let mut all = query.sites.iter().flatten().map(one).collect::<Result<Vec<Figures>, redb::Error>>()?;
    if let Some(first) = all.first_mut() {
        // Entries of the journal are of all sites.
        first.damaged += view.tail.damaged;
    }
    Ok(all)
}

/// The figures of one site in one period, without what is damaged in the journal.
pub fn part(
    view: &View,
    foundation: &Foundation,
    (since, until): (Timestamp, Timestamp),
    cell: Option<Duration>,
) -> Result<Figures, redb::Error> {
    let mut sum = FiguresBuilder {
        view,
        query: Query { sites: None, since, until },
        sealed: foundation.sealed,
        first_raw: foundation.first_raw,
        chain: Chain::default(),
        figures: Figures {
            site: foundation.site,
            stretch: PeriodFigures::default(),
            begins: foundation.begins,
            is_exact: true,
            damaged: 0,
            has_gap: false,
            beats: None,
        },
    };
    sum.rolled()?;
    sum.end_of_rolled();
    let unrolled = sum.sealed.rolled..u64::MAX;
    sum.raw((since, until), unrolled)?;
    if let Some(cell) = cell {
        sum.figures.beats = Some(sum.beats(cell)?);
    }
    Ok(sum.figures)
}

struct FiguresBuilder<'a> {
    view: &'a View,
    query: Query,
    sealed: SealedRecord,
    /// The number of the oldest remaining raw sample.
    first_raw: u64,
    chain: Chain,
    figures: Figures,
}

impl FiguresBuilder<'_> {
    /// The samples that are rolled up, in the order of time.
    fn rolled(&mut self) -> Result<(), redb::Error> {
        if self.sealed.rolled == 0 {
            return Ok(());
        }
        let (since, until) = (self.query.since, self.query.until);
        let hours = Grain::Hour.within(since, until);
        let days = Grain::Day.within(since, until);
        if days.is_empty() {
            return self.part(since, until, hours);
        }
        let (first_day, last_day) = (Grain::Day.start(days.start), Grain::Day.start(days.end));
        if since < first_day {
            self.part(since, first_day, hours.start..days.start * 24)?;
        }
        self.rows(Grain::Day, days.clone())?;
        if last_day < until {
            self.part(last_day, until, days.end * 24..hours.end)?;
        }
        Ok(())
    }

    /// Checks that the rows reach the last sample that was rolled up, if it is in the period.
    fn end_of_rolled(&mut self) {
        if self.query.covers(self.sealed.rolled_at) && self.chain.is_begun() {
            self.follow(self.sealed.rolled, self.sealed.rolled);
        }
    }

    /// A part of a day or of two: `hours` are the whole ones in it.
    fn part(&mut self, from: Timestamp, to: Timestamp, hours: Range<u64>) -> Result<(), redb::Error> {
        let (first, last) = (Grain::Day.of(from), Grain::Day.of(to.before(Duration::from_micros(1))));
        for day in first..=last {
            let begin = from.max(Grain::Day.start(day));
            let end = to.min(Grain::Day.start(day + 1));
            if let Some(whole) = self.day_without_hours(day)? {
                self.round(&whole, (begin, end), Grain::Day, day);
                continue;
            }
            let hours = hours.start.max(day * 24)..hours.end.min((day + 1) * 24);
            if hours.is_empty() {
                self.edge(begin, end)?;
                continue;
            }
            self.edge(begin, Grain::Hour.start(hours.start))?;
            let rest = Grain::Hour.start(hours.end);
            self.rows(Grain::Hour, hours)?;
            self.edge(rest, end)?;
        }
        Ok(())
    }

    /// The row of a day of which hours are gone.
    fn day_without_hours(&self, day: u64) -> Result<Option<RollupRow>, redb::Error> {
        let (Some(hours), Some(days)) = (&self.view.hours, &self.view.days) else { return Ok(None) };
        let site = self.figures.site.0;
        let oldest = hours.range(schema::whole(site))?.next().transpose()?.map(|(key, _)| key.value().1);
        if oldest.is_some_and(|oldest| oldest <= day * 24) {
            return Ok(None);
        }
        let key = (site, day);
        let Some(row) = days.get(key)?.and_then(|row| RollupRow::decode(key, row.value()).ok()) else {
            return Ok(None);
        };
        let mut samples = 0;
        for hour in hours.range((site, day * 24)..(site, (day + 1) * 24))? {
            let (key, bytes) = hour?;
            samples += RollupRow::decode(key.value(), bytes.value()).map_or(0, |roll| roll.samples());
        }
        Ok((samples < row.samples()).then_some(row))
    }

    /// Whole hours or days.
    fn rows(&mut self, grain: Grain, numbers: Range<u64>) -> Result<(), redb::Error> {
        let view = self.view;
        let Some(table) = self.table(grain) else { return Ok(()) };
        let site = self.figures.site.0;
        for row in table.range((site, numbers.start)..(site, numbers.end))? {
            let (key, bytes) = row?;
            let number = key.value().1;
            match (rollup::append(&mut self.figures.stretch, key.value(), bytes.value()), grain) {
                (Ok(seqs), _) => self.follow(seqs.start, seqs.end),
                (Err(_), Grain::Day) if view.hours.is_some() => {
                    self.figures.damaged += 1;
                    self.rows(Grain::Hour, number * 24..(number + 1) * 24)?;
                }
                (Err(_), _) => {
                    self.figures.damaged += 1;
                    self.figures.is_exact = false;
                    self.chain = Chain::default();
                    let (from, to) = (grain.start(number), grain.start(number + 1));
                    self.raw((from, to), 0..self.sealed.rolled)?;
                }
            }
        }
        Ok(())
    }

    /// A part of an hour, or of two that follow each other.
    fn edge(&mut self, from: Timestamp, to: Timestamp) -> Result<(), redb::Error> {
        if from >= to {
            return Ok(());
        }
        let site = self.figures.site.0;
        let (first, last) = (Grain::Hour.of(from), Grain::Hour.of(to.before(Duration::from_micros(1))));
        for hour in first..=last {
            let begin = from.max(Grain::Hour.start(hour));
            let end = to.min(Grain::Hour.start(hour + 1));
            let key = (site, hour);
            let row = match &self.view.hours {
                Some(hours) => hours.get(key)?.map(|row| RollupRow::decode(key, row.value())),
                None => None,
            };
            match row {
                None => {}
                Some(Ok(roll)) if roll.first_seq < self.first_raw => self.round(&roll, (begin, end), Grain::Hour, hour),
                Some(Ok(_)) => self.raw((begin, end), 0..self.sealed.rolled)?,
                Some(Err(_)) => {
                    self.figures.damaged += 1;
                    self.raw((begin, end), 0..self.sealed.rolled)?;
                }
            }
        }
        Ok(())
    }

    /// Takes a whole row for the part of it that lies in the period, if that is at least half of it.
    fn round(&mut self, roll: &RollupRow, (from, to): (Timestamp, Timestamp), grain: Grain, number: u64) {
        self.chain = Chain::default();
        let is_whole = from <= grain.start(number) && grain.start(number + 1) <= to;
        self.figures.is_exact &= is_whole;
        if to.since(from) * 2 >= grain.length() {
            self.figures.stretch.append(&roll.stretch);
        }
    }

    /// The samples with these numbers and times, from blocks and journal.
    fn raw(&mut self, (from, to): (Timestamp, Timestamp), numbers: Range<u64>) -> Result<(), redb::Error> {
        let since = self.query.since;
        let is_rolled = numbers.end <= self.sealed.rolled;
        let mut stretch = std::mem::take(&mut self.figures.stretch);
        let mut run: Option<(u64, u64)> = None;
        let walked = walk(self.view, self.figures.site, &self.sealed, (from, to), numbers, |seq, sample| {
            // A period that starts with a gap was not monitored from its start.
            stretch.admit(sample, (seq > 0 && since > Timestamp::ZERO).then_some(since));
            run = Some((run.map_or(seq, |(first, _)| first), seq + 1));
        });
        self.figures.stretch = stretch;
        let Walked { damaged, missing } = walked?;
        self.figures.damaged += damaged;
        self.figures.has_gap |= missing > 0;
        match run {
            _ if damaged > 0 => self.chain = Chain::default(),
            Some((first, next)) if is_rolled => self.follow(first, next),
            _ => {}
        }
        Ok(())
    }

    /// Samples with these numbers, all of them rolled up, are next in the order of time.
    fn follow(&mut self, first: u64, next: u64) {
        let missing = self.chain.follow(first, usize::try_from(next - first).unwrap_or(usize::MAX), true);
        // Before a clock was set back for the last time, the order of time is not that of the numbers.
        self.figures.has_gap |= missing > 0 && first.saturating_sub(missing) > self.sealed.setback;
    }

    /// The checks of each cell up to the end of the period.
    fn beats(&mut self, cell: Duration) -> Result<Beats, redb::Error> {
        let as_of = self.query.until.before(Duration::from_micros(1));
        let mut cells = BeatCells::new(as_of, cell);
        let from = cells.start(0);
        let hours = match &self.view.hours {
            Some(hours) if cell >= Grain::Hour.length() => {
                let site = self.figures.site.0;
                let end = Grain::Hour.of(as_of);
                for row in hours.range((site, Grain::Hour.of(from))..(site, end))? {
                    let (key, bytes) = row?;
                    if let Ok(beat) = rollup::beat(key.value(), bytes.value()) {
                        cells.add(Grain::Hour.start(key.value().1), beat);
                    }
                }
                Some(Grain::Hour.start(end))
            }
            _ => None,
        };
        let mut add = |_: u64, sample: &Sample| {
            let up = u32::from(sample.outcome() == Outcome::Up);
            let down = u32::from(sample.outcome() == Outcome::Down);
            cells.add(sample.at, Beat { up, down });
        };
        let (view, site, sealed) = (self.view, self.figures.site, &self.sealed);
        let until = self.query.until;
        walk(view, site, sealed, (hours.unwrap_or(from), until), 0..sealed.rolled, &mut add)?;
        walk(view, site, sealed, (from, until), sealed.rolled..u64::MAX, &mut add)?;
        Ok(cells.beats)
    }

    fn table(&self, grain: Grain) -> Option<&'_ Rows> {
        match grain {
            Grain::Hour => self.view.hours.as_ref(),
            Grain::Day => self.view.days.as_ref(),
        }
    }
}

/// The cells of a heartbeat.
struct BeatCells {
    beats: Beats,
    cell: u64,
    /// The absolute number of the newest.
    newest: u64,
}

impl BeatCells {
    fn new(as_of: Timestamp, cell: Duration) -> Self {
        let micros = u64::try_from(cell.as_micros()).unwrap_or(u64::MAX).max(1);
        let newest = as_of.as_micros() / micros;
        let start = Timestamp::from_micros(newest * micros);
        Self { beats: Beats { cell, newest: start, cells: [Beat::default(); Beats::CELLS] }, cell: micros, newest }
    }

    /// The first instant of the cell at this place.
    fn start(&self, place: u64) -> Timestamp {
        let number = (self.newest + 1 + place).saturating_sub(Beats::CELLS as u64);
        Timestamp::from_micros(number * self.cell)
    }

    fn add(&mut self, at: Timestamp, beat: Beat) {
        let Some(back) = self.newest.checked_sub(at.as_micros() / self.cell) else { return };
        let place = usize::try_from(back).ok().and_then(|back| (Beats::CELLS - 1).checked_sub(back));
        if let Some(place) = place {
            let cell = &mut self.beats.cells[place];
            (cell.up, cell.down) = (cell.up.saturating_add(beat.up), cell.down.saturating_add(beat.down));
        }
    }
}
