//! The writer: drains the rings into the file, one durable commit a flush, and keeps going when the disk does not.
//!
//! When a commit fails, what waits stays in memory, encoded and bounded, the database is closed and opened again at
//! later flushes (after "disk full" it refuses every write until then), and what waits is committed first.
//! Invariants: a text is committed with its sample or after it, never before, for the number of a sample that was lost
//! in a crash is used again; nothing is committed when nothing is new; a failing disk costs this thread time,
//! never a probe. Limits: those of [`super::append`]; the next try comes 1, 2, 4 … at most [`RETRY_MAX`] after the last.

use std::sync::Arc;
use std::time::Duration;

use crate::alert::Alert;
use crate::model::{Cause, Observation, Packed, SiteId, StoreHealth, Timestamp};
use crate::ring::{self, Ring};

use super::append::{Dropped, Pending, TEXTS_MAX, Text, TextSizes};
use super::entry::{Entry, Packer};
use super::error::StoreError;
use super::opened::Store;
use super::sink::Progress;

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
    sites: Vec<(SiteId, ring::Reader)>,
    /// Sites whose samples come from another ring after the last one that was in theirs.
    moved: Vec<(usize, Arc<Ring>)>,
    pending: Pending,
    /// Texts whose samples have not been drained yet.
    early_texts: Vec<(usize, Text)>,
    sizes: TextSizes,
    packer: Packer,
    drained: Vec<Packed>,
    entries: Vec<Entry>,
    journal_bytes: usize,
    sealed_at: Option<Timestamp>,
    /// More is beyond the limits, or not rolled up yet, than one flush may see to.
    trim_on: bool,
    told_full: bool,
    failure: Option<Failure>,
}

/// Saving has failed since then.
struct Failure {
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
        let pending = store.pending()?;
        let trim_on = store.is_behind()?;
        Ok(Self {
            store,
            sites,
            moved: Vec::new(),
            pending,
            early_texts: Vec::new(),
            sizes: TextSizes::default(),
            packer: Packer::default(),
            drained: Vec::new(),
            entries: Vec::new(),
            journal_bytes: 0,
            sealed_at: None,
            trim_on,
            told_full: false,
            failure: None,
        })
    }

    /// The same with room for this many bytes of waiting samples.
    #[cfg(test)]
    pub(super) fn with_room(mut self, bytes: usize) -> Self {
        self.pending = self.pending.with_room(bytes);
        self
    }

    /// The store that is written to.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Saves one more site from now on; its index is one past the last one.
    pub fn watch(&mut self, id: SiteId, reader: ring::Reader) {
        self.sites.push((id, reader));
    }

    /// Goes on with `ring` once everything in the ring of the site with this index was saved; nothing is pushed into that
    /// one any more.
    pub fn follow(&mut self, site: usize, ring: Arc<Ring>) {
        self.moved.push((site, ring));
    }

    /// Keeps the texts of a failed check, sample `seq` of the site with this index; before or after the sample itself is
    /// read. Checks that were up have none to keep. Of any check, keeps what the certificate said.
    pub fn note_failure(&mut self, site: usize, seq: u64, observation: &Observation) {
        if let Some(certificate) = &observation.certificate {
            self.pending.add_certificate(self.sites[site].0, Arc::clone(certificate));
        }
        if observation.cause == Cause::Ok || (observation.detail.is_empty() && observation.address.is_none()) {
            return;
        }
        let id = self.sites[site].0;
        let text = Text { site: id, seq, detail: observation.detail.clone(), address: observation.address };
        self.early_texts.push((site, text));
    }

    /// Keeps an alert about `site`.
    pub fn note_alert(&mut self, site: SiteId, alert: Alert) {
        self.pending.add_alert(site, alert);
    }

    /// Keeps until when the site with this index is paused; none: it is not.
    pub fn note_pause(&mut self, site: usize, until: Option<Timestamp>) {
        self.pending.add_pause(self.sites[site].0, until);
    }

    /// Keeps how far a sink has been served; it goes with the next commit.
    pub fn note_progress(&mut self, progress: Progress) {
        self.pending.add_progress(progress);
    }

    /// Commits what is new, if anything is; every now and then, seals.
    pub fn flush(&mut self, now: Timestamp) -> Flushed {
        self.flush_with(now, |_| {})
    }

    /// The same, with `texts` taken over after the rings were read. A text is sent before its sample is published, so
    /// those of all samples of this commit are there by then, and no reader ever sees a failure without its reason.
    pub fn flush_with(&mut self, now: Timestamp, texts: impl FnOnce(&mut Self)) -> Flushed {
        let mut flushed = self.collect(texts);
        if self.failure.as_ref().is_none_or(|failure| failure.is_over(now)) {
            let seal = self.is_seal_due(now);
            self.save(now, seal, &mut flushed);
        }
        flushed.health = self.health();
        flushed
    }

    /// The last flush: commits, seals, and closes the file cleanly.
    #[must_use]
    pub fn close(mut self, now: Timestamp) -> Flushed {
        let mut flushed = self.collect(|_| {});
        self.save(now, true, &mut flushed);
        flushed.health = self.health();
        let waiting = self.pending.samples();
        flushed.dropped += waiting;
        let failure = self.failure.map(|failure| failure.reason);
        let unclean = match failure {
            Some(reason) if waiting > 0 => {
                flushed.notices.push(format!("the last {waiting} samples could not be saved: {reason}"));
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

    /// Takes everything out of the rings.
    fn collect(&mut self, texts: impl FnOnce(&mut Self)) -> Flushed {
        let mut flushed = Flushed::default();
        // What was said to be over by now is over: one more look takes the rest.
        let moved = std::mem::take(&mut self.moved);
        for site in 0..self.sites.len() {
            self.drain(site, &mut flushed);
        }
        for (site, ring) in moved {
            let reader = &mut self.sites[site].1;
            *reader = ring.reader_at(reader.next_seq());
            self.drain(site, &mut flushed);
        }
        self.packer.close(&mut self.entries);
        self.pending.add_entries(&mut self.entries);
        texts(self);
        let sites = &self.sites;
        for (_, text) in self.early_texts.extract_if(.., |(site, text)| text.seq < sites[*site].1.next_seq()) {
            self.pending.add_text(text);
        }
        let early_too_many = self.early_texts.len().saturating_sub(TEXTS_MAX);
        self.early_texts.drain(..early_too_many);
        let Dropped { samples, texts, alerts } = self.pending.shed();
        flushed.dropped += samples;
        flushed.dropped_texts += texts + alerts + early_too_many as u64;
        if let Some(failure) = &mut self.failure {
            failure.dropped += flushed.dropped;
        }
        flushed
    }

    fn drain(&mut self, site: usize, flushed: &mut Flushed) {
        let (id, reader) = &mut self.sites[site];
        self.drained.clear();
        let drained = reader.drain_packed_before(Timestamp::MAX, &mut self.drained);
        flushed.dropped += drained.lost;
        self.packer.push(*id, drained.first_seq, &self.drained, &mut self.entries);
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
            Err(error) => self.fail(now, &error),
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
        Ok(())
    }

    /// Seals if asked to, and lets go of what is beyond the limits.
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
        if trimmed.is_full && !self.told_full {
            self.told_full = true;
            let text = "the store has reached its max_size: the oldest raw samples go before their retention ends";
            flushed.notices.push(text.to_owned());
        }
        Ok(())
    }

    fn fail(&mut self, now: Timestamp, error: &StoreError) {
        // A file that was put elsewhere is whole. It is held, so that no other one can be taken for it.
        if !matches!(error, StoreError::Moved { .. }) {
            self.store.let_go();
        }
        self.sizes.forget();
        let failure = self.failure.get_or_insert_with(|| Failure::new(now));
        failure.reason = error.reason();
        failure.tried = now;
        failure.pause = (failure.pause * 2).min(RETRY_MAX);
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

impl Failure {
    /// The first of a series, not tried again yet.
    fn new(now: Timestamp) -> Self {
        Self { since: now, reason: String::new(), tried: now, pause: RETRY_FIRST / 2, dropped: 0 }
    }

    /// Whether it is time to try again; also when the clock was set back.
    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.tried) >= self.pause || now < self.tried
    }
}
