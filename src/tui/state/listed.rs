//! The rows of the overview, and below a site over all its locations those of the locations, where it is unfolded.

use std::collections::HashSet;
use std::sync::Arc;

use crate::engine::snapshot::Snapshot;

/// What a row of the overview shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A group, whose first member is the site.
    Group,
    /// A site.
    Site,
    /// A site as the location sees it that stands below its whole.
    Location,
}

/// A row of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedRow {
    /// An index into the tables.
    pub site: usize,
    pub kind: RowKind,
}

impl ListedRow {
    pub const fn site(site: usize) -> Self {
        Self { site, kind: RowKind::Site }
    }
}

/// The sites whose locations are listed below them.
#[derive(Clone, Debug, Default)]
pub struct UnfoldedSites(HashSet<Arc<str>>);

impl UnfoldedSites {
    pub fn toggle(&mut self, site: Arc<str>) {
        if !self.0.remove(&site) {
            self.0.insert(site);
        }
    }

    /// `rows`, each unfolded site followed by its locations in the order of `tables`, whatever the sites are sorted by.
    pub fn unfold(&self, rows: Vec<ListedRow>, tables: &Snapshot) -> Vec<ListedRow> {
        if self.0.is_empty() {
            return rows;
        }
        let mut unfolded = Vec::with_capacity(rows.len());
        for row in rows {
            unfolded.push(row);
            let is_unfolded = tables.sites.get(row.site).is_some_and(|site| self.0.contains(&site.name));
            if row.kind == RowKind::Site && is_unfolded {
                let part = |site| ListedRow { site, kind: RowKind::Location };
                unfolded.extend(tables.parts(row.site).map(part));
            }
        }
        unfolded
    }
}
