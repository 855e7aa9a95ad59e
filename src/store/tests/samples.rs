//! What the tests of this room share: samples of every kind, and a day of them as a real site gives them.

use proptest::prelude::*;

use crate::model::{Cause, Flags, Http, Micros, Phase, Phases, Sample, Status, Timestamp};

/// A splitmix64 generator: the same noise in every run. Source: Steele, Lea, Flood, OOPSLA 2014.
pub struct Noise(pub u64);

impl Noise {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// About `median`, log-normal with this spread (0.3: two thirds lie within 30 % of it), as latencies are.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "latencies are small and positive")]
    pub fn latency(&mut self, median: f64, spread: f64) -> Micros {
        let sum: f64 = (0..12).map(|_| f64::from((self.next() >> 32) as u32) / f64::from(u32::MAX)).sum();
        Micros::new((median * ((sum - 6.0) * spread).exp()) as u32)
    }
}

prop_compose! {
    /// Any sample that the types allow.
    pub fn samples()(
        at in 0..=Timestamp::MAX.as_micros(), raw in any::<[u32; 5]>(), absent in 0u8..32, cause in 0..Cause::ALL.len(),
        status in prop::option::of(100u16..=999), http in prop::sample::select(&Http::ALL[..]), flags in 0u8..16, bytes: u32,
        redirects: u8, late: u32, skipped: u32,
    ) -> Sample {
        let raw = std::array::from_fn(|phase| if absent >> phase & 1 == 1 { u32::MAX } else { raw[phase] });
        Sample {
            at: Timestamp::from_micros(at), phases: Phases::from_raw(raw), cause: Cause::ALL[cause],
            status: status.and_then(Status::new), http, flags: Flags::from_bits(flags),
            bytes, redirects, late: Micros::new(late), skipped,
        }
    }
}

/// `count` samples of a site that is checked over TLS every 10 s, with 1 % failures and a page that changes now and
/// then; from noon on a given day.
pub fn day(count: u64) -> Vec<Sample> {
    day_of(1, count)
}

/// The same for another site, chosen by `seed`.
pub fn day_of(seed: u64, count: u64) -> Vec<Sample> {
    let mut noise = Noise(seed);
    let start = 1_795_255_200_000_000 + noise.below(10_000_000);
    let mut page = 15_000;
    let mut last = 0;
    (0..count)
        .map(|index| {
            let mut phases = Phases::NONE
                .with(Phase::Resolve, noise.latency(900.0, 0.5))
                .with(Phase::Connect, noise.latency(11_000.0, 0.15));
            if noise.below(50) == 0 {
                page = 14_000 + u32::try_from(noise.below(4_000)).unwrap();
            }
            let failed = noise.below(100) == 0;
            if !failed {
                phases = phases
                    .with(Phase::Tls, noise.latency(24_000.0, 0.15))
                    .with(Phase::Processing, noise.latency(38_000.0, 0.3))
                    .with(Phase::Transfer, noise.latency(600.0, 0.5));
            }
            let late = noise.latency(300.0, 0.6);
            let due = start + index * 10_000_000 + noise.below(5);
            let at = (due + u64::from(phases.total().get()) + u64::from(late.get())).max(last + 1);
            last = at;
            Sample {
                phases,
                status: if failed { None } else { Status::new(200) },
                http: if failed { Http::None } else { Http::V11 },
                bytes: if failed { 0 } else { page },
                late,
                ..Sample::bare(Timestamp::from_micros(at), if failed { Cause::TlsError } else { Cause::Ok })
            }
        })
        .collect()
}
