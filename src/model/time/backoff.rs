//! Waits between retries: exponential from 1 s to 60 s, with full jitter.
//!
//! Each wait is uniform between 0 and the step, so that agents do not return all at once. Source: M. Brooker, "Exponential
//! Backoff And Jitter", AWS Architecture Blog, 2015. Bounds: at least 100 ms, so that an immediate refusal cannot loop.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);
const WAIT_MIN: Duration = Duration::from_millis(100);

/// The state of the retries of one connection.
#[derive(Debug)]
pub struct Backoff {
    step: Duration,
    /// A splitmix64 generator. Source: Steele, Lea, Flood, OOPSLA 2014.
    state: u64,
}

impl Backoff {
    /// At the first step. Agents should have different seeds.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { step: FIRST, state: seed }
    }

    /// The next wait; doubles the step.
    pub fn wait(&mut self) -> Duration {
        let step = u64::try_from(self.step.as_micros()).expect("at most a minute");
        self.step = (self.step * 2).min(LONGEST);
        Duration::from_micros(self.random() % (step + 1)).max(WAIT_MIN)
    }

    /// Returns to the first step.
    pub const fn reset(&mut self) {
        self.step = FIRST;
    }

    fn random(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_minute_with_jitter_and_reset() {
        for (index, most) in [1_u64, 2, 4, 8, 16, 32, 60, 60, 60].into_iter().enumerate() {
            let waits = (0..200).map(|seed| {
                let mut backoff = Backoff::new(seed);
                (0..index).for_each(|_| _ = backoff.wait());
                backoff.wait()
            });
            let (shortest, longest) = waits.fold((LONGEST, WAIT_MIN), |(low, high), w| (low.min(w), high.max(w)));
            let most = Duration::from_secs(most);
            assert!(shortest >= WAIT_MIN && shortest < most / 5, "{shortest:?} of {most:?}");
            assert!(longest <= most && longest > most / 5 * 4, "{longest:?} of {most:?}");
        }
        let mut backoff = Backoff::new(7);
        (0..9).for_each(|_| _ = backoff.wait());
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
    }
}
