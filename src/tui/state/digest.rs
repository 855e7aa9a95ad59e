//! What takes a walk over all sites to know: made at the refresh of a view, not at every frame.

use std::time::Duration;

use crate::engine::snapshot::{Snapshot, ViewSnapshot};
use crate::model::Timestamp;

/// Coverage below this is worth a mark.
pub const FULL_COVERAGE: f64 = 0.995;

/// Facts about all sites at a refresh.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OverviewFacts {
    stamp: Option<(usize, Vec<Timestamp>)>,
    /// Some site was not fully covered, now or before.
    pub incomplete: bool,
    /// How much of its timeframe each view has seen, while that is not all of it.
    pub filled: Vec<Option<Duration>>,
    /// All sites are judged alike.
    pub one_rule: bool,
    /// When the first of them will be judged, while that is to come.
    pub judged_from: Option<Timestamp>,
}

impl OverviewFacts {
    /// Makes it anew if a view was refreshed or the sites are others.
    pub fn refresh(&mut self, snapshot: &Snapshot) {
        let stamp = (snapshot.sites.len(), snapshot.views.iter().map(|view| view.as_of).collect());
        if self.stamp.as_ref() == Some(&stamp) {
            return;
        }
        let sparse = |view: &ViewSnapshot| {
            view.rows.iter().any(|row| row.summary.coverage.is_some_and(|coverage| coverage < FULL_COVERAGE))
        };
        let rule = snapshot.sites.first().map(|site| site.rule);
        *self = Self {
            stamp: Some(stamp),
            incomplete: self.incomplete || snapshot.views.iter().any(|view| sparse(view)),
            filled: snapshot.views.iter().map(|view| filled(snapshot, view)).collect(),
            one_rule: snapshot.sites.iter().all(|site| Some(site.rule) == rule),
            judged_from: snapshot.sites.iter().filter_map(|site| site.judged_from).min(),
        };
    }
}

/// Told from the oldest checks; none once any site has seen it all.
fn filled(snapshot: &Snapshot, view: &ViewSnapshot) -> Option<Duration> {
    let mut longest = Duration::ZERO;
    for (site, row) in snapshot.sites.iter().zip(&view.rows) {
        // A site that is checked less than once a timeframe cannot tell.
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
    use crate::tui::tests::fixtures;

    #[test]
    fn a_view_fills_until_the_first_site_has_seen_all_of_it() {
        let mut digest = OverviewFacts::default();
        digest.refresh(&fixtures::first_seconds().snapshot);
        assert_eq!(digest.filled, [Some(Duration::from_secs(72)); 2]);
        digest.refresh(&fixtures::five_sites().snapshot);
        assert_eq!((digest.filled.as_slice(), digest.incomplete), (&[None, None][..], false));
        digest.refresh(&fixtures::nine_sites().snapshot);
        digest.refresh(&fixtures::five_sites().snapshot);
        assert!(digest.incomplete, "the column of coverage stays once it was shown");
    }
}
