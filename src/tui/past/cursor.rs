//! The time cursor of the overview: which instant it shows, how far a key moves it, and whether it moves by itself.
//!
//! Invariants: the instants it stops at are round; it is before now, or there is none. While it plays, it moves by a step each second,
//! [`TICKS`] times in it.

use std::time::Duration;

use crate::model::Timestamp;
use crate::model::time::duration::micros;

/// The steps that can be chosen.
pub const STEPS: [Duration; 8] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
    Duration::from_mins(15),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];
/// The roundest instants: all zones differ by multiples of it.
const ROUND: Duration = Duration::from_mins(15);
/// Moves a second while it plays.
pub const TICKS: u32 = 4;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeCursor {
    at: Option<Timestamp>,
    /// The step that the user chose; without one, it follows the view.
    step: Option<Duration>,
    /// When it moved last by itself.
    played: Option<Timestamp>,
}

impl TimeCursor {
    /// The instant; now if there is none.
    pub const fn at(&self) -> Option<Timestamp> {
        self.at
    }

    /// Whether it moves by itself.
    pub const fn is_playing(&self) -> bool {
        self.played.is_some()
    }

    /// How far a key moves it while a view of this timeframe is shown: by default about a tenth of that.
    pub fn step(&self, timeframe: Duration) -> Duration {
        let usual = || STEPS.into_iter().rev().find(|step| *step <= timeframe / 10).unwrap_or(STEPS[0]);
        self.step.unwrap_or_else(usual)
    }

    /// Takes the next finer step, or the next coarser one.
    pub fn turn_step(&mut self, finer: bool, timeframe: Duration) {
        let step = self.step(timeframe);
        let next = if finer {
            STEPS.into_iter().rev().find(|other| *other < step)
        } else {
            STEPS.into_iter().find(|other| *other > step)
        };
        self.step = Some(next.unwrap_or(step));
    }

    /// Goes back a step from where it is, or from `now`; not to before `begins`, if it is known. Returns whether it moved.
    pub fn earlier(&mut self, step: Duration, now: Timestamp, begins: Option<Timestamp>) -> bool {
        self.played = None;
        let from = self.at.unwrap_or(now);
        if begins.is_some_and(|begins| from <= begins) {
            return false;
        }
        self.at = Some(earlier(from, step));
        true
    }

    /// Goes forward a step, at most to `now`.
    pub fn later(&mut self, step: Duration, now: Timestamp) {
        self.played = None;
        self.at = self.at.map(|at| later(at, step)).filter(|at| *at < now);
    }

    /// Goes to `at`; to now if that is later.
    pub fn go(&mut self, at: Timestamp, now: Timestamp) {
        self.played = None;
        self.at = Some(at).filter(|at| *at < now);
    }

    /// Goes to now. Returns whether it was elsewhere.
    pub const fn leave(&mut self) -> bool {
        self.played = None;
        self.at.take().is_some()
    }

    /// Starts to move by itself at `now`, or stops. Returns whether there is anything to play.
    pub fn toggle_play(&mut self, now: Timestamp) -> bool {
        self.played = if self.played.is_some() { None } else { self.at.map(|_| now) };
        self.at.is_some()
    }

    /// Moves on by itself, if that is due at `now`. Returns whether it moved.
    pub fn play(&mut self, step: Duration, now: Timestamp) -> bool {
        let (Some(at), Some(played)) = (self.at, self.played) else { return false };
        let passed = u32::try_from(now.since(played).as_micros() * u128::from(TICKS) / 1_000_000).unwrap_or(u32::MAX);
        // After a stop, or with a clock that was set back, it goes on from where it was.
        let is_steady = passed <= TICKS && played <= now;
        let ticks = passed.min(TICKS);
        if ticks == 0 {
            self.played = Some(played.min(now));
            return false;
        }
        self.played = Some(if is_steady { played.after(Duration::from_secs(1) * ticks / TICKS) } else { now });
        self.at = Some(at.after(step * ticks / TICKS)).filter(|at| *at < now);
        if self.at.is_none() {
            self.played = None;
        }
        true
    }
}

/// The round instant a step before `at`.
fn earlier(at: Timestamp, step: Duration) -> Timestamp {
    let grain = micros(step.min(ROUND));
    Timestamp::from_micros(at.before(step).as_micros().div_ceil(grain) * grain)
}

/// The round instant a step after `at`.
fn later(at: Timestamp, step: Duration) -> Timestamp {
    let grain = micros(step.min(ROUND));
    Timestamp::from_micros(at.after(step).as_micros() / grain * grain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_352_533);

    proptest! {
        #[test]
        fn steps_lead_to_round_instants_and_back(back in 1u64..4_000_000_000_000, step in prop::sample::select(STEPS.to_vec())) {
            let at = Timestamp::from_micros(NOW.as_micros() - back);
            let (before, after) = (earlier(at, step), later(at, step));
            prop_assert!(before < at && at.since(before) <= step && after > at && after.since(at) <= step);
            prop_assert_eq!((later(before, step), earlier(after, step)), (before.after(step), after.before(step)));
            let round = micros(step.min(ROUND));
            prop_assert!(before.as_micros() % round == 0 && after.as_micros() % round == 0);
        }

        /// Whatever the keys, the cursor is before now or nowhere, and End leads to now.
        #[test]
        fn the_cursor_is_before_now(keys in prop::collection::vec(0u8..7, 0..40), wait in 0u64..3_000) {
            let (mut cursor, mut now) = (TimeCursor::default(), NOW);
            let begins = NOW.before(Duration::from_hours(30));
            for key in keys {
                now = now.after(Duration::from_millis(wait));
                let step = cursor.step(Duration::from_mins(10));
                match key {
                    0 | 1 => _ = cursor.earlier(step, now, Some(begins)),
                    2 => cursor.later(step, now),
                    3 => cursor.turn_step(true, Duration::from_mins(10)),
                    4 => cursor.turn_step(false, Duration::from_mins(10)),
                    5 => _ = cursor.toggle_play(now),
                    _ => _ = cursor.play(step, now),
                }
                prop_assert!(cursor.at().is_none_or(|at| at < now && at >= begins.before(Duration::from_hours(24))));
                prop_assert!(cursor.at().is_some() || !cursor.is_playing());
            }
            cursor.leave();
            prop_assert_eq!(cursor.at(), None);
        }
    }

    #[test]
    fn the_step_follows_the_view_until_the_user_chooses_one() {
        let mut cursor = TimeCursor::default();
        let step = |cursor: &TimeCursor, mins| cursor.step(Duration::from_mins(mins));
        assert_eq!(step(&cursor, 10), Duration::from_mins(1));
        assert_eq!(step(&cursor, 60), Duration::from_mins(5));
        assert_eq!(cursor.step(Duration::from_secs(5)), STEPS[0]);
        cursor.turn_step(false, Duration::from_hours(1));
        assert_eq!(step(&cursor, 10), Duration::from_mins(15));
        (0..20).for_each(|_| cursor.turn_step(false, Duration::from_hours(1)));
        assert_eq!(step(&cursor, 10), STEPS[7]);
        (0..20).for_each(|_| cursor.turn_step(true, Duration::from_hours(1)));
        assert_eq!(step(&cursor, 10), STEPS[0]);
    }

    #[test]
    fn it_plays_a_step_a_second_up_to_now() {
        let (mut cursor, step) = (TimeCursor::default(), Duration::from_mins(1));
        assert!(!cursor.toggle_play(NOW), "now does not play");
        assert!(cursor.earlier(step, NOW, None) && cursor.earlier(step, NOW, None) && cursor.toggle_play(NOW));
        assert_eq!(cursor.at(), Some(Timestamp::from_secs(1_795_352_460)), "a minute before the minute that runs");
        let from = cursor.at().unwrap();
        let later = |millis| NOW.after(Duration::from_millis(millis));
        assert!(!cursor.play(step, later(200)));
        assert!(cursor.play(step, later(260)));
        assert_eq!(cursor.at(), Some(from.after(step / 4)));
        // A machine that stopped for a while does not leap.
        assert!(cursor.play(step, later(90_000)));
        assert_eq!(cursor.at(), Some(from.after(step / 4 + step)));
        for tick in 0..40 {
            cursor.play(step, later(90_000 + 250 * (tick + 1)));
        }
        assert_eq!((cursor.at(), cursor.is_playing()), (None, false), "now");
    }

    #[test]
    fn it_does_not_leave_what_is_stored() {
        let (mut cursor, step) = (TimeCursor::default(), Duration::from_hours(1));
        let begins = NOW.before(Duration::from_mins(90));
        let moved: Vec<bool> = (0..3).map(|_| cursor.earlier(step, NOW, Some(begins))).collect();
        assert_eq!(moved, [true, true, false]);
    }
}
