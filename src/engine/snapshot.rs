//! The engine's results for the rest of the program: immutable values behind `Arc`s.
//!
//! The engine replaces a [`SiteSnapshot`] when its site changes, and a [`ViewSnapshot`] at each refresh of its view.
//!
//! Invariants: index `i` is the same site in `sites` and in the `rows` of every view, in the order of sites.yaml. At a hub the
//! locations of a site follow it, and the sites of locations that sites.yaml lacks come last.

use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::maintenance::Maintenance;
use crate::alert::quorum::Votes;
use crate::alert::{Policies, RuleKind};
use crate::model::{Observation, Place, Sample, SiteSlot, Timeframe, Timestamp, View};
use crate::stats::{Beats, Rollup, Summary, Unmade};

/// The state of a site, joining the rule and the last check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteState {
    /// The rule says down and the last check failed.
    Down,
    /// The rule says down, the last check was successful.
    Recovering,
    /// The rule says up or has not judged, the last check failed.
    Failing,
    /// The last outcome is `local`, or there was nothing for 3 intervals + timeout.
    Unknown,
    /// No result yet.
    New,
    /// The last check was successful.
    Up,
    /// The user paused its checks.
    Paused,
}

impl SiteState {
    /// The public name: `down`, `recovering`, `failing`, `unknown`, `new`, `up`, `paused`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::Failing => "failing",
            Self::Unknown => "unknown",
            Self::New => "new",
            Self::Up => "up",
            Self::Paused => "paused",
        }
    }

    /// Its shape on the dashboard and in reports, which needs no colour.
    #[must_use]
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Down => "▼",
            Self::Recovering => "△",
            Self::Failing => "▲",
            Self::Unknown => "?",
            Self::New => "…",
            Self::Up => "●",
            Self::Paused => "‖",
        }
    }
}

/// The newest check of a site.
#[derive(Clone, Debug)]
pub struct LastCheck {
    /// Its sequence number within the site.
    pub seq: u64,
    /// Its figures.
    pub sample: Sample,
    /// Its texts; `None` when a full queue dropped them or the check precedes the start.
    pub observation: Option<Arc<Observation>>,
}

/// An incident that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIncident {
    /// The time of its announcement.
    pub since: Timestamp,
}

/// A rule other than availability that is breached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule.
    pub rule: RuleKind,
    /// The time of the alert that opened its incident.
    pub since: Timestamp,
}

/// What does not change about a site until sites.yaml does.
#[derive(Clone, Debug)]
pub struct SiteFacts {
    /// Its number while webmon runs.
    pub slot: SiteSlot,
    /// Its unique name.
    pub name: Arc<str>,
    /// Its URL, secrets as `***`.
    pub url: Arc<str>,
    /// The line of curl, openssl or nc that repeats its check, secrets as `***`; empty if it is not known.
    pub curl: Arc<str>,
    /// Its group in sites.yaml.
    pub group: Option<Arc<str>>,
    /// Time between due checks.
    pub interval: Duration,
    /// The limit for a whole probe.
    pub timeout: Duration,
    /// A successful check that takes longer counts as down.
    pub max_response_time: Option<Duration>,
    /// Its alert rules.
    pub policies: Policies,
    /// Its windows of maintenance in sites.yaml.
    pub maintenance: Arc<[Maintenance]>,
    /// Where its samples come from.
    pub place: Place,
}

impl SiteFacts {
    /// Whether this is the site `whole` as one location sees it.
    #[must_use]
    pub fn is_part_of(&self, whole: &str) -> bool {
        matches!(&self.place, Place::At { site, .. } if **site == *whole)
    }

    /// Whether it has an error budget. Over several locations time is spent, and no rule is breached.
    #[must_use]
    pub const fn has_objective(&self) -> bool {
        self.policies.slo.is_some()
    }
}

/// Everything about a site but its figures in the views. Each check makes a new one, so what lasts is shared.
#[derive(Clone, Debug)]
pub struct SiteSnapshot {
    /// What lasts; its fields read like those of the snapshot.
    pub facts: Arc<SiteFacts>,
    /// Its state.
    pub state: SiteState,
    /// The start of that state.
    pub since: Timestamp,
    /// Whether the state began before `since`, further back than the ring reaches.
    pub is_older: bool,
    /// The newest check.
    pub last: Option<LastCheck>,
    /// When it was last up, as far as the ring reaches.
    pub last_up: Option<Timestamp>,
    /// The open incident of the availability rule.
    pub incident: Option<OpenIncident>,
    /// The open incidents of its other rules.
    pub breaches: Vec<Breach>,
    /// The end of its pause; [`Timestamp::MAX`] if only the user ends it.
    pub paused_until: Option<Timestamp>,
    /// When the rule's window becomes covered, while it is not.
    pub judged_from: Option<Timestamp>,
    /// How its locations voted, of a site that a hub judges.
    pub votes: Option<Votes>,
}

impl Deref for SiteSnapshot {
    type Target = SiteFacts;

    fn deref(&self) -> &SiteFacts {
        &self.facts
    }
}

/// The figures of one site in one view.
#[derive(Clone, Debug)]
pub struct Row {
    /// The figures.
    pub summary: Summary,
    /// The heartbeat.
    pub beats: Beats,
    /// The time of its oldest check.
    pub oldest: Option<Timestamp>,
    /// Whether the figures are exact; an edge of a long view may be rounded to an hour.
    pub is_exact: bool,
}

impl Row {
    /// A row without a check.
    #[must_use]
    pub fn empty(as_of: Timestamp, timeframe: Timeframe) -> Self {
        let summary = Rollup::default().summary(as_of, timeframe, Unmade::default());
        Self { summary, beats: Beats::empty(as_of, timeframe), oldest: None, is_exact: true }
    }

    /// Its size with its lists, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let Summary { codes, causes, answers, .. } = &self.summary;
        let lists = heap(codes) + heap(causes) + heap(answers);
        size_of::<Self>() + lists
    }
}

fn heap<T>(list: &Vec<T>) -> usize {
    list.capacity() * size_of::<T>()
}

/// One view at its last refresh.
#[derive(Clone, Debug)]
pub struct ViewSnapshot {
    /// The covered span.
    pub timeframe: Timeframe,
    /// Time between two refreshes.
    pub refresh: Duration,
    /// The instant of the last refresh.
    pub as_of: Timestamp,
    /// The instant of the next refresh.
    pub next: Timestamp,
    /// One row per site, in the order of sites.yaml.
    pub rows: Vec<Arc<Row>>,
}

impl ViewSnapshot {
    /// Its configuration.
    #[must_use]
    pub const fn view(&self) -> View {
        View { timeframe: self.timeframe, refresh: self.refresh }
    }
}

/// Everything that the engine shows, as one reader saw it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The time of the engine's last step.
    pub at: Timestamp,
    /// The sites, in the order of sites.yaml.
    pub sites: Vec<Arc<SiteSnapshot>>,
    /// The views, in the order of sites.yaml.
    pub views: Vec<Arc<ViewSnapshot>>,
}

impl Snapshot {
    /// The sites that are listed and counted: all but the parts of a site over all locations, which follow it. Each with its
    /// index.
    pub fn subjects(&self) -> impl Iterator<Item = (usize, &Arc<SiteSnapshot>)> {
        let mut whole = None;
        self.sites.iter().enumerate().filter(move |(_, site)| {
            if site.place == Place::Everywhere {
                whole = Some(&site.name);
            }
            !whole.is_some_and(|whole| site.is_part_of(whole))
        })
    }

    /// The indices of the locations of the site at index `whole`; none unless that is one over all locations.
    #[must_use]
    pub fn parts(&self, whole: usize) -> Range<usize> {
        let first = whole + 1;
        let count = match self.sites.get(whole) {
            Some(site) if site.place == Place::Everywhere => {
                self.sites[first..].iter().take_while(|part| part.is_part_of(&site.name)).count()
            }
            _ => 0,
        };
        first..first + count
    }

    /// The site of this slot, which is usually the one at index `hint`.
    #[must_use]
    pub fn of_slot(&self, slot: SiteSlot, hint: usize) -> Option<&Arc<SiteSnapshot>> {
        self.sites.get(self.place_of(slot, hint)?)
    }

    /// The index of the site of this slot, which is usually `hint`.
    #[must_use]
    pub fn place_of(&self, slot: SiteSlot, hint: usize) -> Option<usize> {
        let is_hinted = self.sites.get(hint).is_some_and(|site| site.slot == slot);
        if is_hinted { Some(hint) } else { self.sites.iter().position(|site| site.slot == slot) }
    }

    /// Whether any site is shown over all its locations, as a hub does.
    #[must_use]
    pub fn is_over_locations(&self) -> bool {
        self.sites.iter().any(|site| site.place == Place::Everywhere)
    }
}
