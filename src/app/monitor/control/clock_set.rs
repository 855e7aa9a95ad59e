//! The control loop follows the system's clock, between two steps.
//!
//! The scheduler goes first, since it makes the samples; the engine and its readers follow before the next step, so that
//! no reader sees samples of both times. Times noted since the clock was last anchored are corrected: when the open
//! incident began, until when a site is paused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::sync::oneshot;

use crate::app::clock::ClockSet;
use crate::app::scheduler::{Order, SetClock};
use crate::engine::Leap;
use crate::model::time::duration;
use crate::model::{SiteSlot, Timestamp};
use crate::report::{clock, minute};
use crate::ring::Ring;

use super::Control;

impl Control {
    /// Follows the system's clock where it was set, and says so.
    pub(crate) async fn follow_clock(&mut self) {
        if self.clock.has_slept() {
            // The scheduler counts what was due meanwhile; by itself it wakes for the next check only. It may have ended.
            let _ended = self.orders.send(Order::Wake).await;
        }
        let Some(set) = self.wall.and_then(|wall| self.clock.look(wall(), &mut self.looks)) else { return };
        let (since, told) = (self.clock.anchored(), self.clock.now());
        let (done, retold) = oneshot::channel();
        // The scheduler has ended already: the last records keep the clock as it was.
        if self.orders.send(Order::Set(SetClock { set, done })).await.is_err() {
            return;
        }
        let Ok(moved) = retold.await else { return };
        self.follow(&moved, &[]);
        let now = self.clock.now();
        let (by, is_back) = match set {
            ClockSet::Forward(by) => (by, false),
            ClockSet::Back(by) => (by, true),
        };
        let rings: HashMap<SiteSlot, Arc<Ring>> = moved.into_iter().collect();
        let (step, pauses) = self.engine.leap(&Leap { by, is_back, since, now }, &rings);
        if is_back {
            self.see_far();
        }
        for (slot, until) in pauses {
            let is_kept = self.keep_pauses.as_ref().is_none_or(|keep| keep.try_send((slot, Some(until))).is_ok());
            self.meter.lost(u64::from(!is_kept));
        }
        if let Some(headless) = &mut self.headless {
            headless.go_on_at(now);
        }
        let notice = set.told((since, told), self.news.zone());
        self.keeping.send_modify(|keeping| keeping.tell(notice));
        self.tell(&step, now);
    }
}

/// To round to whole seconds.
const HALF: Duration = Duration::from_millis(500);
/// Times longer ago than this are shown with their date.
const A_DAY: Duration = Duration::from_hours(24);

impl ClockSet {
    /// What a person should know of it, whose clock told the time as before from `since` until `now`.
    fn told(self, (since, now): (Timestamp, Timestamp), zone: &TimeZone) -> String {
        let since = if now.since(since) < A_DAY { clock(since, zone) } else { minute(since, zone) };
        let late = |by: &str| format!("those stored since {since} are {by} late");
        self.told_with(late)
    }

    /// The same where another process stores, whose clock may have been wrong for longer or not at all.
    pub(in crate::app) fn told_of_another(self) -> String {
        self.told_with(|by| format!("stored ones may be up to {by} late"))
    }

    fn told_with(self, late: impl Fn(&str) -> String) -> String {
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
    fn a_clock_that_is_set_back_is_told_with_the_time_since_which_it_was_late() {
        let since = Timestamp::from_secs(1_795_340_000);
        let told =
            |after: Duration| ClockSet::Back(Duration::from_hours(3)).told((since, since.after(after)), &TimeZone::UTC);
        let start = "this machine's clock was set back by 3h: times go by it now; those stored since";
        assert_eq!(told(Duration::from_secs(5)), format!("{start} 09:33:20 are 3h late"));
        assert_eq!(told(Duration::from_hours(30)), format!("{start} 2026-11-22 09:33 are 3h late"));
    }
}
