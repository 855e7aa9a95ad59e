//! Where the objective of a site over its locations stands, from the time in which they saw it down together.
//!
//! No rule of the burn has a verdict over locations, so no alert says that it is spent too fast. Law: the tallies are the times of
//! [`Past::parts`], which `webmon stats` prints. Cost: the stored hours of the period, and single checks at each edge of maintenance.

use std::time::Duration;

use crate::alert::maintenance::Span;
use crate::alert::objective::{BURN_WINDOWS, ObjectiveFigures, Standing, Tally, window_start};
use crate::app::locations::figures::{Past, SeenPeriod};
use crate::app::locations::groups::Group;
use crate::model::Timestamp;
use crate::stats::{Availability, PeriodFigures};
use crate::store::{Moment, StoreError};

use super::standing::{Maintained, Objective};

/// The figures of `objective`, that of `group`, up to `until`, exclusive.
///
/// # Errors
/// Those of the database.
pub(crate) fn standing_together(
    (moment, past): (&Moment, &Past<'_>),
    (group, objective): (&Group, &Objective<'_>),
    maintained: &Maintained<'_>,
    until: Timestamp,
) -> Result<ObjectiveFigures, StoreError> {
    let Objective { site, group: folder, rule, .. } = *objective;
    let since = until.before(rule.period);
    let starts = BURN_WINDOWS.map(|window| window_start(until, window));
    let left_out = maintained.of((site, folder), (since.min(starts[3]), until));
    let spans = left_out.rest((since, until));
    let (checks, begins) = checks(moment, group, &spans)?;
    let seen = |period: Span| past.parts((group, begins), &left_out.rest(period));
    let whole = seen((since, until))?;
    let (mut windows, mut sum, mut is_exact, mut end) =
        ([Tally::default(); 4], Tally::default(), whole.is_exact, until);
    for (window, start) in windows.iter_mut().zip(starts) {
        let slice = seen((start, end))?;
        (sum, end) = (sum.plus(tally(&slice)), start);
        is_exact &= slice.is_exact;
        *window = sum;
    }
    let counts = checks.rollup.totals.counts;
    let first = spans.first().map_or(since, |span| span.0);
    let cadence = group.members.first().map(|member| member.cadence);
    let tally = tally(&whole);
    Ok(ObjectiveFigures {
        standing: Standing::new(rule, tally, Duration::from_micros(tally.checks), windows),
        since,
        until,
        coverage: whole.sight.seen.coverage().map(Availability::ratio),
        is_exact,
        left_out: left_out.length((since, until)),
        begins: checks.begins(first, cadence, begins),
        in_time: Some(Tally { checks: counts.checks(), failed: counts.down }),
    })
}

/// All checks of these parts of a period, and when the oldest one was due of which anything is stored.
fn checks(moment: &Moment, group: &Group, spans: &[Span]) -> Result<(PeriodFigures, Option<Timestamp>), StoreError> {
    let (mut all, mut begins) = (PeriodFigures::default(), None);
    for member in &group.members {
        let mut own = PeriodFigures::default();
        for part in moment.parts(member.id, spans)? {
            own.append(&part.stretch);
            begins = [begins, part.begins].into_iter().flatten().min();
        }
        all.pool(&own);
    }
    Ok((all, begins))
}

/// The known time and the time down, µs.
const fn tally(of: &SeenPeriod) -> Tally {
    let seen = &of.sight.seen;
    Tally { checks: seen.up + seen.down, failed: seen.down }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{SloRule, Threshold};
    use crate::app::tests::hub_store::{HubStore, at};
    use crate::model::SiteId;
    use crate::stats::Cadence;

    #[test]
    fn the_budget_is_spent_by_the_time_that_the_locations_saw_it_down() {
        let hub = HubStore::worked_example();
        let rule = SloRule { target: Threshold::from_ppm(900_000).unwrap(), period: Duration::from_hours(24) };
        let cadence = Cadence { interval: Duration::from_secs(1), timeout: Duration::from_secs(1) };
        let objective = Objective { id: SiteId(0), site: "api", group: None, rule, cadence };
        let moment = hub.archive().moment().unwrap();
        let figures = hub.with(|past, group| {
            let maintained = Maintained { windows: &[], silences: &[] };
            standing_together((&moment, past), (group, &objective), &maintained, at(600)).unwrap()
        });
        let second = 1_000_000;
        let standing = figures.standing;
        assert_eq!(standing.tally, Tally { checks: 600 * second, failed: 47 * second });
        assert_eq!(figures.in_time, Some(Tally { checks: 1_210, failed: 110 }));
        // A tenth of ten minutes, of which 47 s are gone.
        assert_eq!((standing.budget(), standing.left().as_millis()), (Duration::from_mins(1), 13_000));
        assert_eq!(standing.burns.map(|burn| burn.tally), [standing.tally; 4]);
    }
}
