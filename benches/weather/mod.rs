//! Generates samples for the benches: one in ten fails, latencies are log-normal with a median of 60 ms.

use webmon::model::{Cause, Http, Micros, Phase, Phases, Sample, Status, Timestamp};

/// Sample `i` of site `site`, finished at `at`; otherwise a pure function of both indices.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "twenty random bits at a time"
)]
pub fn sample(site: u64, i: u64, at: Timestamp) -> Sample {
    let mut bits = (site << 32 | i).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut uniform = || {
        bits ^= bits >> 29;
        bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits >> 44
    };
    let normal = (0..4).map(|_| uniform()).sum::<u64>() as f64 / f64::from(1 << 20) - 2.0;
    let up = uniform() % 10 > 0;
    Sample {
        phases: Phases::NONE
            .with(Phase::Resolve, Micros::new((uniform() % 900) as u32))
            .with(Phase::Connect, Micros::new(5_000 + (uniform() % 900) as u32))
            .with(Phase::Processing, Micros::new((60_000.0 * (0.6 * normal).exp()) as u32))
            .with(Phase::Transfer, Micros::new((uniform() % 900) as u32)),
        status: Status::new(if up { 200 } else { 503 }),
        http: Http::V11,
        bytes: 1_256,
        late: Micros::new(90),
        ..Sample::bare(at, if up { Cause::Ok } else { Cause::Status })
    }
}
