//! The store's side of a running monitor: every flush, one commit of everything new.
//!
//! The writer is synchronous and may wait for a disk; it runs on a blocking thread and nothing waits for it but the
//! next flush. Its readers are created before the first probe, so it sees every sample. Alerts and texts of
//! failures come by bounded queues and go into the same commit as the samples of their time. Views that are read from
//! the store are made on the same thread, some sites after each commit.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::alert::Alert;
use crate::model::{SiteId, Timestamp};
use crate::ring::{Reader, Ring};
use crate::store::{Flushed, Writer};

use super::assemble::{Memory, recall};
use super::clock::Clock;
use super::desk::WISHES;
use super::health::Keeping;
use super::log::about;
use super::long_views::LongViews;
use super::outlet::Outlet;
use super::schedule::CheckTexts;

/// Alerts on their way to the store.
const ALERT_QUEUE: usize = 65_536;

/// See the module.
pub struct Keeper {
    /// Drains the rings into commits.
    pub writer: Writer,
    /// What goes beside the samples.
    pub inbox: Inbox,
    /// What is asked about sites that are to be watched from now on.
    pub asks: mpsc::Receiver<Ask>,
    /// Time between commits.
    pub flush: Duration,
    /// The clock.
    pub clock: Clock,
    /// The views that are read from the store, if there are any.
    pub long_views: Option<LongViews>,
    /// Where the health is read.
    pub keeping: watch::Sender<Keeping>,
    /// The export of what is committed, if there is one.
    pub outlet: Option<Outlet>,
}

impl Keeper {
    /// Commits every flush until `stop`, then once more, and closes the store; how that went is returned.
    pub async fn run(mut self, stop: CancellationToken) -> Flushed {
        let mut ticks = tokio::time::interval(self.flush);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = ended(&mut self.outlet) => {}
                _ = ticks.tick() => self = self.flush().await,
                Some(ask) = self.asks.recv() => self = self.answer(ask).await,
            }
        }
        // The scheduler has ended: whatever it sent is there.
        self.inbox.hand_over(&mut self.writer);
        if self.outlet.is_some() {
            self = self.flush().await;
        }
        if let Some(outlet) = &mut self.outlet {
            outlet.finish().await;
            outlet.hand_over(&mut self.writer);
        }
        let now = self.clock.now();
        let Self { writer, keeping, .. } = self;
        let flushed = blocking(move || writer.close(now)).await;
        keeping.send_modify(|keeping| keeping.note(flushed.clone()));
        flushed
    }

    async fn flush(mut self) -> Self {
        let now = self.clock.now();
        let (keeper, flushed) = blocking(move || {
            let Self { writer, inbox, outlet, long_views, .. } = &mut self;
            if let Some(outlet) = outlet {
                outlet.hand_over(writer);
            }
            let flushed = writer.flush_with(now, |writer| inbox.hand_over(writer));
            if let Some(others) = inbox.long_views.drain(..).next_back() {
                *long_views = others;
            }
            if let Some(long_views) = long_views {
                let store = writer.store();
                long_views.step(now, |query, cell| store.figures(query, Some(cell)).ok());
            }
            (self, flushed)
        })
        .await;
        debug!(target: about::STORE, samples = flushed.committed, "committed");
        keeper.keeping.send_modify(|keeping| keeping.note(flushed));
        keeper
    }

    /// What is under way is committed first, so that the numbers go on where they stopped.
    async fn answer(self, ask: Ask) -> Self {
        let keeper = self.flush().await;
        let now = keeper.clock.now();
        let (keeper, known) = blocking(move || {
            let known = recall(keeper.writer.store(), &ask.sites, now);
            (keeper, known)
        })
        .await;
        // Whoever asked has left when the program ends.
        let _unheard = ask.answer.send(known.map_err(|error| error.to_string()));
        keeper
    }
}

/// Asks what the store knows of sites, each as far back, and gives new ones their numbers.
pub struct Ask {
    /// Names and horizons.
    pub sites: Vec<(Arc<str>, Duration)>,
    /// Where the answer goes; an error is a sentence.
    pub answer: oneshot::Sender<Result<Memory, String>>,
}

/// What changes about the sites whose samples are saved.
pub enum Adoption {
    /// One more; its number is one past the last one.
    Watch(Arc<str>, SiteId, Reader),
    /// The site of this number goes on in that ring.
    Follow(usize, Arc<Ring>),
    /// These are the long views from now on.
    LongViews(Option<LongViews>),
}

/// Adoptions that may wait: two a revision, and each revision begins with a flush.
const ADOPTIONS: usize = 4;

/// Waits until the export has panicked; for ever where there is none, or where it has ended.
async fn ended(outlet: &mut Option<Outlet>) {
    match outlet {
        Some(running) => {
            running.ended().await;
            *outlet = None;
        }
        None => std::future::pending().await,
    }
}

/// What goes beside the samples into a commit: bounded queues, emptied at each flush.
pub struct Inbox {
    /// The sites' numbers in the store, by name.
    pub sites: HashMap<Arc<str>, SiteId>,
    /// Texts of failed checks.
    pub texts: mpsc::Receiver<CheckTexts>,
    /// Alerts to store.
    pub alerts: mpsc::Receiver<Alert>,
    /// Pauses to store: the number of the site, and until when.
    pub pauses: mpsc::Receiver<(usize, Option<Timestamp>)>,
    /// Changes of the sites, each sent before the first text of a site in it.
    pub adoptions: mpsc::Receiver<Vec<Adoption>>,
    /// Other long views, if there are to be.
    long_views: Vec<Option<LongViews>>,
}

/// Where the other sides put in what is to be kept.
pub struct Slots {
    /// See [`Inbox::texts`].
    pub texts: mpsc::Sender<CheckTexts>,
    /// See [`Inbox::alerts`].
    pub alerts: mpsc::Sender<Alert>,
    /// See [`Inbox::pauses`].
    pub pauses: mpsc::Sender<(usize, Option<Timestamp>)>,
    /// See [`Inbox::adoptions`].
    pub adoptions: mpsc::Sender<Vec<Adoption>>,
}

impl Inbox {
    /// An empty inbox for `sites` with room for this many texts.
    #[must_use]
    pub fn open(sites: HashMap<Arc<str>, SiteId>, texts: usize) -> (Self, Slots) {
        let (text_sender, texts) = mpsc::channel(texts);
        let (alert_sender, alerts) = mpsc::channel(ALERT_QUEUE);
        let (pause_sender, pauses) = mpsc::channel(WISHES);
        let (adoption_sender, adoptions) = mpsc::channel(ADOPTIONS);
        let slots =
            Slots { texts: text_sender, alerts: alert_sender, pauses: pause_sender, adoptions: adoption_sender };
        (Self { sites, texts, alerts, pauses, adoptions, long_views: Vec::new() }, slots)
    }

    fn hand_over(&mut self, writer: &mut Writer) {
        let texts: Vec<CheckTexts> = std::iter::from_fn(|| self.texts.try_recv().ok()).collect();
        // After the texts were taken: now the site of each of them is known.
        while let Ok(adoptions) = self.adoptions.try_recv() {
            for adoption in adoptions {
                match adoption {
                    Adoption::Watch(name, id, reader) => {
                        self.sites.insert(name, id);
                        writer.watch(id, reader);
                    }
                    Adoption::Follow(site, ring) => writer.follow(site, ring),
                    Adoption::LongViews(long_views) => self.long_views.push(long_views),
                }
            }
        }
        for texts in texts {
            writer.note_failure(texts.site, texts.seq, &texts.observation);
        }
        while let Ok(alert) = self.alerts.try_recv() {
            writer.note_alert(self.sites[&alert.site], alert);
        }
        while let Ok((site, until)) = self.pauses.try_recv() {
            writer.note_pause(site, until);
        }
    }
}

/// Runs `work` where it may wait for a disk. A panic in it goes on as one here.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
