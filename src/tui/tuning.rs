//! The rule that the user tries on a site: which value the keys move, and to what.
//!
//! Invariants: every rule that it reaches is valid in sites.yaml: `recover` is at or above `threshold`, the window within its
//! limits. Values that the steps lack, such as that of the file, stay where they are until they are moved.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::trial::TrialRequest;
use crate::alert::{Rule, Threshold};
use crate::engine::snapshot::SiteSnapshot;
use crate::model::Timestamp;

/// A value that the keys move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Knob {
    #[default]
    Threshold,
    Window,
    Recover,
}

impl Knob {
    pub const ALL: [Self; 3] = [Self::Threshold, Self::Window, Self::Recover];
}

/// Thresholds, in tenths of a percent.
const PERCENTS: [u32; 13] = [500, 600, 700, 750, 800, 850, 900, 950, 970, 980, 990, 995, 999];

/// Windows, seconds.
const WINDOWS: [u64; 11] = [10, 30, 60, 120, 180, 300, 600, 900, 1_200, 1_800, 3_600];

/// A trial in progress.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub site: Arc<str>,
    interval: Duration,
    pub current: Rule,
    pub tried: Rule,
    pub knob: Knob,
    until: Timestamp,
}

impl Tuning {
    /// A trial of the rule of `site`, on checks before `now`.
    pub fn new(site: &SiteSnapshot, now: Timestamp) -> Self {
        let rule = site.policies.availability;
        Self {
            site: Arc::clone(&site.name),
            interval: site.interval,
            current: rule,
            tried: rule,
            knob: Knob::default(),
            until: now,
        }
    }

    /// Turns to another value.
    pub fn choose(&mut self, by: isize) {
        let place = Knob::ALL.iter().position(|knob| *knob == self.knob).unwrap_or(0);
        self.knob = Knob::ALL[place.saturating_add_signed(by).min(Knob::ALL.len() - 1)];
    }

    /// Moves the chosen value by so many steps.
    pub fn turn(&mut self, by: isize) {
        let percents = || PERCENTS.iter().filter_map(|tenths| Threshold::from_ppm(tenths * 1_000));
        let rule = &mut self.tried;
        match self.knob {
            Knob::Threshold => {
                rule.threshold = step(percents(), rule.threshold, by);
                rule.recover = rule.recover.filter(|recover| rule.threshold <= *recover);
            }
            Knob::Window => rule.window = step(WINDOWS.iter().map(|secs| Duration::from_secs(*secs)), rule.window, by),
            Knob::Recover => {
                let all = Threshold::from_ppm(1_000_000);
                let above = percents().chain(all).filter(|percent| rule.threshold < *percent);
                rule.recover = step(std::iter::once(None).chain(above.map(Some)), rule.recover, by);
            }
        }
    }

    /// Goes back to the rule that holds.
    pub const fn reset(&mut self) {
        self.tried = self.current;
    }

    /// What to ask for.
    pub fn request(&self) -> TrialRequest {
        let Self { site, interval, current, tried, until, .. } = self.clone();
        TrialRequest { site, interval, current, tried, until }
    }
}

/// The value so many places after `value` among `steps` and it, in their order; at most the first or the last.
fn step<T: Copy + Ord>(steps: impl Iterator<Item = T>, value: T, by: isize) -> T {
    let mut steps: Vec<T> = steps.chain(std::iter::once(value)).collect();
    steps.sort_unstable();
    steps.dedup();
    let place = steps.iter().position(|known| *known == value).unwrap_or(0);
    steps[place.saturating_add_signed(by).min(steps.len() - 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixtures;
    use proptest::prelude::*;

    fn tuning() -> Tuning {
        Tuning::new(&fixtures::five_sites().snapshot.sites[0], fixtures::now())
    }

    #[test]
    fn keys_move_one_value_at_a_time_and_back() {
        let mut tuning = tuning();
        tuning.turn(2);
        assert_eq!(tuning.tried.threshold.ppm(), 900_000);
        tuning.choose(1);
        tuning.turn(-1);
        assert_eq!(tuning.tried.window, Duration::from_mins(1));
        tuning.choose(1);
        tuning.turn(1);
        assert_eq!(tuning.tried.recover, Threshold::from_ppm(950_000));
        // A threshold above it ends it.
        tuning.choose(-2);
        tuning.turn(2);
        assert_eq!((tuning.tried.threshold.ppm(), tuning.tried.recover), (970_000, None));
        assert_ne!(tuning.tried, tuning.current);
        tuning.reset();
        assert_eq!(tuning.tried, tuning.current);
    }

    #[test]
    fn a_value_between_the_steps_is_one() {
        let steps = || [1, 3, 5].into_iter();
        assert_eq!((step(steps(), 4, 1), step(steps(), 4, -1), step(steps(), 4, 0)), (5, 3, 4));
        assert_eq!((step(steps(), 5, 1), step(steps(), 1, -1), step(steps(), 0, 9)), (5, 1, 5));
    }

    proptest! {
        /// Whatever is pressed, the rule could stand in sites.yaml.
        #[test]
        fn every_rule_that_is_reached_is_valid(presses in prop::collection::vec((any::<bool>(), -15isize..15), 0..60)) {
            let mut tuning = tuning();
            for (chooses, by) in presses {
                if chooses { tuning.choose(by) } else { tuning.turn(by) }
                let Rule { threshold, window, recover, .. } = tuning.tried;
                prop_assert!(recover.is_none_or(|recover| threshold <= recover));
                prop_assert!((Duration::from_secs(1)..=Duration::from_hours(1)).contains(&window));
                prop_assert!((500_000..1_000_000).contains(&threshold.ppm()));
            }
        }
    }
}
