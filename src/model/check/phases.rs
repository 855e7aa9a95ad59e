//! The five phases of a probe and the time spent in each.
//!
//! Invariants: a phase that did not take place is absent, not zero; the sum of the phases is the response time; over
//! redirects each phase is summed.

use crate::model::Micros;

/// A phase of a probe, in the order in which they take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Name to addresses.
    Resolve,
    /// Addresses to a TCP connection.
    Connect,
    /// The TLS handshake.
    Tls,
    /// From the end of the request to the head of the final answer.
    Processing,
    /// From the head to the end of the body.
    Transfer,
}

impl Phase {
    /// All five, in order.
    pub const ALL: [Self; 5] = [Self::Resolve, Self::Connect, Self::Tls, Self::Processing, Self::Transfer];

    /// The public name: `resolve`, `connect`, `tls`, `processing`, `transfer`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Processing => "processing",
            Self::Transfer => "transfer",
        }
    }
}

/// The time spent in each phase; a phase may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Phases([u32; 5]);

const ABSENT: u32 = u32::MAX;

impl Default for Phases {
    fn default() -> Self {
        Self::NONE
    }
}

impl Phases {
    /// No phase took place.
    pub const NONE: Self = Self([ABSENT; 5]);

    /// The time spent in `phase`, if it took place.
    #[must_use]
    pub const fn get(&self, phase: Phase) -> Option<Micros> {
        match self.0[phase as usize] {
            ABSENT => None,
            us => Some(Micros::new(us)),
        }
    }

    /// Adds `spent` to `phase`, which is then no longer absent. Saturates.
    pub const fn add(&mut self, phase: Phase, spent: Micros) {
        let before = match self.get(phase) {
            Some(us) => us,
            None => Micros::ZERO,
        };
        self.0[phase as usize] = before.plus(spent).get();
    }

    /// These phases with `spent` in `phase`.
    #[must_use]
    pub const fn with(mut self, phase: Phase, spent: Micros) -> Self {
        self.0[phase as usize] = spent.get();
        self
    }

    /// The response time: the sum of all phases, saturating.
    #[must_use]
    pub fn total(&self) -> Micros {
        sum(&self.0)
    }

    /// Everything before the transfer: the time to first byte of an answer that had a head.
    #[must_use]
    pub fn before_transfer(&self) -> Micros {
        sum(&self.0[..4])
    }

    /// The five values as stored: microseconds, `u32::MAX` for absent.
    #[must_use]
    pub const fn to_raw(self) -> [u32; 5] {
        self.0
    }

    /// The phases of five stored values.
    #[must_use]
    pub const fn from_raw(raw: [u32; 5]) -> Self {
        Self(raw)
    }
}

/// The sum of stored values, saturating.
#[inline]
fn sum(raw: &[u32]) -> Micros {
    let micros: u64 = raw.iter().map(|&micros| if micros == ABSENT { 0 } else { u64::from(micros) }).sum();
    u32::try_from(micros).map_or(Micros::MAX, Micros::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_phase_is_not_zero_and_adds_nothing() {
        let phases = Phases::NONE.with(Phase::Connect, Micros::new(120)).with(Phase::Processing, Micros::ZERO);
        assert_eq!(phases.get(Phase::Tls), None);
        assert_eq!(phases.get(Phase::Processing), Some(Micros::ZERO));
        assert_eq!(phases.total(), Micros::new(120));
        assert_eq!(Phases::NONE.total(), Micros::ZERO);
    }

    #[test]
    fn hops_add_up_and_saturate() {
        let mut phases = Phases::NONE;
        phases.add(Phase::Connect, Micros::new(5));
        phases.add(Phase::Connect, Micros::new(7));
        assert_eq!(phases.get(Phase::Connect), Some(Micros::new(12)));
        phases.add(Phase::Transfer, Micros::MAX);
        phases.add(Phase::Transfer, Micros::MAX);
        assert_eq!(phases.get(Phase::Transfer), Some(Micros::MAX));
        assert_eq!(phases.total(), Micros::MAX);
        assert_eq!(phases.before_transfer(), Micros::new(12));
    }
}
