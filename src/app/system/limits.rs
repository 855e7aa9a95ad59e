//! The limits of this machine: open files, and file size.

use std::sync::Arc;
#[cfg(unix)]
use std::sync::atomic::AtomicBool;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::exit::CommandError;

/// Upper bound of probes in flight.
const IN_FLIGHT_MAX: u64 = 8_192;
/// Descriptors for the store, the terminal, name lookups and the runtime.
const RESERVED: u64 = 32;
/// Lower bound of probes in flight.
const IN_FLIGHT_MIN: u64 = 8;

/// The minimum to run at all: the store, two runtimes and a check.
const DESCRIPTORS_MIN: u64 = 32;

/// Checks that the limit of open files is high enough.
///
/// # Errors
/// [`CommandError::Usage`] with the remedy.
pub fn suffice() -> Result<(), CommandError> {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(DESCRIPTORS_MIN);
    if descriptors >= DESCRIPTORS_MIN {
        return Ok(());
    }
    Err(CommandError::Usage(format!(
        "the limit of open files is {descriptors}, and webmon needs {DESCRIPTORS_MIN}; raise the limit: ulimit -n 1024"
    )))
}

/// Makes the limit of the file size (`ulimit -f`) an error of the write that exceeds it, like a full disk. By default the
/// system would kill the process without restoring the terminal.
pub fn outlive_file_limit() {
    #[cfg(unix)]
    {
        let number = rustix::process::Signal::XFSZ.as_raw();
        // The flag is never read. If the signal cannot be caught, the default stays.
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

/// Bounds of the schedulers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Probes in flight over all of them.
    pub in_flight: usize,
}

/// The right to have one probe in flight, until it is dropped.
pub type FlightPermit = OwnedSemaphorePermit;

/// Bounds the probes in flight over all schedulers; clones share the bound.
#[derive(Clone, Debug)]
pub struct FlightPermits(Arc<Semaphore>);

impl FlightPermits {
    /// As many permits as `limits` has probes in flight.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Semaphore::new(limits.in_flight)))
    }

    /// Whether there seems to be a permit; another thread may take it first.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.0.available_permits() > 0
    }

    /// A permit, if there is one.
    #[must_use]
    pub fn try_take(&self) -> Option<FlightPermit> {
        Arc::clone(&self.0).try_acquire_owned().ok()
    }

    /// Waits for a permit.
    pub async fn take(&self) -> FlightPermit {
        Arc::clone(&self.0).acquire_owned().await.expect("this semaphore is never closed")
    }
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
