//! The outages of this machine's own network that concern one site: which of its checks count as unknown.
//!
//! Invariants: a mask changes no check with an answer. Cost: a comparison per check that was answered, one more per
//! span for a silent one.

use crate::model::{Cause, Packed, Sample, Timestamp};

use super::blind::is_silence;

/// The causes of [`is_silence`], a bit each.
const SILENT: u64 = {
    let (mut silent, mut place) = (0, 0);
    while place < Cause::ALL.len() {
        if is_silence(Cause::ALL[place]) {
            silent |= 1 << Cause::ALL[place].code();
        }
        place += 1;
    }
    silent
};

/// Spans of time, each from its start to before its end, in which silent checks of one site count as unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask(Vec<(Timestamp, Timestamp)>);

impl Mask {
    /// Of these spans; empty ones are left out.
    #[must_use]
    pub fn new(spans: impl IntoIterator<Item = (Timestamp, Timestamp)>) -> Self {
        let mut spans: Vec<_> = spans.into_iter().filter(|(from, to)| from < to).collect();
        spans.sort_unstable();
        spans.dedup();
        Self(spans)
    }

    /// Whether it covers nothing.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The spans, by their starts.
    #[must_use]
    pub fn spans(&self) -> &[(Timestamp, Timestamp)] {
        &self.0
    }

    /// Whether `sample` counts as unknown: it had no answer and started within a span.
    #[must_use]
    pub fn covers(&self, sample: &Packed) -> bool {
        if SILENT >> sample.cause_code() & 1 == 0 {
            return false;
        }
        let started = sample.at().minus(sample.phases().total());
        self.0.iter().any(|&(from, to)| from <= started && started < to)
    }

    /// Makes those of `samples` unknown that it covers.
    #[inline]
    pub fn hide(&self, samples: &mut [Packed]) {
        if self.is_empty() {
            return;
        }
        for sample in samples {
            if self.covers(sample) {
                *sample = sample.unknown();
            }
        }
    }

    /// `sample` as it counts.
    #[inline]
    #[must_use]
    pub fn seen(&self, sample: &Sample) -> Sample {
        let is_hidden = !self.is_empty() && self.covers(&sample.packed());
        if is_hidden { Sample { cause: Cause::Local, ..*sample } } else { *sample }
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity() * size_of::<(Timestamp, Timestamp)>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Blind, Realm};
    use super::*;
    use crate::model::{Micros, Observation, Phase};
    use proptest::prelude::*;

    proptest! {
        /// The mask of a site is the union of the outages of its realm, and leaves all but the cause alone.
        #[test]
        fn a_mask_covers_what_one_of_its_outages_covers(
            spans in prop::collection::vec((0u64..200, 0u64..200), 0..4), at in 1u64..200, took in 0u32..30,
            cause in prop::sample::select(Cause::ALL),
        ) {
            let realm = Realm::Global;
            let of = |(from, to): (u64, u64)| (Timestamp::from_secs(from), Timestamp::from_secs(to));
            let mut observation = Observation::failed(cause, "");
            observation.phases.add(Phase::Connect, Micros::new(took * 1_000_000));
            let sample = observation.sample(Timestamp::from_secs(at + 100), Micros::ZERO, 0);
            let mask = Mask::new(spans.iter().copied().map(of));
            let covers = |(from, to): (Timestamp, Timestamp)| Blind { realm, from, to }.covers(Some(realm), &sample);
            let is_covered = spans.into_iter().map(of).any(covers);
            prop_assert_eq!(mask.covers(&sample.packed()), is_covered);
            let cause = if is_covered { Cause::Local } else { cause };
            prop_assert_eq!(mask.seen(&sample), Sample { cause, ..sample });
            let mut packed = [sample.packed()];
            mask.hide(&mut packed);
            prop_assert_eq!(packed[0].sample(), Some(mask.seen(&sample)));
        }
    }
}
