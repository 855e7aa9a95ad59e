//! The rows of the overview: which sites are listed, in which order, and where the cursor is.
//!
//! Invariants: the order changes only when the first view is refreshed, when sites join or leave, or when the user changes what is
//! listed. A row is an index of a site, so none outlives the sites that it was made for. A cursor
//! that was moved stays on its site, not on its row; one that was not stays at the top, where the worst site is.

use std::sync::Arc;

use crate::engine::snapshot::Snapshot;
use crate::model::Timestamp;
use crate::tui::arrangement::sort::{Sort, SortKey};

use super::groups::GroupedList;
use super::listed::{ListedRow, RowKind, UnfoldedSites};
use super::overview_facts::OverviewFacts;
use super::site_list::{SiteFilter, arrange};
use super::state_counts::{Followed, FollowedCounts, StateCounts};

#[derive(Clone, Debug, Default)]
pub struct SiteTable {
    filter: SiteFilter,
    sort: Sort,
    /// Index of the view that tabs, sorting and the page of a site show.
    view: usize,
    /// The overview shows this view alone, also where there is room for all.
    is_alone: bool,
    pub(crate) groups: GroupedList,
    pub(crate) facts: OverviewFacts,
    counts: FollowedCounts,
    frozen: Option<Arc<Snapshot>>,
    locations: UnfoldedSites,
    /// The listed rows.
    order: Vec<ListedRow>,
    /// Row of the cursor and first row shown, both in `order`.
    row: usize,
    top: usize,
    /// The site of the cursor, once it was moved.
    cursor: Option<Arc<str>>,
    /// What `order` was made for; none if it has to be made again.
    arranged: Option<(Option<Timestamp>, usize, bool)>,
}

impl SiteTable {
    pub fn new(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// How many sites of `snapshot` are in each state.
    pub fn counts(&self, snapshot: &Snapshot) -> StateCounts {
        self.counts.of(snapshot)
    }

    /// What the tables show: the snapshot, or the one at which the user froze them.
    pub fn tables<'a>(&'a self, snapshot: &'a Snapshot) -> &'a Snapshot {
        self.frozen.as_deref().unwrap_or(snapshot)
    }

    /// Takes `snapshot` in if sites joined or left.
    pub fn follow_sites(&mut self, snapshot: &Snapshot, is_past: bool) {
        if self.counts.is_of_others(snapshot) {
            self.update(snapshot, is_past);
        }
    }

    /// Takes `snapshot` in, which may be one of the past.
    pub fn update(&mut self, snapshot: &Snapshot, is_past: bool) {
        let frozen = self.frozen.clone();
        let tables = frozen.as_deref().unwrap_or(snapshot);
        let followed = self.counts.follow(snapshot);
        if followed == Followed::OtherSites {
            self.arranged = None;
            self.facts.forget();
        }
        self.facts.update(tables, self.counts.of(tables).down);
        let arranged = Some((tables.views.first().map(|view| view.as_of), tables.sites.len(), is_past));
        if self.arranged != arranged {
            self.arranged = arranged;
            self.arrange(tables);
            self.groups.update(snapshot);
        } else if followed != Followed::Nothing {
            self.groups.update(snapshot);
        }
    }

    fn arrange(&mut self, tables: &Snapshot) {
        let order = arrange(tables, &self.filter, self.sort, self.view);
        let rows = self.groups.arrange(order, tables, self.sort == Sort::default());
        self.order = self.locations.unfold(rows, tables);
        let Some(name) = &self.cursor else { return };
        let is_cursor = |row: &ListedRow| tables.sites.get(row.site).is_some_and(|site| site.name == *name);
        // A group and its first member have the same site: a cursor that is on one of them stays there.
        if !self.order.get(self.row).is_some_and(is_cursor) {
            self.row = self.order.iter().position(is_cursor).unwrap_or(self.row);
        }
    }

    /// Scrolls `page` rows so far that the cursor is among them.
    pub fn scroll_to_cursor(&mut self, page: usize) {
        self.row = self.row.min(self.order.len().saturating_sub(1));
        self.top = self.top.min(self.row).max((self.row + 1).saturating_sub(page));
        self.top = self.top.min(self.order.len().saturating_sub(page));
    }

    /// Moves the cursor by so many rows. At the very top it is on no site, so that the worst one can be seen there.
    pub fn move_cursor(&mut self, by: isize, snapshot: &Snapshot) {
        self.row = self.row.saturating_add_signed(by).min(self.order.len().saturating_sub(1));
        let site = self.selected().filter(|_| by != isize::MIN);
        self.cursor = site.and_then(|site| Some(Arc::clone(&self.tables(snapshot).sites.get(site)?.name)));
    }

    /// Puts the cursor on the row that is shown `below` rows under the first one. Returns whether it was there already;
    /// none if there is no such row.
    pub fn select(&mut self, below: usize, snapshot: &Snapshot) -> Option<bool> {
        let row = self.top + below;
        self.order.get(row)?;
        let was_there = self.row == row && self.cursor.is_some();
        self.row = row;
        self.move_cursor(0, snapshot);
        Some(was_there)
    }

    /// Puts the cursor on `site`, an index into the tables.
    pub fn follow(&mut self, site: usize, snapshot: &Snapshot) {
        self.cursor = self.tables(snapshot).sites.get(site).map(|site| Arc::clone(&site.name));
        self.arranged = None;
    }

    /// The listed site under the cursor, as an index into the tables.
    pub fn selected(&self) -> Option<usize> {
        self.order.get(self.row).map(|row| row.site)
    }

    /// The site of the cursor even where the filter hides it, as an index into the tables.
    pub fn cursor_site(&self, snapshot: &Snapshot) -> Option<usize> {
        match &self.cursor {
            Some(name) => self.tables(snapshot).sites.iter().position(|site| site.name == *name),
            None => self.selected(),
        }
    }

    /// The group whose row the cursor is on.
    pub fn selected_group(&self, snapshot: &Snapshot) -> Option<Arc<str>> {
        let site = self.selected().filter(|_| self.order[self.row].kind == RowKind::Group)?;
        self.tables(snapshot).sites.get(site)?.group.clone()
    }

    /// The first `count` rows shown, and whether the cursor is on each.
    pub fn shown(&self, count: usize) -> impl Iterator<Item = (ListedRow, bool)> {
        self.order.iter().enumerate().skip(self.top).take(count).map(|(row, &listed)| (listed, row == self.row))
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn top(&self) -> usize {
        self.top
    }

    pub fn filter(&self) -> &SiteFilter {
        &self.filter
    }

    pub fn sort(&self) -> Sort {
        self.sort
    }

    pub fn view(&self) -> usize {
        self.view
    }

    pub const fn is_alone(&self) -> bool {
        self.is_alone
    }

    pub fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The text of the filter, to change it.
    pub fn edit_filter(&mut self) -> &mut String {
        self.arranged = None;
        &mut self.filter.text
    }

    pub fn clear_filter(&mut self) {
        self.filter = SiteFilter::default();
        self.arranged = None;
    }

    pub fn toggle_not_up(&mut self) {
        self.filter.not_up = !self.filter.not_up;
        self.arranged = None;
    }

    /// Sorts by `key`; in reverse if the rows are sorted by it already.
    pub fn sort_by(&mut self, key: SortKey) {
        self.sort = Sort { key, reversed: self.sort.key == key && !self.sort.reversed };
        self.arranged = None;
    }

    /// Shows the view `by` further, of so many.
    pub fn turn_view(&mut self, by: isize, views: usize) {
        let views = views.max(1);
        self.show_view((self.view + views).saturating_add_signed(by) % views);
    }

    pub fn show_view(&mut self, index: usize) {
        self.view = index;
        self.arranged = None;
    }

    /// Shows the view at `index` alone, or all again if it was.
    pub fn toggle_alone(&mut self, index: usize) {
        self.is_alone = !(self.is_alone && self.view == index);
        self.show_view(index);
    }

    /// Shows the next view alone, after the last one all, and so on; backwards if `by` is negative.
    pub fn turn_alone(&mut self, by: isize, views: usize) {
        // Place 0 is that of all views.
        let places = views + 1;
        let place = if self.is_alone { self.view + 1 } else { 0 };
        let next = (place + places).saturating_add_signed(by) % places;
        self.is_alone = next > 0;
        self.show_view(next.saturating_sub(1));
    }

    pub fn toggle_frozen(&mut self, snapshot: &Snapshot) {
        self.frozen = if self.frozen.is_some() { None } else { Some(Arc::new(snapshot.clone())) };
        self.arranged = None;
    }

    /// Shows what is current. Returns the instant at which the tables were frozen, if they were.
    pub fn thaw(&mut self) -> Option<Timestamp> {
        self.arranged = None;
        self.frozen.take().map(|frozen| frozen.at)
    }

    /// Shows the sites by group, or each by itself. Returns whether any site has a group.
    pub fn toggle_groups(&mut self, snapshot: &Snapshot) -> bool {
        let has_groups = self.tables(snapshot).sites.iter().any(|site| site.group.is_some());
        self.groups.is_on = has_groups && !self.groups.is_on;
        self.arranged = None;
        has_groups
    }

    /// Lists the locations of the selected site, or no longer; on one of them, no longer. Returns whether it has any.
    pub fn toggle_locations(&mut self, snapshot: &Snapshot) -> bool {
        let tables = self.tables(snapshot);
        let row = self.order.get(self.row);
        let whole = match row.map(|row| row.kind) {
            Some(RowKind::Location) => {
                let above = self.order[..self.row].iter().rev().find(|above| above.kind == RowKind::Site);
                above.map(|above| above.site)
            }
            Some(RowKind::Site) => row.map(|row| row.site).filter(|site| !tables.parts(*site).is_empty()),
            Some(RowKind::Group) | None => None,
        };
        let Some(name) = whole.and_then(|whole| Some(Arc::clone(&tables.sites.get(whole)?.name))) else { return false };
        // So the cursor is not lost where its row folds.
        self.cursor = Some(Arc::clone(&name));
        self.locations.toggle(name);
        self.arranged = None;
        true
    }

    /// Lists the members of `group`, or no longer.
    pub fn toggle_group(&mut self, group: Arc<str>) {
        self.groups.toggle_group(group);
        self.arranged = None;
    }
}

#[cfg(test)]
mod tests {
    use super::SiteTable;

    impl SiteTable {
        pub fn cursor(&self) -> Option<&str> {
            self.cursor.as_deref()
        }

        pub fn row(&self) -> usize {
            self.row
        }

        pub fn forget_cursor(&mut self) {
            self.cursor = None;
        }
    }
}
