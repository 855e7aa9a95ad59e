//! Facts about all sites, found in one pass at the refresh of a view, not at every frame.

pub(crate) mod correlation;

use std::sync::Arc;
use std::time::Duration;

use crate::engine::snapshot::{SiteSnapshot, Snapshot, ViewSnapshot};
use crate::model::{Place, Timestamp};
use crate::stats::Summary;
use crate::tui::style::line::{short_name, width};

use super::site_list::warned_days;
use super::state_counts::is_down;
use correlation::Correlation;

/// Coverage below this gets a mark.
const FULL_COVERAGE: f64 = 0.995;
/// The share by which times may differ and look the same.
const SAME: f64 = 0.05;
/// ` (cert 21d)`
const CERTIFICATE_CELLS: usize = 11;

#[allow(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverviewFacts {
    /// The number of snapshots and the refreshes that the facts are about.
    about: Option<(usize, Vec<Timestamp>)>,
    /// Sites that are down, as the header counts them.
    down: usize,
    /// Some site was not fully covered, now or before.
    pub incomplete: bool,
    /// The cells of the longest name, with the days of a certificate where it has a warning.
    pub longest_name: usize,
    /// Some certificate ends soon, now or before.
    pub certificates: bool,
    /// Some time to first byte differs from the response time, now or before.
    pub ttfb: bool,
    /// How many sites count.
    pub sites: usize,
    /// Some site is shown over all its locations.
    pub locations: bool,
    /// Some site has an objective.
    pub objectives: bool,
    /// How much of its timeframe each view has seen, until that is all of it.
    pub filled: Vec<Option<Duration>>,
    /// What the sites that are down have in common.
    pub correlation: Option<Correlation>,
    /// All sites have the same alert rule.
    pub one_rule: bool,
    /// The first evaluation of a rule that is still to come.
    pub judged_from: Option<Timestamp>,
}

impl OverviewFacts {
    /// Makes them anew with the next snapshot, which has other sites.
    pub fn forget(&mut self) {
        self.about = None;
    }

    /// Takes `snapshot` in, of whose sites so many are down.
    pub fn update(&mut self, snapshot: &Snapshot, down: usize) {
        let about = Some((snapshot.sites.len(), snapshot.views.iter().map(|view| view.as_of).collect()));
        if self.about == about {
            // A site that goes down or recovers between two refreshes changes at once what those that are down have in common.
            if std::mem::replace(&mut self.down, down) != down {
                self.correlation = Correlation::of(snapshot);
            }
            return;
        }
        let rows = || snapshot.views.iter().flat_map(|view| &view.rows);
        let mut facts = Self {
            about,
            down,
            certificates: self.certificates,
            ttfb: self.ttfb || rows().any(|row| has_own_ttfb(&row.summary)),
            incomplete: self.incomplete || rows().any(|row| is_incomplete(&row.summary)),
            filled: snapshot.views.iter().map(|view| filled(snapshot, view)).collect(),
            one_rule: true,
            ..Self::default()
        };
        let (mut rule, mut down_sites) = (None, Vec::new());
        // One pass: of many sites, each is far away in memory.
        for (place, site) in snapshot.subjects() {
            facts.sites += 1;
            facts.locations |= site.place == Place::Everywhere;
            down_sites.extend(Some(&**site).filter(|site| is_down(site)));
            facts.longest_name = facts.longest_name.max(name_cells(site, snapshot.at));
            facts.certificates = facts.certificates || has_warning(snapshot, place);
            facts.objectives |= site.has_objective();
            facts.one_rule &= *rule.get_or_insert(site.policies.availability) == site.policies.availability;
            facts.judged_from = facts.judged_from.into_iter().chain(site.judged_from).min();
        }
        facts.correlation = Correlation::among(&down_sites, snapshot);
        *self = facts;
    }
}

/// Whether the certificate of a site, as any of its locations sees it, ends soon.
fn has_warning(snapshot: &Snapshot, site: usize) -> bool {
    let warns = |site: &Arc<SiteSnapshot>| warned_days(site, snapshot.at).is_some();
    snapshot.sites.get(site).is_some_and(warns) || snapshot.sites[snapshot.parts(site)].iter().any(warns)
}

/// Whether some due checks were not made.
pub fn is_incomplete(summary: &Summary) -> bool {
    summary.coverage.is_some_and(|coverage| coverage < FULL_COVERAGE)
}

fn name_cells(site: &SiteSnapshot, now: Timestamp) -> usize {
    let suffix = warned_days(site, now).map_or(0, |_| CERTIFICATE_CELLS);
    width(short_name(&site.name)) + suffix
}

/// Whether the averages differ by more than [`SAME`], so that a column of each says more than one.
fn has_own_ttfb(summary: &Summary) -> bool {
    match (&summary.ttfb, &summary.response) {
        (Some(ttfb), Some(response)) => response.avg - ttfb.avg > response.avg * SAME,
        _ => false,
    }
}

/// The time since the oldest check; none once any site has seen the whole timeframe.
fn filled(snapshot: &Snapshot, view: &ViewSnapshot) -> Option<Duration> {
    let mut longest = Duration::ZERO;
    for (site, row) in snapshot.sites.iter().zip(&view.rows) {
        // A site that is checked less than once per timeframe says nothing about it.
        let Some(oldest) = row.oldest.filter(|_| site.interval < view.timeframe.length()) else { continue };
        let seen = row.summary.as_of.since(oldest);
        if seen + site.interval + site.timeout >= view.timeframe.length() {
            return None;
        }
        longest = longest.max(seen);
    }
    (longest > Duration::ZERO).then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::state::state_counts::StateCounts;
    use crate::tui::tests::fixtures;

    fn down(snapshot: &Snapshot) -> usize {
        StateCounts::of(snapshot).down
    }

    #[test]
    fn what_is_common_goes_with_the_sites_that_share_it() {
        let mut facts = OverviewFacts::default();
        let mut snapshot = fixtures::many_sites(1000).snapshot;
        facts.update(&snapshot, down(&snapshot));
        assert!(facts.correlation.is_some());
        for site in &mut snapshot.sites {
            std::sync::Arc::make_mut(site).state = crate::engine::snapshot::SiteState::Up;
        }
        // No view was refreshed meanwhile.
        facts.update(&snapshot, 0);
        assert_eq!(facts.correlation, None);
    }

    #[test]
    fn a_view_fills_until_the_first_site_has_seen_all_of_it() {
        let mut facts = OverviewFacts::default();
        facts.update(&fixtures::first_seconds().snapshot, 0);
        assert_eq!(facts.filled, [Some(Duration::from_secs(72)); 2]);
        facts.update(&fixtures::five_sites().snapshot, 0);
        assert_eq!((facts.filled.as_slice(), facts.incomplete), (&[None, None][..], false));
        facts.update(&fixtures::nine_sites().snapshot, 0);
        facts.update(&fixtures::five_sites().snapshot, 0);
        assert!(facts.incomplete, "the column of coverage stays once it is shown");
    }
}
