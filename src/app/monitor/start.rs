//! Starts the schedulers before the rest of the monitor exists.
//!
//! Reading the stored samples of thousands of sites takes longer than the first of them can wait. So the schedulers start
//! first, and each site joins its own as soon as its ring is filled ([`crate::app::storage::restore`]). The engine starts when
//! all rings are filled, as of the instant before the first check, so that every later sample is new to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};

use crate::app::exit::{CommandError, NO_THREAD};
use crate::app::headless::Feed;
use crate::app::network::Schedulers;
use crate::app::network::orders::NetworkOrders;
use crate::app::scheduler::manual_checks::{ManualChecks, Rechecks};
use crate::app::scheduler::{CheckTexts, SchedulerContext, TextQueue};
use crate::app::status::counters::SchedulerCounters;
use crate::app::storage::restore::{Assembly, Restored, assemble};
use crate::app::storage::task::{StoreReceivers, StoreSenders};
use crate::app::system::limits::FlightPermits;
use crate::model::Timestamp;
use crate::probe::{Prober, Spent};
use crate::store::Store;

use super::MonitorOptions;

/// A store, its contents, and the time between commits.
pub struct OpenStore {
    /// The store.
    pub store: Store,
    /// The stored state of the sites.
    pub memory: Restored,
    /// Time between commits.
    pub flush: Duration,
}

impl OpenStore {
    pub(super) fn apart(self) -> (Option<(Store, Duration)>, Restored) {
        (Some((self.store, self.flush)), self.memory)
    }
}

/// Texts of checks that may wait for the engine, or for the store: a second of 10,000 sites.
const TEXT_QUEUE: usize = 10_000;

/// Started schedulers, and their links to the rest of the monitor.
pub struct NetworkLinks<P, N> {
    /// The schedulers, or what `launch` made of them.
    pub scheduler: N,
    /// The time before the first check.
    pub now: Timestamp,
    /// The sites for the engine, and the readers for the store's writer.
    pub assembly: Assembly,
    /// The store's queues, with a store.
    pub store: Option<(StoreReceivers, StoreSenders)>,
    /// For the control loop.
    pub control: SchedulerLink,
    /// The manual checks, for the dashboard.
    pub rechecks: watch::Receiver<Rechecks>,
    /// Every check, if it is printed.
    pub feed: Option<Feed>,
    /// The texts of checks for the events of a listener.
    pub event_texts: Option<mpsc::Receiver<CheckTexts>>,
    /// Changes the prober.
    pub prober: watch::Sender<Arc<P>>,
}

/// The control loop's link to the schedulers.
pub struct SchedulerLink {
    /// Texts of checks.
    pub texts: mpsc::Receiver<CheckTexts>,
    /// The user's commands, and changes of sites and clock.
    pub orders: NetworkOrders,
    /// The schedulers' own counters.
    pub counters: Arc<SchedulerCounters>,
}

impl<P: Prober, N> NetworkLinks<P, N> {
    /// Gives the schedulers of all sites to `launch`, then brings them the sites one at a time.
    ///
    /// # Errors
    /// [`CommandError`]: that of `launch`, or the store's. Checks may have begun by then; they end with the result of `launch`.
    pub fn open(
        options: &MonitorOptions<P>,
        (memory, store): (&Restored, Option<&Store>),
        launch: impl FnOnce(Schedulers<P>) -> io::Result<N>,
    ) -> Result<Self, CommandError> {
        let now = options.clock.now();
        let names: Vec<Arc<str>> = options.config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
        let counters = Arc::new(SchedulerCounters::of(options.threads.get()));
        let (sender, texts) = mpsc::channel(TEXT_QUEUE);
        let mut queues = vec![TextQueue::new(sender, false)];
        let store_queues = store.map(|_| StoreReceivers::open(memory.stored_sites.clone(), TEXT_QUEUE));
        let failures = store_queues.iter().map(|(_, to)| TextQueue::new(to.texts.clone(), true));
        queues.extend(failures);
        let printed = options.wants_checks.then(|| {
            let (sender, printed) = mpsc::channel(TEXT_QUEUE);
            queues.push(TextQueue::new(sender, false));
            printed
        });
        let event_texts = options.events.clone().map(|is_wanted| {
            let (sender, texts) = mpsc::channel(TEXT_QUEUE);
            queues.push(TextQueue { is_wanted: Some(is_wanted), ..TextQueue::new(sender, false) });
            texts
        });
        let (manual_checks, rechecks) = ManualChecks::open();
        let (prober, probers) = watch::channel(Arc::clone(&options.prober));
        let shared = SchedulerContext {
            prober: probers,
            clock: options.clock.clone(),
            gauges: Arc::clone(&counters),
            texts: queues,
            permits: FlightPermits::new(options.limits),
            spent: Spent::of_thread,
        };
        let (schedulers, mut arriving, orders) =
            Schedulers::new(options.threads, names.iter().map(|name| &**name), &shared, &manual_checks);
        let scheduler = launch(schedulers).context(NO_THREAD)?;
        let assembly = assemble(&options.config, (memory, store), now, |watch| arriving.bring(watch));
        let assembly = assembly?;
        drop(arriving);
        let feed = printed.map(|texts| Feed::new(assembly.readers.clone(), names, texts, Arc::clone(&counters)));
        let control = SchedulerLink { texts, orders, counters };
        Ok(Self { scheduler, now, assembly, store: store_queues, control, rechecks, feed, event_texts, prober })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::Engine;
    use crate::model::{Cause, Micros, Observation, Phase, Phases, Sample};
    use crate::ring::Producer;
    use crate::store::{Options, Writer};

    use crate::app::storage::restore::remember;
    use crate::app::tests::monitor::parsed;

    const NOW: Timestamp = Timestamp::from_secs(1_795_340_000);

    /// A check with its outcome at `at`.
    fn sample(at: Timestamp, cause: Cause) -> Sample {
        let phases = Phases::NONE.with(Phase::Processing, Micros::new(20_000)).with(Phase::Transfer, Micros::ZERO);
        Observation { phases, ..Observation::failed(cause, "") }.sample(at, Micros::ZERO, 0)
    }

    /// The scheduler checks a site as soon as it joins, so first results are in the rings before the engine reads them.
    /// They do not change the history; they are new, and saved once under the numbers that follow.
    #[test]
    fn checks_made_while_other_sites_are_restored_are_new() {
        let folder = tempfile::tempdir().unwrap();
        // `a` has more history than its ring holds, `b` some, `c` only outdated history, `d` none.
        let config = parsed(
            "defaults: { interval: 10s, timeout: 5s }\nsites:\n- { name: a, url: 'http://a/' }\n\
             - { name: b, url: 'http://b/' }\n- { name: c, url: 'http://c/' }\n- { name: d, url: 'http://d/' }",
        );
        let names: Vec<Arc<str>> = config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
        let past: [(u64, u64); 3] = [(5_000, 10), (600, 10), (9_000, 4_000)];
        let long_ago = NOW.before(Duration::from_hours(3));
        let store = Store::open(&folder.path().join("webmon.redb"), &Options::default(), long_ago).unwrap().store;
        let registered = store.register(&names[..3], long_ago).unwrap();
        let mut producers: Vec<Producer> = registered.iter().map(|_| Producer::new(1_000, 0)).collect();
        let readers = producers.iter().map(|producer| producer.ring().reader_at_head());
        let writer = Writer::new(store, registered.iter().map(|site| site.id).zip(readers).collect()).unwrap();
        for (producer, (first, last)) in producers.iter_mut().zip(past) {
            for ago in (last..=first).rev().step_by(10) {
                let cause = if ago % 7 == 0 { Cause::Reset } else { Cause::Ok };
                producer.push(sample(NOW.before(Duration::from_secs(ago)), cause));
            }
        }
        assert!(writer.close(NOW).notices.is_empty());

        let store = Store::open(&folder.path().join("webmon.redb"), &Options::default(), NOW).unwrap().store;
        let memory = remember(&store, &config, &names, NOW).unwrap();
        let quiet = assemble(&config, (&memory, Some(&store)), NOW, drop).unwrap().tracks;
        let mut running = Vec::new();
        let eager = assemble(&config, (&memory, Some(&store)), NOW, |mut watch| {
            watch.producer.push(sample(NOW.after(Duration::from_millis(1)), Cause::Reset));
            watch.producer.push(sample(NOW.after(Duration::from_millis(2)), Cause::Reset));
            running.push(watch);
        });
        let Assembly { tracks: eager, readers } = eager.unwrap();

        let due: Vec<Duration> = running.iter().map(|watch| watch.first_due).collect();
        assert!(due.is_sorted() && due[0] == Duration::ZERO, "the earliest first: {due:?}");
        for (site, (mut reader, track)) in readers.into_iter().zip(&eager).enumerate() {
            let mut saved = Vec::new();
            let drained = reader.drain(&mut saved);
            let next_seq = memory.of(site).next_seq;
            assert_eq!((drained.first_seq, drained.lost, saved.len()), (next_seq, 0, 2), "{}", names[site]);
            let mut held = Vec::new();
            let oldest = track.ring.reader_at_oldest().drain(&mut held);
            assert_eq!(oldest.first_seq + held.len() as u64, next_seq + 2);
            assert!(held.is_sorted_by(|before, after| before.at < after.at));
        }
        let engine = |tracks| Engine::new(config.views.clone(), tracks, NOW);
        let (quiet, mut eager) = (engine(quiet), engine(eager));
        let (before, begun) = (quiet.board().snapshot(), eager.board().snapshot());
        for (before, begun) in before.views.iter().zip(&begun.views) {
            for (before, begun) in before.rows.iter().zip(&begun.rows) {
                assert_eq!((&before.summary, before.oldest), (&begun.summary, begun.oldest));
            }
        }
        for (before, begun) in before.sites.iter().zip(&begun.sites) {
            assert_eq!((before.state, before.since, before.is_older), (begun.state, begun.since, begun.is_older));
        }
        let step = eager.step(NOW.after(Duration::from_secs(1)));
        assert_eq!((eager.checks(), step.lost), (8, 0));
        let failing: Vec<usize> = step.changes.iter().map(|change| change.site.get()).collect();
        assert!(failing.contains(&1) && failing.contains(&3), "{failing:?}");
    }
}
