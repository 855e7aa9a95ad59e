//! Remembers the settled past of each site: the figures of its days, and of all of them together.
//!
//! Law: the figures are those that are read without it (property-tested). Whatever changes the past gives it another edition
//! ([`crate::store::Edition`]), and then it is read again. Bounds: [`SITES_MAX`] sites, a few kilobytes each; others are read each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::app::locations::memory::SeenMemory;
use crate::model::lock::lock;
use crate::model::{SiteId, Timestamp};
use crate::serve::page::model::Figures;
use crate::stats::{Cadence, Histogram, PeriodFigures, Rollup};
use crate::store::{Edition, Figures as StoredFigures, Moment, Settled, StoreError};

use super::periods::{Span, outlined, shown};

/// Sites that are remembered.
const SITES_MAX: usize = 2_000;

/// Once so much more is settled, it is remembered, too.
const AGAIN: Duration = Duration::from_hours(3);

/// What is known of the days of a site.
#[derive(Default)]
pub struct Daily {
    /// Each of them, without response times.
    pub days: Vec<Figures>,
    /// All of them, which follow each other.
    pub whole: PeriodFigures,
    /// When the oldest check of which anything is kept was due.
    pub begins: Option<Timestamp>,
}

impl Daily {
    /// The same as figures.
    fn figures(self, (cadence, days): (Cadence, &[Span])) -> (Vec<Figures>, Figures) {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Default::default() };
        let whole = self.whole.summary((first.0, last.1), Some(cadence), self.begins);
        (self.days, shown(&whole))
    }
}

/// See the module.
#[derive(Default)]
pub struct Memory {
    sites: Mutex<HashMap<SiteId, Arc<Remembered>>>,
    /// What locations saw together.
    pub(super) seen: SeenMemory,
}

/// The settled past of one site.
struct Remembered {
    edition: Edition,
    cadence: Cadence,
    /// The days that were over by then, and the one that was not.
    spans: Vec<Span>,
    begins: Option<Timestamp>,
    until: Timestamp,
    days: Vec<Figures>,
    /// Of the last of `spans`, and of all of them.
    open: PeriodFigures,
    whole: Sums,
}

/// The sums of a period, with histograms that take little memory.
struct Sums {
    bare: PeriodFigures,
    responses: Vec<(u32, u32)>,
}

/// `figures` without histograms.
fn bare(figures: &PeriodFigures) -> PeriodFigures {
    let Rollup { totals, response_max, ttfb_max, .. } = &figures.rollup;
    let rollup =
        Rollup { totals: totals.clone(), response_max: *response_max, ttfb_max: *ttfb_max, ..Rollup::default() };
    let PeriodFigures { oldest, newest_due, last_at, outages, holes, .. } = figures;
    PeriodFigures {
        rollup,
        oldest: *oldest,
        newest_due: *newest_due,
        last_at: *last_at,
        outages: *outages,
        holes: holes.clone(),
    }
}

impl Sums {
    fn of(figures: &PeriodFigures) -> Self {
        let responses = figures.rollup.response.buckets().collect();
        Self { bare: bare(figures), responses }
    }

    /// The sum of these and the `later` ones.
    fn with(&self, later: &PeriodFigures) -> PeriodFigures {
        let mut sum = self.bare.clone();
        // Adding to its histogram is less than copying it into one without a value.
        let mut responses = Histogram::default();
        for &(highest, count) in &self.responses {
            responses.record_n(highest, count);
        }
        responses.merge(&later.rollup.response);
        sum.append(&bare(later));
        sum.rollup.response = responses;
        sum
    }
}

impl Memory {
    /// The figures of each of `days` of `site` (without response times), and of all of them, which follow each other.
    ///
    /// # Errors
    /// Those of the database.
    pub fn daily(
        &self,
        moment: &Moment,
        (site, cadence): (SiteId, Cadence),
        days: &[Span],
    ) -> Result<(Vec<Figures>, Figures), StoreError> {
        Ok(self.sums(moment, (site, cadence), days)?.figures((cadence, days)))
    }

    /// The same before it is summed up.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sums(
        &self,
        moment: &Moment,
        (site, cadence): (SiteId, Cadence),
        days: &[Span],
    ) -> Result<Daily, StoreError> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Daily::default()) };
        let known = lock(&self.sites).get(&site).cloned();
        let has_room = known.is_some() || lock(&self.sites).len() < SITES_MAX;
        let settled = if has_room { moment.settled(site)? } else { None };
        let Some(settled) = settled.filter(|settled| first.0 < settled.until && settled.until < last.1) else {
            return read_sums(moment, (site, cadence), days);
        };
        let fits = |known: &Arc<Remembered>| {
            known.edition == settled.edition
                && known.cadence == cadence
                && known.until <= settled.until
                && settled.until.since(known.until) < AGAIN
                && known.is_start_of(days)
        };
        let known = if let Some(known) = known.filter(fits) {
            known
        } else {
            let fresh = Arc::new(remembered(moment, (site, cadence), days, &settled)?);
            lock(&self.sites).insert(site, Arc::clone(&fresh));
            fresh
        };
        known.complete(moment, site, days)
    }

    /// Forgets sites for which `is_shown` is not true.
    pub fn keep(&self, is_shown: impl Fn(SiteId) -> bool) {
        lock(&self.sites).retain(|site, _| is_shown(*site));
        self.seen.keep(is_shown);
    }
}

impl Remembered {
    /// Whether `days` begin with these.
    fn is_start_of(&self, days: &[Span]) -> bool {
        let Some((open, over)) = self.spans.split_last() else { return false };
        days.len() >= self.spans.len() && days.starts_with(over) && days[over.len()].0 == open.0
    }

    /// Adds the rest, up to the end of `days`.
    fn complete(&self, moment: &Moment, site: SiteId, days: &[Span]) -> Result<Daily, StoreError> {
        let rest = &days[self.days.len()..];
        let (Some(open), Some(last)) = (rest.first(), rest.last()) else { return Ok(Daily::default()) };
        let mut wanted = vec![(self.until, last.1)];
        if rest.len() > 1 {
            wanted.push((self.until, open.1));
            wanted.extend(&rest[1..]);
        }
        let mut found = moment.sums(site, &wanted)?.into_iter();
        let later = found.next().unwrap_or_default();
        let day = |span, figures: &PeriodFigures| outlined(figures, span, self.cadence, self.begins);
        let mut figures = self.days.clone();
        let mut first = self.open.clone();
        let second = if rest.len() > 1 { found.next().unwrap_or_default() } else { bare(&later) };
        first.append(&second);
        figures.push(day(*open, &first));
        figures.extend(rest[1..].iter().zip(found).map(|(span, figures)| day(*span, &figures)));
        Ok(Daily { days: figures, whole: self.whole.with(&later), begins: self.begins })
    }
}

/// Reads the settled part of `days`.
fn remembered(
    moment: &Moment,
    (site, cadence): (SiteId, Cadence),
    days: &[Span],
    settled: &Settled,
) -> Result<Remembered, StoreError> {
    let over = days.iter().take_while(|day| day.1 <= settled.until).count();
    let mut spans = days[..over].to_vec();
    let mut wanted = spans.clone();
    // A day may begin where the settled time ends.
    spans.push(days.get(over).copied().unwrap_or((settled.until, settled.until)));
    wanted.extend([(spans[over].0, settled.until), (spans[0].0, settled.until)]);
    let found = moment.parts(site, &wanted)?;
    let begins = found.first().and_then(|figures| figures.begins);
    let mut figures: Vec<PeriodFigures> = found.into_iter().map(|figures| figures.stretch).collect();
    let whole = Sums::of(&figures.pop().unwrap_or_default());
    let open = bare(&figures.pop().unwrap_or_default());
    let day = |(span, figures): (&Span, PeriodFigures)| outlined(&figures, *span, cadence, begins);
    let days = spans.iter().zip(figures).map(day).collect();
    Ok(Remembered { edition: settled.edition.clone(), cadence, spans, begins, until: settled.until, days, open, whole })
}

/// The same without a memory.
pub fn read(
    moment: &Moment,
    (site, cadence): (SiteId, Cadence),
    days: &[Span],
) -> Result<(Vec<Figures>, Figures), StoreError> {
    Ok(read_sums(moment, (site, cadence), days)?.figures((cadence, days)))
}

/// The same before it is summed up.
pub fn read_sums(moment: &Moment, (site, cadence): (SiteId, Cadence), days: &[Span]) -> Result<Daily, StoreError> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Daily::default()) };
    let mut spans = days.to_vec();
    spans.push((first.0, last.1));
    let mut found = moment.parts(site, &spans)?;
    let (whole, begins) = found.pop().map(|whole| (whole.stretch, whole.begins)).unwrap_or_default();
    let day = |(figures, day): (StoredFigures, &Span)| outlined(&figures.stretch, *day, cadence, figures.begins);
    Ok(Daily { days: found.into_iter().zip(days).map(day).collect(), whole, begins })
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, offset};
    use proptest::prelude::*;

    use super::super::periods::days;
    use super::*;
    use crate::alert::network::{Blind, Outage, Realm};
    use crate::model::{Cause, Micros, Observation, Sample};
    use crate::ring::Producer;
    use crate::store::{Archive, Keep, Options, Store, Writer};

    const START: Timestamp = Timestamp::from_secs(20_000 * 86_400);
    const CADENCE: Cadence = Cadence { interval: Duration::from_mins(5), timeout: Duration::from_secs(10) };

    /// An event between two readings.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// So many checks.
        Checks(u64),
        /// So many checks that are not made.
        Nothing(u64),
        /// The clock is set back by so many checks.
        Back(u64),
        /// The last so many checks met an outage of the own network.
        Blind(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (1u64..200).prop_map(Step::Checks),
            1 => (1u64..400).prop_map(Step::Nothing),
            1 => (1u64..30).prop_map(Step::Back),
            1 => (1u64..12).prop_map(Step::Blind),
        ]
    }

    fn check(tick: u64) -> Sample {
        let cause = match tick {
            _ if tick.is_multiple_of(17) => Cause::ConnectTimeout,
            _ if tick / 5 % 31 == 7 => Cause::Status,
            _ => Cause::Ok,
        };
        let mut observation = Observation::failed(cause, "");
        let spent = Micros::new(u32::try_from(20_000 + tick * 7_919 % 50_000).unwrap());
        observation.phases = observation.phases.with(crate::model::Phase::Connect, spent);
        observation.sample(at(tick), Micros::ZERO, 0)
    }

    fn at(tick: u64) -> Timestamp {
        START.after(CADENCE.interval * u32::try_from(tick).unwrap()).after(Duration::from_micros(7))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn figures_are_those_that_are_read_without_it(
            steps in prop::collection::vec(step(), 1..16), count in 1u32..6, hours in 30u64..200,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("webmon.redb");
            let options = Options { keep: Keep { retention: Some(Duration::from_hours(hours)), ..Keep::default() }, ..Options::default() };
            let store = Store::open(&path, &options, START).unwrap().store;
            let id = store.register(&["api".into()], START).unwrap()[0].id;
            let mut producer = Producer::new(8_000, 0);
            let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
            let zones = [TimeZone::UTC, TimeZone::fixed(offset(5)), TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).unwrap())];
            let memories: Vec<Memory> = zones.iter().map(|_| Memory::default()).collect();
            let mut tick = 1_000;
            for step in steps {
                match step {
                    Step::Checks(count) => {
                        for tick in tick..tick + count {
                            producer.push(check(tick));
                        }
                        tick += count;
                    }
                    Step::Nothing(count) => tick += count,
                    Step::Back(count) => tick -= count,
                    Step::Blind(count) => {
                        let blind = Blind { realm: Realm::Global, from: at(tick - count), to: at(tick) };
                        lock(&writer.entrance()).note_outage(&Outage { blind, hosts: 5, sites: vec![id] }, true);
                    }
                }
                lock(&writer.entrance()).note_decided(at(tick).before(Duration::from_hours(1)));
                writer.flush(at(tick));
                let archive = Archive::open(&path).unwrap();
                let moment = archive.moment().unwrap();
                for (zone, memory) in zones.iter().zip(&memories) {
                    let days = days(count, zone, at(tick));
                    let expected = read(&moment, (id, CADENCE), &days).unwrap();
                    prop_assert_eq!(&memory.daily(&moment, (id, CADENCE), &days).unwrap(), &expected, "{:?}, {:?}", step, zone);
                    prop_assert_eq!(&memory.daily(&moment, (id, CADENCE), &days).unwrap(), &expected, "again");
                }
            }
        }
    }

    #[test]
    fn what_is_settled_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), START).unwrap().store;
        let id = store.register(&["api".into()], START).unwrap()[0].id;
        let mut producer = Producer::new(8_000, 0);
        let mut writer = Writer::new(store, vec![(id, producer.ring().reader_at_head())]).unwrap();
        let memory = Memory::default();
        let look = |tick: u64, days: &[Span]| {
            let moment = Archive::open(&path).unwrap().moment().unwrap();
            memory.daily(&moment, (id, CADENCE), days).unwrap();
            let known = lock(&memory.sites).get(&id).cloned();
            known.map(|known| (known.days.len(), at(tick).since(known.until) <= Duration::from_hours(3)))
        };
        let mut check_until = |ticks: std::ops::Range<u64>| {
            let end = at(ticks.end);
            for tick in ticks {
                producer.push(check(tick));
            }
            writer.flush(end);
            end
        };
        check_until(1_000..1_490);
        // The writer seals after a quarter of an hour, and rolls up what it sealed.
        let days = days(5, &TimeZone::UTC, check_until(1_490..1_500));
        // A day is 288 checks: those before the first one, one from its middle on, and most of one that is not over.
        assert_eq!(look(1_500, &days), Some((4, true)));
        memory.keep(|_| false);
        assert!(lock(&memory.sites).is_empty());
    }
}
