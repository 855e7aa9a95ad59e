//! Panics that a caller catches, and therefore does not report.
//!
//! The database panics over damaged pages. Its callers catch that and return an error: the dashboard keeps running, nothing
//! is printed, and the exit code is that of the error. Panic hooks run before the panic is caught, so they ask here first.
//!
//! Bounds: only one panic can be caught. A second one, raised during the cleanup of the first, ends the process; the hooks
//! treat it as uncaught, and the note of [`catch_or_note`] runs last.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// Nesting depth of [`catch`] on this thread.
    static WAITING: Cell<u32> = const { Cell::new(0) };
    /// Panics since the innermost [`catch`] began.
    static HEARD: Cell<u32> = const { Cell::new(0) };
    static LAST_WORDS: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Runs `operation` and returns a panic in it as an error, without a report. Do not use what the operation left half done.
///
/// # Errors
/// The payload of the panic.
pub fn catch<T>(operation: impl FnOnce() -> T) -> std::thread::Result<T> {
    WAITING.set(WAITING.get() + 1);
    let before = HEARD.replace(0);
    let outcome = panic::catch_unwind(AssertUnwindSafe(operation));
    HEARD.set(before);
    WAITING.set(WAITING.get() - 1);
    outcome
}

/// Like [`catch`], and runs `note` before a second panic in `operation` ends the process.
///
/// # Errors
/// The payload of the panic.
pub fn catch_or_note<T>(note: impl Fn() + 'static, operation: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = LAST_WORDS.replace(Some(Box::new(note)));
    let outcome = catch(operation);
    LAST_WORDS.set(before);
    outcome
}

/// Whether the current panic is caught and needs no report. A hook asks once per panic.
#[must_use]
pub fn is_caught() -> bool {
    if !is_awaited() {
        return false;
    }
    // With several hooks one panic counts several times, but only the second panic matters.
    let heard = HEARD.try_with(|heard| heard.replace(heard.get().saturating_add(1))).unwrap_or(0);
    if heard > 0
        && let Some(note) = LAST_WORDS.try_with(RefCell::take).ok().flatten()
    {
        note();
    }
    heard == 0
}

/// Whether [`catch`] would catch a panic of this thread.
#[must_use]
pub fn is_awaited() -> bool {
    // A thread that ends may have lost its variables, and then nothing is caught.
    WAITING.try_with(Cell::get).is_ok_and(|waiting| waiting > 0)
}

/// Makes the current hook ignore caught panics.
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
        assert!(!is_caught(), "no caller waits");
        let outcome = catch_or_note(
            move || note.set(note.get() + 1),
            || {
                assert!(is_caught());
                // A nested call has its own count.
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
