//! The writer: drains the rings into the file, one durable commit a flush, and keeps going when the disk does not.
//!
//! When a commit fails, what waits stays in memory, encoded and bounded, the database is closed and opened again at
//! later flushes (after "disk full" it refuses every write until then), and what waits is committed first.
//! Invariants: a text is committed with its sample or after it, never before, for the number of a sample that was lost
//! in a crash is used again; nothing is committed when nothing is new; a failing disk costs this thread time,
//! never a probe. Limits: those of [`super::commit`]; the next try comes 1, 2, 4 … at most [`RETRY_MAX`] after the last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::alert::AlertRecord;
use crate::model::{Observation, SiteId, StoreHealth, Timestamp};
use crate::ring;

use super::commit::{Dropped, PendingCommit, TextSizes};
use super::error::StoreError;
use super::intake::Intake;
use super::tables::export_cursor::Progress;
use super::writable::Store;

/// Samples are sealed into blocks this often.
const SEAL_EVERY: Duration = Duration::from_mins(15);

/// Or once this much of them waits for it: more than a million where ten of a site come together, and half as many where each
/// comes alone; sooner in a small file. No more than the database keeps in memory, or else sealing reads the file.
const SEAL_BYTES: usize = 32 << 20;

/// The first pause before a try to save again.
const RETRY_FIRST: Duration = Duration::from_secs(1);

/// The longest pause between two tries to save again.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// Saves what the rings bring.
pub struct Writer {
    store: Store,
    /// Where it comes in, also while a commit does not return.
    intake: Arc<Mutex<Intake>>,
    pending: PendingCommit,
    sizes: TextSizes,
    journal_bytes: usize,
    sealed_at: Option<Timestamp>,
    /// More is beyond the limits, or not rolled up yet, than one flush may see to.
    trim_on: bool,
    told: Told,
    failure: Option<SaveFailure>,
}

/// Old pages of so many bytes are told of; fewer may be those of the last commits.
const HELD_MIN: u64 = 8 << 20;

/// What was said already.
#[derive(Default)]
struct Told {
    full: bool,
    small: bool,
    held: bool,
}

/// Saving has failed since then.
struct SaveFailure {
    since: Timestamp,
    reason: String,
    tried: Timestamp,
    pause: Duration,
    dropped: u64,
}

/// What a flush did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Samples that are on the disk now and were not before.
    pub committed: u64,
    /// How the store is.
    pub health: StoreHealth,
    /// Samples lost since the last flush: overwritten in their ring, or beyond what may wait.
    pub dropped: u64,
    /// Texts of failures and alerts lost since the last flush.
    pub dropped_texts: u64,
    /// Whole sentences for a person.
    pub notices: Vec<String>,
}

impl Writer {
    /// A writer of these sites; the index of a site here is its index in [`Writer::note_failure`].
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
            sealed_at: None,
            trim_on,
            told: Told::default(),
            failure: None,
        })
    }

    /// The same with room for this many bytes of waiting samples.
    #[cfg(test)]
    pub(super) fn with_room(mut self, bytes: usize) -> Self {
        self.pending.set_room(bytes);
        self.intake().set_room(bytes);
        self
    }

    /// The store that is written to.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where what is to be saved comes in, for the one who goes on while a flush does not return.
    #[must_use]
    pub fn entrance(&self) -> Arc<Mutex<Intake>> {
        Arc::clone(&self.intake)
    }

    fn intake(&self) -> MutexGuard<'_, Intake> {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// See [`Intake::note_failure`].
    pub fn note_failure(&mut self, site: usize, seq: u64, observation: &Observation) {
        self.intake().note_failure(site, seq, observation);
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

    /// Commits what is new, if anything is; every now and then, seals.
    pub fn flush(&mut self, now: Timestamp) -> Flushed {
        self.intake().collect(|_| {});
        self.flush_collected(now)
    }

    /// The same with what was collected.
    pub fn flush_collected(&mut self, now: Timestamp) -> Flushed {
        let mut flushed = self.take_over();
        if self.failure.as_ref().is_none_or(|failure| failure.is_over(now)) {
            let seal = self.is_seal_due(now);
            self.save(now, seal, &mut flushed);
        }
        self.intake().returned();
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

    /// Takes what was collected to what waits.
    fn take_over(&mut self) -> Flushed {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
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
                // The next try saves the samples without them.
                if matches!(error, StoreError::Damaged { .. }) && self.store.set_texts_aside().unwrap_or(false) {
                    let text = "the texts of failures in the store are damaged and were put aside: checks are saved \
                                again; `webmon db repair` makes the file whole";
                    flushed.notices.push(text.to_owned());
                }
            }
        }
    }

    /// Commits what waits; how far sinks are alone only when it is to be sealed, too.
    fn commit(&mut self, flushed: &mut Flushed, seal: bool) -> Result<(), StoreError> {
        if self.pending.is_empty() && self.failure.is_none() && !(seal && self.pending.has_progress()) {
            return Ok(());
        }
        let (pending, sizes) = (&self.pending, &mut self.sizes);
        self.store.write(|transaction| pending.write(transaction, sizes))?;
        flushed.committed = self.pending.samples();
        self.journal_bytes += self.pending.bytes();
        self.pending.clear();
        self.intake().committed();
        Ok(())
    }

    /// Seals if asked to, and removes what is beyond the limits.
    fn trim(&mut self, now: Timestamp, seal: bool, flushed: &mut Flushed) -> Result<(), StoreError> {
        let (sealed, trimmed) = self.store.trim(now, seal)?;
        flushed.notices.extend(sealed.notice());
        if seal {
            self.journal_bytes = 0;
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
        // A file that was put elsewhere is whole. It is held, so that no other one can be taken for it. One that was overwritten
        // is not opened as what it is now: its contents can be put back.
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
        // To ask for a lock again costs nothing.
        let longest = if matches!(error, StoreError::LockHeld { .. }) { RETRY_FIRST } else { RETRY_MAX };
        failure.pause = (failure.pause * 2).min(longest);
    }

    fn is_seal_due(&mut self, now: Timestamp) -> bool {
        let sealed_at = *self.sealed_at.get_or_insert(now);
        // A clock that was set back must not put sealing off.
        let full = self.journal_bytes >= SEAL_BYTES.min(self.store.keep().journal_share());
        full || now.since(sealed_at) >= SEAL_EVERY || now < sealed_at
    }

    fn health(&self) -> StoreHealth {
        match &self.failure {
            None => StoreHealth::Ok { bytes: self.store.bytes() },
            Some(failure) => StoreHealth::NotSaving { since: failure.since, reason: failure.reason.clone() },
        }
    }
}

/// So many samples are lost at the end, for this reason.
#[must_use]
pub fn unsaved(samples: u64, reason: &str) -> String {
    format!("the last {samples} samples could not be saved: {reason}")
}

impl SaveFailure {
    /// The first of a series, not tried again yet.
    fn new(now: Timestamp) -> Self {
        Self { since: now, reason: String::new(), tried: now, pause: RETRY_FIRST / 2, dropped: 0 }
    }

    /// Whether it is time to try again; also when the clock was set back.
    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.tried) >= self.pause || now < self.tried
    }
}
