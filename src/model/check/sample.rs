//! One check of one site: fixed size, `Copy`, five words when packed.
//!
//! ```text
//! word 0   at 52 | cause 6 | http, low bits 2 | flags 4     word 3   bytes 32 | transfer 32
//! word 1   connect 32 | resolve 32                           word 4   late 24 | status 10 | redirects 5
//! word 2   processing 32 | tls 32                                     | http, high bit 1 | skipped 24
//! ```
//!
//! Invariants: packing is lossless for every value that the constructors allow; fields narrower than their type saturate
//! (`late` at 16.7 s, `redirects` at 31, `skipped` at 16.7 million). `at` is the instant at which the outcome was known, strictly
//! increasing within a site; the probe started at `at − total`.

use std::num::NonZeroU16;

use crate::model::{Cause, Http, Micros, Outcome, Phases, Timestamp};

/// A three-digit status code of an answer, 100 to 999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(NonZeroU16);

impl Status {
    /// The status `code`, if it has three digits.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match NonZeroU16::new(code) {
            Some(nonzero) if code >= 100 && code <= 999 => Some(Self(nonzero)),
            _ => None,
        }
    }

    /// The status code.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// Yes-or-no facts about a check; four bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// The first sample of all, or the first after a stop or a suspend of more than two intervals: the site was not watched
    /// before it.
    pub const AFTER_HOLE: Self = Self(1);
    /// The body was longer than `max_body`; the rest was not read.
    pub const BODY_CAPPED: Self = Self(2);
    /// The connection of an earlier check was reused, without resolution, connect or handshake.
    pub const REUSED: Self = Self(4);
    /// The certificate has a fault or is about to expire.
    pub const CERTIFICATE: Self = Self(8);

    /// None set.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// The flags of the low four bits.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 15)
    }

    /// The four bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// These with `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One check of one site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the outcome was known.
    pub at: Timestamp,
    /// The time spent in each phase.
    pub phases: Phases,
    /// The reason of the outcome; [`Cause::Ok`] is up.
    pub cause: Cause,
    /// The status of the final answer, if a head came.
    pub status: Option<Status>,
    /// The protocol of the final answer.
    pub http: Http,
    /// Yes-or-no facts.
    pub flags: Flags,
    /// Bytes of the final body that were read, saturating.
    pub bytes: u32,
    /// Redirects followed, at most 31.
    pub redirects: u8,
    /// Start minus due time, at most 16.7 s.
    pub late: Micros,
    /// Due checks since the site's previous sample that were never started, at most 2^24 − 1.
    pub skipped: u32,
}

const LATE_MAX: u32 = (1 << 24) - 1;
const REDIRECTS_MAX: u8 = 31;
const SKIPPED_MAX: u32 = (1 << 24) - 1;

/// Where the high bit of `http` is in word 4.
const HTTP_HIGH: u32 = 24;

impl Sample {
    /// Words of a packed sample.
    pub const WORDS: usize = 5;

    /// A check of which only the outcome and its instant are known.
    #[must_use]
    pub const fn bare(at: Timestamp, cause: Cause) -> Self {
        Self {
            at,
            phases: Phases::NONE,
            cause,
            status: None,
            http: Http::None,
            flags: Flags::none(),
            bytes: 0,
            redirects: 0,
            late: Micros::ZERO,
            skipped: 0,
        }
    }

    /// Up, down, or unknown.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.cause.outcome()
    }

    /// The response time: the sum of the phases.
    #[must_use]
    pub fn total(&self) -> Micros {
        self.phases.total()
    }

    /// Time to first byte: everything before the transfer; none without a head.
    #[must_use]
    pub fn ttfb(&self) -> Option<Micros> {
        self.status.map(|_| self.phases.before_transfer())
    }

    /// When the probe was started.
    #[must_use]
    pub fn started(&self) -> Timestamp {
        self.at.minus(self.total())
    }

    /// This sample with every field limited to its packed width.
    #[must_use]
    pub fn saturated(mut self) -> Self {
        self.late = Micros::new(self.late.get().min(LATE_MAX));
        self.redirects = self.redirects.min(REDIRECTS_MAX);
        self.skipped = self.skipped.min(SKIPPED_MAX);
        self
    }

    /// This sample, packed.
    #[must_use]
    pub fn packed(&self) -> Packed {
        Packed::from_words(self.to_words())
    }

    /// The five words of the header's table.
    #[inline]
    #[must_use]
    pub fn to_words(&self) -> [u64; Self::WORDS] {
        let [resolve, connect, tls, processing, transfer] = self.phases.to_raw();
        let status = self.status.map_or(0, Status::get);
        [
            self.at.as_micros() << 12
                | u64::from(self.cause.code()) << 6
                | u64::from(self.http.code() & 3) << 4
                | u64::from(self.flags.bits()),
            pair(connect, resolve),
            pair(processing, tls),
            pair(self.bytes, transfer),
            u64::from(self.late.get().min(LATE_MAX)) << 40
                | u64::from(status) << 30
                | u64::from(self.redirects.min(REDIRECTS_MAX)) << 25
                | u64::from(self.http.code() >> 2) << HTTP_HIGH
                | u64::from(self.skipped.min(SKIPPED_MAX)),
        ]
    }

    /// The sample of five words; `None` if the cause, the protocol or the status does not exist.
    #[inline]
    #[must_use]
    pub fn from_words(words: [u64; Self::WORDS]) -> Option<Self> {
        let (connect, resolve) = unpair(words[1]);
        let (processing, tls) = unpair(words[2]);
        let (bytes, transfer) = unpair(words[3]);
        Some(Self {
            at: Timestamp::from_micros(words[0] >> 12),
            phases: Phases::from_raw([resolve, connect, tls, processing, transfer]),
            cause: Cause::from_code(low_u8(words[0] >> 6) & (Cause::LIMIT - 1))?,
            status: match low_u16(words[4] >> 30) & 0x3ff {
                0 => None,
                code => Some(Status::new(code)?),
            },
            http: Http::from_code(low_u8(words[0] >> 4) & 3 | (low_u8(words[4] >> HTTP_HIGH) & 1) << 2)?,
            flags: Flags::from_bits(low_u8(words[0])),
            bytes,
            redirects: low_u8(words[4] >> 25) & REDIRECTS_MAX,
            late: Micros::new(low_u32(words[4] >> 40)),
            skipped: low_u32(words[4]) & SKIPPED_MAX,
        })
    }
}

/// A sample as its five words, for readers of many samples that need few fields of each.
///
/// The words are kept as halves, the lower one first: so the five phases are adjacent, and sums over them vectorize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed([u32; 2 * Sample::WORDS]);

impl Packed {
    /// Bytes of a packed sample.
    pub const BYTES: usize = 8 * Sample::WORDS;

    /// Packs words of [`Sample::to_words`]; the fields of any others are meaningless.
    #[inline]
    #[must_use]
    pub const fn from_words(words: [u64; Sample::WORDS]) -> Self {
        let mut halves = [0; 2 * Sample::WORDS];
        let mut word = 0;
        while word < Sample::WORDS {
            (halves[2 * word + 1], halves[2 * word]) = unpair(words[word]);
            word += 1;
        }
        Self(halves)
    }

    /// Packs halves of [`Packed::halves`].
    #[inline]
    #[must_use]
    pub const fn from_halves(halves: [u32; 2 * Sample::WORDS]) -> Self {
        Self(halves)
    }

    /// The words as halves, the lower one first.
    #[inline]
    #[must_use]
    pub const fn halves(&self) -> [u32; 2 * Sample::WORDS] {
        self.0
    }

    /// Unpacks the sample; `None` if the cause, the protocol or the status does not exist.
    #[inline]
    #[must_use]
    pub fn sample(&self) -> Option<Sample> {
        Sample::from_words(std::array::from_fn(|word| self.word(word)))
    }

    /// When the outcome was known.
    #[inline]
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        Self::at_of(self.word(0))
    }

    /// The same of the first word alone.
    #[inline]
    #[must_use]
    pub const fn at_of(word: u64) -> Timestamp {
        Timestamp::from_micros(word >> 12)
    }

    /// The code of the cause, below [`Cause::LIMIT`].
    #[inline]
    #[must_use]
    pub const fn cause_code(&self) -> u8 {
        low_u8((self.0[0] >> 6) as u64) & (Cause::LIMIT - 1)
    }

    /// Up, down, or unknown.
    #[inline]
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        const OK: u8 = Cause::Ok.code();
        const LOCAL: u8 = Cause::Local.code();
        match self.cause_code() {
            OK => Outcome::Up,
            LOCAL => Outcome::Unknown,
            _ => Outcome::Down,
        }
    }

    /// Yes-or-no facts.
    #[inline]
    #[must_use]
    pub const fn flags(&self) -> Flags {
        Flags::from_bits(low_u8(self.0[0] as u64))
    }

    /// This check as one that says nothing about its site: its cause is `local`.
    #[inline]
    #[must_use]
    pub const fn unknown(mut self) -> Self {
        const CAUSE: u32 = ((Cause::LIMIT - 1) as u32) << 6;
        self.0[0] = self.0[0] & !CAUSE | (Cause::Local.code() as u32) << 6;
        self
    }

    /// The number of the status; 0 without one.
    #[inline]
    #[must_use]
    pub const fn status_code(&self) -> u16 {
        low_u16(self.word(4) >> 30) & 0x3ff
    }

    /// The time spent in each phase.
    #[inline]
    #[must_use]
    pub const fn phases(&self) -> Phases {
        let [_, _, resolve, connect, tls, processing, transfer, ..] = self.0;
        Phases::from_raw([resolve, connect, tls, processing, transfer])
    }

    /// Due checks before it that were never started.
    #[inline]
    #[must_use]
    pub const fn skipped(&self) -> u32 {
        self.0[8] & SKIPPED_MAX
    }

    #[inline]
    const fn word(&self, word: usize) -> u64 {
        pair(self.0[2 * word + 1], self.0[2 * word])
    }
}

const fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

const fn unpair(word: u64) -> (u32, u32) {
    (low_u32(word >> 32), low_u32(word))
}

#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
const fn low_u32(word: u64) -> u32 {
    word as u32
}

#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
const fn low_u16(word: u64) -> u16 {
    word as u16
}

#[allow(clippy::cast_possible_truncation, reason = "the low bits are what is asked for")]
const fn low_u8(word: u64) -> u8 {
    word as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn samples()(
            at in 0..=Timestamp::MAX.as_micros(), raw in any::<[u32; 5]>(), cause in 0..Cause::ALL.len(),
            status in prop::option::of(100u16..=999), http in prop::sample::select(&Http::ALL[..]), flags in 0u8..16, bytes: u32,
            redirects in 0u8..=31, late in 0..=LATE_MAX, skipped in 0..=SKIPPED_MAX,
        ) -> Sample {
            Sample {
                at: Timestamp::from_micros(at), phases: Phases::from_raw(raw), cause: Cause::ALL[cause],
                status: status.and_then(Status::new), http, flags: Flags::from_bits(flags),
                bytes, redirects, late: Micros::new(late), skipped,
            }
        }
    }

    proptest! {
        #[test]
        fn packing_is_lossless(sample in samples()) {
            prop_assert_eq!(Sample::from_words(sample.to_words()), Some(sample));
        }

        #[test]
        fn the_fields_of_a_packed_sample_are_its_own(sample in samples()) {
            let packed = sample.packed();
            prop_assert_eq!(packed, Packed::from_words(sample.to_words()));
            prop_assert_eq!((packed.at(), packed.phases(), packed.skipped()), (sample.at, sample.phases, sample.skipped));
            prop_assert_eq!(Cause::from_code(packed.cause_code()), Some(sample.cause));
            prop_assert_eq!(Status::new(packed.status_code()), sample.status);
            prop_assert_eq!((packed.outcome(), packed.flags()), (sample.outcome(), sample.flags));
            prop_assert_eq!(packed.sample(), Some(sample));
            let words = packed.halves().as_chunks().0.iter().map(|&[low, high]| pair(high, low)).collect::<Vec<_>>();
            prop_assert_eq!(words, sample.to_words());
            prop_assert_eq!(Packed::from_halves(packed.halves()), packed);
            prop_assert_eq!(packed.unknown().sample(), Some(Sample { cause: Cause::Local, ..sample }));
        }

        #[test]
        fn any_words_unpack_or_are_refused(words: [u64; 5]) {
            if let Some(sample) = Sample::from_words(words) {
                prop_assert_eq!(sample.to_words(), words);
            }
        }
    }

    #[test]
    fn narrow_fields_saturate_and_do_not_spill_into_their_neighbours() {
        let sample = Sample {
            status: Status::new(503),
            http: Http::V11,
            bytes: u32::MAX,
            redirects: u8::MAX,
            late: Micros::MAX,
            skipped: u32::MAX,
            ..Sample::bare(Timestamp::MAX, Cause::Status)
        };
        assert_eq!(Sample::from_words(sample.to_words()), Some(sample.saturated()));
    }

    #[test]
    fn time_to_first_byte_needs_a_head() {
        let mut sample = Sample::from_words([0, u64::MAX, u64::MAX, u64::MAX, 0]).unwrap();
        assert_eq!(sample.ttfb(), None);
        sample.status = Status::new(204);
        assert_eq!(sample.ttfb(), Some(Micros::ZERO));
    }
}
