//! Sites shown by group: one row per group, and below it its members where it is unfolded.
//!
//! A group stands where its first member stood. In the usual order the one with the most sites that are down comes first,
//! then the one with the most that are not up; a site without a group counts as a group of one. Figures of a group are sums over its members, made when the rows are arranged; its
//! state is counted at every frame. Both are one pass over the sites, and none while sites are shown one by one.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::engine::snapshot::{SiteState, Snapshot, ViewSnapshot};
use crate::model::Timestamp;
use crate::stats::{Beat, Beats, Counts, Latency};

use super::listed::{ListedRow, RowKind};
use super::overview_facts::is_incomplete;
use super::site_list::trouble_since;
use super::state_counts::is_down;

#[derive(Clone, Debug, Default)]
pub struct GroupedList {
    pub(super) is_on: bool,
    unfolded: HashSet<Arc<str>>,
    counts: HashMap<Arc<str>, GroupCounts>,
    /// One map per view.
    figures: Vec<HashMap<Arc<str>, GroupFigures>>,
}

impl GroupedList {
    pub fn toggle_group(&mut self, group: Arc<str>) {
        if !self.unfolded.remove(&group) {
            self.unfolded.insert(group);
        }
    }

    /// Whether sites are shown by group.
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    pub fn is_unfolded(&self, group: &Arc<str>) -> bool {
        self.unfolded.contains(group)
    }

    pub fn counts(&self, group: &Arc<str>) -> Option<&GroupCounts> {
        self.counts.get(group)
    }

    pub fn figures(&self, view: usize, group: &Arc<str>) -> Option<&GroupFigures> {
        self.figures.get(view)?.get(group)
    }

    /// The rows in place of `order`, the indices of listed sites: a group has the index of its first member; `by_damage`:
    /// the worst group first.
    pub fn arrange(&mut self, mut order: Vec<usize>, snapshot: &Snapshot, by_damage: bool) -> Vec<ListedRow> {
        if !self.is_on {
            return order.into_iter().map(ListedRow::site).collect();
        }
        self.figures = snapshot.views.iter().map(|view| figures(snapshot, view)).collect();
        let group = |site: usize| snapshot.sites.get(site)?.group.as_ref();
        if by_damage {
            let counts = counts(snapshot);
            let damage = |site: usize| match group(site).and_then(|group| counts.get(group)) {
                Some(counts) => (Reverse(counts.down), Reverse(counts.not_up)),
                None => snapshot.sites.get(site).map_or((Reverse(0), Reverse(0)), |site| {
                    (Reverse(usize::from(is_down(site))), Reverse(usize::from(site.state != SiteState::Up)))
                }),
            };
            // Stable: members keep the order of their states.
            order.sort_by_cached_key(|site| damage(*site));
        }
        let mut members: HashMap<&Arc<str>, Vec<usize>> = HashMap::new();
        for &site in &order {
            if let Some(group) = group(site) {
                members.entry(group).or_default().push(site);
            }
        }
        let mut rows = Vec::new();
        for site in order {
            let Some(name) = group(site) else {
                rows.push(ListedRow::site(site));
                continue;
            };
            let Some(members) = members.remove(name) else { continue };
            rows.push(ListedRow { site, kind: RowKind::Group });
            if self.unfolded.contains(name) {
                rows.extend(members.into_iter().map(ListedRow::site));
            }
        }
        rows
    }

    /// Counts the states of the sites of each group.
    pub fn update(&mut self, snapshot: &Snapshot) {
        if self.is_on {
            self.counts = counts(snapshot);
        }
    }
}

/// How many sites of a group are in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupCounts {
    pub sites: usize,
    /// Those that count as down.
    pub down: usize,
    /// Those that are not up, down ones too.
    pub not_up: usize,
    pub worst: SiteState,
    /// When the first of those in the worst state got there; of a group that is up, when the last one did.
    pub since: Timestamp,
}

fn counts(snapshot: &Snapshot) -> HashMap<Arc<str>, GroupCounts> {
    let mut groups: HashMap<Arc<str>, GroupCounts> = HashMap::new();
    for (_, site) in snapshot.subjects() {
        let Some(group) = &site.group else { continue };
        let since = trouble_since(site);
        let none = GroupCounts { sites: 0, down: 0, not_up: 0, worst: site.state, since };
        let counts = groups.entry(Arc::clone(group)).or_insert(none);
        counts.sites += 1;
        counts.down += usize::from(is_down(site));
        counts.not_up += usize::from(site.state != SiteState::Up);
        if (site.state as usize) < counts.worst as usize {
            (counts.worst, counts.since) = (site.state, since);
        } else if site.state == counts.worst {
            let is_up = site.state == SiteState::Up;
            counts.since = if is_up { counts.since.max(since) } else { counts.since.min(since) };
        }
    }
    groups
}

/// The figures of all members of a group in one view.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupFigures {
    pub counts: Counts,
    pub beats: Beats,
    /// Some member was not fully covered.
    pub incomplete: bool,
    /// Response times: mean and maximum of all checks, percentiles of the worst member.
    pub response: Option<Latency>,
    /// The same of the times to first byte.
    pub ttfb: Option<Latency>,
}

/// Mean and maximum of the values of both. Percentiles of a union cannot be computed from those of its parts; the worse ones
/// are true of some member, and never better than those of the union.
#[allow(clippy::cast_precision_loss, reason = "counts of checks")]
fn worst(one: Option<Latency>, other: Option<Latency>) -> Option<Latency> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let count = a.count + b.count;
    let avg = (a.avg * a.count as f64 + b.avg * b.count as f64) / count.max(1) as f64;
    let (max, p50, p90) = (a.max.max(b.max), a.p50.max(b.p50), a.p90.max(b.p90));
    Some(Latency { count, avg, max, p50, p90, p95: a.p95.max(b.p95), p99: a.p99.max(b.p99) })
}

fn figures(snapshot: &Snapshot, view: &ViewSnapshot) -> HashMap<Arc<str>, GroupFigures> {
    let mut groups: HashMap<Arc<str>, GroupFigures> = HashMap::new();
    for (place, site) in snapshot.subjects() {
        let (Some(group), Some(row)) = (&site.group, view.rows.get(place)) else { continue };
        let (counts, incomplete) = (row.summary.counts, is_incomplete(&row.summary));
        let Some(sum) = groups.get_mut(group) else {
            let (beats, response, ttfb) = (row.beats.clone(), row.summary.response, row.summary.ttfb);
            groups.insert(Arc::clone(group), GroupFigures { counts, beats, incomplete, response, ttfb });
            continue;
        };
        sum.counts.up += counts.up;
        sum.counts.down += counts.down;
        sum.incomplete |= incomplete;
        sum.response = worst(sum.response, row.summary.response);
        sum.ttfb = worst(sum.ttfb, row.summary.ttfb);
        for (all, own) in sum.beats.cells.iter_mut().zip(&row.beats.cells) {
            *all = Beat { up: all.up + own.up, down: all.down + own.down };
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;

    #[test]
    fn groups_stand_where_their_first_member_stood_and_unfold() {
        let snapshot = fixtures::five_sites().snapshot;
        // api and shop-checkout are of shop, docs and blog of words, the third has none.
        let order = [0, 1, 2, 3, 4];
        let mut groups = GroupedList { is_on: true, ..GroupedList::default() };
        let head = |site| ListedRow { site, kind: RowKind::Group };
        let of = ListedRow::site;
        assert_eq!(groups.arrange(order.to_vec(), &snapshot, false), [head(0), of(2), head(3)]);
        groups.toggle_group("words".into());
        let unfolded = [head(0), of(2), head(3), of(3), of(4)];
        assert_eq!(groups.arrange(order.to_vec(), &snapshot, false), unfolded);
        groups.is_on = false;
        assert_eq!(groups.arrange(order.to_vec(), &snapshot, true), order.map(of));
    }

    #[test]
    fn the_group_with_the_most_sites_down_comes_first() {
        let mut snapshot = fixtures::five_sites().snapshot;
        for site in [3, 4] {
            Arc::make_mut(&mut snapshot.sites[site]).state = SiteState::Down;
        }
        let mut groups = GroupedList { is_on: true, ..GroupedList::default() };
        let mut sites = |by_damage| {
            let rows = groups.arrange(vec![0, 1, 2, 3, 4], &snapshot, by_damage);
            rows.iter().map(|row| row.site).collect::<Vec<_>>()
        };
        assert_eq!(sites(true), [3, 0, 2]);
        assert_eq!(sites(false), [0, 2, 3]);
    }

    #[test]
    fn a_group_is_as_bad_as_its_worst_member_and_sums_their_checks() {
        let snapshot = fixtures::five_sites().snapshot;
        let shop = counts(&snapshot)["shop"];
        assert_eq!((shop.sites, shop.down, shop.not_up, shop.worst), (2, 1, 2, SiteState::Down));
        assert_eq!(shop.since, trouble_since(&snapshot.sites[0]), "it is down for as long as api");
        let figures = figures(&snapshot, &snapshot.views[0]);
        let counts = figures["shop"].counts;
        assert_eq!((counts.up, counts.down), (97 + 59, 23 + 1));
        let own = |site: usize| snapshot.views[0].rows[site].summary.response.unwrap();
        let times = figures["shop"].response.unwrap();
        assert_eq!((times.count, times.max), (own(0).count + own(1).count, own(0).max.max(own(1).max)));
        assert_eq!((times.p50, times.p95), (own(0).p50.max(own(1).p50), own(0).p95.max(own(1).p95)));
        let sum = |times: Latency| times.avg * f64::from(u32::try_from(times.count).unwrap());
        assert!((sum(times) - sum(own(0)) - sum(own(1))).abs() < 1.0, "the mean of all checks");
        let last = figures["shop"].beats.cells[Beats::CELLS - 1];
        assert_eq!((last.up, last.down), (0, 2));
    }
}
