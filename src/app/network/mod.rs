//! The network side of a monitor: one scheduler for each network thread, each with the sites of its share.
//!
//! Invariants: the share of a site depends on its name and the number of threads only, so a reload moves no site; the shares
//! of many sites are about equal. The bounds of probes, lookups and handshakes hold over all threads; each has its own connections,
//! names and timers. Bounds: [`THREADS_MAX`] threads.

pub(crate) mod orders;
pub(crate) mod threads;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::sync::mpsc;

use crate::config::THREADS_MAX;
use crate::probe::Prober;

use super::scheduler::manual_checks::ManualChecks;
use super::scheduler::{IntakeSender, ORDERS, ScheduledSite, Scheduler, SchedulerContext, arrivals};
use orders::NetworkOrders;

/// The number of network threads for `chosen`, the setting of the file: without one, a thread for every two cores.
#[must_use]
pub fn threads(chosen: Option<NonZero<usize>>) -> NonZero<usize> {
    let auto = || {
        let cores = available_parallelism().map_or(1, NonZero::get);
        NonZero::new((cores / 2).min(THREADS_MAX as usize)).unwrap_or(NonZero::<usize>::MIN)
    };
    chosen.unwrap_or_else(auto)
}

/// Which of `threads` network threads checks the site `name`.
#[must_use]
pub fn share_of(name: &str, threads: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    // Otherwise the due times of a thread's sites, which are a hash of the name as well, would crowd.
    ("network thread", name).hash(&mut hasher);
    let share = hasher.finish() % u64::try_from(threads.max(1)).unwrap_or(u64::MAX);
    usize::try_from(share).unwrap_or_default()
}

/// The schedulers of a monitor, the first thread's first.
pub struct Schedulers<P>(Vec<Scheduler<P>>);

/// Brings the sites of a start to their schedulers.
#[derive(Debug)]
pub struct SiteDistributor(Vec<IntakeSender>);

impl SiteDistributor {
    /// Brings a site to its scheduler.
    pub fn bring(&mut self, site: ScheduledSite) {
        let share = share_of(&site.site.name, self.0.len());
        self.0[share].bring(site);
    }
}

impl<P: Prober> Schedulers<P> {
    /// As many schedulers as `threads`, for sites of these names, which the distributor brings.
    #[must_use]
    pub fn new<'a>(
        threads: NonZero<usize>,
        names: impl Iterator<Item = &'a str>,
        shared: &SchedulerContext<P>,
        manual_checks: &ManualChecks,
    ) -> (Self, SiteDistributor, NetworkOrders) {
        let mut sites = vec![0; threads.get()];
        names.for_each(|name| sites[share_of(name, threads.get())] += 1);
        let (mut schedulers, mut intakes, mut orders) = (Vec::new(), Vec::new(), Vec::new());
        for (thread, sites) in sites.into_iter().enumerate() {
            let ((intake, arrivals), (sender, ordered)) = (arrivals(sites), mpsc::channel(ORDERS));
            let shared = (thread, shared.clone());
            schedulers.push(Scheduler::new(shared, arrivals, manual_checks.clone(), ordered));
            intakes.push(intake);
            orders.push(sender);
        }
        (Self(schedulers), SiteDistributor(intakes), NetworkOrders::new(orders))
    }
}

#[cfg(test)]
impl<P: Prober> Schedulers<P> {
    /// Runs all of them on the current runtime until `stop`.
    pub async fn run(self, stop: tokio_util::sync::CancellationToken) {
        let mut running: Vec<_> = self.0.into_iter().map(|scheduler| Box::pin(scheduler.run(stop.clone()))).collect();
        // Within this task, so that a test can hold all of them.
        std::future::poll_fn(|context| {
            running.retain_mut(|scheduler| scheduler.as_mut().poll(context).is_pending());
            if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::scheduler::due_time::first_due;
    use crate::model::Site;

    #[test]
    fn shares_are_about_equal_and_so_are_the_checks_of_each_moment() {
        let sites: Vec<Site> =
            (0..10_000).map(|n| Site::new(format!("https://s{n}.example"), "http://a/".parse().unwrap())).collect();
        let due = first_due(sites.iter());
        for threads in [1, 2, 3, 4, 16, THREADS_MAX as usize] {
            let mut all = vec![0_usize; threads];
            // The checks of the first half of the interval.
            let mut early = vec![0_usize; threads];
            for (site, due) in sites.iter().zip(&due) {
                let share = share_of(&site.name, threads);
                all[share] += 1;
                early[share] += usize::from(*due < site.interval / 2);
            }
            // Five standard deviations of a binomial distribution.
            let mean = sites.len() / threads;
            let apart = 5 * mean.isqrt();
            assert!(all.iter().all(|size| size.abs_diff(mean) <= apart), "{threads}: {all:?}");
            assert!(early.iter().all(|early| early.abs_diff(mean / 2) <= apart), "{threads}: {early:?}");
        }
    }

    #[test]
    fn there_is_a_thread_for_every_two_cores_and_at_least_one() {
        let cores = available_parallelism().map_or(1, NonZero::get);
        assert_eq!(threads(None).get(), (cores / 2).clamp(1, THREADS_MAX as usize));
        assert_eq!(threads(NonZero::new(7)).get(), 7);
    }
}
