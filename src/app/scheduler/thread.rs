//! The network thread: a runtime of its own for a scheduler and its probes.
//!
//! A current-thread runtime costs less per probe than a work-stealing one. The thread ends when it is stopped or dropped, so a
//! start that fails after the first probes leaves no thread behind.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::system::threads;
use crate::probe::Prober;

use super::Scheduler;

/// The runtime polls for I/O events after so many polls of tasks: a probe whose server floods it is always ready and must
/// not starve the others. tokio's default of 61 would allow it 50 ms.
const NEWS_INTERVAL: u32 = 4;

/// A running scheduler.
pub struct SchedulerThread {
    thread: JoinHandle<()>,
    done: oneshot::Receiver<()>,
    stop: DropGuard,
}

impl SchedulerThread {
    /// Starts `scheduler`.
    ///
    /// # Errors
    /// The system's.
    pub fn start<P: Prober>(scheduler: Scheduler<P>) -> io::Result<Self> {
        let (sender, done) = oneshot::channel();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = threads::runtime(Builder::new_current_thread().event_interval(NEWS_INTERVAL))?;
        let thread = std::thread::Builder::new().name("webmon-net".to_owned()).spawn(move || {
            runtime.block_on(scheduler.run(stopped));
            // A hanging name lookup must not delay the exit.
            runtime.shutdown_background();
            // The receiver is gone only when the program is leaving at once.
            let _unheard = sender.send(());
        })?;
        Ok(Self { thread, done, stop: stop.drop_guard() })
    }

    /// A guard that stops it, and its end; a panic of the thread continues in the task that waits for the end.
    pub fn apart(self) -> (CancellationToken, impl Future<Output = ()>) {
        let Self { thread, done, stop } = self;
        let ended = async move {
            let panicked = done.await.is_err();
            if panicked && let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        };
        (stop.disarm(), ended)
    }
}
