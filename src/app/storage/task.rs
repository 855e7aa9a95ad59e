//! The store task of a running monitor: one commit of everything new per flush.
//!
//! The writer may wait for a disk or for another process's lock, so it works on a blocking thread ([`super::disk_thread`]); only
//! the next flush and restore requests wait for it. Samples, texts and alerts are collected at each flush nevertheless.
//! Invariants: the readers exist before the first probe, so every sample is saved; texts and alerts go into the commit of their
//! samples. Bounds: a flush of more than [`TOLD`] is reported as not saving; the end takes at most [`LAST`] and the export's.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::export_handle::{ExportHandle, LAST_FLUSH};
use crate::alert::Alert;
use crate::alert::kept::change::Record;
use crate::alert::network::Outage;
use crate::app::alerts::stored_report::{self, KeptOutage, ReportReceiver, ReportSender};
use crate::app::clock::Clock;
use crate::app::log::about;
use crate::app::scheduler::{CheckTexts, ORDERS};
use crate::app::status::health_meter::StoreStatus;
use crate::app::storage::request::{Others, ReaderChange, RestoreRequest};
use crate::model::lock::lock;
use crate::model::{SiteId, SiteSlot, StoreHealth, Timestamp};
use crate::store::{Flushed, Intake, Writer, unsaved};

use super::archive_views::ArchiveViews;
use super::disk_thread::{DEAD, DiskThread};

/// See the module.
pub struct StoreTask {
    /// Drains the rings into commits.
    pub writer: Writer,
    /// The queues of texts, alerts and pauses.
    pub receivers: StoreReceivers,
    /// Requests for the stored state of new sites.
    pub requests: mpsc::Receiver<RestoreRequest>,
    /// Time between commits.
    pub flush: Duration,
    /// The clock.
    pub clock: Clock,
    /// Where the health is read.
    pub keeping: watch::Sender<StoreStatus>,
    /// The export of what is committed, if there is one.
    pub export: Option<ExportHandle>,
}

/// A flush that has not returned by then is reported.
const TOLD: Duration = Duration::from_secs(5);

/// Time between two looks at a flush under way.
const LOOK: Duration = Duration::from_secs(1);

/// The time limit of the last commits.
pub const LAST: Duration = Duration::from_millis(2_500);

impl StoreTask {
    /// Commits every flush until `stop`, then once more, and closes the store; how that went is returned.
    pub async fn run(self, stop: CancellationToken) -> Flushed {
        let Self { writer, receivers, mut requests, flush, clock, keeping, export } = self;
        let (intake, link) = (writer.entrance(), writer.store().link());
        let mut front = Front { intake, receivers, export, clock, keeping };
        let mut disk_thread = DiskThread::new(writer, None, link);
        let mut ticks = tokio::time::interval(flush);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (urgent, mut is_urgent) = (front.receivers.reports.urgent(), false);
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_away = disk_thread.is_away();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = ended(&mut front.export) => {}
                flushed = disk_thread.returned() => {
                    front.note(flushed, &mut disk_thread);
                    if std::mem::take(&mut is_urgent) {
                        front = front.collect().await;
                        front.flush(&mut disk_thread);
                    }
                }
                () = urgent.notified() => {
                    front = front.collect().await;
                    is_urgent = disk_thread.is_away();
                    front.flush(&mut disk_thread);
                }
                _ = ticks.tick() => {
                    front = front.collect().await;
                    front.flush(&mut disk_thread);
                }
                _ = looks.tick(), if is_away => front.look(&mut disk_thread, TOLD),
                // A commit comes first, so that the stored sequence numbers are up to date.
                Some(ask) = requests.recv(), if !is_away => {
                    front = front.collect().await;
                    let now = front.clock.now();
                    disk_thread.flush(now, front.clock.monotonic(), front.receivers.others(), Some(ask));
                }
            }
        }
        // The scheduler has ended, so everything that it sent is in the queues.
        front.end(disk_thread, LAST).await
    }
}

/// The part of the task that never waits for the disk.
struct Front {
    intake: Arc<Mutex<Intake>>,
    receivers: StoreReceivers,
    export: Option<ExportHandle>,
    clock: Clock,
    keeping: watch::Sender<StoreStatus>,
}

impl Front {
    /// Collects everything new. It takes processor time but never waits.
    async fn collect(mut self) -> Self {
        let intake = Arc::clone(&self.intake);
        // Waking another thread costs more than the samples of a few sites.
        if let Ok(mut free) = intake.try_lock()
            && free.sites() <= FEW_SITES
        {
            self.hand_over(&mut free);
            drop(free);
            return self;
        }
        blocking(move || {
            self.hand_over(&mut held(&intake));
            self
        })
        .await
    }

    fn hand_over(&mut self, intake: &mut Intake) {
        if let Some(export) = &mut self.export {
            export.hand_over(intake);
        }
        intake.collect(|intake| self.receivers.hand_over(intake));
    }

    /// Starts a flush, unless one is under way.
    fn flush(&mut self, disk_thread: &mut DiskThread) {
        if !disk_thread.is_away() {
            disk_thread.flush(self.clock.now(), self.clock.monotonic(), self.receivers.others(), None);
        }
    }

    /// Reports a finished flush.
    fn note(&self, flushed: Flushed, disk_thread: &mut DiskThread) {
        debug!(target: about::STORE, samples = flushed.committed, "committed");
        let word = disk_thread.relief();
        self.keeping.send_modify(|keeping| {
            keeping.stuck = None;
            keeping.note(flushed);
            if let Some(word) = word {
                keeping.tell(word);
            }
        });
    }

    /// Reports a flush that takes longer than `patience`, and the samples that are lost meanwhile.
    fn look(&self, disk_thread: &mut DiskThread, patience: Duration) {
        let Some((now, began, reason)) = disk_thread.look(self.clock.monotonic(), patience) else { return };
        let lost = held(&self.intake).take_lost();
        disk_thread.lost(lost.samples);
        self.keeping.send_modify(|keeping| {
            keeping.stuck = Some(began);
            keeping.note(Flushed {
                health: StoreHealth::NotSaving { since: now, reason: reason.to_owned() },
                dropped: lost.samples,
                dropped_texts: lost.texts + lost.alerts,
                ..Flushed::default()
            });
        });
    }

    /// Makes the last commits and ends the export between them. Abandons a commit that does not return within `patience`.
    async fn end(mut self, mut disk_thread: DiskThread, patience: Duration) -> Flushed {
        disk_thread.hurry();
        self = self.collect().await;
        let export = if self.export.is_some() { LAST_FLUSH } else { Duration::ZERO };
        let mut deadline = std::pin::pin!(tokio::time::sleep(patience + export));
        let mut is_back =
            disk_thread.back_by(deadline.as_mut(), |disk_thread, flushed| self.note(flushed, disk_thread)).await;
        if self.export.is_some() && is_back {
            self.flush(&mut disk_thread);
            is_back =
                disk_thread.back_by(deadline.as_mut(), |disk_thread, flushed| self.note(flushed, disk_thread)).await;
        }
        if let Some(export) = &mut self.export {
            export.finish().await;
            export.hand_over(&mut held(&self.intake));
        }
        let (now, elapsed) = (self.clock.now(), self.clock.monotonic());
        let closed = if is_back { disk_thread.close(now, elapsed, deadline).await } else { None };
        let flushed = closed.unwrap_or_else(|| self.left_behind(&mut disk_thread));
        self.keeping.send_modify(|keeping| keeping.note(flushed.clone()));
        flushed
    }

    /// The result of a last commit that does not return.
    fn left_behind(&self, disk_thread: &mut DiskThread) -> Flushed {
        let began = disk_thread.look(self.clock.monotonic(), Duration::ZERO);
        let (since, reason) = began.map_or((self.clock.now(), DEAD), |(since, _, reason)| (since, reason));
        let samples = held(&self.intake).unsaved();
        let notice = match samples {
            0 => format!("the store was not closed cleanly and repairs itself at the next start: {reason}"),
            samples => unsaved(samples, reason),
        };
        let health = StoreHealth::NotSaving { since, reason: reason.to_owned() };
        Flushed { health, dropped: samples, notices: vec![notice], ..Flushed::default() }
    }
}

fn held(intake: &Mutex<Intake>) -> MutexGuard<'_, Intake> {
    lock(intake)
}

/// With so many sites at most, the control thread collects by itself. A thousand samples take it about 30 µs (bench `store`, encode).
const FEW_SITES: usize = 100;

/// Changes of readers that may wait: two per reload, and each reload begins with a flush.
const ADOPTIONS: usize = 4;

/// Waits until the export has panicked; pends forever if there is none or it has ended.
pub async fn ended(export: &mut Option<ExportHandle>) {
    match export {
        Some(running) => {
            running.ended().await;
            *export = None;
        }
        None => std::future::pending().await,
    }
}

/// The receivers of everything but samples that goes into a commit: bounded queues, emptied at each flush.
pub struct StoreReceivers {
    /// The ids of all sites of the store, watched or not, by name.
    pub sites: HashMap<Arc<str>, SiteId>,
    /// Texts of failed checks.
    pub texts: mpsc::Receiver<CheckTexts>,
    /// Alerts to store, and the changes that belong to them.
    pub reports: ReportReceiver,
    /// Pauses to store: the slot of the site, and until when.
    pub pauses: mpsc::Receiver<(SiteSlot, Option<Timestamp>)>,
    /// Changes of the sites, each sent before the first text of its sites.
    pub reader_changes: mpsc::Receiver<Vec<ReaderChange>>,
    /// See [`StoreSenders::decided`].
    decided: Arc<AtomicU64>,
    /// Other long views, if there are to be.
    long_views: Vec<Option<ArchiveViews>>,
}

/// The senders of [`StoreReceivers`].
pub struct StoreSenders {
    /// See [`StoreReceivers::texts`].
    pub texts: mpsc::Sender<CheckTexts>,
    /// See [`StoreReceivers::reports`].
    pub reports: ReportSender,
    /// See [`StoreReceivers::pauses`].
    pub pauses: mpsc::Sender<(SiteSlot, Option<Timestamp>)>,
    /// See [`StoreReceivers::reader_changes`].
    pub reader_changes: mpsc::Sender<Vec<ReaderChange>>,
    /// An outage of this machine's network may yet be found in the time after it, µs.
    pub decided: Arc<AtomicU64>,
}

impl StoreReceivers {
    /// An empty receivers for `sites` with room for this many texts.
    #[must_use]
    pub fn open(sites: HashMap<Arc<str>, SiteId>, texts: usize) -> (Self, StoreSenders) {
        let (text_sender, texts) = mpsc::channel(texts);
        let (report_sender, reports) = stored_report::open();
        let (pause_sender, pauses) = mpsc::channel(ORDERS);
        let (reader_change_sender, reader_changes) = mpsc::channel(ADOPTIONS);
        let slots = StoreSenders {
            texts: text_sender,
            reports: report_sender,
            pauses: pause_sender,
            reader_changes: reader_change_sender,
            decided: Arc::new(AtomicU64::new(Timestamp::MAX.as_micros())),
        };
        let decided = Arc::clone(&slots.decided);
        (Self { sites, texts, reports, pauses, reader_changes, decided, long_views: Vec::new() }, slots)
    }

    /// Other long views, if there are to be.
    fn others(&mut self) -> Option<Others> {
        self.long_views.drain(..).next_back().map(Others)
    }

    /// Hands everything that was sent to `intake`.
    pub(crate) fn hand_over(&mut self, intake: &mut Intake) {
        let texts: Vec<CheckTexts> = std::iter::from_fn(|| self.texts.try_recv().ok()).collect();
        // After the texts were received, so that their sites are known.
        while let Ok(reader_changes) = self.reader_changes.try_recv() {
            for adoption in reader_changes {
                match adoption {
                    ReaderChange::Watch(name, id, reader) => {
                        self.sites.insert(name, id);
                        intake.watch(id, reader);
                    }
                    ReaderChange::Follow(site, ring) => intake.follow(site.get(), ring),
                    ReaderChange::ArchiveViews(long_views) => self.long_views.push(long_views),
                }
            }
        }
        for texts in texts {
            intake.note_failure(texts.site.get(), texts.seq, &texts.observation);
            intake.note_evidence(texts.site.get(), texts.seq, texts.at, &texts.observation);
        }
        // Before the outages that were found by then.
        let decided = Timestamp::from_micros(self.decided.load(Ordering::Acquire));
        let sites = &self.sites;
        // `None`: of a site that the store does not know. Under webmon's own number it would read back as webmon's.
        let id = |alert: &Alert| if alert.rule.is_own() { Some(SiteId::OWN) } else { sites.get(&alert.site).copied() };
        while let Some(report) = self.reports.next() {
            for alert in report.alerts {
                if let Some(site) = id(&alert) {
                    intake.note_alert(site, alert);
                } else {
                    debug!(target: about::STORE, site = &*alert.site, "an alert of an unknown site");
                }
            }
            for (key, record) in report.changes {
                let site = record.as_ref().and_then(Record::subject).map_or(Some(SiteId::OWN), id);
                intake.note_change((key, record.filter(|_| site.is_some())), |_| site.unwrap_or(SiteId::OWN));
            }
            for KeptOutage { outage, sites: names, is_kept } in report.outages {
                let named = names.iter().filter_map(|name| sites.get(name).copied());
                let mut concerned: Vec<SiteId> = outage.sites.iter().copied().chain(named).collect();
                concerned.sort_unstable();
                intake.note_outage(&Outage { sites: concerned, ..outage }, is_kept);
            }
            intake.note_ticket(report.ticket);
        }
        intake.note_decided(decided);
        while let Ok((site, until)) = self.pauses.try_recv() {
            intake.note_pause(site.get(), until);
        }
    }
}

/// Runs `work` on a blocking thread. A panic of it resumes here.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::incident::ledger::Ledger;
    use crate::alert::incident::terms::{Emitted, LedgerTerms};
    use crate::alert::kept::change::ChangeKey;
    use crate::alert::kept::row::Row;
    use crate::alert::{AlertState, NewsContext, Rule};
    use crate::app::alerts::stored_report::StoredReport;
    use crate::app::storage::restore::remember;
    use crate::model::{Cause, Micros, Observation, Phase, Phases, Sample};
    use crate::ring::Producer;
    use crate::store::tests::simulated_disk::Disk;
    use crate::store::{Query, Store};

    fn sample(index: u64) -> Sample {
        let phases = Phases::NONE.with(Phase::Processing, Micros::new(20_000));
        let at = Timestamp::from_secs(1_795_340_000 + index);
        Observation { phases, ..Observation::failed(Cause::Reset, "") }.sample(at, Micros::ZERO, 0)
    }

    /// The store task of one site on `disk`, whose ring holds 20 samples.
    fn side(disk: &Disk) -> (Front, DiskThread, Producer, watch::Receiver<StoreStatus>) {
        let store = disk.store().unwrap();
        let known = store.register(&["api".into()], Timestamp::ZERO).unwrap()[0];
        let producer = Producer::new(20, known.next_seq);
        let link = store.link();
        let writer = Writer::new(store, vec![(known.id, producer.ring().reader_at_head())]).unwrap();
        let (receivers, _slots) = StoreReceivers::open(HashMap::new(), 8);
        let (keeping, kept) = watch::channel(StoreStatus::default());
        let clock = Clock::start(Timestamp::from_secs(1_795_340_000));
        let front = Front { intake: writer.entrance(), receivers, export: None, clock, keeping };
        (front, DiskThread::new(writer, None, link), producer, kept)
    }

    fn stored(store: &Store) -> u64 {
        store.samples(&Query::ALL, |_| Ok::<(), ()>(())).unwrap().unwrap().samples
    }

    /// The disk answers again on drop, also in a failing test: the runtime waits for its threads.
    struct Hanging<'a>(&'a Disk);

    impl<'a> Hanging<'a> {
        fn begin(disk: &'a Disk) -> Self {
            disk.set_hanging(true);
            Self(disk)
        }
    }

    impl Drop for Hanging<'_> {
        fn drop(&mut self) {
            self.0.set_hanging(false);
        }
    }

    #[tokio::test]
    async fn a_disk_that_does_not_answer_is_told_and_nothing_of_the_meantime_is_lost() {
        let disk = Disk::default();
        let (mut front, mut disk_thread, mut producer, kept) = side(&disk);
        let hanging = Hanging::begin(&disk);
        for index in 0..1_000 {
            producer.push(sample(index));
            if index % 10 == 9 {
                front = front.collect().await;
                front.flush(&mut disk_thread);
                assert!(disk_thread.is_away());
            }
        }
        front.look(&mut disk_thread, TOLD);
        assert_eq!((&kept.borrow().store, kept.borrow().stuck), (&StoreHealth::Off, None), "it may yet return");
        front.look(&mut disk_thread, Duration::ZERO);
        let StoreHealth::NotSaving { reason, .. } = kept.borrow().store.clone() else { panic!("it is told") };
        assert_eq!(reason, DEAD);
        assert!(kept.borrow().stuck.is_some());

        drop(hanging);
        let flushed = disk_thread.returned().await;
        // The thread of the flush may have begun after further collections.
        let first = flushed.committed;
        assert!(first >= 10 && first.is_multiple_of(10), "{first}");
        front.note(flushed, &mut disk_thread);
        assert!(matches!(kept.borrow().store, StoreHealth::Ok { .. }));
        assert_eq!(kept.borrow().stuck, None);
        assert!(kept.borrow().notices.iter().any(|notice| notice.contains("nothing was lost")));
        let last = front.end(disk_thread, Duration::from_mins(10)).await;
        assert_eq!((last.committed, last.notices), (1_000 - first, Vec::new()));
        assert_eq!(kept.borrow().lost_samples, 0);
        assert_eq!(stored(&disk.store().unwrap()), 1_000);
    }

    /// All samples but the last one are committed.
    #[tokio::test]
    async fn a_last_commit_that_does_not_return_is_told_with_its_beginning_and_whether_anything_moved() {
        for (moves, reason) in [(false, DEAD), (true, "the disk is slow")] {
            let disk = Disk::default();
            let (mut front, mut disk_thread, mut producer, _kept) = side(&disk);
            producer.push(sample(0));
            front = front.collect().await;
            front.flush(&mut disk_thread);
            disk_thread.returned().await;
            producer.push(sample(1));
            front = front.collect().await;
            let _hanging = Hanging::begin(&disk);
            let (now, link) = (front.clock.now(), disk_thread.link().clone());
            let mut at_once = std::pin::pin!(tokio::time::sleep(Duration::ZERO));
            assert!(disk_thread.close(now, front.clock.monotonic(), at_once.as_mut()).await.is_none());
            if moves {
                link.note_operation();
            }
            let last = front.left_behind(&mut disk_thread);
            assert_eq!(last.health, StoreHealth::NotSaving { since: now, reason: reason.to_owned() });
            assert_eq!(last.notices, [format!("the last 1 samples could not be saved: {reason}")]);
        }
    }

    /// `webmon run a` leaves the incident of b alone: acknowledged meanwhile, it read back as one of webmon that never ended.
    #[test]
    fn what_is_kept_of_a_site_that_is_not_watched_stays_its_own() {
        let disk = Disk::default();
        let (now, file) = (Timestamp::from_secs(1_795_340_000), "sites: [{ name: a, url: 'http://a/' }]");
        let all: [Arc<str>; 2] = ["a".into(), "b".into()];
        let facts = |site: &str| {
            let ended = Alert::ended(site.into(), &Rule::default(), now, now);
            Alert { state: AlertState::Down, incident: Some(1), ..ended }
        };
        for round in 0..2 {
            let store = disk.store().unwrap();
            store.register(&all, now).unwrap();
            let memory = remember(&store, &crate::app::tests::monitor::parsed(file), &all, now).unwrap();
            if round == 1 {
                let incidents: Vec<&str> = memory.kept.incidents.iter().map(|kept| &**kept.site()).collect();
                let rows: Vec<&str> = memory.kept.rows.iter().map(|row| &*row.news.alert.site).collect();
                let alerts: Vec<&str> = memory.alerts.iter().map(|alert| &*alert.site).collect();
                assert_eq!((incidents, rows, alerts), (vec!["b"], vec!["b"], vec!["b"]), "not webmon, and not gone");
                assert_eq!((memory.ended, memory.open.len()), (Vec::new(), 1));
                return;
            }
            let (mut receivers, senders) = StoreReceivers::open(memory.stored_sites, 8);
            let writer = Writer::new(store, Vec::new()).unwrap();
            let (mut changes, mut alerts) = (Vec::new(), Vec::new());
            for (number, site) in [(1, "b"), (2, "gone")] {
                let mut ledger = Ledger::new(LedgerTerms::default(), Box::new(|_| String::new()));
                let mut out = Emitted::default();
                ledger.restore(Vec::new(), Vec::new(), (number, 1));
                ledger.note(&facts(site), NewsContext::default(), now, &mut out);
                changes.append(&mut out.changes);
                let (_, news) = out.news.remove(0);
                alerts.push(news.alert.clone());
                let outlet: Arc<str> = "pager".into();
                let (made, incident) = (now, number);
                let row =
                    Row { number, outlet, incident, made, due: now, attempts: 0, is_begun: false, set: None, news };
                changes.push((ChangeKey::Row(number), Some(Record::Row(Box::new(row)))));
            }
            let report = StoredReport { ticket: 1, alerts, changes, ..StoredReport::default() };
            assert!(senders.reports.send(report, true));
            let intake = writer.entrance();
            receivers.hand_over(&mut held(&intake));
            assert!(writer.close(now).notices.is_empty());
        }
    }

    #[tokio::test]
    async fn an_end_with_a_disk_that_does_not_answer_says_what_was_not_saved() {
        let disk = Disk::default();
        let (mut front, mut disk_thread, mut producer, _kept) = side(&disk);
        let _hanging = Hanging::begin(&disk);
        for index in 0..15 {
            producer.push(sample(index));
            if index == 4 {
                front = front.collect().await;
                front.flush(&mut disk_thread);
            }
        }
        let last = front.end(disk_thread, Duration::from_millis(10)).await;
        assert!(matches!(last.health, StoreHealth::NotSaving { .. }));
        assert_eq!(last.notices, ["the last 15 samples could not be saved: the disk does not answer"]);
    }
}
