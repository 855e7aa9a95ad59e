//! A moment by the two clocks of a program: by that of the machine, which may be set, and by one that only goes forward.
//!
//! Lengths of time and deadlines of a program that runs go by the steady clock; what people and other machines read goes by the wall
//! clock. Invariant: both show the same at the start of the program, and go equally fast, also while the machine sleeps.

use super::Timestamp;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the steady clock.
    pub steady: Timestamp,
    /// By the wall clock.
    pub wall: Timestamp,
}

impl Moment {
    /// What the wall clock as it is now shows at `steady`.
    #[must_use]
    pub fn on_wall(self, steady: Timestamp) -> Timestamp {
        steady.after(self.wall.since(self.steady)).before(self.steady.since(self.wall))
    }

    /// What the steady clock shows when the wall clock as it is now shows `wall`.
    #[must_use]
    pub fn steadily(self, wall: Timestamp) -> Timestamp {
        wall.after(self.steady.since(self.wall)).before(self.wall.since(self.steady))
    }
}

/// Of a clock that was never set.
impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self { steady: at, wall: at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_clock_shows_the_other_one_shows_earlier_or_later() {
        let at = Timestamp::from_secs;
        for (steady, wall) in [(1_000, 1_000), (1_000, 400), (1_000, 9_000)] {
            let now = Moment { steady: at(steady), wall: at(wall) };
            assert_eq!((now.on_wall(at(steady)), now.steadily(at(wall))), (at(wall), at(steady)));
            assert_eq!((now.on_wall(at(steady - 10)), now.steadily(at(wall + 10))), (at(wall - 10), at(steady + 10)));
        }
    }
}
