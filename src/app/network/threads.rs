//! The network threads: each a runtime of its own for a scheduler and its probes.
//!
//! A current-thread runtime costs less per probe than a work-stealing one, and shares neither connections nor timers with the
//! others. The threads end when they are stopped or dropped, so a start that fails after the first probes leaves no thread
//! behind.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::app::scheduler::Scheduler;
use crate::app::system::threads;
use crate::probe::Prober;

use super::Schedulers;

/// The runtime looks for events after so many polls of tasks: the wait of a probe for its turn is known from then on, and one whose
/// server floods it is always ready and must not starve the others. tokio's default of 61 would allow it 50 ms.
const NEWS_INTERVAL: u32 = 1;

/// Running schedulers.
pub struct NetworkThreads {
    threads: Vec<JoinHandle<()>>,
    /// The number of each thread that has ended.
    ended: mpsc::Receiver<usize>,
    stop: DropGuard,
}

/// Says that its thread has ended, also by a panic.
struct EndNotice(usize, mpsc::Sender<usize>);

impl Drop for EndNotice {
    fn drop(&mut self) {
        // The receiver is gone only when the program is leaving at once.
        let _unheard = self.1.try_send(self.0);
    }
}

impl NetworkThreads {
    /// Starts `schedulers`, each on a thread of its own.
    ///
    /// # Errors
    /// The system's.
    pub fn start<P: Prober>(schedulers: Schedulers<P>) -> io::Result<Self> {
        let Schedulers(schedulers) = schedulers;
        let stop = CancellationToken::new();
        let (sender, ended) = mpsc::channel(schedulers.len());
        let mut started = Self { threads: Vec::new(), ended, stop: stop.clone().drop_guard() };
        for (number, scheduler) in schedulers.into_iter().enumerate() {
            let runtime = threads::runtime(Builder::new_current_thread().event_interval(NEWS_INTERVAL))?;
            let notice = EndNotice(number, sender.clone());
            started.threads.push(spawn(runtime, scheduler, stop.clone(), notice)?);
        }
        Ok(started)
    }

    /// A guard that stops all of them, and their end; a panic of a thread continues at once in the task that waits for the end.
    pub fn apart(self) -> (CancellationToken, impl Future<Output = ()>) {
        let Self { threads, mut ended, stop } = self;
        let mut running: Vec<Option<JoinHandle<()>>> = threads.into_iter().map(Some).collect();
        let all_ended = async move {
            while running.iter().any(Option::is_some) {
                let Some(number) = ended.recv().await else { break };
                if let Some(thread) = running[number].take()
                    && let Err(panic) = thread.join()
                {
                    std::panic::resume_unwind(panic);
                }
            }
        };
        (stop.disarm(), all_ended)
    }
}

fn spawn<P: Prober>(
    runtime: Runtime,
    scheduler: Scheduler<P>,
    stop: CancellationToken,
    notice: EndNotice,
) -> io::Result<JoinHandle<()>> {
    let name = if notice.0 == 0 { "webmon-net".to_owned() } else { format!("webmon-net-{}", notice.0 + 1) };
    std::thread::Builder::new().name(name).spawn(move || {
        let _notice = notice;
        runtime.block_on(scheduler.run(stop));
        // A hanging name lookup must not delay the exit.
        runtime.shutdown_background();
    })
}
