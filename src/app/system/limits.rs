//! What this machine allows: how many probes in flight, and how long files.

#[cfg(unix)]
use std::sync::{Arc, atomic::AtomicBool};

use crate::app::exit::Failure;

/// No machine needs more at once.
const IN_FLIGHT_MAX: u64 = 8_192;
/// Descriptors that are not for probes: the store, the terminal, name lookups, the runtime.
const RESERVED: u64 = 32;
/// Few enough for any limit, enough to get anywhere.
const IN_FLIGHT_MIN: u64 = 8;

/// Fewer descriptors than this cannot run anything: the store, two runtimes and a check need them.
const DESCRIPTORS_MIN: u64 = 32;

/// Refuses to start where too few file descriptors are allowed.
///
/// # Errors
/// [`Failure::Usage`], with what to do.
pub fn suffice() -> Result<(), Failure> {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(DESCRIPTORS_MIN);
    if descriptors >= DESCRIPTORS_MIN {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "webmon: only {descriptors} open files are allowed here, and it takes {DESCRIPTORS_MIN}; raise the limit: ulimit -n 1024"
    )))
}

/// Makes a limit to the size of files (`ulimit -f`) an error of the write that reaches it, as a full disk is. By default the
/// system ends the program at that moment, without a word and with the terminal as the dashboard has it.
pub fn outlive_file_limit() {
    #[cfg(unix)]
    {
        let number = rustix::process::Signal::XFSZ.as_raw();
        // That it came is of no interest; and who may not catch it is no worse off than before.
        drop(signal_hook::flag::register(number, Arc::new(AtomicBool::new(false))));
    }
}

/// Raises the soft limit of file descriptors to the hard one and derives the bound from it: three quarters of
/// them less a reserve, 8 to 8,192.
#[must_use]
pub fn raise() -> Limits {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256);
    in_flight(descriptors)
}

fn in_flight(descriptors: u64) -> Limits {
    let probes = (descriptors / 4 * 3).saturating_sub(RESERVED).clamp(IN_FLIGHT_MIN, IN_FLIGHT_MAX);
    Limits { in_flight: usize::try_from(probes).expect("at most 8,192") }
}

/// Bounds of a scheduler.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Probes in flight overall.
    pub in_flight: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_follows_the_descriptors_within_its_own_bounds() {
        for (descriptors, probes) in [(0, 8), (64, 16), (1_024, 736), (1 << 20, 8_192), (u64::MAX, 8_192)] {
            assert_eq!(in_flight(descriptors).in_flight, probes, "{descriptors}");
        }
    }
}
