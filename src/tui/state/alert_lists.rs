//! The two lists of alerts: the region of the overview, and the page of alerts with its cursor and filter.
//!
//! Invariant: the cursor stays on its alert unless it is at the top, where the newest one is.
//! Cost: the lists are made again only when an alert comes, the filter changes, or a burst is unfolded.

use std::collections::HashSet;
use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::model::Timestamp;
use crate::tui::inputs::Inputs;

use super::alert_lines;
use super::alert_list::{AlertBurst, AlertEntry, AlertIndex};

/// A list and the part of it that is shown.
pub struct ListWindow<'a> {
    pub list: &'a AlertIndex,
    /// The first entry shown.
    pub top: usize,
    /// The entry of the cursor, where there is one.
    pub cursor: Option<usize>,
}

#[derive(Clone, Debug, Default)]
pub struct AlertLists {
    all: AlertIndex,
    /// Those that pass the filter.
    found: AlertIndex,
    filter: String,
    unfolded: HashSet<AlertBurst>,
    /// Number and newest of the alerts that the lists were made from; none if they have to be made again.
    indexed: Option<(usize, Option<Timestamp>)>,
    /// First entry of `all` that the region shows.
    region_top: usize,
    /// Entry of the cursor and first entry shown, both in `found`.
    row: usize,
    top: usize,
}

impl AlertLists {
    /// Returns whether the lists changed.
    pub fn update(&mut self, alerts: &[Arc<AlertRecord>]) -> bool {
        let indexed = Some((alerts.len(), alerts.last().map(|alert| alert.at)));
        let is_new = self.indexed != indexed;
        if is_new {
            self.indexed = indexed;
            self.all = AlertIndex::of(alerts, "", &HashSet::new());
            self.find(alerts);
        }
        is_new
    }

    fn find(&mut self, alerts: &[Arc<AlertRecord>]) {
        let held = self.found.listed.get(self.row).map(AlertEntry::newest).filter(|_| self.row > 0);
        self.found = AlertIndex::of(alerts, &self.filter, &self.unfolded);
        let row = held.and_then(|held| self.found.listed.iter().position(|entry| entry.newest() == held));
        self.row = row.unwrap_or(self.row);
    }

    /// Scrolls both lists so that they show something: the page, of `room` lines, shows the cursor.
    pub fn scroll_to_cursor(&mut self, inputs: &Inputs, width: usize, mut room: usize) {
        self.region_top = self.region_top.min(self.all.listed.len().saturating_sub(1));
        self.row = self.row.min(self.found.listed.len().saturating_sub(1));
        self.top = self.top.min(self.row);
        let mut first = self.row + 1;
        while first > self.top {
            let lines = alert_lines::height(inputs, &self.found, first - 1, width);
            if lines > room {
                break;
            }
            room -= lines;
            first -= 1;
        }
        self.top = first.min(self.row);
    }

    pub fn scroll_region(&mut self, by: isize) {
        self.region_top = self.region_top.saturating_add_signed(by);
    }

    pub fn move_cursor(&mut self, by: isize) {
        self.row = self.row.saturating_add_signed(by).min(self.found.listed.len().saturating_sub(1));
    }

    /// Puts the cursor of the page on the entry at `row`. Returns whether it was there already.
    pub fn select(&mut self, row: usize) -> bool {
        std::mem::replace(&mut self.row, row) == row
    }

    /// Puts the cursor of the page on the alert or burst at `row` of the region, if the filter lets it pass.
    pub fn select_in_region(&mut self, row: usize) {
        let newest = self.all.listed.get(row).map(AlertEntry::newest);
        let found = self.found.listed.iter().position(|entry| Some(entry.newest()) == newest);
        self.row = found.unwrap_or(0);
    }

    /// Puts the cursor of the page on the alert of this index, or on the burst that holds it, if the filter lets it pass.
    pub fn select_recorded(&mut self, index: usize) {
        let holds = |entry: &AlertEntry| match entry {
            AlertEntry::One { alert, .. } => *alert == index,
            AlertEntry::Burst { members, unfolded, .. } => !unfolded && members.contains(&index),
        };
        self.row = self.found.listed.iter().position(holds).unwrap_or(0);
    }

    pub fn select_newest(&mut self) {
        // Of a burst and its newest member, the burst stands first.
        let newest = self.found.listed.iter().enumerate().rev().max_by_key(|(_, entry)| entry.newest());
        self.row = newest.map_or(0, |(row, _)| row);
    }

    /// Folds or unfolds the burst under the cursor. Returns whether there is one.
    pub fn toggle_burst(&mut self, alerts: &[Arc<AlertRecord>]) -> bool {
        let Some(&AlertEntry::Burst { id, .. }) = self.found.listed.get(self.row) else { return false };
        if !self.unfolded.remove(&id) {
            self.unfolded.insert(id);
        }
        self.find(alerts);
        true
    }

    pub fn region(&self) -> ListWindow<'_> {
        ListWindow { list: &self.all, top: self.region_top, cursor: None }
    }

    pub fn page(&self) -> ListWindow<'_> {
        ListWindow { list: &self.found, top: self.top, cursor: Some(self.row) }
    }

    /// The alert under the cursor; of a burst the newest.
    pub fn selected<'a>(&self, alerts: &'a [Arc<AlertRecord>]) -> Option<&'a Arc<AlertRecord>> {
        alerts.get(self.found.listed.get(self.row)?.newest())
    }

    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// The text of the filter, to change it.
    pub fn edit_filter(&mut self) -> &mut String {
        (self.indexed, self.row) = (None, 0);
        &mut self.filter
    }

    /// Returns whether there was a filter.
    pub fn clear_filter(&mut self) -> bool {
        let was_set = !self.filter.is_empty();
        if was_set {
            self.filter.clear();
            self.indexed = None;
        }
        was_set
    }
}
