//! The control loop follows the system's clock, between two steps.
//!
//! The scheduler goes first, since it makes the samples; the engine and those who look follow before the next step, so that
//! nobody sees samples of both times. What was noted since the clock was last anchored is told anew: when the open
//! incident began, until when a site is paused.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::Leap;
use crate::model::duration;
use crate::ring::Ring;

use super::super::clock::Set;
use super::super::schedule::{Order, SetClock};
use super::Control;

impl Control {
    /// Follows the system's clock where it was set, and says so.
    pub(super) async fn follow_clock(&mut self) {
        let Some(set) = self.wall.and_then(|wall| self.clock.look(wall(), &mut self.looks)) else { return };
        let since = self.clock.anchored();
        let (done, retold) = oneshot::channel();
        // It has ended already: what is left to be told is told by the clock as it was.
        if self.orders.send(Order::Set(SetClock { set, done })).await.is_err() {
            return;
        }
        let Ok(moved) = retold.await else { return };
        self.follow(&moved, &[]);
        let now = self.clock.now();
        let (by, is_back) = match set {
            Set::Forward(by) => (by, false),
            Set::Back(by) => (by, true),
        };
        let place = |(slot, ring): (usize, Arc<Ring>)| Some((*self.places.by_slot.get(&slot)?, ring));
        let rings: HashMap<usize, Arc<Ring>> = moved.into_iter().filter_map(place).collect();
        let (step, pauses) = self.engine.leap(&Leap { by, is_back, since, now }, &rings);
        if is_back {
            self.see_far();
        }
        for (place, until) in pauses {
            let slot = self.places.by_slot.iter().find_map(|(slot, at)| (*at == place).then_some(*slot));
            let kept = slot.zip(self.keep_pauses.as_ref());
            let is_kept = kept.is_none_or(|(slot, keep)| keep.try_send((slot, Some(until))).is_ok());
            self.meter.lost(u64::from(!is_kept));
        }
        if let Some(headless) = &mut self.headless {
            headless.go_on_at(now);
        }
        self.keeping.send_modify(|keeping| keeping.tell(set.told()));
        self.tell(&step, now);
    }
}

/// To round to whole seconds.
const HALF: Duration = Duration::from_millis(500);

impl Set {
    /// What a person should know of it.
    pub(in crate::app) fn told(self) -> String {
        match self {
            Self::Forward(by) => {
                let by = duration::format_seconds(by + HALF);
                format!("this machine's clock was set forward by {by}: times go by it now; those before may be wrong")
            }
            Self::Back(by) => {
                let by = duration::format_seconds(by + HALF);
                format!(
                    "this machine's clock was set back by {by}: times go by it now; stored ones since the start are {by} late"
                )
            }
        }
    }
}
