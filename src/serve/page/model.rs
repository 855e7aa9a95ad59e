//! What the pages show, as plain data: made by `app::pages` from the store, drawn by its neighbours here.
//!
//! Invariants: every figure is that of `webmon stats` for the same period and instant. What was not watched is `None`, never 0.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::alert::RuleKind;
use crate::alert::objective::ObjectiveFigures;
use crate::alert::quorum::Votes;
use crate::engine::SiteState;
use crate::model::{Certificate, DomainExpiry, Location, Phase, Timestamp};
use crate::stats::{Answer, Availability, Counts, Latency};

/// Bands of the heat map.
pub const BANDS: usize = 16;

/// What every page has.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The title of the status page.
    pub title: Arc<str>,
    /// The instant that it shows.
    pub as_of: Timestamp,
    /// The zone of its times.
    pub zone: TimeZone,
    /// The version of webmon.
    pub version: &'static str,
}

/// The page of all sites.
#[derive(Clone, Debug)]
pub struct StatusPage {
    /// Title, instant, zone.
    pub frame: Frame,
    /// In their order; sites without a group come last.
    pub groups: Vec<Group>,
    /// Incidents of the last [`StatusPage::INCIDENTS`], the latest first.
    pub incidents: Vec<Incident>,
    /// How many more there were.
    pub more_incidents: usize,
}

impl StatusPage {
    /// How far back incidents are listed.
    pub const INCIDENTS: Duration = Duration::from_hours(14 * 24);
}

/// Sites that belong together.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name; `None`: sites without a group.
    pub name: Option<Arc<str>>,
    /// A note to its readers.
    pub note: Option<Arc<str>>,
    /// The sites.
    pub sites: Vec<SiteLine>,
}

/// One site on the status page.
#[derive(Clone, Debug)]
pub struct SiteLine {
    /// Its name.
    pub name: Arc<str>,
    /// Its URL, secrets as `***`, if it is to be shown.
    pub url: Option<Arc<str>>,
    /// A note to its readers.
    pub note: Option<Arc<str>>,
    /// Its state.
    pub state: SiteState,
    /// Its days, the oldest first; the last one is today.
    pub days: Vec<Day>,
    /// Of all days.
    pub figures: Figures,
    /// Medians of the past hour, a minute each, µs; empty where no sparkline is wanted.
    pub hour: Vec<Option<u32>>,
    /// How its locations voted, of a site over several of them.
    pub votes: Option<Votes>,
}

/// The locations of a site over all of them.
#[derive(Clone, Debug)]
pub struct Locations {
    /// How they voted.
    pub votes: Option<Votes>,
    /// Each of them.
    pub lines: Vec<LocationLine>,
}

/// A site as one location sees it.
#[derive(Clone, Debug)]
pub struct LocationLine {
    /// The location.
    pub location: Location,
    /// Its state there.
    pub state: SiteState,
    /// When it was last checked there.
    pub checked: Option<Timestamp>,
    /// What the last check answered.
    pub last: Option<Answer>,
    /// Of the past 24 hours.
    pub figures: Figures,
}

/// The figures of one period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Successful checks of those with a known outcome; of a site over its locations the time in which they saw it up, of the time that
    /// they know, µs. `None` if nothing is known.
    pub availability: Option<Availability>,
    /// The share of due checks that were made, or of the time that its locations know, in `0.0..=1.0`; `None` before anything was due.
    pub coverage: Option<f64>,
    /// Its checks, of all its locations.
    pub counts: Counts,
    /// Of a site over its locations, for how long they saw it down together.
    pub down_for: Option<Duration>,
    /// Response times of successful and slow checks.
    pub response: Option<Latency>,
}

/// One day of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Its start.
    pub from: Timestamp,
    /// Its end, or the instant of the page.
    pub until: Timestamp,
    /// Its figures; without response times.
    pub figures: Figures,
}

/// An incident of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The site.
    pub site: Arc<str>,
    /// The rule that was breached.
    pub rule: RuleKind,
    /// The start.
    pub since: Timestamp,
    /// The end; `None`: it is open.
    pub until: Option<Timestamp>,
    /// What the checks of that time answered, failures only, the most frequent first. Of latency and other rules: empty.
    pub answers: Vec<(Answer, u64)>,
    /// How many failed checks each location had then, of a site over its locations; those without one are left out.
    pub failed_at: Vec<(Location, u64)>,
    /// The message of the alert without the site's name, if errors are to be shown.
    pub text: Option<Arc<str>>,
    /// How many locations saw it down, of how many.
    pub locations: Option<(u32, u32)>,
}

/// The page of one site.
#[derive(Clone, Debug)]
pub struct SitePage {
    /// Title, instant, zone.
    pub frame: Frame,
    /// Its name.
    pub name: Arc<str>,
    /// Its group.
    pub group: Option<Arc<str>>,
    /// Its URL, secrets as `***`, if it is to be shown.
    pub url: Option<Arc<str>>,
    /// A note to its readers.
    pub note: Option<Arc<str>>,
    /// Its state.
    pub state: SiteState,
    /// The start of that state, where known.
    pub since: Option<Timestamp>,
    /// The last check: what it answered.
    pub last: Option<Answer>,
    /// Periods up to the instant: 24 h, 7 d, 30 d, 90 d.
    pub periods: Vec<(Duration, Figures)>,
    /// The length of the charts.
    pub span: Duration,
    /// The charts, the oldest column first.
    pub columns: Vec<Column>,
    /// The limits of the bands of the heat map, µs: band `n` holds response times in `bounds[n]..bounds[n + 1]`; what lies outside is in the
    /// first and in the last.
    pub bounds: [u32; BANDS + 1],
    /// What the failed checks of the charts answered, the most frequent first.
    pub failures: Vec<(Answer, u64)>,
    /// Its incidents in the longest period, the latest first.
    pub incidents: Vec<Incident>,
    /// How many more there were.
    pub more_incidents: usize,
    /// The certificate that it showed last.
    pub certificate: Option<Certificate>,
    /// The registration of its domain, where a running monitor knows it.
    pub domain: Option<Arc<DomainExpiry>>,
    /// Where its objective stands, if it has one.
    pub objective: Option<Result<ObjectiveFigures, Arc<str>>>,
    /// Its locations, if it is one over all of them.
    pub locations: Option<Locations>,
}

/// One column of the charts of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its start.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
    /// Its figures.
    pub figures: Figures,
    /// How many response times lie in each band.
    pub bands: [u32; BANDS],
    /// Mean time in each phase, µs.
    pub phases: [Option<f64>; Phase::ALL.len()],
}
