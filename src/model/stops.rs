//! Delays job-control stops while the process holds a lock on a shared file, which would block every other process.
//!
//! The signal mask delays SIGTSTP, SIGTTOU and SIGTTIN of a command with one thread; a dashboard that stops itself waits here
//! for the work to end. SIGSTOP from outside cannot be delayed. Bounds: a dashboard's stop waits at most a second.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use super::lock::lock;

const PATIENCE: Duration = Duration::from_secs(1);

static GATE: Mutex<Gate> = Mutex::new(Gate { working: 0, stopping: false });
static CHANGED: Condvar = Condvar::new();

struct Gate {
    /// Pieces of work under way.
    working: usize,
    /// While true, no work begins.
    stopping: bool,
}

fn gate() -> MutexGuard<'static, Gate> {
    // No code panics while it holds the lock.
    lock(&GATE)
}

/// Guards work that no stop of this process interrupts.
#[derive(Debug)]
pub struct Unstopped {
    thread: ThreadId,
    mask: mask::Mask,
}

impl Unstopped {
    /// Begins such work, after a stop that is under way.
    #[must_use]
    pub fn begin() -> Self {
        let mut gate = gate();
        while gate.stopping {
            gate = CHANGED.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        gate.working += 1;
        drop(gate);
        Self { thread: thread::current().id(), mask: mask::hold_off() }
    }
}

impl Drop for Unstopped {
    fn drop(&mut self) {
        gate().working -= 1;
        CHANGED.notify_all();
        // A signal mask belongs to its thread.
        if self.thread == thread::current().id() {
            mask::restore(&self.mask);
        }
    }
}

/// Runs `stop`, which stops the process, once no such work is under way, or after `PATIENCE`.
pub fn between<T>(stop: impl FnOnce() -> T) -> T {
    let mut held = gate();
    held.stopping = true;
    let (held, _) =
        CHANGED.wait_timeout_while(held, PATIENCE, |gate| gate.working > 0).unwrap_or_else(PoisonError::into_inner);
    drop(held);
    let outcome = stop();
    gate().stopping = false;
    CHANGED.notify_all();
    outcome
}

#[cfg(unix)]
mod mask {
    use nix::sys::signal::{SigSet, SigmaskHow, Signal};

    /// The mask before; `None` if the system did not return it.
    pub type Mask = Option<SigSet>;

    pub fn hold_off() -> Mask {
        let stops: SigSet = [Signal::SIGTSTP, Signal::SIGTTOU, Signal::SIGTTIN].into_iter().collect();
        stops.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok()
    }

    pub fn restore(mask: &Mask) {
        // A mask that was in force once is accepted again.
        let _accepted = mask.as_ref().map(SigSet::thread_set_mask);
    }
}

#[cfg(not(unix))]
mod mask {
    pub type Mask = ();

    pub const fn hold_off() -> Mask {}

    pub const fn restore((): &Mask) {}
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use nix::sys::signal::{SigSet, Signal};

    use super::*;

    fn is_held_off() -> bool {
        SigSet::thread_get_mask().unwrap().contains(Signal::SIGTSTP)
    }

    #[test]
    fn the_stops_of_a_shell_are_held_off_within_and_not_after() {
        assert!(!is_held_off());
        let work = Unstopped::begin();
        assert!(is_held_off());
        let inner = Unstopped::begin();
        drop(inner);
        assert!(is_held_off(), "the outer work is still under way");
        drop(work);
        assert!(!is_held_off());
    }

    #[test]
    fn a_stop_waits_for_the_end_of_such_work() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let done = AtomicBool::new(false);
        let (sender, receiver) = std::sync::mpsc::channel();
        let done = &done;
        thread::scope(|scope| {
            scope.spawn(move || {
                let work = Unstopped::begin();
                sender.send(()).unwrap();
                done.store(true, Ordering::SeqCst);
                drop(work);
            });
            receiver.recv().unwrap();
            assert!(between(|| done.load(Ordering::SeqCst)));
        });
    }
}
