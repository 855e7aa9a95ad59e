//! Follows the system's clock when it is set, between two steps.
//!
//! The schedulers go first, since they make the samples; the engine and its readers follow before the next step, so that
//! no reader sees samples of both times. Times noted since the clock was last anchored are adjusted: the start of an open
//! incident, the end of a pause, and all that the incidents and the messages wait for.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::app::clock::{Clock, ClockSet, Looks};
use crate::model::time::duration;
use crate::model::time::leap::Leap;
use crate::model::{SiteSlot, Timestamp};
use crate::report::{clock, minute};
use crate::ring::Ring;

use super::Control;

/// The monitor's clock, and the system's clock that it follows.
pub struct SystemClock {
    clock: Clock,
    wall: Option<fn() -> Timestamp>,
    looks: Looks,
}

impl SystemClock {
    /// `clock`, which follows `wall` if there is one.
    #[must_use]
    pub fn new(clock: Clock, wall: Option<fn() -> Timestamp>) -> Self {
        Self { clock, wall, looks: Looks::default() }
    }

    fn look(&mut self) -> Option<ClockSet> {
        self.clock.look(self.wall?(), &mut self.looks)
    }
}

impl Deref for SystemClock {
    type Target = Clock;

    fn deref(&self) -> &Clock {
        &self.clock
    }
}

impl Control {
    /// Follows the system's clock if it was set, and notifies the user.
    pub(super) async fn follow_clock(&mut self) {
        if self.clock.has_slept() {
            // The schedulers count what was due meanwhile; by themselves they wake only for the next check.
            self.scheduler.orders.wake().await;
        }
        let Some(set) = self.clock.look() else { return };
        let (since, before) = (self.clock.anchored(), self.clock.now());
        // After the schedulers have ended, the last records keep the old clock.
        let Some(moved) = self.scheduler.orders.set_clock(set).await else { return };
        self.follow(&moved, &[]);
        let now = self.clock.now();
        let (by, is_back) = match set {
            ClockSet::Forward(by) => (by, false),
            ClockSet::Back(by) => (by, true),
        };
        let rings: HashMap<SiteSlot, Arc<Ring>> = moved.into_iter().collect();
        let leap = Leap { by, is_back, since, now };
        let (step, pauses) = self.engine.leap(&leap, &rings);
        self.publisher.book().leap(&leap);
        if is_back {
            self.read_archive_views();
        }
        for (slot, until) in pauses {
            if let Some(site) = self.engine.site(slot) {
                self.publisher.book().set_paused(&site.name, Some(until));
            }
            self.send_to_store(|store| store.save_pause(slot, Some(until)));
        }
        if let Some(headless) = &mut self.outputs.headless {
            headless.go_on_at(now);
        }
        self.health.notify(set.notice((since, before), self.health.zone()));
        let decisions = self.own_network.clock_set(now);
        self.carry_out(decisions, now);
        self.publish(step, now);
    }
}

/// Added to round to whole seconds.
const HALF: Duration = Duration::from_millis(500);
/// Older times are shown with their date.
const DAY: Duration = Duration::from_hours(24);

impl ClockSet {
    /// A notice for the user; the old clock ran from `since` until `now`.
    fn notice(self, (since, now): (Timestamp, Timestamp), zone: &TimeZone) -> String {
        let since = if now.since(since) < DAY { clock(since, zone) } else { minute(since, zone) };
        let late = |by: &str| format!("those stored since {since} are {by} late");
        self.notice_with(late)
    }

    /// A notice where another process writes the store: its clock may have been wrong for longer, or not at all.
    pub(crate) fn told_of_another(self) -> String {
        self.notice_with(|by| format!("stored ones may be up to {by} late"))
    }

    fn notice_with(self, late: impl Fn(&str) -> String) -> String {
        let (way, by) = match self {
            Self::Forward(by) => ("forward", by),
            Self::Back(by) => ("back", by),
        };
        let by = duration::format_seconds(by + HALF);
        let stored = match self {
            Self::Forward(_) => "those before may be wrong".to_owned(),
            Self::Back(_) => late(&by),
        };
        format!("this machine's clock was set {way} by {by}: times go by it now; {stored}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_of_a_clock_set_back_says_since_when_it_was_late() {
        let since = Timestamp::from_secs(1_795_340_000);
        let notice = |after: Duration| {
            ClockSet::Back(Duration::from_hours(3)).notice((since, since.after(after)), &TimeZone::UTC)
        };
        let start = "this machine's clock was set back by 3h: times go by it now; those stored since";
        assert_eq!(notice(Duration::from_secs(5)), format!("{start} 09:33:20 are 3h late"));
        assert_eq!(notice(Duration::from_hours(30)), format!("{start} 2026-11-22 09:33 are 3h late"));
    }
}
