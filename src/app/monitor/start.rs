//! The network side of a monitor, begun before the rest of it is there.
//!
//! What the store holds of thousands of sites takes longer to read, and longer still to count, than the first of them can
//! wait. So the scheduler is made first and may run at once; each site comes to it when its past is in its ring
//! ([`crate::app::storage::restore`]), and the engine reads the rings only when all have. It is given the instant before the first check
//! as its present, so what came since then is news to it, as it would have been had it been there.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::{mpsc, watch};

use crate::app::exit::{CommandError, NO_THREAD};
use crate::app::headless::Feed;
use crate::app::scheduler::manual_checks::{ManualChecks, Rechecks};
use crate::app::scheduler::{CheckTexts, ORDERS, Order, Scheduler, SchedulerContext, TextQueue, arrivals};
use crate::app::status::counters::SchedulerCounters;
use crate::app::storage::restore::{Assembly, Restored, assemble};
use crate::app::storage::task::{StoreReceivers, StoreSenders};
use crate::engine::SiteInput;
use crate::model::{SiteId, Timestamp};
use crate::probe::{Prober, Spent};
use crate::ring::Reader;
use crate::store::Store;

use super::MonitorOptions;

/// Texts of checks on their way to the engine, and to the store: a second of 10,000 sites.
const TEXT_QUEUE: usize = 10_000;

/// What a scheduler was begun with, and what the rest is to be made of.
pub struct NetworkLinks<P, N> {
    /// The scheduler, or what became of it.
    pub network: N,
    /// Before the first check.
    pub now: Timestamp,
    /// For the engine.
    pub tracks: Vec<SiteInput>,
    /// For the store's writer: what comes from the first check on.
    pub readers: Vec<Reader>,
    /// What the scheduler counts about itself.
    pub gauges: Arc<SchedulerCounters>,
    /// Texts for the engine.
    pub texts: mpsc::Receiver<CheckTexts>,
    /// Every check, if it is to be printed.
    pub feed: Option<Feed>,
    /// The store's queues, with one.
    pub inbox: Option<(StoreReceivers, StoreSenders)>,
    /// The manual checks of the user.
    pub rechecks: watch::Receiver<Rechecks>,
    /// The way to send orders to the scheduler.
    pub orders: mpsc::Sender<Order>,
    /// Where it is told with what to probe.
    pub prober: watch::Sender<Arc<P>>,
}

impl<P: Prober, N> NetworkLinks<P, N> {
    /// Gives a scheduler of all sites to `launch`, and brings the sites to it.
    ///
    /// # Errors
    /// [`CommandError`]: what `launch` says, and the store. Checks may have begun by then; they end with what `launch` made.
    pub fn of(
        parts: &MonitorOptions<P>,
        (memory, store): (&Restored, Option<&Store>),
        launch: impl FnOnce(Scheduler<P>) -> io::Result<N>,
    ) -> Result<Self, CommandError> {
        let now = parts.clock.now();
        let names: Vec<Arc<str>> = parts.config.sites.iter().map(|watched| Arc::clone(&watched.site.name)).collect();
        let gauges = Arc::new(SchedulerCounters::default());
        let (sender, texts) = mpsc::channel(TEXT_QUEUE);
        let mut queues = vec![TextQueue { sender, failures_only: false }];
        let gone = memory.ended.iter().map(|(id, alert)| (Arc::clone(&alert.site), *id));
        let ids = memory.registered.iter().map(|registered| registered.id);
        let ids: HashMap<Arc<str>, SiteId> = names.iter().cloned().zip(ids).chain(gone).collect();
        let inbox = store.map(|_| StoreReceivers::open(ids, TEXT_QUEUE));
        queues.extend(inbox.iter().map(|(_, slots)| TextQueue { sender: slots.texts.clone(), failures_only: true }));
        let printed = parts.wants_checks.then(|| {
            let (sender, printed) = mpsc::channel(TEXT_QUEUE);
            queues.push(TextQueue { sender, failures_only: false });
            printed
        });
        let (manual_checks, rechecks) = ManualChecks::open();
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (prober, probers) = watch::channel(Arc::clone(&parts.prober));
        let shared = SchedulerContext {
            prober: probers,
            clock: parts.clock.clone(),
            gauges: Arc::clone(&gauges),
            texts: queues,
            limits: parts.limits,
            spent: Spent::of_thread,
        };
        let (mut usher, arrivals) = arrivals(names.len());
        let network = launch(Scheduler::new(shared, arrivals, manual_checks, ordered)).context(NO_THREAD)?;
        let assembly = assemble(&parts.config, (memory, store), now, |watch| usher.bring(watch));
        let Assembly { tracks, readers } = assembly?;
        drop(usher);
        let feed = printed.map(|texts| Feed::new(readers.clone(), names, texts, Arc::clone(&gauges)));
        Ok(Self { network, now, tracks, readers, gauges, texts, feed, inbox, rechecks, orders, prober })
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

    /// A check that came out then.
    fn sample(at: Timestamp, cause: Cause) -> Sample {
        let phases = Phases::NONE.with(Phase::Processing, Micros::new(20_000)).with(Phase::Transfer, Micros::ZERO);
        Observation { phases, ..Observation::failed(cause, "") }.sample(at, Micros::ZERO, 0)
    }

    /// Sites are checked as soon as they are handed on, so their first results are in the rings before anybody reads these:
    /// the past is what it would have been, and what came is news, saved once and under the numbers that follow.
    #[test]
    fn checks_that_begin_while_the_past_of_others_is_read_come_after_it_and_are_news() {
        let folder = tempfile::tempdir().unwrap();
        // `a` has more than its ring is to hold, `b` some, `c` nothing that matters any more, `d` nothing.
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
        assert!(failing.contains(&1) && failing.contains(&3), "they are told: {failing:?}");
    }
}
