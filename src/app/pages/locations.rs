//! A site over all its locations on the pages: its days, and each location by itself.
//!
//! Availability and coverage are those of the time in which the locations saw it up together; checks and response times are those of
//! all of them.

use std::time::Duration;

use crate::alert::quorum::Sight;
use crate::app::locations::groups::Group;
use crate::app::locations::memory as seen_days;
use crate::model::{Timeframe, Timestamp};
use crate::serve::page::model::{Figures, LocationLine, Locations};
use crate::stats::{Availability, Counts, PeriodFigures, Unmade};
use crate::store::StoreError;

use super::memory::{self, Daily};
use super::periods::{Span, shown, summed};
use super::{Over, Past};

/// The period of the table of locations.
const DAY: Duration = Duration::from_hours(24);

/// The figures of each of `days`, without response times, and of all of them.
pub fn days(past: &Past<'_>, group: &Group, days: &[Span]) -> Result<(Vec<Figures>, Figures), StoreError> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Default::default()) };
    let (mut pooled, mut counts, mut begins) = (PeriodFigures::default(), Counts::default(), None);
    let mut shown_days = vec![Figures::default(); days.len()];
    for member in &group.members {
        let watched = (member.id, member.cadence);
        let known: Daily = match past.memory {
            Some(memory) => memory.sums(&past.moment, watched, days)?,
            None => memory::read_sums(&past.moment, watched, days)?,
        };
        counts = counts.with(&known.whole.counts((first.0, last.1), Some(member.cadence), known.begins).0);
        begins = [begins, known.begins].into_iter().flatten().min();
        pooled.pool(&known.whole);
        for (day, own) in shown_days.iter_mut().zip(known.days) {
            day.counts = day.counts.with(&own.counts);
        }
    }
    let together = past.together();
    let seen = match past.memory {
        Some(memory) => memory.seen.days(&together, (group, begins), days)?,
        None => seen_days::read(&together, (group, begins), days)?,
    };
    let mut sum = Sight::default();
    for (day, sight) in shown_days.iter_mut().zip(&seen) {
        see(day, sight);
        sum.append(sight);
    }
    let mut whole = shown(&pooled.rollup.summary(last.1, Timeframe::new(last.1.since(first.0)), Unmade::default()));
    whole.counts = counts;
    see(&mut whole, &sum);
    Ok((shown_days, whole))
}

/// Takes over what was seen.
fn see(figures: &mut Figures, sight: &Sight) {
    figures.availability = sight.seen.availability();
    figures.coverage = sight.seen.coverage().map(Availability::ratio);
    figures.down_for = figures.availability.map(|_| Duration::from_micros(sight.seen.down));
}

/// The table of the locations of a site, as of the end of its day.
pub fn table(past: &Past<'_>, over: &Over, as_of: Timestamp) -> Result<Locations, StoreError> {
    let mut lines = Vec::new();
    for part in &over.parts {
        let figures = match past.archive.named(&part.name)? {
            Some(id) => summed(past, id, part.cadence, &[(as_of.before(DAY), as_of)])?,
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
