//! The writer: drains the rings into the file, one durable commit per flush, and continues if the disk fails.
//!
//! After a failed commit the waiting data stay in memory, encoded and bounded; the database is closed and reopened at
//! later flushes (after "disk full" it refuses every write until then), and the waiting data are committed first.
//!
//! Invariants: a text is committed with its sample or later, never before, because the number of a sample lost in a
//! crash is reused; nothing is committed if nothing is new; a failing disk costs this thread time, never a probe.
//! Bounds: those of [`super::commit`]; retries follow after 1, 2, 4 … at most [`RETRY_MAX`].

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::alert::AlertRecord;
use crate::model::lock::lock;
use crate::model::{Observation, SiteId, StoreHealth, Timestamp};
use crate::ring;

use super::commit::{Dropped, PendingCommit, TextSizes};
use super::error::StoreError;
use super::intake::Intake;
use super::maintain::seal;
use super::tables::export_cursor::Progress;
use super::tables::hub::gathered::Origin;
use super::tables::record::Registered;
use super::writable::Store;

/// Samples are sealed into blocks this often, or once [`seal::due_after`] so many bytes; earlier in a small file.
const SEAL_EVERY: Duration = Duration::from_mins(15);

/// The pause before the first retry.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause between two retries.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// Saves the samples of the rings.
pub struct Writer {
    store: Store,
    /// Drains the rings even while a commit does not return.
    intake: Arc<Mutex<Intake>>,
    pending: PendingCommit,
    sizes: TextSizes,
    journal_bytes: usize,
    /// The sites of the last sealing: those of other locations are not among the rings.
    sealed_sites: usize,
    sealed_at: Option<Timestamp>,
    /// Whether removal or rolling up continues at the next flush.
    trim_on: bool,
    told: Told,
    failure: Option<SaveFailure>,
    /// The newest ticket that was committed.
    ticket: u64,
}

/// Least bytes of old pages to report; fewer may belong to the last commits.
const HELD_MIN: u64 = 8 << 20;

/// Notices already given.
#[derive(Default)]
struct Told {
    full: bool,
    small: bool,
    held: bool,
}

/// A series of failed commits.
struct SaveFailure {
    since: Timestamp,
    reason: String,
    tried: Timestamp,
    pause: Duration,
    dropped: u64,
}

/// The result of a flush.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Samples newly on the disk.
    pub committed: u64,
    /// How the store is.
    pub health: StoreHealth,
    /// Samples lost since the last flush: overwritten in their ring, or dropped at a bound.
    pub dropped: u64,
    /// Everything handed over up to this ticket is on the disk.
    pub ticket: u64,
    /// If everything is on the disk: the time up to which silent checks count as they are stored, for ever.
    pub decided: Option<Timestamp>,
    /// Texts of failures and alerts lost since the last flush.
    pub dropped_texts: u64,
    /// Complete sentences for the user.
    pub notices: Vec<String>,
}

impl Writer {
    /// A writer for these sites; their order gives the indexes for [`Writer::note_failure`].
    ///
    /// # Errors
    /// Those of the database.
    pub fn new(store: Store, sites: Vec<(SiteId, ring::Reader)>) -> Result<Self, StoreError> {
        let mut pending = store.pending()?;
        let trim_on = store.is_behind()?;
        let intake = Intake::new(sites, pending.take());
        Ok(Self {
            store,
            intake: Arc::new(Mutex::new(intake)),
            pending,
            sizes: TextSizes::default(),
            journal_bytes: 0,
            sealed_sites: 0,
            sealed_at: None,
            trim_on,
            told: Told::default(),
            failure: None,
            ticket: 0,
        })
    }

    /// Limits waiting samples to this many bytes.
    #[cfg(test)]
    pub(super) fn with_room(mut self, bytes: usize) -> Self {
        self.pending.set_room(bytes);
        self.intake().set_room(bytes);
        self
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The intake, for a thread that continues while a flush does not return.
    #[must_use]
    pub fn entrance(&self) -> Arc<Mutex<Intake>> {
        Arc::clone(&self.intake)
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        lock(&self.intake)
    }

    /// See [`Intake::note_failure`].
    pub fn note_failure(&mut self, site: usize, seq: u64, observation: &Observation) {
        self.intake().note_failure(site, seq, observation);
    }

    /// See [`Intake::note_evidence`].
    pub fn note_evidence(&mut self, site: usize, seq: u64, at: Timestamp, observation: &Observation) {
        self.intake().note_evidence(site, seq, at, observation);
    }

    /// See [`Intake::note_alert`].
    pub fn note_alert(&mut self, site: SiteId, alert: AlertRecord) {
        self.intake().note_alert(site, alert);
    }

    /// See [`Intake::note_pause`].
    pub fn note_pause(&mut self, site: usize, until: Option<Timestamp>) {
        self.intake().note_pause(site, until);
    }

    /// See [`Intake::note_progress`].
    pub fn note_progress(&mut self, progress: Progress) {
        self.intake().note_progress(progress);
    }

    /// Finds or makes a site for each of `origins`; see [`Store::adopt`].
    ///
    /// # Errors
    /// Those of the database, or commits fail at the moment.
    pub fn adopt(&mut self, origins: &[Origin], now: Timestamp) -> Result<Vec<Registered>, StoreError> {
        if self.failure.is_some() {
            return Err(StoreError::Closed { path: self.store.path().to_owned() });
        }
        let adopted = self.store.adopt(origins, now);
        if let Err(error) = &adopted {
            self.fail(now, error);
        }
        adopted
    }

    /// Commits new data, if any; seals when due.
    pub fn flush(&mut self, now: Timestamp) -> Flushed {
        self.intake().collect(|_| {});
        self.flush_collected(now)
    }

    /// Like [`Writer::flush`], after the intake was collected.
    pub fn flush_collected(&mut self, now: Timestamp) -> Flushed {
        let mut flushed = self.take_over();
        if self.failure.as_ref().is_none_or(|failure| failure.is_over(now)) {
            let seal = self.is_seal_due(now);
            self.save(now, seal, &mut flushed);
        }
        self.intake().returned();
        flushed.ticket = self.ticket;
        flushed.health = self.health();
        flushed
    }

    /// The last flush: commits, seals, and closes the file cleanly.
    #[must_use]
    pub fn close(mut self, now: Timestamp) -> Flushed {
        self.intake().collect(|_| {});
        self.store.hurry();
        let mut flushed = self.take_over();
        self.save(now, true, &mut flushed);
        flushed.ticket = self.ticket;
        flushed.health = self.health();
        let waiting = self.pending.samples();
        flushed.dropped += waiting;
        let failure = self.failure.map(|failure| failure.reason);
        if failure.is_some() {
            self.store.let_go();
        }
        let unclean = match failure {
            Some(reason) if waiting > 0 => {
                flushed.notices.push(unsaved(waiting, &reason));
                return flushed;
            }
            Some(reason) => Some(reason),
            None => self.store.close().err().map(|error| error.to_string()),
        };
        flushed.notices.extend(
            unclean.map(|reason| {
                format!("the store was not closed cleanly and repairs itself at the next start: {reason}")
            }),
        );
        flushed
    }

    /// Moves the collected data to the waiting ones.
    fn take_over(&mut self) -> Flushed {
        let mut intake = lock(&self.intake);
        intake.hand_over(&mut self.pending);
        let Dropped { samples, texts, alerts } = intake.take_lost();
        drop(intake);
        if let Some(failure) = &mut self.failure {
            failure.dropped += samples;
        }
        Flushed { dropped: samples, dropped_texts: texts + alerts, ..Flushed::default() }
    }

    fn save(&mut self, now: Timestamp, seal: bool, flushed: &mut Flushed) {
        let trim = seal || self.trim_on;
        match self.commit(flushed, seal).and_then(|()| if trim { self.trim(now, seal, flushed) } else { Ok(()) }) {
            Ok(()) => {
                if let Some(failure) = self.failure.take() {
                    let lost = match failure.dropped {
                        0 => "nothing was lost".to_owned(),
                        dropped => format!("{dropped} samples were lost meanwhile"),
                    };
                    flushed.notices.push(format!("saving again after: {}; {lost}", failure.reason));
                }
            }
            Err(error) => {
                self.fail(now, &error);
                // The next try saves the samples without the texts.
                if matches!(error, StoreError::Damaged { .. }) && self.store.set_texts_aside().unwrap_or(false) {
                    let text = "the texts of failures in the store are damaged and were put aside: checks are saved \
                                again; `webmon db repair` makes the file whole";
                    flushed.notices.push(text.to_owned());
                }
            }
        }
    }

    /// Commits the waiting data; progress of sinks alone only if sealing is due.
    fn commit(&mut self, flushed: &mut Flushed, seal: bool) -> Result<(), StoreError> {
        if self.pending.is_empty() && self.failure.is_none() && !(seal && self.pending.has_progress()) {
            flushed.decided = Some(self.pending.decided());
            return Ok(());
        }
        let (pending, sizes) = (&self.pending, &mut self.sizes);
        self.store.write(|transaction| pending.write(transaction, sizes))?;
        flushed.committed = self.pending.samples();
        self.ticket = self.pending.ticket();
        self.journal_bytes += self.pending.bytes();
        self.pending.clear();
        self.intake().committed();
        flushed.decided = Some(self.pending.decided());
        Ok(())
    }

    /// Seals if `seal`, and removes data beyond their retention.
    fn trim(&mut self, now: Timestamp, seal: bool, flushed: &mut Flushed) -> Result<(), StoreError> {
        self.store.decided = self.pending.decided();
        let (sealed, trimmed) = self.store.trim(now, seal)?;
        flushed.notices.extend(sealed.notice());
        if seal {
            self.journal_bytes = 0;
            self.sealed_sites = sealed.sites;
            self.sealed_at = Some(now);
        }
        self.trim_on = trimmed.more;
        if trimmed.texts > 0 {
            self.sizes.forget();
        }
        if trimmed.is_full && !self.told.full {
            self.told.full = true;
            let text = "the store has reached its max_size: the oldest raw samples go before their retention ends";
            flushed.notices.push(text.to_owned());
        }
        if let Some(needs) = trimmed.needs.filter(|_| !std::mem::replace(&mut self.told.small, true)) {
            flushed.notices.push(format!(
                "max_size is too small for the sites of this store: even their newest samples go before their time; \
                 set storage.max_size to {} or more",
                crate::model::figures::bytes(needs)
            ));
        }
        let held = self.store.held_by_readers();
        let is_held = self.store.keep().max_size.is_some_and(|max_size| held > (max_size / 8).max(HELD_MIN));
        if is_held && !self.told.held {
            flushed.notices.push(format!(
                "a reader keeps {} of old pages in the store, which grows past its max_size: look for a stopped webmon \
                 (`db backup`, `samples`, `stats`, Ctrl-Z) and continue or end it; no samples go for it",
                crate::model::figures::bytes(held)
            ));
        }
        self.told.held = is_held;
        Ok(())
    }

    fn fail(&mut self, now: Timestamp, error: &StoreError) {
        // A moved file is whole; it stays open, so no other file can be mistaken for it. An overwritten one is not
        // reopened with its present contents, which can be restored.
        let is_held = matches!(
            error,
            StoreError::Moved { .. } | StoreError::Altered { .. } | StoreError::LockHeld { is_untouched: true, .. }
        );
        if !is_held {
            self.store.let_go();
        }
        self.sizes.forget();
        let failure = self.failure.get_or_insert_with(|| SaveFailure::new(now));
        failure.reason = error.reason();
        failure.tried = now;
        // Retrying a lock costs nothing.
        let longest = if matches!(error, StoreError::LockHeld { .. }) { RETRY_FIRST } else { RETRY_MAX };
        failure.pause = (failure.pause * 2).min(longest);
    }

    fn is_seal_due(&mut self, now: Timestamp) -> bool {
        let sealed_at = *self.sealed_at.get_or_insert(now);
        // A clock set back must not delay sealing.
        let sites = self.intake().sites().max(self.sealed_sites);
        let full = self.journal_bytes >= seal::due_after(sites).min(self.store.keep().journal_share());
        full || now.since(sealed_at) >= SEAL_EVERY || now < sealed_at
    }

    fn health(&self) -> StoreHealth {
        match &self.failure {
            None => StoreHealth::Ok { bytes: self.store.bytes() },
            Some(failure) => StoreHealth::NotSaving { since: failure.since, reason: failure.reason.clone() },
        }
    }
}

/// The notice that `samples` were lost at the end for this reason.
#[must_use]
pub fn unsaved(samples: u64, reason: &str) -> String {
    format!("the last {samples} samples could not be saved: {reason}")
}

impl SaveFailure {
    /// The first failure of a series, before any retry.
    fn new(now: Timestamp) -> Self {
        Self { since: now, reason: String::new(), tried: now, pause: RETRY_FIRST / 2, dropped: 0 }
    }

    /// Whether a retry is due; also after the clock was set back.
    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.tried) >= self.pause || now < self.tried
    }
}
