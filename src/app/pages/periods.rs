//! Periods of a page, and their figures.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::app::locations::figures::show;
use crate::model::{SiteId, Timestamp};
use crate::serve::page::model::Figures;
use crate::stats::{Availability, Cadence, PeriodFigures, Summary, Unmade};
use crate::store::StoreError;

use super::{PageSite, Past};

/// From its start to before its end.
pub type Span = (Timestamp, Timestamp);

/// The last `count` days of `zone` up to `until`, the oldest first; the last one is not over.
pub fn days(count: u32, zone: &TimeZone, until: Timestamp) -> Vec<Span> {
    let today = until.before(Duration::from_micros(1)).instant().to_zoned(zone.clone());
    let mut end = until;
    let mut days = Vec::new();
    for back in 0..count {
        let date = today.date().saturating_sub(jiff::Span::new().days(i64::from(back)));
        let Ok(start) = date.to_zoned(zone.clone()) else { break };
        let Ok(micros) = u64::try_from(start.timestamp().as_microsecond()) else { break };
        let start = Timestamp::from_micros(micros);
        if start < end {
            days.push((start, end));
        }
        end = start;
    }
    days.reverse();
    days
}

/// Up to `most` periods of equal length that end at `until`: whole quarters of an hour, or whole hours of a long `span`.
pub fn columns(span: Duration, most: u32, until: Timestamp) -> Vec<Span> {
    let grain = if span > Duration::from_hours(36) { 3_600_000_000 } else { 900_000_000 };
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(grain);
    let length = micros.div_ceil(u64::from(most.max(1))).div_ceil(grain) * grain;
    let first = until.as_micros().saturating_sub(micros) / length * length;
    let starts =
        (0..=u64::from(most)).map(|number| first + number * length).take_while(|start| *start < until.as_micros());
    starts.map(|start| (Timestamp::from_micros(start), Timestamp::from_micros(start + length).min(until))).collect()
}

/// Sums and summaries of periods, and the due time of the oldest stored check.
type Known = (Vec<(PeriodFigures, Summary)>, Option<Timestamp>);

/// The sums and the summary of each of `spans`, as `webmon stats` has them.
///
/// # Errors
/// Those of the database.
pub fn summed(
    past: &Past<'_>,
    site: SiteId,
    cadence: Cadence,
    spans: &[Span],
) -> Result<Vec<(PeriodFigures, Summary)>, StoreError> {
    Ok(known(past, (site, cadence), spans)?.0)
}

/// The same, and when the oldest check was due that is stored.
fn known(past: &Past<'_>, (site, cadence): (SiteId, Cadence), spans: &[Span]) -> Result<Known, StoreError> {
    let parts = past.moment.parts(site, spans)?;
    let begins = parts.first().and_then(|part| part.begins);
    let one = |(figures, span): (crate::store::Figures, &Span)| {
        let summary = figures.stretch.summary(*span, Some(cadence), figures.begins);
        (figures.stretch, summary)
    };
    Ok((parts.into_iter().zip(spans).map(one).collect(), begins))
}

/// The same of `site`. Of one over its locations, checks and response times are those of all of them, and availability and coverage
/// are those of the time in which they saw it up together. Empty if no check of it is known.
///
/// # Errors
/// Those of the database.
pub fn summed_up(
    past: &Past<'_>,
    site: &PageSite,
    spans: &[Span],
) -> Result<Vec<(PeriodFigures, Summary)>, StoreError> {
    let sources = past.sources(site)?;
    if let ([(id, cadence)], None) = (&sources[..], &site.over) {
        return summed(past, *id, *cadence, spans);
    }
    let (mut sums, mut begins): (Vec<(PeriodFigures, Summary)>, _) = (Vec::new(), None);
    for (id, cadence) in sources {
        let (found, own) = known(past, (id, cadence), spans)?;
        begins = [begins, own].into_iter().flatten().min();
        if sums.is_empty() {
            sums = found;
            continue;
        }
        for ((sum, summary), (figures, other)) in sums.iter_mut().zip(found) {
            sum.pool(&figures);
            // Of each location it is known by itself which of its checks were not made.
            let counts = summary.counts.with(&other.counts);
            *summary = sum.rollup.summary(summary.as_of, summary.timeframe, Unmade::default());
            summary.counts = counts;
        }
    }
    if let Some(group) = past.group(site) {
        for ((_, summary), sight) in sums.iter_mut().zip(past.together().cells((group, begins), spans)?) {
            show(&sight, summary);
        }
    }
    Ok(sums)
}

/// What a day of a bar shows of `figures`: no response times.
pub fn outlined(figures: &PeriodFigures, day: Span, cadence: Cadence, begins: Option<Timestamp>) -> Figures {
    let (counts, coverage) = figures.counts(day, Some(cadence), begins);
    Figures { availability: counts.availability(), coverage, counts, down_for: None, response: None }
}

/// What a page shows of a summary of checks.
pub fn shown(summary: &Summary) -> Figures {
    let Summary { availability, coverage, counts, response, .. } = *summary;
    Figures { availability, coverage, counts, down_for: None, response }
}

impl PageSite {
    /// What a page shows of a summary of it.
    pub(super) fn shown(&self, summary: &Summary) -> Figures {
        // Of a site over its locations, availability is time.
        let down = summary.availability.filter(|_| self.over.is_some());
        let down_for = down.map(|Availability { up, checks }| Duration::from_micros(checks - up));
        Figures { down_for, ..shown(summary) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_zone_and_without_a_gap() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        // 2026-10-26 00:30 in Berlin; the day before has 25 hours.
        let until = Timestamp::from_secs(1_792_971_000);
        let days = days(3, &berlin, until);
        let hours: Vec<u64> = days.iter().map(|(from, until)| until.since(*from).as_secs() / 60).collect();
        assert_eq!(hours, [24 * 60, 25 * 60, 30]);
        assert!(days.windows(2).all(|pair| pair[0].1 == pair[1].0) && days[2].1 == until);
    }

    #[test]
    fn columns_are_of_equal_length_and_end_now() {
        for (span, most) in [(24, 96), (168, 96), (1, 96), (2_160, 96)] {
            let until = Timestamp::from_secs(1_792_971_123);
            let columns = columns(Duration::from_hours(span), most, until);
            assert!(columns.windows(2).all(|pair| pair[0].1 == pair[1].0), "{span}");
            assert_eq!(columns.last().unwrap().1, until);
            let reach = until.since(columns[0].0);
            assert!(reach >= Duration::from_hours(span) && columns.len() <= 97, "{span} h: {} columns", columns.len());
        }
    }
}
