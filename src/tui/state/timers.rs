//! Times of the start, the last bell and the last growth of counters, to decide what is still new.
//!
//! Invariant: what is new stays new for as long as usual even if the clock is set back.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{AlertRecord, AlertState};
use crate::model::Timestamp;
use crate::tui::desktop::{Notification, PendingNotification};
use crate::tui::inputs::Inputs;

/// How long something new is marked as new, and the least time between two bells.
const FRESH: Duration = Duration::from_secs(10);
/// How long the reply to a key is shown.
const REPLY: Duration = Duration::from_secs(5);
/// How long the banner reports lost samples and new notices.
const REPORTED: Duration = Duration::from_mins(1);

#[derive(Clone, Debug, Default)]
pub struct Timers {
    started: Option<Timestamp>,
    updated: Option<Timestamp>,
    /// The current time, while the screen shows the past.
    clock: Option<Timestamp>,
    /// A count and when it last grew.
    lost_samples: (u64, Option<Timestamp>),
    notices: (u64, Option<Timestamp>),
    /// The last alert that the bell knows.
    last_alert: Option<Arc<AlertRecord>>,
    notification: PendingNotification,
    bell_rang: Option<Timestamp>,
    bell_due: bool,
    replied: Option<Timestamp>,
    reply: Cow<'static, str>,
}

impl Timers {
    pub fn update(&mut self, inputs: &Inputs) {
        let (now, health) = (inputs.clock(), inputs.health);
        self.clock = inputs.past.map(|past| past.clock);
        self.follow_clock(now);
        let is_start = *self.started.get_or_insert(now) == now;
        if health.lost_samples > self.lost_samples.0 {
            self.lost_samples = (health.lost_samples, Some(now));
        }
        let notices = health.forgotten_notices + health.notices.len() as u64;
        if notices > self.notices.0 {
            // The first frame shows the notices of the start.
            self.notices = (notices, (!is_start).then_some(now));
        }
    }

    fn follow_clock(&mut self, now: Timestamp) {
        let back = self.updated.replace(now).unwrap_or(now).since(now);
        if back < Duration::from_secs(1) {
            return;
        }
        let counters = [&mut self.lost_samples.1, &mut self.notices.1];
        let times = [&mut self.started, &mut self.bell_rang, &mut self.replied];
        for at in times.into_iter().chain(counters).flatten() {
            *at = at.before(back);
        }
    }

    /// Makes a notification due for alerts that are new, and the bell if one says down: at most once in ten seconds. Neither
    /// when `muted`.
    pub fn hear(&mut self, alerts: &[Arc<AlertRecord>], now: Timestamp, muted: bool) {
        // Alerts are told apart by their place, not by their times: one that was held back is older than those before it.
        let known = self.last_alert.as_ref().and_then(|last| alerts.iter().rposition(|alert| Arc::ptr_eq(alert, last)));
        let new: Vec<&Arc<AlertRecord>> = match known {
            Some(known) => alerts[known + 1..].iter().collect(),
            None => alerts.iter().filter(|alert| Some(alert.at) > self.started).collect(),
        };
        self.last_alert = alerts.last().cloned();
        if muted {
            return;
        }
        self.notification.add(new.iter().copied());
        let is_quiet = self.bell_rang.is_none_or(|at| now.since(at) >= FRESH);
        if new.iter().any(|alert| alert.state == AlertState::Down) && is_quiet {
            (self.bell_due, self.bell_rang) = (true, Some(now));
        }
    }

    /// The notification to show at `now`.
    pub fn take_notification(&mut self, now: Timestamp) -> Option<Notification> {
        self.notification.take(now)
    }

    pub fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.bell_due)
    }

    /// Notes what a key did, or why it did nothing.
    pub fn say(&mut self, reply: impl Into<Cow<'static, str>>, now: Timestamp) {
        (self.replied, self.reply) = (Some(self.present(now)), reply.into());
    }

    /// The reply to a key, while that is new.
    pub fn reply(&self, now: Timestamp) -> Option<&str> {
        is_within(self.replied, self.present(now), REPLY).then_some(&*self.reply)
    }

    pub fn is_starting(&self, now: Timestamp) -> bool {
        is_within(self.started, self.present(now), FRESH)
    }

    pub fn has_notice(&self, now: Timestamp) -> bool {
        is_within(self.notices.1, self.present(now), REPORTED)
    }

    /// Samples lost so far, as long as that is worth a report.
    pub fn lost_samples(&self, now: Timestamp) -> Option<u64> {
        is_within(self.lost_samples.1, self.present(now), REPORTED).then_some(self.lost_samples.0)
    }

    /// The current time, where a screen shows `now`.
    fn present(&self, now: Timestamp) -> Timestamp {
        self.clock.unwrap_or(now)
    }

    /// Whether an alert of this instant deserves a mark as new.
    pub fn is_new(&self, alert: Timestamp, now: Timestamp) -> bool {
        now.since(alert) < FRESH && self.started.is_some_and(|started| alert > started)
    }
}

fn is_within(at: Option<Timestamp>, now: Timestamp, span: Duration) -> bool {
    at.is_some_and(|at| now.since(at) < span)
}
