//! Computes when the checks of each site are due: pure arithmetic on the time since the start.
//!
//! Invariants: due times are `offset + k · interval`, so a late check never delays a later one. The offset is a hash of the
//! site's name within its interval, at most [`SPREAD`], or [`SPREAD_FEW`] for few sites, because a user waits for those; the
//! earliest site is due at once. Cost: offsets are multiples of [`STEP`], so that many checks share a wake-up, which costs
//! more than starting a check.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::model::Site;

/// The first checks are spread over the interval, but over no more than this.
pub const SPREAD: Duration = Duration::from_mins(1);

/// The limit of the spread for at most [`FEW`] sites.
pub const SPREAD_FEW: Duration = Duration::from_secs(1);

/// So many first checks within a second are no burden for this machine or its network.
const FEW: usize = 100;

/// The granularity of offsets. It divides a tenth of a second, so two sites with usual intervals always share their due
/// times or never do.
pub const STEP: Duration = Duration::from_millis(5);

/// The first due time of each site, after the start.
#[must_use]
pub fn first_due<'a>(sites: impl Iterator<Item = &'a Site>) -> Vec<Duration> {
    let sites: Vec<&Site> = sites.collect();
    let spread = if sites.len() <= FEW { SPREAD_FEW } else { SPREAD };
    let mut due: Vec<Duration> = sites.iter().map(|site| offset_within(site, spread)).collect();
    let earliest = due.iter().min().copied().unwrap_or_default();
    for offset in &mut due {
        *offset -= earliest;
    }
    due
}

/// The offset of a site within its interval, before all are shifted to the earliest.
#[must_use]
pub fn offset(site: &Site) -> Duration {
    offset_within(site, SPREAD)
}

fn offset_within(site: &Site, most: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    site.name.hash(&mut hasher);
    let spread = u64::try_from(site.interval.min(most).as_micros()).expect("at most a minute").max(1);
    let steps = Duration::from_micros(hasher.finish() % spread).as_micros() / STEP.as_micros();
    STEP * u32::try_from(steps).expect("a minute has few of them")
}

/// A due check that may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueCheck {
    /// Due checks before it that were overtaken by their successors.
    pub skipped: u32,
    /// How late it starts; less than an interval.
    pub late: Duration,
    /// When the next one is due.
    pub next: Duration,
}

/// The check to start at `now` for a site whose next check was due at `due`, which is not later.
#[must_use]
pub fn turn(due: Duration, interval: Duration, now: Duration) -> DueCheck {
    let behind = now.saturating_sub(due);
    let overtaken = behind.as_micros() / interval.as_micros().max(1);
    let overtaken = u32::try_from(overtaken).unwrap_or(u32::MAX);
    let current = due + interval * overtaken;
    DueCheck { skipped: overtaken, late: now.saturating_sub(current), next: current + interval }
}

/// Whether a check that starts `late` says that this machine cannot keep up: later than a tenth of its interval, and than a
/// second, which is nothing for a machine that is busy for a moment.
#[must_use]
pub fn is_tardy(late: Duration, interval: Duration) -> bool {
    late > (interval / 10).max(Duration::from_secs(1))
}

/// Due checks that were missed between a check known at `last` and one that is due `gap` later.
#[must_use]
pub fn missed(gap: Duration, interval: Duration) -> u32 {
    let dues = gap.as_micros().div_ceil(interval.as_micros().max(1));
    u32::try_from(dues).unwrap_or(u32::MAX).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_check_on_time_is_followed_one_interval_later() {
        assert_eq!(
            turn(10 * SECOND, 5 * SECOND, 10 * SECOND),
            DueCheck { skipped: 0, late: Duration::ZERO, next: 15 * SECOND }
        );
    }

    #[test]
    fn a_late_check_does_not_move_the_next_one() {
        assert_eq!(
            turn(10 * SECOND, 5 * SECOND, 12 * SECOND),
            DueCheck { skipped: 0, late: 2 * SECOND, next: 15 * SECOND }
        );
    }

    #[test]
    fn checks_overtaken_by_their_successors_are_counted() {
        assert_eq!(
            turn(10 * SECOND, 5 * SECOND, 27 * SECOND),
            DueCheck { skipped: 3, late: 2 * SECOND, next: 30 * SECOND }
        );
    }

    #[test]
    fn missed_checks_of_a_stop_are_those_strictly_between() {
        for (gap, missed_checks) in [(0, 0), (5, 0), (10, 0), (11, 1), (20, 1), (25, 2), (3_600, 359)] {
            assert_eq!(missed(gap * SECOND, 10 * SECOND), missed_checks, "{gap} s");
        }
    }

    fn sites(count: usize, interval: Duration) -> Vec<Site> {
        let site = |number: usize| Site { interval, ..Site::new(format!("s{number}"), "http://a/".parse().unwrap()) };
        (0..count).map(site).collect()
    }

    #[test]
    fn few_sites_have_their_first_check_within_a_second_whatever_their_interval() {
        for interval in [SECOND / 10, 10 * SECOND, Duration::from_hours(7 * 24)] {
            for count in [0, 1, 5, 100] {
                let due = first_due(sites(count, interval).iter());
                assert!(due.iter().all(|&due| due < SECOND.min(interval)), "{count} sites every {interval:?}: {due:?}");
                assert_eq!(due.iter().min().copied().unwrap_or_default(), Duration::ZERO);
            }
        }
    }

    #[test]
    fn many_sites_are_spread_over_the_interval_but_over_no_more_than_a_minute() {
        for (interval, most) in [(10 * SECOND, 10 * SECOND), (Duration::from_hours(1), SPREAD)] {
            let due = first_due(sites(101, interval).iter());
            let last = due.iter().max().copied().unwrap_or_default();
            assert!(last > most / 2 && last < most, "every {interval:?}: {last:?}");
        }
    }

    proptest! {
        #[test]
        fn due_times_stay_on_the_grid_and_no_check_is_uncounted(
            due in 0u64..1_000_000, interval in 1u64..100_000, behind in 0u64..10_000_000,
        ) {
            let [due_at, every, now] = [due, interval, due + behind].map(Duration::from_micros);
            let turn = turn(due_at, every, now);
            prop_assert!(turn.late < every);
            prop_assert!(turn.next > now);
            let ahead = turn.next.saturating_sub(due_at).as_micros();
            prop_assert_eq!(ahead % every.as_micros(), 0);
            prop_assert_eq!(ahead / every.as_micros(), u128::from(turn.skipped) + 1);
        }
    }
}
