//! What the rest of the program tells the dashboard from any thread, and how the process stops as a job of a shell.
//!
//! Ctrl-Z and SIGTSTP ask for a rest: the terminal is given back, the process stops by SIGSTOP, and when somebody
//! continues it the terminal is taken again. The system continues all threads at once, and SIGSTOP may take a moment to
//! reach this one, so the end of a rest is SIGCONT and not that a call returned. Where nobody could continue it (no
//! shell that controls jobs), there is no rest.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::model::stops;

/// Between two looks for the end of a rest, and how many there are while the process is not stopped after all.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 100;

/// See the module.
#[derive(Debug, Default)]
pub struct JobControl {
    stop: AtomicBool,
    rest: AtomicBool,
    continued: AtomicU64,
}

impl JobControl {
    /// The dashboard is to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// The process is to stop until it is continued.
    pub fn rest(&self) {
        self.rest.store(true, Ordering::Relaxed);
    }

    /// The process was continued.
    pub fn note_continued(&self) {
        self.continued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn take_rest(&self) -> bool {
        self.rest.swap(false, Ordering::Relaxed)
    }

    /// How often the process was continued.
    pub(crate) fn continued(&self) -> u64 {
        self.continued.load(Ordering::Relaxed)
    }

    /// Stops the process and returns when it was continued.
    pub(crate) fn stop_process(&self) {
        // Never while another thread holds a lock on the store.
        stops::between(|| {
            let before = self.continued();
            if !job::stop() {
                return;
            }
            for _ in 0..LOOKS {
                if self.continued() != before || self.is_stop() {
                    return;
                }
                thread::sleep(LOOK);
            }
        });
    }
}

/// Whether a shell could continue this process after a stop.
#[must_use]
pub fn can_rest() -> bool {
    job::has_shell()
}

#[cfg(unix)]
mod job {
    use nix::unistd::{getpgid, getpgrp, getppid, getsid};
    use rustix::process::{Signal, getpid, kill_process};

    /// An orphaned process group is one whose parents are all outside of its session: POSIX, "Orphaned process group".
    ///
    /// Any of these numbers is 0 when its owner lives outside of this PID namespace (a container's). rustix takes that
    /// for impossible and nix returns it, so that two such sessions are taken for the same one and a parent out there
    /// for none.
    pub fn has_shell() -> bool {
        let parent = getppid();
        if parent.as_raw() == 0 {
            return false;
        }
        let same_session = getsid(Some(parent)) == getsid(None);
        same_session && getpgid(Some(parent)) != Ok(getpgrp())
    }

    pub fn stop() -> bool {
        kill_process(getpid(), Signal::STOP).is_ok()
    }
}

#[cfg(not(unix))]
mod job {
    pub const fn has_shell() -> bool {
        false
    }

    pub const fn stop() -> bool {
        false
    }
}
