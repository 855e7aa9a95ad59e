//! Panics that somebody waits for.
//!
//! The database panics over pages that are not what it wrote. Whoever asks it catches that and makes an error of it, so it
//! is no fault of the program: the dashboard goes on, nothing is printed, and the exit code is another one. The hooks
//! of the program hear of every panic before it is caught; so they ask here first.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// How many callers of [`catch`] are below this point of the thread.
    static WAITING: Cell<u32> = const { Cell::new(0) };
}

/// Runs `operation`; a panic in it comes back as an error, and nobody else needs to hear of it. What it leaves behind half
/// done must not be looked at.
///
/// # Errors
/// What the panic carried.
pub fn catch<T>(operation: impl FnOnce() -> T) -> std::thread::Result<T> {
    WAITING.set(WAITING.get() + 1);
    let outcome = panic::catch_unwind(AssertUnwindSafe(operation));
    WAITING.set(WAITING.get() - 1);
    outcome
}

/// Whether a panic of this thread would be caught by [`catch`].
#[must_use]
pub fn is_awaited() -> bool {
    // At the end of a thread there may be no variable any more, and nobody who waits.
    WAITING.try_with(Cell::get).is_ok_and(|waiting| waiting > 0)
}

/// Lets the hook that is there now hear only of panics that nobody waits for.
pub fn hush() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_awaited() {
            next(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_awaited_within_a_catch_and_only_in_its_thread() {
        assert!(!is_awaited());
        let seen = catch(|| {
            let inner = catch(|| assert!(!is_awaited(), "for the test"));
            let elsewhere = std::thread::spawn(is_awaited).join().unwrap();
            (inner.is_err(), is_awaited(), elsewhere)
        });
        assert_eq!(seen.unwrap(), (true, true, false));
        assert!(!is_awaited());
    }
}
