//! The requests to outlets, and which outlets cannot be notified.
//!
//! Outlets that cannot be notified are one incident of webmon itself, which is reported again for each that joins them. It ends when
//! all of them work, or nothing is known of them any more: they are gone from sites.yaml, or nothing is left for them to take.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::outbox::Outgoing;
use crate::alert::outbox::queue::{FailedRequest, Failure, Next, OutletState};
use crate::alert::{AlertState, News, RuleKind};
use crate::model::{OutletHealth, Timestamp};

use super::{AlertBook, Inner};
use crate::app::alerts::context::Part;

/// An outlet that failed so often in a row is an incident of webmon itself.
const FAILURES_TOLD: u32 = 3;

/// How often it is looked whether an incident is still muted that an outlet would hear of.
const MUTE_LOOK: Duration = Duration::from_secs(5);

/// A new message under way, and the ticket of its mark.
#[derive(Debug)]
pub struct Sending {
    /// The rows.
    pub outgoing: Outgoing,
    /// Stored once this ticket is; see [`AlertBook::stored`].
    pub ticket: u64,
}

impl AlertBook {
    /// The outlets that cannot be notified now, by key.
    #[must_use]
    pub fn failing_outlets(&self) -> Vec<OutletHealth> {
        let inner = self.inner();
        let failing = |(key, state): (&Arc<str>, OutletState)| {
            let (since, reason) = state.failing?;
            Some(OutletHealth { key: Arc::clone(key), since, reason, waiting: state.waiting })
        };
        inner.outbox.states().filter_map(failing).collect()
    }

    /// Notes that `outlet` has another target: its known failures are those of the former one.
    pub fn renew(&self, outlet: &str) {
        self.inner().outbox.renew(outlet);
    }

    /// What to do for `outlet` now.
    pub fn next(&self, outlet: &str) -> Next {
        let inner = &mut *self.inner();
        if inner.part == Part::Waits {
            return Next::Idle;
        }
        let (now, elapsed) = (self.clock.now(), self.clock.monotonic());
        // An incident may be muted since it opened. Its opening is held before it counts as due, so that nothing is told if it ends
        // meanwhile.
        inner.hold_muted(outlet, now);
        inner.outbox.next(outlet, now, elapsed)
    }

    /// Begins a request with `rows`.
    pub fn begin(&self, outlet: &str, rows: &[u64]) -> Sending {
        let inner = &mut *self.inner();
        let mut changes = Vec::new();
        let outgoing = inner.outbox.begin(outlet, rows, self.clock.monotonic(), &mut changes);
        let ticket = self.keep(inner, Vec::new(), changes, outgoing.is_marked);
        Sending { outgoing, ticket }
    }

    /// `outlet` took what was sent. Returns whether it had failed before.
    pub fn succeeded(&self, outlet: &Arc<str>, outgoing: &Outgoing) -> bool {
        let inner = &mut *self.inner();
        let (now, elapsed, mut changes) = (self.clock.now(), self.clock.monotonic(), Vec::new());
        let had_failed = inner.outbox.failures(outlet) > 0;
        inner.outbox.succeeded(outlet, &outgoing.rows, now, elapsed, &mut changes);
        self.keep(inner, Vec::new(), changes, false);
        inner.broken.retain(|broken| broken != outlet);
        // An earlier run may have begun the incident.
        inner.clear_broken("all outlets are notified again.", now);
        had_failed
    }

    /// `outlet` did not take what was sent. Returns when it is tried again, in time since the start of the program, how many
    /// requests have failed in a row, and how many messages were given up.
    pub fn failed(&self, outlet: &Arc<str>, outgoing: &Outgoing, failed: &FailedRequest) -> (Duration, u32, usize) {
        let inner = &mut *self.inner();
        let (times, mut changes) = ((self.clock.now(), self.clock.monotonic()), Vec::new());
        let given_up = inner.outbox.failed(outlet, &outgoing.rows, failed, times, &mut changes);
        self.keep(inner, Vec::new(), changes, false);
        let failures = inner.outbox.failures(outlet);
        // A failure while this machine has no network says nothing about an outlet.
        let is_offline = inner.is_breached(RuleKind::Network);
        let is_broken = (failures >= FAILURES_TOLD && !is_offline) || failed.failure == Failure::Gone;
        if is_broken && inner.outbox.may_fail(outlet) {
            inner.add_broken(outlet, times.0);
        }
        inner.settle_outlets(times.0);
        (inner.outbox.resume(outlet).unwrap_or(times.1), failures, given_up)
    }

    /// Gives up messages that are too old. Returns the outlets concerned, and how many messages.
    pub fn expire(&self) -> Vec<(Arc<str>, usize)> {
        let inner = &mut *self.inner();
        let (now, mut changes) = (self.clock.now(), Vec::new());
        // Muted openings wait, however long.
        let outlets: Vec<Arc<str>> = inner.outbox.outlets().map(|terms| Arc::clone(&terms.key)).collect();
        for outlet in outlets {
            inner.hold_muted(&outlet, now);
        }
        let given_up = inner.outbox.expire(now, &mut changes);
        inner.settle_outlets(now);
        self.keep(inner, Vec::new(), changes, false);
        given_up
    }

    /// The news that `outlet`, which forgets, has to hear again: what it was told of that is open or ended lately.
    #[must_use]
    pub fn to_repeat(&self, outlet: &Arc<str>) -> Vec<News> {
        let inner = self.inner();
        let told = inner.outbox.to_repeat(outlet);
        told.into_iter().filter_map(|(incident, _)| inner.ledger.current(incident)).collect()
    }

    /// The states of all outlets, by key.
    #[must_use]
    pub fn outlets(&self) -> Vec<(Arc<str>, OutletState)> {
        self.inner().outbox.states().map(|(key, state)| (Arc::clone(key), state)).collect()
    }
}

impl Inner {
    /// Takes up which outlets could not be notified before the start, if that was reported.
    pub(super) fn restore_broken(&mut self) {
        self.is_outlet_reported = self.is_breached(RuleKind::Outlet);
        if self.is_outlet_reported {
            self.broken = self.outbox.failed_before(FAILURES_TOLD);
        }
    }

    /// Ends the incident of outlets of which nothing is known any more.
    pub(in crate::app::alerts) fn settle_outlets(&mut self, at: Timestamp) {
        self.outbox.settle();
        let Self { outbox, broken, .. } = &mut *self;
        broken.retain(|outlet| outbox.may_fail(outlet));
        self.clear_broken("no message waits for a broken outlet any more.", at);
    }

    fn clear_broken(&mut self, text: &str, at: Timestamp) {
        if self.broken.is_empty() && std::mem::take(&mut self.is_outlet_reported) {
            self.own_alert(RuleKind::Outlet, AlertState::Cleared, text, at);
        }
    }

    /// Notes that `outlet` cannot be notified.
    fn add_broken(&mut self, outlet: &Arc<str>, at: Timestamp) {
        if self.broken.contains(outlet) {
            return;
        }
        self.broken.push(Arc::clone(outlet));
        self.is_outlet_reported = true;
        let named = |outlet: &Arc<str>| match self.outbox.failure(outlet) {
            Some(reason) => format!("{outlet}: {reason}"),
            None => outlet.to_string(),
        };
        let named: Vec<String> = self.broken.iter().map(named).collect();
        self.own_alert(RuleKind::Outlet, AlertState::Breached, &format!("cannot notify {}.", named.join("; ")), at);
    }

    /// Holds what `outlet` would hear late of incidents that are muted at `now`.
    fn hold_muted(&mut self, outlet: &str, now: Timestamp) {
        if !self.outbox.has_late(outlet, now) {
            return;
        }
        let muted = self.ledger.open_incidents().filter(|incident| self.ledger.mute(incident, now).is_some());
        let muted: HashSet<u64> = muted.map(|incident| incident.number).collect();
        self.outbox.hold(outlet, &muted, now, now.after(MUTE_LOOK));
    }
}
