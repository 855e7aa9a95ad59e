//! The network thread: a scheduler and its probes, on a runtime of their own.
//!
//! A current-thread runtime is cheaper a probe than a work-stealing one. The thread ends when it is stopped, or when
//! nobody has it any more: a start that fails after the first probes leaves none behind.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::system::threads;
use crate::probe::Prober;

use super::Scheduler;

/// After so many steps of probes the system is asked for news, also when other steps could be taken at once: a probe that
/// always can go on (its server floods it) must not keep the others from theirs. tokio's own 61 would be 50 ms of such.
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
            // A name lookup that hangs must not keep the process.
            runtime.shutdown_background();
            // The receiver is gone only when the program is leaving at once.
            let _unheard = sender.send(());
        })?;
        Ok(Self { thread, done, stop: stop.drop_guard() })
    }

    /// What stops it, and its end; a panic over there goes on in whoever waits for that.
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
