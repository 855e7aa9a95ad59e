//! Work of our own that takes long, aside from the network thread: unpacking, decoding and searching bodies.
//!
//! **Idea.** A job is a future that pauses every few milliseconds. A few threads take turns with all jobs that have begun, so a
//! job that takes a second delays one of a millisecond by milliseconds. Sites whose last job was heavy have half of
//! the places, and begin only when no other site waits.
//!
//! **Invariants.** A job that has had a second of the processor ends as [`TOO_LONG`], and so do the later ones of its site that
//! wait for it: theirs would be the same. The time counts as nothing else, least of all as the site's. A job that had no
//! turn within [`PATIENCE`] says nothing of the site. A job whose probe was dropped ends at its next pause.
//!
//! **Limits.** One job of a site at a time; [`PLACES`] begun ones, so that much memory is needed at once; 8,192 in all; four
//! threads, begun when they are needed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::num::NonZero;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::model::Cause;
use crate::panic_hook;
use crate::probe::failure::Failure;

/// The processor's time that a job may have.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);
/// What a job that took longer is told as.
pub(crate) const TOO_LONG: &str = "matching took longer than 1 s";
/// How long a job may wait for others.
const PATIENCE: Duration = Duration::from_secs(10);
/// A job that took longer than this is heavy.
const HEAVY: Duration = Duration::from_millis(100);
/// Jobs that have begun and take turns.
const PLACES: usize = 16;
/// Jobs in all: as many as there are probes in flight at most.
const JOBS_MAX: usize = 8_192;
const THREADS_MAX: usize = 4;

/// What comes of a job.
pub(crate) type JobResult = Result<(), Failure>;

/// How the time of a job is measured.
#[derive(Clone, Copy)]
pub(crate) enum JobMeter {
    /// By what the calling thread has had of the processor.
    Processor(fn() -> Duration),
    /// By what passes, where nothing else is known.
    Passing(fn() -> Instant),
}

impl JobMeter {
    fn of<T>(self, work: impl FnOnce() -> T) -> (T, Duration) {
        match self {
            Self::Processor(used) => {
                let before = used();
                let done = work();
                (done, used().saturating_sub(before))
            }
            Self::Passing(now) => {
                let before = now();
                let done = work();
                (done, now().saturating_duration_since(before))
            }
        }
    }
}

/// See the module.
pub(crate) struct Aside {
    shared: Arc<WorkerState>,
    /// By the name of the site; there while a job of the site waits or runs.
    seats: Mutex<HashMap<Arc<str>, Arc<SiteTurn>>>,
}

struct WorkerState {
    queue: Mutex<JobQueue>,
    bell: Condvar,
    meter: JobMeter,
}

#[derive(Default)]
struct JobQueue {
    /// Begun, and not in the hands of a thread.
    begun: VecDeque<BodyJob>,
    light: VecDeque<BodyJob>,
    heavy: VecDeque<BodyJob>,
    /// Begun, in the hands of threads too.
    places: usize,
    /// How many of those are heavy.
    heavy_places: usize,
    /// Sites whose last job was heavy.
    heavy_sites: HashSet<Arc<str>>,
    threads: usize,
    idle: usize,
    closed: bool,
}

struct BodyJob {
    site: Arc<str>,
    heavy: bool,
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

impl Aside {
    /// No thread, no job.
    pub(crate) fn new(meter: JobMeter) -> Self {
        let shared = WorkerState { queue: Mutex::default(), bell: Condvar::new(), meter };
        Self { shared: Arc::new(shared), seats: Mutex::default() }
    }

    /// What comes of `work`, for a probe of `site`.
    pub(crate) async fn run(
        &self,
        site: &Arc<str>,
        work: impl Future<Output = JobResult> + Send + 'static,
    ) -> JobResult {
        let ours = |what: String| Err(Failure::new(Cause::Local, what));
        let turn = async {
            let guard = self.take_seat(site);
            let before = guard.seat.overran.load(Ordering::Relaxed);
            let _turn = guard.seat.turn.acquire().await;
            if guard.seat.overran.load(Ordering::Relaxed) != before {
                return Err(Failure::new(Cause::Body, TOO_LONG));
            }
            let (reply, verdict) = oneshot::channel();
            if let Err(why) = self.shared.submit(site, Box::pin(work), reply) {
                return ours(why);
            }
            match verdict.await {
                Ok(Some(verdict)) => verdict,
                Ok(None) => {
                    guard.seat.overran.fetch_add(1, Ordering::Relaxed);
                    Err(Failure::new(Cause::Body, TOO_LONG))
                }
                Err(_) => ours("webmon: looking at the body failed by a fault of its own".to_owned()),
            }
        };
        let patience = PATIENCE.as_secs();
        timeout(PATIENCE, turn)
            .await
            .unwrap_or_else(|_| ours(format!("this machine had no time for {patience} s to look at the body")))
    }

    fn take_seat(&self, site: &Arc<str>) -> SeatGuard<'_> {
        let new = || Arc::new(SiteTurn { turn: Semaphore::new(1), overran: AtomicU64::new(0) });
        let seat = Arc::clone(lock(&self.seats).entry(Arc::clone(site)).or_insert_with(new));
        SeatGuard { aside: self, site: Arc::clone(site), seat }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.bell.notify_all();
    }
}

/// Takes the seat away with the last one who wants it.
struct SeatGuard<'a> {
    aside: &'a Aside,
    site: Arc<str>,
    seat: Arc<SiteTurn>,
}

impl Drop for SeatGuard<'_> {
    fn drop(&mut self) {
        let mut seats = lock(&self.aside.seats);
        // One count is the map's, one is ours.
        if Arc::strong_count(&self.seat) <= 2 {
            seats.remove(&self.site);
        }
    }
}

impl WorkerState {
    fn submit(
        self: &Arc<Self>,
        site: &Arc<str>,
        work: Pin<Box<dyn Future<Output = JobResult> + Send>>,
        reply: oneshot::Sender<Option<JobResult>>,
    ) -> Result<(), String> {
        let mut queue = lock(&self.queue);
        if queue.places + queue.light.len() + queue.heavy.len() >= JOBS_MAX {
            return Err(format!("{JOBS_MAX} bodies wait to be looked at"));
        }
        let most = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
        if queue.idle == 0 && queue.threads < most {
            let shared = Arc::clone(self);
            let begun = thread::Builder::new().name("webmon-body".to_owned()).spawn(move || shared.work());
            match begun {
                Ok(_detached) => queue.threads += 1,
                Err(error) if queue.threads == 0 => return Err(format!("cannot start a thread: {error}")),
                // The others do it.
                Err(_) => {}
            }
        }
        let heavy = queue.heavy_sites.contains(site);
        let job = BodyJob { site: Arc::clone(site), heavy, work, spent: Duration::ZERO, has_begun: false, reply };
        if heavy {
            queue.heavy.push_back(job);
        } else {
            queue.light.push_back(job);
        }
        drop(queue);
        self.bell.notify_one();
        Ok(())
    }

    /// What each thread does.
    fn work(&self) {
        while let Some(mut job) = self.next() {
            if job.reply.is_closed() {
                self.end(&job);
                continue;
            }
            let poll = || job.work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let (polled, spent) = self.meter.of(|| panic_hook::catch(poll));
            (job.spent, job.has_begun) = (job.spent + spent, true);
            match polled {
                Ok(Poll::Pending) if job.spent < LIMIT => {
                    lock(&self.queue).begun.push_back(job);
                    self.bell.notify_one();
                }
                polled => {
                    self.end(&job);
                    let verdict = match polled {
                        Ok(Poll::Ready(verdict)) => Some(verdict),
                        Ok(Poll::Pending) => None,
                        // The probe sees that the reply was dropped.
                        Err(_) => continue,
                    };
                    // The probe may have been dropped meanwhile.
                    let _gone = job.reply.send(verdict);
                }
            }
        }
    }

    /// The next turn; none when there will be none any more.
    fn next(&self) -> Option<BodyJob> {
        let mut queue = lock(&self.queue);
        loop {
            if queue.closed {
                return None;
            }
            if let Some(job) = queue.take() {
                return Some(job);
            }
            queue.idle += 1;
            queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// `job` leaves its place.
    fn end(&self, job: &BodyJob) {
        let mut queue = lock(&self.queue);
        queue.places -= 1;
        queue.heavy_places -= usize::from(job.heavy);
        if !job.has_begun {
            // Nothing is known of it, so what is known of its site stands.
        } else if job.spent <= HEAVY {
            queue.heavy_sites.remove(&job.site);
        } else if queue.heavy_sites.len() < JOBS_MAX {
            queue.heavy_sites.insert(Arc::clone(&job.site));
        }
        drop(queue);
        // There is room for one that waits.
        self.bell.notify_one();
    }
}

impl JobQueue {
    /// Begins what waits if there is a place, and goes on with what had its turn the longest ago.
    fn take(&mut self) -> Option<BodyJob> {
        let mut starts = None;
        if self.places < PLACES {
            starts = self.light.pop_front();
            if starts.is_none() && self.heavy_places < PLACES / 2 {
                starts = self.heavy.pop_front();
            }
        }
        if let Some(job) = &starts {
            self.places += 1;
            self.heavy_places += usize::from(job.heavy);
        }
        starts.or_else(|| self.begun.pop_front())
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::probe::body::interrupt::pause;

    thread_local! {
        static USED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
    }

    /// A processor whose every reading is 30 ms after the last one.
    fn aside() -> Aside {
        Aside::new(JobMeter::Processor(|| {
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
        let (aside, taken) = (aside(), Arc::new(AtomicUsize::new(0)));
        let site = &names(1)[0];
        let endless = || aside.run(site, turns(usize::MAX, Arc::clone(&taken)));
        let too_long = Err(Failure::new(Cause::Body, TOO_LONG));
        assert_eq!(tokio::join!(endless(), endless(), endless()), (too_long.clone(), too_long.clone(), too_long));
        assert_eq!(taken.load(Ordering::Relaxed), 34, "one job had all of its second, the others nothing");
        assert!(lock(&aside.seats).is_empty(), "nothing is kept of a site without a job");
        assert_eq!(aside.run(site, turns(5, Arc::default())).await, Ok(()), "the next body may be another one");
    }

    #[tokio::test]
    async fn jobs_of_other_sites_have_their_turns_beside_endless_ones() {
        let aside = aside();
        let hogs = names(3 * PLACES);
        // Each is known as heavy then.
        for hog in &hogs {
            assert!(aside.run(hog, turns(usize::MAX, Arc::default())).await.is_err());
        }
        let endless = || tokio::task::unconstrained(futures(&aside, &hogs));
        let mut all = std::pin::pin!(endless());
        for number in 0..20 {
            let light: Arc<str> = format!("light{number}").into();
            let light = aside.run(&light, turns(3, Arc::default()));
            tokio::select! {
                biased;
                () = &mut all => break,
                verdict = light => assert_eq!(verdict, Ok(())),
            }
        }
    }

    async fn futures(aside: &Aside, sites: &[Arc<str>]) {
        let mut all: Vec<_> =
            sites.iter().map(|site| Box::pin(aside.run(site, turns(usize::MAX, Arc::default())))).collect();
        std::future::poll_fn(|cx| {
            all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
            if all.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    #[tokio::test]
    async fn a_job_that_panics_says_nothing_of_the_site_and_takes_no_place() {
        let aside = aside();
        for name in names(2 * PLACES) {
            let verdict = aside.run(&name, async { panic!("scripted") }).await;
            assert_eq!(verdict.unwrap_err().cause, Cause::Local);
        }
        assert_eq!(aside.run(&names(1)[0], turns(2, Arc::default())).await, Ok(()));
    }

    /// The probe is gone before the only thread comes to its job.
    #[test]
    fn a_job_without_a_turn_says_nothing_of_its_site() {
        let shared = WorkerState { queue: Mutex::default(), bell: Condvar::new(), meter: aside().shared.meter };
        let site = names(1).remove(0);
        let job = |has_begun| {
            let (reply, _) = oneshot::channel();
            let work = Box::pin(turns(1, Arc::default()));
            lock(&shared.queue).places += 1;
            BodyJob { site: Arc::clone(&site), heavy: false, work, spent: Duration::ZERO, has_begun, reply }
        };
        lock(&shared.queue).heavy_sites.insert(Arc::clone(&site));
        shared.end(&job(false));
        assert!(lock(&shared.queue).heavy_sites.contains(&site));
        shared.end(&job(true));
        assert!(!lock(&shared.queue).heavy_sites.contains(&site));
    }

    #[tokio::test]
    async fn a_job_whose_probe_is_gone_ends_at_its_next_pause() {
        let (aside, taken) = (aside(), Arc::new(AtomicUsize::new(0)));
        let site = &names(1)[0];
        {
            let job = aside.run(site, turns(usize::MAX, Arc::clone(&taken)));
            let _cancelled = timeout(Duration::ZERO, job).await;
        }
        assert!(lock(&aside.seats).is_empty());
        assert_eq!(aside.run(site, turns(2, Arc::default())).await, Ok(()), "its place is free again");
    }
}
