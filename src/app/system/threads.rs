//! Threads that the system may refuse: they start with the program, or the start fails with an error.
//!
//! tokio panics if the system refuses the first blocking thread, and delays work if it refuses another. So each runtime starts
//! its blocking threads before anything depends on them, and keeps them.

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::app::exit::NO_THREAD;
use crate::panic_hook;

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 100);

/// A runtime as `builder` configures it, with one blocking thread and, if possible, a second one for work beside a disk that
/// hangs.
///
/// # Errors
/// The system's.
pub fn runtime(builder: &mut Builder) -> io::Result<Runtime> {
    let runtime = builder.enable_all().thread_keep_alive(FOR_EVER).build()?;
    let (done, until) = mpsc::channel::<()>();
    let waiting = move || {
        // Blocks until the second thread was requested.
        let _over = until.recv();
    };
    let first = panic_hook::catch(|| runtime.spawn_blocking(waiting));
    if first.is_err() {
        return Err(io::Error::other(NO_THREAD));
    }
    drop(runtime.spawn_blocking(|| ()));
    drop(done);
    Ok(runtime)
}

/// A thread `name` that does `work` on a single-threaded runtime of its own.
///
/// # Errors
/// The system's.
pub fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce(&Runtime) -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let runtime = runtime(&mut Builder::new_current_thread())?;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let done = work(&runtime);
        // A hanging name lookup, or a store that does not answer, must not delay the exit.
        runtime.shutdown_background();
        done
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_waits_has_two_threads_from_the_start() {
        let runtime = runtime(&mut Builder::new_current_thread()).unwrap();
        let (sender, receiver) = mpsc::channel();
        let waits = runtime.spawn_blocking(move || receiver.recv().unwrap());
        let goes_on = runtime.spawn_blocking(move || sender.send(17).unwrap());
        runtime.block_on(async {
            goes_on.await.unwrap();
            assert_eq!(waits.await.unwrap(), 17);
        });
    }
}
