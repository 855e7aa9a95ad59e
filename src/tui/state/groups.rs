//! Sites folded by group, and the figures of each group.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::engine::snapshot::{SiteState, Snapshot};
use crate::stats::{Beat, Beats, Counts};
use crate::tui::state::digest::FULL_COVERAGE;

use super::state_counts::is_down;

/// How a list is folded: whether it is, which groups are not, and how all of them are.
#[derive(Clone, Debug, Default)]
pub struct GroupedList {
    /// Whether sites are folded.
    pub on: bool,
    /// For each row whether it stands for its whole group; empty while nothing is folded.
    pub heads: Vec<bool>,
    /// The groups whose members are listed.
    pub unfolded: HashSet<Arc<str>>,
    pub(crate) tallies: HashMap<Arc<str>, GroupCounts>,
    /// One a view.
    pub(crate) sums: Vec<HashMap<Arc<str>, GroupFigures>>,
}

impl GroupedList {
    /// The rows in place of `order`, the indices of listed sites: a group is told by its first member.
    pub fn fold(&mut self, order: Vec<u32>, snapshot: &Snapshot) -> Vec<u32> {
        self.heads.clear();
        if !self.on {
            return order;
        }
        self.sums = sums(snapshot);
        let group = |i: u32| snapshot.sites.get(usize::try_from(i).ok()?)?.group.as_ref();
        let mut members: HashMap<&Arc<str>, Vec<u32>> = HashMap::new();
        for &i in &order {
            if let Some(group) = group(i) {
                members.entry(group).or_default().push(i);
            }
        }
        let mut rows = Vec::new();
        for i in order {
            let Some(name) = group(i) else {
                rows.push(i);
                self.heads.push(false);
                continue;
            };
            let Some(members) = members.remove(name) else { continue };
            rows.push(i);
            self.heads.push(true);
            let listed = if self.unfolded.contains(name) { members } else { Vec::new() };
            self.heads.resize(self.heads.len() + listed.len(), false);
            rows.extend(listed);
        }
        rows
    }

    /// Counts how the sites of each group are now, while they are folded.
    pub fn count(&mut self, snapshot: &Snapshot) {
        if self.on {
            self.tallies = tallies(snapshot);
        }
    }
}

/// How the sites of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupCounts {
    /// All of them.
    pub(crate) sites: usize,
    /// Those that count as down.
    pub(crate) down: usize,
    /// Those that are not up, down ones too.
    pub(crate) not_up: usize,
    /// The worst state.
    pub(crate) worst: SiteState,
}

/// How the sites of each group are now.
pub(crate) fn tallies(snapshot: &Snapshot) -> HashMap<Arc<str>, GroupCounts> {
    let mut tallies: HashMap<Arc<str>, GroupCounts> = HashMap::new();
    for site in &snapshot.sites {
        let Some(group) = &site.group else { continue };
        let none = GroupCounts { sites: 0, down: 0, not_up: 0, worst: site.state };
        let tally = tallies.entry(Arc::clone(group)).or_insert(none);
        tally.sites += 1;
        tally.down += usize::from(is_down(site));
        tally.not_up += usize::from(site.state != SiteState::Up);
        if (site.state as usize) < tally.worst as usize {
            tally.worst = site.state;
        }
    }
    tallies
}

/// The figures of a group in one view, of all members.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupFigures {
    pub(crate) counts: Counts,
    pub(crate) beats: Beats,
    /// Whether some member was not fully observed.
    pub(crate) incomplete: bool,
}

/// The figures of each group in each view.
pub(crate) fn sums(snapshot: &Snapshot) -> Vec<HashMap<Arc<str>, GroupFigures>> {
    snapshot
        .views
        .iter()
        .map(|view| {
            let mut sums: HashMap<Arc<str>, GroupFigures> = HashMap::new();
            for (site, row) in snapshot.sites.iter().zip(&view.rows) {
                let Some(group) = &site.group else { continue };
                let incomplete = row.summary.coverage.is_some_and(|coverage| coverage < FULL_COVERAGE);
                let Some(sum) = sums.get_mut(group) else {
                    let sum = GroupFigures { counts: row.summary.counts, beats: row.beats.clone(), incomplete };
                    sums.insert(Arc::clone(group), sum);
                    continue;
                };
                let counts = row.summary.counts;
                sum.counts.up += counts.up;
                sum.counts.down += counts.down;
                sum.incomplete |= incomplete;
                for (all, own) in sum.beats.cells.iter_mut().zip(&row.beats.cells) {
                    *all = Beat { up: all.up + own.up, down: all.down + own.down };
                }
            }
            sums
        })
        .collect()
}
