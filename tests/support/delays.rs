//! Phases that a server delays by known times, and the check of what a probe measured.

use std::time::Duration;

use webmon::model::{Micros, Observation, Phase};

/// What each phase but connect is delayed by, ms.
pub const RESOLVE: u64 = 60;
pub const TLS: u64 = 90;
pub const PROCESSING: u64 = 130;
pub const TRANSFER: u64 = 170;

/// Compares the phases of `seen`, a probe that took `wall`, with the delays.
///
/// A busy machine that notices an event late lengthens that phase; the server's timer is already running, which shortens the
/// next one. Where a wait begins with the server's action, the check adds both phases.
pub fn assert_delayed(seen: &Observation, wall: Duration) {
    let millis = |phase| u64::from(seen.phases.get(phase).map_or(0, Micros::get) / 1_000);
    for (phases, least) in [
        ([Phase::Resolve].as_slice(), RESOLVE),
        (&[Phase::Connect, Phase::Tls], TLS),
        (&[Phase::Processing], PROCESSING),
        (&[Phase::Processing, Phase::Transfer], PROCESSING + TRANSFER),
    ] {
        let spent: Vec<u64> = phases.iter().map(|phase| millis(*phase)).collect();
        // Each is cut to whole milliseconds.
        assert!(spent.iter().sum::<u64>() + 1 >= least, "{phases:?}: {spent:?} ms, not {least} ms");
    }
    // With the lower bounds, this excludes time that is counted twice or in the wrong phase.
    let total = seen.phases.total().as_duration();
    let least = Duration::from_millis(RESOLVE + TLS + PROCESSING + TRANSFER);
    assert!(total <= wall && total >= least, "{total:?} within {wall:?}");
}
