//! The files of a report: the status page, a page and badges per site, and a summary; or one file with everything.
//!
//! Invariants: the same store, sites and instant make the same bytes. Bounds: of a folder, one page of a site is in memory at a time.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::app::pages::{PageSite, Past, Setting, site, status};
use crate::model::text::shown_path;
use crate::serve::badge::{self, BadgeTerms};
use crate::serve::page::model::{SiteLine, SitePage};
use crate::serve::page::{self, Links, slug};
use crate::store::StoreError;

use super::files::{Fresh, write_file};

/// The charts of a site.
const DAY: Duration = Duration::from_hours(24);

/// What a report is made from.
pub struct Content<'a> {
    /// The store.
    pub past: &'a Past<'a>,
    /// How the pages look, and the instant.
    pub setting: Setting<'a>,
    /// The sites, in their order.
    pub sites: &'a [PageSite],
}

/// Why there is no new report; an earlier one is as it was.
#[derive(Debug)]
pub enum ReportError {
    /// The store cannot be read.
    Store(StoreError),
    /// The files cannot be written.
    Files(io::Error),
    /// It was to end.
    Stopped,
}

impl fmt::Display for ReportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Files(error) => error.fmt(f),
            Self::Stopped => f.write_str("webmon is ending"),
        }
    }
}

impl From<StoreError> for ReportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for ReportError {
    fn from(error: io::Error) -> Self {
        Self::Files(error)
    }
}

/// Whether `path` is one file, else a folder.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"))
}

impl Content<'_> {
    /// Writes the report to `out`, one file or a folder, unless `is_stopped` says between two pages that it is to end.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn write(&self, out: &Path, is_stopped: &dyn Fn() -> bool) -> Result<(), ReportError> {
        if is_file(out) { self.write_file(out, is_stopped) } else { self.write_folder(out, is_stopped) }
    }

    fn write_file(&self, out: &Path, is_stopped: &dyn Fn() -> bool) -> Result<(), ReportError> {
        let all = status(self.past, &self.setting, self.sites)?;
        let pages = self.sites.iter().map(|site| self.page(site, is_stopped));
        let pages = pages.collect::<Result<Vec<SitePage>, _>>()?;
        Ok(write_file(out, page::whole(&all, &pages).as_bytes())?)
    }

    fn write_folder(&self, out: &Path, is_stopped: &dyn Fn() -> bool) -> Result<(), ReportError> {
        let fresh = Fresh::beside(out)?;
        let all = status(self.past, &self.setting, self.sites)?;
        fresh.add("index.html", &page::status(&all, Links::Files))?;
        fresh.add("summary.json", &page::summary(&all))?;
        let lines: Vec<&SiteLine> = all.groups.iter().flat_map(|group| &group.sites).collect();
        for site in self.sites {
            let (page, slug) = (self.page(site, is_stopped)?, slug(&site.name));
            fresh.add(format!("site/{slug}.html"), &page::site(&page, Links::Files))?;
            let line = lines.iter().find(|line| line.name == site.name);
            let availability = line.and_then(|line| line.figures.availability);
            let terms = BadgeTerms { site: &site.name, state: site.state, availability };
            fresh.add(format!("badge/{slug}.svg"), &badge::svg(&terms))?;
            fresh.add(format!("badge/{slug}.json"), &badge::json(&terms))?;
        }
        Ok(fresh.put()?)
    }

    fn page(&self, of: &PageSite, is_stopped: &dyn Fn() -> bool) -> Result<SitePage, ReportError> {
        if is_stopped() {
            return Err(ReportError::Stopped);
        }
        Ok(site(self.past, &self.setting, of, DAY)?)
    }
}

/// `error` about the report at `out`, as a sentence.
#[must_use]
pub fn sentence(error: &ReportError, out: &Path) -> String {
    match error {
        ReportError::Files(error) => format!("cannot write {}: {error}", shown_path(out)),
        other => other.to_string(),
    }
}
