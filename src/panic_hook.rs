//! Panics that a caller handles.
//!
//! The database panics over pages that are not what it wrote. Its callers catch that and return an error, so it is no fault
//! of the program: the dashboard goes on, nothing is printed, and the exit code is that of the error. The program's panic
//! hooks run before a panic is caught, so they ask here first.
//!
//! One panic can be caught. A second one, from what cleans up after the first, ends the process, and only the hooks still
//! run: for them it is uncaught, and the note of [`catch_or_note`] is the last thing that runs.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// How many calls of [`catch`] are under way on this thread.
    static WAITING: Cell<u32> = const { Cell::new(0) };
    /// Panics since the innermost one began.
    static HEARD: Cell<u32> = const { Cell::new(0) };
    static LAST_WORDS: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Runs `operation`; a panic in it comes back as an error and is not reported. What the operation has left half done must
/// not be used.
///
/// # Errors
/// What the panic carried.
pub fn catch<T>(operation: impl FnOnce() -> T) -> std::thread::Result<T> {
    WAITING.set(WAITING.get() + 1);
    let before = HEARD.replace(0);
    let outcome = panic::catch_unwind(AssertUnwindSafe(operation));
    HEARD.set(before);
    WAITING.set(WAITING.get() - 1);
    outcome
}

/// Runs `operation`; should a second panic end the process in it, `note` is called before.
///
/// # Errors
/// What the panic carried.
pub fn catch_or_note<T>(note: impl Fn() + 'static, operation: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = LAST_WORDS.replace(Some(Box::new(note)));
    let outcome = catch(operation);
    LAST_WORDS.set(before);
    outcome
}

/// For a hook, which asks once about each panic: whether it is caught and needs no report.
#[must_use]
pub fn is_caught() -> bool {
    if !is_awaited() {
        return false;
    }
    // Several hooks count one panic several times, but it is the second panic that matters.
    let heard = HEARD.try_with(|heard| heard.replace(heard.get().saturating_add(1))).unwrap_or(0);
    if heard > 0
        && let Some(note) = LAST_WORDS.try_with(RefCell::take).ok().flatten()
    {
        note();
    }
    heard == 0
}

/// Whether a panic of this thread would be caught by [`catch`].
#[must_use]
pub fn is_awaited() -> bool {
    // At the end of a thread its variables may be gone, and then nothing is caught.
    WAITING.try_with(Cell::get).is_ok_and(|waiting| waiting > 0)
}

/// Passes only uncaught panics on to the present hook.
pub fn hush() {
    let next = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !is_caught() {
            next(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_panic_before_the_first_is_caught_is_not_and_is_noted() {
        let noted = std::rc::Rc::new(Cell::new(0));
        let note = std::rc::Rc::clone(&noted);
        assert!(!is_caught(), "nobody waits");
        let outcome = catch_or_note(
            move || note.set(note.get() + 1),
            || {
                assert!(is_caught());
                // One inside of it has a catch of its own.
                assert!(catch(is_caught).unwrap());
                assert_eq!(noted.get(), 0);
                assert!(!is_caught() && !is_caught());
                noted.get()
            },
        );
        assert_eq!((outcome.unwrap(), noted.get()), (1, 1));
        assert!(catch(is_caught).unwrap());
        assert_eq!(noted.get(), 1, "its time is over");
    }

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
