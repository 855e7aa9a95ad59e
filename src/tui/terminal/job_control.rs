//! Stop, suspend and continue: requests to the dashboard from any thread, and the process as a job of a shell.
//!
//! Ctrl-Z and SIGTSTP suspend: the dashboard restores the terminal, the process stops by SIGSTOP, and when it continues the
//! dashboard takes the terminal again. SIGSTOP may take a moment to reach this thread, so SIGCONT ends the suspension, not
//! the return of a call. Without a shell with job control nothing could continue the process, so it does not suspend.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::model::stops;

/// How often to check for SIGCONT, and how many times if the process does not stop after all.
const POLL: Duration = Duration::from_millis(10);
const POLLS: u32 = 100;

/// Requests to the dashboard, from any thread.
#[derive(Debug, Default)]
pub struct JobControl {
    stop: AtomicBool,
    suspend: AtomicBool,
    continued: AtomicU64,
}

impl JobControl {
    /// Ends the dashboard.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Suspends the process until SIGCONT.
    pub fn suspend(&self) {
        self.suspend.store(true, Ordering::Relaxed);
    }

    /// Notes a SIGCONT.
    pub fn note_continued(&self) {
        self.continued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn take_suspend(&self) -> bool {
        self.suspend.swap(false, Ordering::Relaxed)
    }

    /// The number of SIGCONTs so far.
    pub(crate) fn continued(&self) -> u64 {
        self.continued.load(Ordering::Relaxed)
    }

    /// Stops the process and returns when it continues.
    pub(crate) fn stop_process(&self) {
        // Not while another thread holds a lock on the store.
        stops::between(|| {
            let before = self.continued();
            if !job::stop() {
                return;
            }
            for _ in 0..POLLS {
                if self.continued() != before || self.is_stopped() {
                    return;
                }
                thread::sleep(POLL);
            }
        });
    }
}

/// Whether a shell could continue this process.
#[must_use]
pub fn can_suspend() -> bool {
    job::has_shell()
}

#[cfg(unix)]
mod job {
    use nix::unistd::{getpgid, getpgrp, getppid, getsid};
    use rustix::process::{Signal, getpid, kill_process};

    /// False for an orphaned process group, whose parents are all outside of its session (POSIX, "Orphaned process group").
    ///
    /// An id is 0 if its process lives outside of this PID namespace (of a container). rustix rules that out and nix
    /// returns it, so two such sessions count as the same and a parent out there as none.
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
