//! The messages of one outlet: which go out next, together or apart, and when it is tried again.
//!
//! Invariants: of each incident only the oldest message may go; one request at a time; messages that were begun are repeated
//! as the set that they were, under its number. Time since the start of the program paces and retries, so a clock that is set changes neither.
//! Bounds: those of [`super::Outbox`]. Cost of a look: linear in the rows that wait if one may go, otherwise constant.

mod choice;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, Severity, SiteSelector};
use crate::model::Timestamp;
use crate::model::time::backoff::Backoff;
use crate::model::time::leap::Leap;

use crate::alert::kept::row::Row;

/// A message is given up this long after it was made.
pub const KEEP: Duration = Duration::from_hours(24);

/// After this time of failures an unavailable outlet is tried only every [`SLOW_RETRY`].
const QUICK_RETRIES: Duration = Duration::from_mins(10);
const SLOW_RETRY: Duration = Duration::from_mins(5);

/// An outlet that rejects messages is tried this often quickly, then every [`BROKEN_RETRY`].
const BROKEN_TRIES: u32 = 3;
const BROKEN_RETRY: Duration = Duration::from_mins(15);

/// The longest pause that a server may ask for.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// Between two messages of a chat that groups.
const GROUP_PAUSE: Duration = Duration::from_secs(30);

/// Most messages in one request.
const BATCH_MAX: usize = 1_000;

/// How an outlet takes messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A program: everything that waits in one call, at once, and every alert.
    Program,
    /// People: what becomes due within this time goes out as one.
    Chat {
        /// The time; zero: each message apart.
        group: Duration,
    },
    /// A service that keeps incidents by their keys: each message apart, at once.
    Dedup,
}

impl Delivery {
    /// The least time between two requests on average, and how many may go without it.
    const fn pace(self) -> (Duration, u32) {
        match self {
            Self::Program => (Duration::ZERO, 1),
            Self::Chat { .. } => (Duration::from_secs(1), 5),
            Self::Dedup => (Duration::from_millis(100), 10),
        }
    }
}

/// The terms of one outlet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutletTerms {
    /// Its key.
    pub key: Arc<str>,
    /// Its name in sites.yaml, by which sites choose it.
    pub name: Arc<str>,
    /// How it takes messages.
    pub delivery: Delivery,
    /// It hears of incidents that are open and not acknowledged this long after they opened.
    pub after: Duration,
    /// The least severity.
    pub only: Severity,
    /// The sites.
    pub sites: SiteSelector,
    /// Whether it forgets what is not repeated every minute.
    pub is_forgetful: bool,
}

/// Why a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The outlet is away or busy; it may ask for a pause.
    Transient(Option<Duration>),
    /// It rejects messages until a user acts.
    Broken,
    /// It does not exist any more.
    Gone,
}

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRequest {
    /// What it says of the outlet.
    pub failure: Failure,
    /// In words.
    pub reason: String,
    /// Whether the outlet certainly has seen nothing of it.
    pub is_unsent: bool,
}

/// The state of an outlet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutletState {
    /// Messages that wait.
    pub waiting: usize,
    /// When the oldest of them was made.
    pub oldest: Option<Timestamp>,
    /// Since when it fails, and why, in words.
    pub failing: Option<(Timestamp, String)>,
    /// Messages given up since the start.
    pub given_up: u64,
    /// When it last took a message.
    pub told: Option<Timestamp>,
}

/// What to do for an outlet now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing waits.
    Idle,
    /// Look again this long after the start of the program, or, for a message that is not due, at this time.
    Later(Duration),
    /// These messages, in one request.
    Send(Vec<u64>),
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    rows: BTreeMap<u64, Row>,
    /// The rows of each incident, in order.
    incidents: HashMap<u64, BTreeSet<u64>>,
    /// Rows that perhaps the outlet has.
    perhaps: HashSet<u64>,
    /// Rows that no request has failed with.
    untried: usize,
    state: OutletState,
    delivery: Delivery,
    backoff: Backoff,
    /// Failed requests in a row, and since when.
    failures: u32,
    failing_since: Duration,
    /// No request before.
    resume: Duration,
    /// None before with a row that a request has failed with.
    tried_from: Duration,
    /// When the first message of the next group became due.
    gathering: Option<Duration>,
    /// The theoretical arrival time of the next request. Source: the generic cell rate algorithm, ITU-T I.371.
    arrival: Duration,
    is_busy: bool,
    /// Whether the last request was rejected.
    is_rejecting: bool,
    /// Whether the outlet said that it does not exist any more.
    is_gone: bool,
}

impl Queue {
    /// An empty queue; queues should have different seeds.
    #[must_use]
    pub fn new(delivery: Delivery, seed: u64) -> Self {
        Self {
            rows: BTreeMap::new(),
            incidents: HashMap::new(),
            perhaps: HashSet::new(),
            untried: 0,
            state: OutletState::default(),
            delivery,
            backoff: Backoff::new(seed),
            failures: 0,
            failing_since: Duration::ZERO,
            resume: Duration::ZERO,
            tried_from: Duration::ZERO,
            gathering: None,
            arrival: Duration::ZERO,
            is_busy: false,
            is_rejecting: false,
            is_gone: false,
        }
    }

    /// Changes how it takes messages; a new configuration is tried at once.
    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
        (self.resume, self.tried_from) = (Duration::ZERO, Duration::ZERO);
        self.failures = 0;
        self.backoff.reset();
    }

    /// Adds a row, perhaps one that was kept over a restart.
    pub fn insert(&mut self, row: Row) {
        self.incidents.entry(row.incident).or_default().insert(row.number);
        if row.is_begun {
            self.perhaps.insert(row.number);
        }
        self.untried += usize::from(row.attempts == 0);
        self.rows.insert(row.number, row);
    }

    /// Removes a row.
    pub fn remove(&mut self, number: u64) -> Option<Row> {
        let row = self.rows.remove(&number)?;
        self.perhaps.remove(&number);
        self.untried -= usize::from(row.attempts == 0);
        if let Some(numbers) = self.incidents.get_mut(&row.incident) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.incidents.remove(&row.incident);
            }
        }
        Some(row)
    }

    /// A row.
    #[must_use]
    pub fn row(&self, number: u64) -> Option<&Row> {
        self.rows.get(&number)
    }

    /// Marks a row as begun with `set`. Returns it if that is new.
    pub fn mark(&mut self, number: u64, set: Option<u64>) -> Option<&Row> {
        let row = self.rows.get_mut(&number).filter(|row| !row.is_begun || row.set != set)?;
        (row.is_begun, row.set) = (true, set);
        Some(row)
    }

    /// Notes that a request `failed` with a row, which was `before` then. Returns it.
    pub fn note_failure(&mut self, before: &Row, failed: &FailedRequest) -> Option<&Row> {
        let row = self.rows.get_mut(&before.number)?;
        self.untried -= usize::from(row.attempts == 0);
        row.attempts = row.attempts.saturating_add(1);
        if failed.is_unsent {
            (row.is_begun, row.set) = (before.is_begun, before.set);
        } else if failed.failure == Failure::Broken {
            // Nothing of the set was taken, and one message of it may be to blame: from now on each goes alone.
            row.set = None;
        } else if failed.failure == Failure::Transient(None) {
            // An answer that rejects or asks for a pause is no sign that it was taken.
            self.perhaps.insert(before.number);
        }
        Some(row)
    }

    /// Lets a row tell of `alert` in place of its own. Returns it.
    pub fn retell(&mut self, number: u64, alert: &AlertRecord) -> Option<&Row> {
        let row = self.rows.get_mut(&number)?;
        row.news.alert = alert.clone();
        Some(row)
    }

    /// How many rows wait that were begun with `set`.
    #[must_use]
    pub fn size_of(&self, set: u64) -> usize {
        self.rows.values().filter(|row| row.set == Some(set)).count()
    }

    /// All rows, the oldest first.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// How many rows wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.rows.len()
    }

    /// The oldest row if more than `most` wait.
    #[must_use]
    pub fn surplus(&self, most: usize) -> Option<u64> {
        self.rows.keys().next().copied().filter(|_| self.rows.len() > most)
    }

    /// The rows of an incident, the oldest first.
    pub fn of(&self, incident: u64) -> impl Iterator<Item = &Row> {
        self.incidents.get(&incident).into_iter().flatten().map(|number| &self.rows[number])
    }

    /// Whether the outlet may have this row already.
    #[must_use]
    pub fn is_perhaps_repeat(&self, number: u64) -> bool {
        self.perhaps.contains(&number)
    }

    /// Counts rows that were given up.
    pub fn count_given_up(&mut self, rows: usize) {
        self.state.given_up += rows as u64;
    }

    /// Requests in a row that failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// A request begins.
    pub fn begin(&mut self, elapsed: Duration) {
        let (pace, _) = self.delivery.pace();
        self.arrival = self.arrival.max(elapsed) + pace;
        self.gathering = None;
        self.is_busy = true;
    }

    /// The request was taken.
    pub fn succeeded(&mut self, now: Timestamp, elapsed: Duration) {
        (self.is_busy, self.is_rejecting, self.is_gone) = (false, false, false);
        self.failures = 0;
        self.backoff.reset();
        self.tried_from = Duration::ZERO;
        self.resume = match self.delivery {
            Delivery::Chat { group } if !group.is_zero() => elapsed + GROUP_PAUSE,
            _ => elapsed,
        };
        self.state.failing = None;
        self.state.told = Some(now);
    }

    /// The request `failed`, as every one did with its rows in `tries`.
    pub fn failed(&mut self, failed: &FailedRequest, tries: u32, now: Timestamp, elapsed: Duration) {
        let failure = failed.failure;
        self.is_busy = false;
        if self.failures == 0 {
            self.failing_since = elapsed;
        }
        self.failures += 1;
        (self.is_rejecting, self.is_gone) = (failure == Failure::Broken, failure == Failure::Gone);
        let wait = match failure {
            Failure::Transient(pause) => {
                let quick = elapsed.saturating_sub(self.failing_since) < QUICK_RETRIES;
                let own = if quick { self.backoff.wait() } else { SLOW_RETRY };
                pause.map_or(own, |pause| pause.min(PAUSE_MAX).max(own))
            }
            Failure::Broken => {
                // The fault may lie in these messages alone, so others do not wait for them.
                if BROKEN_TRIES <= self.failures.max(tries) {
                    self.tried_from = elapsed + BROKEN_RETRY;
                }
                self.backoff.wait()
            }
            Failure::Gone => Duration::ZERO,
        };
        self.resume = elapsed + wait;
        let since = self.state.failing.as_ref().map_or(now, |(since, _)| *since);
        self.state.failing = Some((since, failed.reason.clone()));
    }

    /// Follows `leap` of the system's clock. Returns the rows that have other times now.
    pub fn leap(&mut self, leap: &Leap) -> Vec<Row> {
        self.state.told = self.state.told.map(|at| leap.retold(at));
        if let Some((since, _)) = &mut self.state.failing {
            *since = leap.retold(*since);
        }
        let mut moved = Vec::new();
        for row in self.rows.values_mut() {
            let times = (leap.retold(row.made), leap.retold_wait(row.due, row.made));
            if times != (row.made, row.due) {
                (row.made, row.due) = times;
                moved.push(row.clone());
            }
        }
        moved
    }

    /// Whether it may be known to fail: something waits for it, or it said that it is gone.
    #[must_use]
    pub fn may_fail(&self) -> bool {
        !self.rows.is_empty() || self.is_gone
    }

    /// Forgets how it fails.
    pub fn forget_failure(&mut self) {
        (self.failures, self.is_rejecting, self.is_gone) = (0, false, false);
        self.backoff.reset();
        self.state.failing = None;
    }

    /// When it is tried again, after a failure.
    #[must_use]
    pub fn resume(&self) -> Duration {
        if self.untried == 0 { self.resume.max(self.tried_from) } else { self.resume }
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> OutletState {
        let oldest = self.rows.values().next().map(|row| row.made);
        OutletState { waiting: self.rows.len(), oldest, ..self.state.clone() }
    }
}
