//! Computes the first due time of sites that were checked before the start.
//!
//! A plan that ignored earlier checks would check some sites too often and, in a crash loop, others never. So a site whose
//! last check is less than an interval old waits for the rest of the interval. The others are overdue: they are ranked by the
//! age of their last check, and rank r is due no later than the r-th planned time among them.
//!
//! Invariants: no check within an interval of the last one; none later than planned or an interval from now, also after the
//! clock was set back. A paused site keeps its planned time and has no rank. Every start, however short, checks one more
//! site; after a long absence, any period has at most twice the checks of a first start.

use std::time::Duration;

use crate::model::Timestamp;

/// The planned and the stored times of a site.
#[derive(Clone, Copy, Debug)]
pub struct PlannedSite {
    /// When the first check is planned, after the start.
    pub planned: Duration,
    /// Time between checks.
    pub interval: Duration,
    /// The newest stored check.
    pub last_at: Option<Timestamp>,
    /// Whether the site is paused.
    pub is_paused: bool,
}

impl PlannedSite {
    /// How long the site waits at `now` for the rest of its interval; `None` if a check is overdue.
    #[must_use]
    pub fn waits(&self, now: Timestamp) -> Option<Duration> {
        let since = self.last_at.filter(|&last| last <= now).map(|last| now.since(last))?;
        self.interval.checked_sub(since).filter(|rest| !rest.is_zero())
    }
}

/// The first check of each site, after `now`.
#[must_use]
pub fn first_due(sites: &[PlannedSite], now: Timestamp) -> Vec<Duration> {
    let mut due: Vec<Duration> = sites.iter().map(|site| site.waits(now).unwrap_or(site.planned)).collect();
    let is_owed = |site: &PlannedSite| !site.is_paused && site.waits(now).is_none();
    let mut owed: Vec<usize> = (0..sites.len()).filter(|&index| is_owed(&sites[index])).collect();
    let mut places: Vec<Duration> = owed.iter().map(|&index| sites[index].planned).collect();
    places.sort_unstable();
    owed.sort_by_key(|&index| (sites[index].last_at, sites[index].planned));
    let first = places.first().copied().unwrap_or_default();
    for (index, place) in owed.into_iter().zip(places) {
        due[index] = due[index].min(place.saturating_sub(first));
    }
    due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::scheduler::due_time;
    use crate::model::Site;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_340_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn planned(intervals: &[u64]) -> Vec<PlannedSite> {
        let site = |(number, &secs): (usize, &u64)| Site {
            interval: SECOND * u32::try_from(secs).unwrap(),
            ..Site::new(format!("s{number}"), "http://a/".parse().unwrap())
        };
        let sites: Vec<Site> = intervals.iter().enumerate().map(site).collect();
        let known = |(planned, site): (Duration, &Site)| PlannedSite {
            planned,
            interval: site.interval,
            last_at: None,
            is_paused: false,
        };
        due_time::first_due(sites.iter()).into_iter().zip(&sites).map(known).collect()
    }

    #[test]
    fn a_first_start_is_as_planned() {
        let sites = planned(&[10, 60, 3_600, 1, 10]);
        assert_eq!(first_due(&sites, NOW), sites.iter().map(|site| site.planned).collect::<Vec<_>>());
        assert!(first_due(&[], NOW).is_empty());
    }

    #[test]
    fn a_check_that_is_not_due_yet_is_waited_for_and_a_clock_that_was_set_back_is_not() {
        for (ago, waits) in [(0, Some(10)), (3, Some(7)), (10, None), (11, None), (-5, None), (-90_000, None)] {
            let mut sites = planned(&[10, 10]);
            let last = NOW.as_micros().checked_add_signed(-ago * 1_000_000).unwrap();
            sites[1].last_at = Some(Timestamp::from_micros(last));
            let due = first_due(&sites, NOW);
            assert_eq!(sites[1].waits(NOW), waits.map(|waits| SECOND * waits));
            assert!(waits.map_or(due[1] <= sites[1].planned, |waits| due[1] == SECOND * waits), "{ago} s: {due:?}");
        }
    }

    #[test]
    fn a_long_absence_is_no_stampede() {
        let mut sites = planned(&[60; 1_000]);
        for (ago, site) in sites.iter_mut().enumerate() {
            site.last_at = Some(NOW.before(Duration::from_hours(24) + Duration::from_millis(ago as u64)));
        }
        let mut a_second = [0; 60];
        for due in first_due(&sites, NOW) {
            a_second[usize::try_from(due.as_secs()).unwrap()] += 1;
        }
        assert!(a_second.iter().all(|&checks| checks <= 60), "{a_second:?}");
    }

    #[test]
    fn a_paused_site_takes_no_turn_from_others() {
        let mut sites = planned(&[60; 20]);
        sites.iter_mut().take(19).for_each(|site| site.is_paused = true);
        sites[19].last_at = Some(NOW.before(Duration::from_hours(1)));
        assert_eq!(first_due(&sites, NOW)[19], Duration::ZERO);
    }

    proptest! {
        /// A crash loop: each run lasts so long, each pause between two so long, a check takes no time.
        #[test]
        fn in_a_crash_loop_every_site_is_checked_and_none_too_often(
            intervals in prop::collection::vec(prop::sample::select(vec![1u64, 5, 10, 60, 600]), 1..150),
            run in 50u64..70_000, pause in 0u64..5_000,
        ) {
            let [run, pause] = [run, pause].map(Duration::from_millis);
            let mut sites = planned(&intervals);
            let mut checks = vec![0; sites.len()];
            let mut now = NOW;
            for _ in 0..sites.len() + 10 {
                for (index, due) in first_due(&sites, now).into_iter().enumerate() {
                    let (mut at, until) = (now.after(due), now.after(run));
                    while at < until {
                        let site = &mut sites[index];
                        prop_assert!(site.last_at.is_none_or(|last| at.since(last) >= site.interval));
                        site.last_at = Some(at);
                        checks[index] += 1;
                        at = at.after(site.interval);
                    }
                }
                now = now.after(run + pause);
            }
            prop_assert!(checks.iter().all(|&checks| checks > 0), "{checks:?}");
        }
    }
}
