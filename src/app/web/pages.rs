//! The pages and badges of the listener, from the engine's snapshot and the store.

use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::app::cli::time_range::instant;
use crate::app::locations::groups::Rules;
use crate::app::pages::{Memory, PageSite, Past, Setting, site, status, summed_up};
use crate::engine::Snapshot;
use crate::model::time::duration;
use crate::model::{PageTerms, Timestamp};
use crate::serve::badge::{self, BadgeTerms};
use crate::serve::page::{self, Links};
use crate::serve::route::BadgeForm;
use crate::serve::source::{Html, Missing};
use crate::store::{Archive, StoreError};

/// The charts of a site without `since`, and the period of a badge without `period`.
const DAY: Duration = Duration::from_hours(24);
const MONTH: Duration = Duration::from_hours(30 * 24);

/// The longest charts.
const SPAN_MAX: Duration = Duration::from_hours(400 * 24);

/// What the pages are made from.
pub struct Pages<'a> {
    /// The sites and their states.
    pub snapshot: &'a Snapshot,
    /// The store, if there is one.
    pub store: Option<&'a Path>,
    /// What was read for earlier pages.
    pub memory: &'a Memory,
    /// When a site over its locations is down.
    pub rules: &'a Rules,
    /// How the pages look.
    pub terms: &'a PageTerms,
    /// The zone of their times.
    pub zone: &'a TimeZone,
    /// The present.
    pub now: Timestamp,
}

impl Pages<'_> {
    /// The status page.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn status(&self, as_of: Option<&str>) -> Result<Html, Missing> {
        let (archive, as_of) = (self.archive()?, self.as_of(as_of)?);
        let sites = PageSite::listed(self.snapshot);
        let past = self.past(&archive)?;
        let past = past.remembering(self.memory);
        let page = status(&past, &self.setting(as_of), &sites).map_err(unreadable)?;
        Ok(html(page::status(&page, Links::Served)))
    }

    /// The page of a site.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn site(&self, name: &str, since: Option<&str>, as_of: Option<&str>) -> Result<Html, Missing> {
        let (found, as_of) = (self.found(name)?, self.as_of(as_of)?);
        let span = since.map_or(Ok(DAY), |text| period("since", text))?;
        let archive = self.archive()?;
        let past = self.past(&archive)?;
        let page = site(&past, &self.setting(as_of), &found, span).map_err(unreadable)?;
        Ok(html(page::site(&page, Links::Served)))
    }

    /// A badge of a site.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn badge(&self, name: &str, form: BadgeForm, span: Option<&str>) -> Result<String, Missing> {
        let found = self.found(name)?;
        let span = span.map_or(Ok(MONTH), |text| period("period", text))?;
        let archive = self.archive()?;
        let past = self.past(&archive)?;
        let sums = summed_up(&past, &found, &[(self.now.before(span), self.now)]).map_err(unreadable)?;
        let availability = sums.first().and_then(|(_, summary)| summary.availability);
        let terms = BadgeTerms { site: name, state: found.state, availability };
        Ok(match form {
            BadgeForm::Svg => badge::svg(&terms),
            BadgeForm::Json => badge::json(&terms),
        })
    }

    const fn setting(&self, as_of: Timestamp) -> Setting<'_> {
        Setting { terms: self.terms, zone: self.zone, as_of }
    }

    fn past<'p>(&self, archive: &'p Archive) -> Result<Past<'p>, Missing> {
        Past::of(archive, self.rules, self.now).map_err(unreadable)
    }

    fn archive(&self) -> Result<Archive, Missing> {
        let path = self.store.ok_or_else(|| Missing::Unavailable("nothing is stored".to_owned()))?;
        Archive::open(path).map_err(unreadable)
    }

    fn found(&self, name: &str) -> Result<PageSite, Missing> {
        PageSite::named(self.snapshot, name).ok_or(Missing::Unknown)
    }

    fn as_of(&self, text: Option<&str>) -> Result<Timestamp, Missing> {
        let read = text.map(|text| instant(text, self.now, self.zone)).transpose();
        let as_of = read.map_err(|why| Missing::Parameter("as_of", why))?;
        Ok(as_of.map_or(self.now, |as_of| as_of.min(self.now)))
    }
}

fn html(text: String) -> Html {
    Html { text, style: page::style_hash().to_owned() }
}

fn period(name: &'static str, text: &str) -> Result<Duration, Missing> {
    let length = duration::parse(text).map_err(|why| Missing::Parameter(name, why.to_string()))?;
    if length < Duration::from_hours(1) || length > SPAN_MAX {
        return Err(Missing::Parameter(name, "write a time from 1h to 400d".to_owned()));
    }
    Ok(length)
}

/// The error may hold a path, which a page must not show.
fn unreadable(_: StoreError) -> Missing {
    Missing::Unavailable("the store cannot be read now".to_owned())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::app::tests::hub_store::{HubStore, at, config};
    use crate::engine::{Engine, SiteInput};
    use crate::model::{Place, SiteSlot};
    use crate::ring::Producer;
    use crate::stats::Cadence;

    /// The board of a hub with a site over its locations.
    fn board(now: Timestamp) -> Snapshot {
        let cadence = Cadence { interval: Duration::from_secs(10), timeout: Duration::from_secs(1) };
        let site = SiteInput::new(SiteSlot(0), "api", cadence, Producer::new(1_000, 0).ring());
        let input = SiteInput { place: Place::Everywhere, ..site };
        Engine::new(Vec::new(), vec![input], now).board().snapshot()
    }

    #[test]
    fn a_hub_shows_for_how_long_its_locations_saw_a_site_up() {
        let (hub, config) = (HubStore::worked_example(), config());
        let (snapshot, memory, rules) = (board(at(600)), Memory::default(), Rules::of(&config));
        let pages = Pages {
            snapshot: &snapshot,
            store: Some(&hub.path),
            memory: &memory,
            rules: &rules,
            terms: &config.page,
            zone: &TimeZone::UTC,
            now: at(600),
        };
        for span in [None, Some("1h")] {
            let badge = pages.badge("api", BadgeForm::Json, span).unwrap();
            assert!(badge.contains("92.17%"), "{badge}");
        }
        assert!(pages.status(None).unwrap().text.contains("92.17%"));
        assert!(pages.site("api", None, None).unwrap().text.contains("92.17%"));
    }
}
