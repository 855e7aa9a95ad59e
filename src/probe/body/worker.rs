//! Threads for work on bodies that takes long: decoding and searching.
//!
//! A job is a future that pauses every few milliseconds. A few threads take turns with all running jobs, so a job of a second
//! delays one of a millisecond by milliseconds. Sites whose last job was heavy have half of the places, and start only when no
//! other site waits.
//!
//! Invariants: a job that has used a second of the processor ends as [`TOO_LONG`], and so do those of its site that wait for it.
//! The time never counts as the site's. A job without a turn within [`PATIENCE`] says nothing about the site. A job whose
//! probe was dropped ends at its next pause.
//! Bounds: one job per site at a time; [`RUNNING_MAX`] running ones, which bounds the memory; 8,192 in all; four threads, started
//! when needed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::model::Cause;
use crate::model::lock::lock;
use crate::panic_hook;
use crate::probe::failure::Failure;

/// Processor time of one job.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);
/// The detail of a job that took longer.
pub(crate) const TOO_LONG: &str = "matching took longer than 1 s";
/// How long a job may wait for others.
const PATIENCE: Duration = Duration::from_secs(10);
/// A job that took longer than this is heavy.
const HEAVY: Duration = Duration::from_millis(100);
/// Jobs that take turns.
const RUNNING_MAX: usize = 16;
/// As many as there are probes in flight at most.
const JOBS_MAX: usize = 8_192;
const THREADS_MAX: usize = 4;

pub(crate) type JobResult = Result<(), Failure>;

/// Measures the time of a job.
#[derive(Clone, Copy)]
pub(crate) enum JobMeter {
    /// The processor time of the calling thread.
    Processor(fn() -> Duration),
    /// The elapsed time by this clock since this moment, where nothing else is known.
    Elapsed(fn() -> Instant, Instant),
}

impl JobMeter {
    fn measure<T>(self, work: impl FnOnce() -> T) -> (T, Duration) {
        let read = || match self {
            Self::Processor(used) => used(),
            Self::Elapsed(now, since) => now().saturating_duration_since(since),
        };
        let before = read();
        let done = work();
        (done, read().saturating_sub(before))
    }
}

/// Runs the jobs of all probes.
pub(crate) struct Workers {
    state: Arc<WorkerState>,
    /// By the name of the site; present while a job of the site waits or runs.
    turns: Mutex<HashMap<Arc<str>, Arc<SiteTurn>>>,
}

struct WorkerState {
    queue: Mutex<JobQueue>,
    /// Notified when a job may continue or start.
    is_work: Condvar,
    meter: JobMeter,
}

#[derive(Default)]
struct JobQueue {
    /// Running ones that no thread holds.
    paused: VecDeque<BodyJob>,
    light: VecDeque<BodyJob>,
    heavy: VecDeque<BodyJob>,
    /// Running ones, including those that threads hold.
    running: usize,
    /// How many of these are heavy.
    running_heavy: usize,
    /// Sites whose last job was heavy.
    heavy_sites: HashSet<Arc<str>>,
    threads: usize,
    idle: usize,
    is_closed: bool,
}

struct BodyJob {
    site: Arc<str>,
    is_heavy: bool,
    work: Pin<Box<dyn Future<Output = JobResult> + Send>>,
    spent: Duration,
    /// It has had a turn.
    has_begun: bool,
    /// None: it took too long.
    reply: oneshot::Sender<Option<JobResult>>,
}

/// The turn of a site.
struct SiteTurn {
    turn: Semaphore,
    /// Jobs that took too long.
    overran: AtomicU64,
}

impl Workers {
    pub(crate) fn new(meter: JobMeter) -> Self {
        let state = WorkerState { queue: Mutex::default(), is_work: Condvar::new(), meter };
        Self { state: Arc::new(state), turns: Mutex::default() }
    }

    /// Runs `work` for a probe of `site`.
    pub(crate) async fn run(
        &self,
        site: &Arc<str>,
        work: impl Future<Output = JobResult> + Send + 'static,
    ) -> JobResult {
        let local = |detail: String| Err(Failure::new(Cause::Local, detail));
        let turn = async {
            let guard = self.site_turn(site);
            let before = guard.turn.overran.load(Ordering::Relaxed);
            let _turn = guard.turn.turn.acquire().await;
            if guard.turn.overran.load(Ordering::Relaxed) != before {
                return Err(Failure::new(Cause::Body, TOO_LONG));
            }
            let (reply, result) = oneshot::channel();
            if let Err(detail) = self.state.submit(site, Box::pin(work), reply) {
                return local(detail);
            }
            match result.await {
                Ok(Some(result)) => result,
                Ok(None) => {
                    guard.turn.overran.fetch_add(1, Ordering::Relaxed);
                    Err(Failure::new(Cause::Body, TOO_LONG))
                }
                Err(_) => local("the body could not be examined because of an error in webmon".to_owned()),
            }
        };
        let patience = PATIENCE.as_secs();
        timeout(PATIENCE, turn)
            .await
            .unwrap_or_else(|_| local(format!("this machine had no time to judge the body within {patience} s")))
    }

    fn site_turn(&self, site: &Arc<str>) -> TurnGuard<'_> {
        let new = || Arc::new(SiteTurn { turn: Semaphore::new(1), overran: AtomicU64::new(0) });
        let turn = Arc::clone(lock(&self.turns).entry(Arc::clone(site)).or_insert_with(new));
        TurnGuard { workers: self, site: Arc::clone(site), turn }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.state.queue).is_closed = true;
        self.state.is_work.notify_all();
    }
}

/// The last guard of a site removes its turn.
struct TurnGuard<'a> {
    workers: &'a Workers,
    site: Arc<str>,
    turn: Arc<SiteTurn>,
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        let mut turns = lock(&self.workers.turns);
        // One reference is the map's, one is this guard's.
        if Arc::strong_count(&self.turn) <= 2 {
            turns.remove(&self.site);
        }
    }
}

impl WorkerState {
    /// Queues a job, and starts a thread if need be. Returns a detail if it cannot.
    fn submit(
        self: &Arc<Self>,
        site: &Arc<str>,
        work: Pin<Box<dyn Future<Output = JobResult> + Send>>,
        reply: oneshot::Sender<Option<JobResult>>,
    ) -> Result<(), String> {
        let mut queue = lock(&self.queue);
        if queue.running + queue.light.len() + queue.heavy.len() >= JOBS_MAX {
            return Err(format!("{JOBS_MAX} bodies are already waiting to be examined"));
        }
        let most = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        if queue.idle == 0 && queue.threads < most {
            let state = Arc::clone(self);
            match thread::Builder::new().name("webmon-body".to_owned()).spawn(move || state.work()) {
                Ok(_detached) => queue.threads += 1,
                Err(error) if queue.threads == 0 => return Err(format!("cannot start a thread: {error}")),
                // The other threads do it.
                Err(_) => {}
            }
        }
        let is_heavy = queue.heavy_sites.contains(site);
        let waiting = if is_heavy { &mut queue.heavy } else { &mut queue.light };
        let site = Arc::clone(site);
        waiting.push_back(BodyJob { site, is_heavy, work, spent: Duration::ZERO, has_begun: false, reply });
        drop(queue);
        self.is_work.notify_one();
        Ok(())
    }

    /// The loop of each thread.
    fn work(&self) {
        while let Some(mut job) = self.next() {
            if job.reply.is_closed() {
                self.end(&job);
                continue;
            }
            let poll = || job.work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let (polled, spent) = self.meter.measure(|| panic_hook::catch(poll));
            (job.spent, job.has_begun) = (job.spent + spent, true);
            match polled {
                Ok(Poll::Pending) if job.spent < LIMIT => {
                    lock(&self.queue).paused.push_back(job);
                    self.is_work.notify_one();
                }
                polled => {
                    self.end(&job);
                    let result = match polled {
                        Ok(Poll::Ready(result)) => Some(result),
                        Ok(Poll::Pending) => None,
                        // The probe sees that the reply was dropped.
                        Err(_) => continue,
                    };
                    // The probe may have been dropped.
                    let _gone = job.reply.send(result);
                }
            }
        }
    }

    /// The job of the next turn; none once the workers are dropped.
    fn next(&self) -> Option<BodyJob> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.is_closed {
                return None;
            }
            if let Some(job) = queue.take() {
                return Some(job);
            }
            queue.idle += 1;
            queue = self.is_work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// Frees the place of `job`.
    fn end(&self, job: &BodyJob) {
        let mut queue = lock(&self.queue);
        queue.running -= 1;
        queue.running_heavy -= usize::from(job.is_heavy);
        if !job.has_begun {
            // It says nothing new about its site.
        } else if job.spent <= HEAVY {
            queue.heavy_sites.remove(&job.site);
        } else if queue.heavy_sites.len() < JOBS_MAX {
            queue.heavy_sites.insert(Arc::clone(&job.site));
        }
        drop(queue);
        // A waiting job may start.
        self.is_work.notify_one();
    }
}

impl JobQueue {
    /// Starts a waiting job if there is a place, otherwise continues the one whose turn is longest ago.
    fn take(&mut self) -> Option<BodyJob> {
        let mut starts = None;
        if self.running < RUNNING_MAX {
            starts = self.light.pop_front();
            if starts.is_none() && self.running_heavy < RUNNING_MAX / 2 {
                starts = self.heavy.pop_front();
            }
        }
        if let Some(job) = &starts {
            self.running += 1;
            self.running_heavy += usize::from(job.is_heavy);
        }
        starts.or_else(|| self.paused.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::probe::body::interrupt::pause;

    thread_local! {
        static USED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
    }

    /// Each reading of the processor time is 30 ms later than the last.
    fn workers() -> Workers {
        Workers::new(JobMeter::Processor(|| {
            USED.set(USED.get() + Duration::from_millis(30));
            USED.get()
        }))
    }

    async fn turns(count: usize, taken: Arc<AtomicUsize>) -> JobResult {
        for _ in 0..count {
            taken.fetch_add(1, Ordering::Relaxed);
            pause().await;
        }
        Ok(())
    }

    fn names(count: usize) -> Vec<Arc<str>> {
        (0..count).map(|number| format!("s{number}").into()).collect()
    }

    #[tokio::test]
    async fn a_job_ends_after_a_second_of_the_processor_and_so_do_those_behind_it() {
        let (workers, taken) = (workers(), Arc::new(AtomicUsize::new(0)));
        let site = &names(1)[0];
        let all_queued = Arc::new(OnceLock::new());
        let endless = || {
            let (all_queued, turns) = (Arc::clone(&all_queued), turns(usize::MAX, Arc::clone(&taken)));
            workers.run(site, async move {
                all_queued.wait();
                turns.await
            })
        };
        let mut all = std::pin::pin!(async { tokio::join!(endless(), endless(), endless()) });
        let early = std::future::poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_ready())).await;
        assert!(!early, "the job waits until the others are queued behind it");
        all_queued.set(()).unwrap();
        let too_long = Err(Failure::new(Cause::Body, TOO_LONG));
        assert_eq!(all.await, (too_long.clone(), too_long.clone(), too_long));
        assert_eq!(taken.load(Ordering::Relaxed), 34, "one job had all of its second, the others nothing");
        assert!(lock(&workers.turns).is_empty(), "nothing is kept of a site without a job");
        assert_eq!(workers.run(site, turns(5, Arc::default())).await, Ok(()), "the next body may be another one");
    }

    #[tokio::test]
    async fn jobs_of_other_sites_have_their_turns_beside_endless_ones() {
        let workers = workers();
        let hogs = names(3 * RUNNING_MAX);
        // Each is heavy then.
        for hog in &hogs {
            assert!(workers.run(hog, turns(usize::MAX, Arc::default())).await.is_err());
        }
        let endless = || tokio::task::unconstrained(futures(&workers, &hogs));
        let mut all = std::pin::pin!(endless());
        for number in 0..20 {
            let light: Arc<str> = format!("light{number}").into();
            let light = workers.run(&light, turns(3, Arc::default()));
            tokio::select! {
                biased;
                () = &mut all => break,
                verdict = light => assert_eq!(verdict, Ok(())),
            }
        }
    }

    async fn futures(workers: &Workers, sites: &[Arc<str>]) {
        let mut all: Vec<_> =
            sites.iter().map(|site| Box::pin(workers.run(site, turns(usize::MAX, Arc::default())))).collect();
        std::future::poll_fn(|cx| {
            all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
            if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn a_job_that_panics_says_nothing_of_the_site_and_takes_no_place() {
        let workers = workers();
        for name in names(2 * RUNNING_MAX) {
            let verdict = workers.run(&name, async { panic!("scripted") }).await;
            assert_eq!(verdict.unwrap_err().cause, Cause::Local);
        }
        assert_eq!(workers.run(&names(1)[0], turns(2, Arc::default())).await, Ok(()));
    }

    /// The probe is dropped before its job has a turn.
    #[test]
    fn a_job_without_a_turn_says_nothing_of_its_site() {
        let state = WorkerState { queue: Mutex::default(), is_work: Condvar::new(), meter: workers().state.meter };
        let site = names(1).remove(0);
        let job = |has_begun| {
            let (reply, _) = oneshot::channel();
            let work = Box::pin(turns(1, Arc::default()));
            lock(&state.queue).running += 1;
            BodyJob { site: Arc::clone(&site), is_heavy: false, work, spent: Duration::ZERO, has_begun, reply }
        };
        lock(&state.queue).heavy_sites.insert(Arc::clone(&site));
        state.end(&job(false));
        assert!(lock(&state.queue).heavy_sites.contains(&site));
        state.end(&job(true));
        assert!(!lock(&state.queue).heavy_sites.contains(&site));
    }

    #[tokio::test]
    async fn a_job_whose_probe_is_gone_ends_at_its_next_pause() {
        let (workers, taken) = (workers(), Arc::new(AtomicUsize::new(0)));
        let site = &names(1)[0];
        {
            let job = workers.run(site, turns(usize::MAX, Arc::clone(&taken)));
            let _cancelled = timeout(Duration::ZERO, job).await;
        }
        assert!(lock(&workers.turns).is_empty());
        assert_eq!(workers.run(site, turns(2, Arc::default())).await, Ok(()), "its place is free again");
    }
}
