//! The fields that statistics read from a sample, whole when it arrives or packed when it expires.

use crate::model::{Cause, Packed, Phases, Sample, Status};

/// A sample in either form.
pub(super) trait SampleFacts {
    /// See [`key_of`].
    fn key(&self) -> u32;
    /// Due checks before it that were never started.
    fn skipped(&self) -> u32;
    fn phases(&self) -> Phases;
}

/// The code of the cause, then the status or 0: sorts like (cause, status).
#[inline]
pub(super) fn key_of(cause: Cause, status: Option<Status>) -> u32 {
    u32::from(cause.code()) << 16 | u32::from(status.map_or(0, Status::get))
}

/// Whether a sample of this key is [`Cause::is_timed`].
#[inline]
pub(super) const fn is_timed(key: u32) -> bool {
    key >> 16 == Cause::Ok.code() as u32 || key >> 16 == Cause::Slow.code() as u32
}

/// Whether a sample of this key has a status.
#[inline]
pub(super) const fn has_head(key: u32) -> bool {
    key & 0xffff != 0
}

impl SampleFacts for Sample {
    #[inline]
    fn key(&self) -> u32 {
        key_of(self.cause, self.status)
    }

    #[inline]
    fn skipped(&self) -> u32 {
        self.skipped
    }

    #[inline]
    fn phases(&self) -> Phases {
        self.phases
    }
}

impl SampleFacts for Packed {
    #[inline]
    fn key(&self) -> u32 {
        u32::from(self.cause_code()) << 16 | u32::from(self.status_code())
    }

    #[inline]
    fn skipped(&self) -> u32 {
        self.skipped()
    }

    #[inline]
    fn phases(&self) -> Phases {
        self.phases()
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::tests::samples;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_forms_of_a_sample_say_the_same(samples in samples(1..50)) {
            for sample in samples {
                let packed = sample.packed();
                prop_assert_eq!((packed.key(), packed.skipped()), (sample.key(), sample.skipped));
                prop_assert_eq!(SampleFacts::phases(&packed), sample.phases);
                prop_assert_eq!(is_timed(packed.key()), sample.cause.is_timed());
                prop_assert_eq!(has_head(packed.key()), sample.status.is_some());
            }
        }
    }
}
