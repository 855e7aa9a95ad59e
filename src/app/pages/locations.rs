//! A site over all its locations on the pages: its days, its past hour, and each location by itself.
//!
//! Figures are those of the checks of all locations together; coverage is that of their due checks.

use std::time::Duration;

use crate::serve::page::model::{Figures, LocationLine, Locations};
use crate::stats::{Availability, Counts, PeriodFigures, Unmade};
use crate::store::StoreError;

use super::memory::{self, Daily};
use super::periods::{Span, shown, summed};
use super::{Over, PageSite, Past};

/// The period of the table of locations.
const DAY: Duration = Duration::from_hours(24);

/// The figures of each of `days`, without response times, and of all of them.
pub fn days(past: &Past<'_>, site: &PageSite, days: &[Span]) -> Result<(Vec<Figures>, Figures), StoreError> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Default::default()) };
    let (mut pooled, mut counts) = (PeriodFigures::default(), Counts::default());
    let mut known: Vec<Vec<Figures>> = Vec::new();
    for id in past.ids(site)? {
        let watched = (id, site.cadence);
        let Daily { days: own, whole, begins } = match past.memory {
            Some(memory) => memory.sums(&past.moment, watched, days)?,
            None => memory::read_sums(&past.moment, watched, days)?,
        };
        counts = counts.with(&whole.counts((first.0, last.1), Some(site.cadence), begins).0);
        pooled.pool(&whole);
        known.push(own);
    }
    let joined = (0..days.len()).map(|day| joined(known.iter().filter_map(|own| own.get(day)))).collect();
    let timeframe = crate::model::Timeframe::new(last.1.since(first.0));
    let mut whole = pooled.rollup.summary(last.1, timeframe, Unmade::default());
    (whole.counts, whole.coverage) = (counts, crate::stats::coverage::coverage(&counts));
    Ok((joined, shown(&whole)))
}

/// One day of all locations: the sum of the checks, and the mean of the coverage.
fn joined<'a>(days: impl Iterator<Item = &'a Figures>) -> Figures {
    let mut sum = Figures::default();
    let mut covered = (0.0, 0.0);
    for day in days {
        if let Some(Availability { up, checks }) = day.availability {
            let so_far = sum.availability.unwrap_or(Availability { up: 0, checks: 0 });
            sum.availability = Some(Availability { up: so_far.up + up, checks: so_far.checks + checks });
        }
        if let Some(coverage) = day.coverage {
            covered = (covered.0 + coverage, covered.1 + 1.0);
        }
    }
    sum.coverage = (covered.1 > 0.0).then(|| covered.0 / covered.1);
    sum
}

/// The table of the locations of a site, as of the end of its day.
pub fn table(
    past: &Past<'_>,
    site: &PageSite,
    over: &Over,
    as_of: crate::model::Timestamp,
) -> Result<Locations, StoreError> {
    let mut lines = Vec::new();
    for part in &over.parts {
        let figures = match past.archive.named(&part.name)? {
            Some(id) => summed(past, id, site.cadence, &[(as_of.before(DAY), as_of)])?,
            None => Vec::new(),
        };
        lines.push(LocationLine {
            location: part.location.clone(),
            state: part.state,
            checked: part.checked,
            last: part.last,
            figures: figures.first().map(|(_, summary)| shown(summary)).unwrap_or_default(),
        });
    }
    Ok(Locations { votes: over.votes, lines })
}
