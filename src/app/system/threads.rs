//! Threads that the system may refuse: they are had at the start, or the start fails in words.
//!
//! tokio panics when the system refuses the first thread for work that waits for a disk, and puts the work off when it
//! refuses a further one. So each runtime gets its first ones before anything depends on them, and keeps them.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::app::exit::NO_THREAD;
use crate::panic_hook;

/// For as long as any program runs.
const FOR_EVER: Duration = Duration::from_hours(24 * 365 * 100);

/// A runtime of this thread, as `builder` makes it, with a thread for work that waits, and if possible a second one, for what
/// goes on while a disk does not answer.
///
/// # Errors
/// The system's.
pub fn runtime(builder: &mut Builder) -> io::Result<Runtime> {
    let runtime = builder.enable_all().thread_keep_alive(FOR_EVER).build()?;
    let (done, until) = mpsc::channel::<()>();
    let waiting = move || {
        // It ends when the second one was asked for.
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
