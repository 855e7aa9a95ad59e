//! What the rest of the program may see: immutable values behind `Arc`s.
//!
//! A [`SiteSnapshot`] is replaced whenever something about its site changes; a [`ViewSnapshot`] at each refresh of
//! its view, so its figures stand still between ticks. Index `i` is the same site in `sites` and in the `rows`
//! of every view: the order of sites.yaml.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Rule;
use crate::model::{Observation, Sample, SiteSlot, Timeframe, Timestamp, View};
use crate::stats::{Beats, Rollup, Summary, Unmade};

/// The state of a site, joining the rule and the last check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SiteState {
    /// The rule says down and the last check failed.
    Down,
    /// The rule says down, the last check was good.
    Recovering,
    /// The rule says up or has not judged, the last check failed.
    Failing,
    /// The last outcome is `local`, or there was nothing for 3 intervals + timeout.
    Unknown,
    /// No result yet.
    New,
    /// The last check was good.
    Up,
    /// Not checked, by a person's wish.
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
    /// Its number within the site.
    pub seq: u64,
    /// Its figures.
    pub sample: Sample,
    /// Its texts; none when they were dropped at a full queue or the check was made before the start.
    pub observation: Option<Arc<Observation>>,
}

/// An incident that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenIncident {
    /// When it was announced.
    pub since: Timestamp,
}

/// Everything about a site that is not a figure of a view.
#[derive(Clone, Debug)]
pub struct SiteSnapshot {
    /// Its number while webmon runs.
    pub slot: SiteSlot,
    /// Its unique name.
    pub name: Arc<str>,
    /// Its URL, secrets as `***`.
    pub url: Arc<str>,
    /// What it belongs to, in the words of sites.yaml.
    pub group: Option<Arc<str>>,
    /// Time between due checks.
    pub interval: Duration,
    /// For a whole probe.
    pub timeout: Duration,
    /// How it is judged.
    pub rule: Rule,
    /// The state, and since when it is in it.
    pub state: SiteState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Whether it began before that, further back than what is remembered.
    pub is_older: bool,
    /// The newest check.
    pub last: Option<LastCheck>,
    /// When it was last up, as far as the ring reaches.
    pub last_up: Option<Timestamp>,
    /// The incident that is open.
    pub incident: Option<OpenIncident>,
    /// Until when it is paused; [`Timestamp::MAX`]: until somebody resumes it.
    pub paused_until: Option<Timestamp>,
    /// When the window will first be covered, while it is not yet.
    pub judged_from: Option<Timestamp>,
}

/// The figures of one site in one view.
#[derive(Clone, Debug)]
pub struct Row {
    /// The figures.
    pub summary: Summary,
    /// The heartbeat.
    pub beats: Beats,
    /// When the oldest check in it was made; none without checks.
    pub oldest: Option<Timestamp>,
    /// Whether the figures are to the sample; those of a long view are not where an edge had to be rounded to an hour.
    pub is_exact: bool,
}

impl Row {
    /// A row without a check.
    #[must_use]
    pub fn empty(as_of: Timestamp, timeframe: Timeframe) -> Self {
        let summary = Rollup::default().summary(as_of, timeframe, Unmade::default());
        Self { summary, beats: Beats::empty(as_of, timeframe), oldest: None, is_exact: true }
    }

    /// Bytes that it takes, lists included.
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
    /// The span that it covers.
    pub timeframe: Timeframe,
    /// How often it is refreshed.
    pub refresh: Duration,
    /// When it was.
    pub as_of: Timestamp,
    /// When it will be again.
    pub next: Timestamp,
    /// One row a site, in the order of sites.yaml.
    pub rows: Vec<Arc<Row>>,
}

impl ViewSnapshot {
    /// What was configured.
    #[must_use]
    pub const fn view(&self) -> View {
        View { timeframe: self.timeframe, refresh: self.refresh }
    }
}

/// Everything, as one reader saw it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the engine last stepped.
    pub at: Timestamp,
    /// One a site, in the order of sites.yaml.
    pub sites: Vec<Arc<SiteSnapshot>>,
    /// In the order of sites.yaml.
    pub views: Vec<Arc<ViewSnapshot>>,
}
