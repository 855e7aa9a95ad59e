//! Our histogram as an `hdrhistogram` and back: for exchanging it, and for holding it to that one.
//!
//! Both have the same buckets, so nothing is lost either way. Limits: 2^32 values a bucket on the way out, saturating.

use crate::stats::Histogram;

use super::counters::index_of;

/// An `hdrhistogram` that does not have this layout: it must count from 1 with 2 significant digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a histogram from {low} with {digits} significant digits has other buckets; it must be from 1 with 2")]
pub struct LayoutError {
    /// Its lowest discernible value.
    pub low: u64,
    /// Its significant digits.
    pub digits: u8,
}

impl Histogram {
    /// The same counts as an `hdrhistogram`, for storing and exchanging.
    #[must_use]
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u32> {
        let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, u64::from(Self::HIGHEST), Self::DIGITS)
            .expect("1 to ten minutes at 2 digits is a valid range");
        for (_, highest, count) in self.buckets() {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            hdr.record_n(u64::from(highest), count).expect("both have the same buckets");
        }
        hdr
    }

    /// The counts of an `hdrhistogram` with the same buckets.
    ///
    /// # Errors
    /// When it does not count from 1 with 2 significant digits.
    pub fn from_hdr(hdr: &hdrhistogram::Histogram<u32>) -> Result<Self, LayoutError> {
        if (hdr.low(), hdr.sigfig()) != (1, Self::DIGITS) {
            return Err(LayoutError { low: hdr.low(), digits: hdr.sigfig() });
        }
        let (mut counters, mut saturated) = (Vec::new(), 0);
        for bucket in hdr.iter_recorded() {
            let value = u32::try_from(bucket.value_iterated_to()).unwrap_or(u32::MAX);
            let count = u64::from(bucket.count_at_value());
            let lowest = u32::try_from(hdr.lowest_equivalent(u64::from(value))).unwrap_or(u32::MAX);
            saturated += if lowest > Self::HIGHEST { count } else { 0 };
            counters.push((index_of(value.min(Self::HIGHEST)), count));
        }
        Ok(Self::from_counters(counters, saturated).expect("few buckets of 32 bits each stay below the most values"))
    }
}
