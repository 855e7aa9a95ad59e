//! The data waiting for a commit, and the transaction that commits them.
//!
//! Everything waiting has its key from the start: an entry and an alert their number, a text its (site, seq). A commit
//! whose outcome is unknown (the disk failed after the write, before the answer) can therefore be repeated: the same
//! rows are overwritten and nothing is doubled.
//!
//! Bounds: [`ENTRY_BYTES_MAX`] bytes of samples, [`TEXTS_MAX`] texts, [`EVIDENCE_MAX`] answers and [`ALERTS_MAX`] alerts wait; beyond that the
//! oldest are dropped and counted. The file holds [`texts::SITE_TEXT_BYTES`] of texts per site, then its oldest are removed.

mod texts;

use std::collections::{BTreeMap, VecDeque, btree_map};
use std::sync::Arc;

use redb::WriteTransaction;

use crate::alert::AlertRecord;
use crate::alert::kept::change::ChangeKey;
use crate::alert::network::Outage;
use crate::model::{Certificate, FailedAnswer, SiteId, StoreId, Timestamp};

use super::codec::frame::FrameKey;
use super::codec::journal_entry::EncodedEntry;
use super::tables::export_cursor::{self, Progress};
use super::tables::hub::gathered::{self, StreamPosition};
use super::tables::hub::seen::{self, SeenNews};
use super::tables::{alert, blind, certificate, evidence, outbox, schema};

use texts::write_text;
pub use texts::{FailureText, TextSizes};

/// Largest number of waiting bytes of encoded samples: one million samples if each comes alone, up to three million.
pub const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Largest number of waiting texts.
pub const TEXTS_MAX: usize = 20_000;

/// Largest number of waiting alerts.
pub const ALERTS_MAX: usize = 10_000;

/// Largest number of waiting rows of evidence, of at most 11 KiB each.
pub const EVIDENCE_MAX: usize = 1_000;

/// The data waiting for a commit.
#[derive(Debug)]
pub struct PendingCommit {
    /// Samples, encoded, with the numbers of their entries.
    entries: VecDeque<(u64, EncodedEntry)>,
    entry_bytes: usize,
    entry_bytes_max: usize,
    next_entry: u64,
    /// Waiting bytes held elsewhere, which share the bound.
    shared: usize,
    /// Texts whose samples are among the entries, or were committed.
    texts: VecDeque<FailureText>,
    alerts: VecDeque<(u64, SiteId, AlertRecord)>,
    next_alert: u64,
    /// The newest pause of each site, or its end.
    pauses: BTreeMap<SiteId, Option<Timestamp>>,
    /// Certificates that changed.
    certificates: BTreeMap<SiteId, Arc<Certificate>>,
    /// Changes of incidents, messages and silences.
    outbox: outbox::Waiting,
    /// Outages of this machine's own network.
    outages: blind::Waiting,
    /// What failing sites answered.
    evidence: evidence::Waiting,
    /// No hour that ends after it may be rolled up.
    decided: Timestamp,
    /// The ticket of the newest of them; see [`PendingCommit::add_change`].
    ticket: u64,
    /// The progress of each sink; it joins the next commit and does not cause one.
    progress: BTreeMap<u32, Progress>,
    /// How far a stream was read whose samples are among the entries, or were committed; it does not cause a commit either.
    position: Option<StreamPosition>,
    /// Another number for the store.
    store_id: Option<StoreId>,
    /// What locations saw together.
    seen: seen::Waiting,
}

/// The data dropped because a bound was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Samples.
    pub samples: u64,
    /// Texts of failures.
    pub texts: u64,
    /// Alerts.
    pub alerts: u64,
}

impl Dropped {
    /// Adds further dropped data.
    pub fn add(&mut self, more: Self) {
        self.samples += more.samples;
        self.texts += more.texts;
        self.alerts += more.alerts;
    }
}

impl PendingCommit {
    /// Empty; the next entry and alert get these numbers.
    pub fn new(next_entry: u64, next_alert: u64) -> Self {
        Self {
            entries: VecDeque::new(),
            entry_bytes: 0,
            entry_bytes_max: ENTRY_BYTES_MAX,
            next_entry,
            shared: 0,
            texts: VecDeque::new(),
            alerts: VecDeque::new(),
            next_alert,
            pauses: BTreeMap::new(),
            certificates: BTreeMap::new(),
            outbox: BTreeMap::new(),
            outages: BTreeMap::new(),
            evidence: BTreeMap::new(),
            decided: Timestamp::MAX,
            ticket: 0,
            progress: BTreeMap::new(),
            position: None,
            store_id: None,
            seen: seen::Waiting::default(),
        }
    }

    /// Limits samples to this many bytes.
    #[cfg(test)]
    pub fn set_room(&mut self, entry_bytes_max: usize) {
        self.entry_bytes_max = entry_bytes_max;
    }

    /// Sets the number of waiting bytes held elsewhere.
    pub fn share(&mut self, bytes: usize) {
        self.shared = bytes;
    }

    /// Takes everything; later data continue the numbers.
    pub fn take(&mut self) -> Self {
        let mut next = Self::new(self.next_entry, self.next_alert);
        (next.entry_bytes_max, next.shared, next.decided) = (self.entry_bytes_max, self.shared, self.decided);
        std::mem::replace(self, next)
    }

    /// Appends `later`, which continues the numbers.
    pub fn append(&mut self, mut later: Self) {
        self.entries.append(&mut later.entries);
        self.entry_bytes += later.entry_bytes;
        self.texts.append(&mut later.texts);
        self.alerts.append(&mut later.alerts);
        self.pauses.append(&mut later.pauses);
        self.certificates.append(&mut later.certificates);
        self.outbox.append(&mut later.outbox);
        self.outages.append(&mut later.outages);
        self.evidence.append(&mut later.evidence);
        self.seen.append(&mut later.seen);
        self.position = later.position.take().or_else(|| self.position.take());
        self.store_id = later.store_id.or(self.store_id);
        self.decided = later.decided;
        self.ticket = self.ticket.max(later.ticket);
        later.progress.into_values().for_each(|progress| self.add_progress(progress));
        (self.next_entry, self.next_alert) = (later.next_entry, later.next_alert);
    }

    /// Whether there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.texts.is_empty()
            && self.alerts.is_empty()
            && self.pauses.is_empty()
            && self.certificates.is_empty()
            && self.outbox.is_empty()
            && self.outages.is_empty()
            && self.evidence.is_empty()
            && self.seen.is_empty()
            && self.store_id.is_none()
    }

    /// Samples that wait.
    pub fn samples(&self) -> u64 {
        self.entries.iter().map(|(_, entry)| entry.samples).sum()
    }

    /// Encoded bytes of the samples that wait.
    pub const fn bytes(&self) -> usize {
        self.entry_bytes
    }

    /// Adds finished entries.
    pub fn add_entries(&mut self, entries: &mut Vec<EncodedEntry>) {
        for entry in entries.drain(..) {
            self.entry_bytes += entry.bytes.len();
            self.entries.push_back((self.next_entry, entry));
            self.next_entry += 1;
        }
    }

    /// Adds a text.
    pub fn add_text(&mut self, text: FailureText) {
        self.texts.push_back(text);
    }

    /// Adds an alert about `site`.
    pub fn add_alert(&mut self, site: SiteId, alert: AlertRecord) {
        self.alerts.push_back((self.next_alert, site, alert));
        self.next_alert += 1;
    }

    /// Sets the end of the pause of `site`; `None` ends it.
    pub fn add_pause(&mut self, site: SiteId, until: Option<Timestamp>) {
        self.pauses.insert(site, until);
    }

    /// Sets the certificate of `site`.
    pub fn add_certificate(&mut self, site: SiteId, certificate: Arc<Certificate>) {
        self.certificates.insert(site, certificate);
    }

    /// Sets what is kept under `key`; `None` removes it.
    pub fn add_change(&mut self, key: ChangeKey, record: Option<Vec<u8>>) {
        self.outbox.insert(key, record);
    }

    /// Keeps `outage`, or removes it if it was none.
    pub fn add_outage(&mut self, outage: &Outage, is_kept: bool) {
        let key = blind::key(outage.blind.realm, outage.blind.from);
        self.outages.insert(key, is_kept.then(|| blind::encode(outage)));
    }

    /// Adds what a site answered; `key` is its sample.
    pub fn add_evidence(&mut self, key: FrameKey, answer: &FailedAnswer) {
        self.evidence.insert(key, evidence::encode(answer, key));
    }

    /// Adds what locations saw together.
    pub fn add_seen(&mut self, seen: &SeenNews) {
        self.seen.add(seen);
    }

    /// Rolls up no hour that ends after `decided`, from now on.
    pub const fn set_decided(&mut self, decided: Timestamp) {
        self.decided = decided;
    }

    /// See [`PendingCommit::set_decided`].
    pub const fn decided(&self) -> Timestamp {
        self.decided
    }

    /// Notes that everything up to `ticket` was added.
    pub fn set_ticket(&mut self, ticket: u64) {
        self.ticket = self.ticket.max(ticket);
    }

    /// The newest ticket.
    pub const fn ticket(&self) -> u64 {
        self.ticket
    }

    /// Sets the progress of a sink.
    pub fn add_progress(&mut self, progress: Progress) {
        match self.progress.entry(progress.sink) {
            btree_map::Entry::Vacant(entry) => _ = entry.insert(progress),
            btree_map::Entry::Occupied(mut entry) => entry.get_mut().update(progress),
        }
    }

    /// Sets how far a stream was read.
    pub fn set_position(&mut self, position: StreamPosition) {
        self.position = Some(position);
    }

    /// Gives the store another number.
    pub const fn set_store_id(&mut self, id: StoreId) {
        self.store_id = Some(id);
    }

    /// Whether a sink has moved, or a stream was read, since the last commit.
    pub fn has_progress(&self) -> bool {
        !self.progress.is_empty() || self.position.is_some()
    }

    /// Drops the oldest data beyond the bounds.
    pub fn shed(&mut self) -> Dropped {
        let mut dropped = Dropped::default();
        while self.entry_bytes > self.entry_bytes_max.saturating_sub(self.shared) {
            let Some((_, entry)) = self.entries.pop_front() else { break };
            self.entry_bytes -= entry.bytes.len();
            dropped.samples += entry.samples;
        }
        while self.texts.len() > TEXTS_MAX {
            self.texts.pop_front();
            dropped.texts += 1;
        }
        while self.evidence.len() > EVIDENCE_MAX {
            // Of none more than of another: whichever comes first.
            self.evidence.pop_first();
            dropped.texts += 1;
        }
        while self.alerts.len() > ALERTS_MAX {
            self.alerts.pop_front();
            dropped.alerts += 1;
        }
        dropped
    }

    /// Clears everything after a commit.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.entry_bytes = 0;
        self.texts.clear();
        self.alerts.clear();
        self.pauses.clear();
        self.certificates.clear();
        self.outbox.clear();
        self.outages.clear();
        self.evidence.clear();
        self.seen = seen::Waiting::default();
        self.progress.clear();
        (self.position, self.store_id) = (None, None);
    }

    /// Writes everything to `transaction`, which the caller commits.
    pub fn write(&self, transaction: &WriteTransaction, sizes: &mut TextSizes) -> Result<(), redb::Error> {
        let mut journal = transaction.open_table(schema::JOURNAL)?;
        for (number, entry) in &self.entries {
            journal.insert(number, entry.bytes.as_slice())?;
        }
        if !self.texts.is_empty() {
            let mut failures = transaction.open_table(schema::FAILURES)?;
            for text in &self.texts {
                write_text(&mut failures, text, sizes)?;
            }
        }
        if !self.alerts.is_empty() {
            let mut alerts = transaction.open_table(schema::ALERTS)?;
            let mut bytes = Vec::new();
            for (number, site, alert) in &self.alerts {
                alert::encode_alert(*site, alert, &mut bytes);
                alerts.insert(number, bytes.as_slice())?;
            }
        }
        if !self.certificates.is_empty() {
            let certificates = self.certificates.iter().map(|(site, shown)| (site, &**shown));
            certificate::write(transaction, certificates)?;
        }
        if !self.outbox.is_empty() {
            outbox::write(transaction, &self.outbox)?;
        }
        if !self.outages.is_empty() {
            blind::write(transaction, &self.outages)?;
        }
        if !self.evidence.is_empty() {
            evidence::write(transaction, &self.evidence)?;
        }
        self.seen.write(transaction)?;
        for progress in self.progress.values() {
            export_cursor::write(transaction, progress)?;
        }
        if let Some(position) = &self.position {
            gathered::write_position(transaction, position)?;
        }
        if let Some(id) = self.store_id {
            gathered::write_store_id(transaction, id)?;
        }
        if !self.pauses.is_empty() {
            let mut meta = transaction.open_table(schema::META)?;
            for (site, until) in &self.pauses {
                let key = schema::paused_key(*site);
                match until {
                    Some(until) => meta.insert(&*key, until.as_micros())?,
                    None => meta.remove(&*key)?,
                };
            }
        }
        Ok(())
    }
}
