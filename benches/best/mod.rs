//! The fastest of many short passes. On a machine that others share it is the figure that they disturbed least, and it is
//! the one that is held against the budgets; criterion's mean says what the machine was like meanwhile.

use std::time::Instant;

/// Runs `work`, which does something `each` times, `passes` times over; prints the nanoseconds each time took in
/// the fastest of them.
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
