//! The messages of one outlet: which go out next, together or apart, and when it is tried again.
//!
//! Invariants: of each incident only the oldest message may go; one request at a time; a message that was begun is repeated
//! under its number. Time since the start of the program paces and retries, so a clock that is set changes neither.
//! Bounds: those of [`super::Outbox`]. Cost of a look: linear in the rows that wait if one may go, otherwise constant.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Severity, SiteSelector};
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
    /// Rows read from the store as begun: perhaps the outlet has them.
    perhaps: HashSet<u64>,
    state: OutletState,
    delivery: Delivery,
    backoff: Backoff,
    /// Failed requests in a row, and since when.
    failures: u32,
    failing_since: Duration,
    /// No request before.
    resume: Duration,
    /// When the first message of the next group became due.
    gathering: Option<Duration>,
    /// The theoretical arrival time of the next request. Source: the generic cell rate algorithm, ITU-T I.371.
    arrival: Duration,
    is_busy: bool,
    /// Whether the last request was rejected.
    is_rejecting: bool,
}

impl Queue {
    /// An empty queue; queues should have different seeds.
    #[must_use]
    pub fn new(delivery: Delivery, seed: u64) -> Self {
        Self {
            rows: BTreeMap::new(),
            incidents: HashMap::new(),
            perhaps: HashSet::new(),
            state: OutletState::default(),
            delivery,
            backoff: Backoff::new(seed),
            failures: 0,
            failing_since: Duration::ZERO,
            resume: Duration::ZERO,
            gathering: None,
            arrival: Duration::ZERO,
            is_busy: false,
            is_rejecting: false,
        }
    }

    /// Changes how it takes messages; a new configuration is tried at once.
    pub fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
        self.resume = Duration::ZERO;
        self.failures = 0;
        self.backoff.reset();
    }

    /// Adds a row, perhaps one that was kept over a restart.
    pub fn insert(&mut self, row: Row) {
        self.incidents.entry(row.incident).or_default().insert(row.number);
        if row.is_begun {
            self.perhaps.insert(row.number);
        }
        self.rows.insert(row.number, row);
    }

    /// Removes a row.
    pub fn remove(&mut self, number: u64) -> Option<Row> {
        let row = self.rows.remove(&number)?;
        self.perhaps.remove(&number);
        if let Some(numbers) = self.incidents.get_mut(&row.incident) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.incidents.remove(&row.incident);
            }
        }
        Some(row)
    }

    /// A row.
    pub fn row(&mut self, number: u64) -> Option<&mut Row> {
        self.rows.get_mut(&number)
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

    /// What to do at `now`, which is `elapsed` after the start of the program.
    pub fn next(&mut self, now: Timestamp, elapsed: Duration) -> Next {
        if self.is_busy || self.rows.is_empty() {
            return Next::Idle;
        }
        let (pace, burst) = self.delivery.pace();
        let ready = self.arrival.saturating_sub(pace * burst.saturating_sub(1)).max(self.resume);
        let known = match (self.delivery, self.gathering) {
            (Delivery::Chat { .. }, None) => Duration::ZERO,
            (Delivery::Chat { group }, Some(since)) => ready.max(since + group),
            _ => ready,
        };
        // Every change asks every outlet: of thousands that wait, most looks need not see the messages.
        if elapsed < known {
            return Next::Later(known);
        }
        // A message that the outlet rejects must not take others along.
        let batch = if self.is_grouping() && !self.is_rejecting { BATCH_MAX } else { 1 };
        let heads = self.heads(now, batch);
        if heads.is_empty() {
            let due = self.rows.values().map(|row| row.due).min().unwrap_or(Timestamp::MAX);
            self.gathering = None;
            return Next::Later(elapsed + due.since(now).max(Duration::from_millis(1)));
        }
        let gathered = match self.delivery {
            Delivery::Chat { group } => *self.gathering.get_or_insert(elapsed) + group,
            _ => elapsed,
        };
        let earliest = ready.max(gathered);
        if elapsed < earliest {
            return Next::Later(earliest);
        }
        Next::Send(heads)
    }

    const fn is_grouping(&self) -> bool {
        match self.delivery {
            Delivery::Program => true,
            Delivery::Chat { group } => !group.is_zero(),
            Delivery::Dedup => false,
        }
    }

    /// The first `most` messages that may go at `now`: of each incident the oldest, those that failed less often first, so
    /// that one which fails again and again holds up no other; for a program all, in their order.
    fn heads(&self, now: Timestamp, most: usize) -> Vec<u64> {
        if self.delivery == Delivery::Program {
            return self.rows.keys().copied().take(most).collect();
        }
        let is_head = |row: &&Row| self.incidents[&row.incident].first() == Some(&row.number);
        let mut heads: Vec<(u32, u64)> = Vec::new();
        let mut untried = 0;
        for row in self.rows.values().filter(is_head).filter(|row| row.due <= now || row.is_begun) {
            heads.push((row.attempts, row.number));
            untried += usize::from(row.attempts == 0);
            // Nothing later goes before these: of thousands that wait, few are looked at.
            if untried == most {
                break;
            }
        }
        heads.sort_unstable();
        heads.into_iter().take(most).map(|(_, number)| number).collect()
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
        (self.is_busy, self.is_rejecting) = (false, false);
        self.failures = 0;
        self.backoff.reset();
        self.resume = match self.delivery {
            Delivery::Chat { group } if !group.is_zero() => elapsed + GROUP_PAUSE,
            _ => elapsed,
        };
        self.state.failing = None;
        self.state.told = Some(now);
    }

    /// The request failed with `failure`, in words `reason`.
    pub fn failed(&mut self, failure: Failure, reason: &str, now: Timestamp, elapsed: Duration) {
        self.is_busy = false;
        if self.failures == 0 {
            self.failing_since = elapsed;
        }
        self.failures += 1;
        self.is_rejecting = failure == Failure::Broken;
        let wait = match failure {
            Failure::Transient(pause) => {
                let quick = elapsed.saturating_sub(self.failing_since) < QUICK_RETRIES;
                let own = if quick { self.backoff.wait() } else { SLOW_RETRY };
                pause.map_or(own, |pause| pause.min(PAUSE_MAX).max(own))
            }
            Failure::Broken if self.failures < BROKEN_TRIES => self.backoff.wait(),
            Failure::Broken => BROKEN_RETRY,
            Failure::Gone => Duration::ZERO,
        };
        self.resume = elapsed + wait;
        let since = self.state.failing.as_ref().map_or(now, |(since, _)| *since);
        self.state.failing = Some((since, reason.to_owned()));
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

    /// When it is tried again, after a failure.
    #[must_use]
    pub const fn resume(&self) -> Duration {
        self.resume
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> OutletState {
        let oldest = self.rows.values().next().map(|row| row.made);
        OutletState { waiting: self.rows.len(), oldest, ..self.state.clone() }
    }
}
