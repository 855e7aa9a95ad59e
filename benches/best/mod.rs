//! Reports the fastest of many short passes, the figure that other jobs on a shared machine disturb least.
//!
//! Budgets apply to it; criterion's mean reflects the load of the machine.

use std::time::Instant;

/// Runs `work`, which performs `each` operations, `passes` times; prints the nanoseconds per operation of the fastest
/// pass.
#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#[allow(clippy::cast_precision_loss, reason = "a few million")]
pub fn best(name: &str, (passes, each): (u32, u64), mut work: impl FnMut()) {
    let timed = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let fastest = (0..passes).map(timed).min().unwrap_or_default();
    let nanos = fastest.as_secs_f64() * 1e9 / each as f64;
    println!("best {name}: {nanos:.1} ns each, {:.2} M/s", 1e3 / nanos);
}
