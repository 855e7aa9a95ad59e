//! Stretches of work in which the process should not be stopped as a job of a shell.
//!
//! A process that stops while it holds a lock on a shared file keeps every other process from it. Two kinds of stops can be
//! put off: SIGTSTP, SIGTTOU and SIGTTIN of a command with one thread, by the signal mask of that thread; and the stop
//! that a dashboard makes itself, which waits here for the end of such work. SIGSTOP from outside cannot be put off.
//! Limits: the stop of a dashboard waits for at most a second.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// The longest that a stop waits for work that holds a lock.
const PATIENCE: Duration = Duration::from_secs(1);

static GATE: Mutex<Gate> = Mutex::new(Gate { working: 0, stopping: false });
static CHANGED: Condvar = Condvar::new();

struct Gate {
    /// How many stretches of work are under way.
    working: usize,
    /// A stop is under way: no work begins.
    stopping: bool,
}

fn gate() -> MutexGuard<'static, Gate> {
    // Nothing panics while it is held.
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Work that no stop of this process interrupts, until it is dropped.
#[derive(Debug)]
pub struct Unstopped {
    thread: ThreadId,
    mask: mask::Mask,
}

impl Unstopped {
    /// Begins such work. A stop that is under way ends first.
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
        // A mask belongs to its thread.
        if self.thread == thread::current().id() {
            mask::restore(&self.mask);
        }
    }
}

/// Runs `stop`, which stops the process, when no such work is under way, or after `PATIENCE`.
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

    /// What was held off before; none where that could not be asked.
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
