//! Intake of data to be saved: the rings are drained even while a commit does not return.
//!
//! A ring holds one horizon, and a disk may hang for longer. So every flush drains the rings, whatever the writer is
//! doing, into a backlog with final keys (see [`super::commit`]); the writer takes it when it is available.
//!
//! Invariants: a text is handed over with its sample or after it; the writer's data and the backlog share one bound.
//! Bounds: those of [`super::commit`]; beyond them the oldest of the backlog are dropped and counted.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::alert::kept::change::Change;
use crate::alert::network::Outage;
use crate::alert::{Alert, AlertRecord};
use crate::model::{
    Cause, Certificate, Evidence, FailedAnswer, Observation, Packed, Sample, SiteId, StoreId, TextJoin, Timestamp,
};
use crate::ring::{self, Ring};

use super::codec::journal_entry::{EncodedEntry, Packer};
use super::commit::{Dropped, FailureText, PendingCommit, TEXTS_MAX};
use super::tables::export_cursor::Progress;
use super::tables::hub::gathered::StreamPosition;
use super::tables::hub::seen::SeenNews;
use super::tables::outbox;

/// Drains the rings into a backlog for the writer.
#[derive(Debug)]
pub struct Intake {
    sites: Vec<(SiteId, ring::Reader)>,
    /// Sites whose samples continue in another ring after the last one in theirs.
    moved: Vec<(usize, Arc<Ring>)>,
    backlog: PendingCommit,
    /// Texts whose samples have not been drained yet.
    early_texts: TextJoin<(usize, u64), FailureText, TEXTS_MAX>,
    packer: Packer,
    drained: Vec<Packed>,
    entries: Vec<EncodedEntry>,
    /// Lost since the last call of [`Intake::take_lost`].
    lost: Dropped,
    /// Samples taken by the writer and not committed.
    taken: u64,
}

impl Intake {
    /// For these sites; `backlog` is empty and sets the first numbers.
    pub(super) fn new(sites: Vec<(SiteId, ring::Reader)>, backlog: PendingCommit) -> Self {
        Self {
            sites,
            moved: Vec::new(),
            backlog,
            early_texts: TextJoin::default(),
            packer: Packer::default(),
            drained: Vec::new(),
            entries: Vec::new(),
            lost: Dropped::default(),
            taken: 0,
        }
    }

    /// Adds a site; its index follows the last one.
    pub fn watch(&mut self, id: SiteId, reader: ring::Reader) {
        self.sites.push((id, reader));
    }

    /// Continues the site of this index with `ring` once its present ring, which receives no more samples, is drained.
    pub fn follow(&mut self, site: usize, ring: Arc<Ring>) {
        self.moved.push((site, ring));
    }

    /// Adds the texts of a failed check, sample `seq` of the site of this index, before or after the sample itself is
    /// drained. Successful checks have none. Adds the certificate of any check.
    pub fn note_failure(&mut self, site: usize, seq: u64, observation: &Observation) {
        if let Some(certificate) = &observation.certificate {
            self.backlog.add_certificate(self.sites[site].0, Arc::clone(certificate));
        }
        if observation.cause == Cause::Ok || (observation.detail.is_empty() && observation.address.is_none()) {
            return;
        }
        let id = self.sites[site].0;
        let text =
            FailureText { site: id, seq, last: seq, detail: observation.detail.clone(), address: observation.address };
        self.lost.texts += self.early_texts.add((site, seq), text);
    }

    /// Adds what the site of this index answered to a check, sample `seq`, whose outcome was known at `at`, if the observation
    /// has it.
    pub fn note_evidence(&mut self, site: usize, seq: u64, at: Timestamp, observation: &Observation) {
        let Some(evidence) = &observation.evidence else { return };
        let &Observation { cause, status, http, .. } = observation;
        let answer = FailedAnswer { at, cause, status, http, evidence: Evidence::clone(evidence) };
        self.backlog.add_evidence((self.sites[site].0.0, seq), &answer);
    }

    /// Adds an alert about `site`.
    pub fn note_alert(&mut self, site: SiteId, alert: AlertRecord) {
        self.backlog.add_alert(site, alert);
    }

    /// Applies a change of what is kept about incidents and messages; `id` gives the numbers of sites.
    pub fn note_change(&mut self, (key, record): Change, id: impl Fn(&Alert) -> SiteId) {
        let bytes = record.map(|record| outbox::encode(&record, id));
        self.backlog.add_change(key, bytes);
    }

    /// Keeps an outage of this machine's own network, which a later one of the same start replaces; or removes it.
    pub fn note_outage(&mut self, outage: &Outage, is_kept: bool) {
        self.backlog.add_outage(outage, is_kept);
    }

    /// Notes that an outage may yet be found in the time after `decided`: no hour that ends later is rolled up.
    pub fn note_decided(&mut self, decided: Timestamp) {
        self.backlog.set_decided(decided);
    }

    /// Notes that everything up to `ticket` was handed over: its commit is reported by [`super::writer::Flushed::ticket`].
    pub fn note_ticket(&mut self, ticket: u64) {
        self.backlog.set_ticket(ticket);
    }

    /// Sets the end of the pause of the site of this index; `None` ends it.
    pub fn note_pause(&mut self, site: usize, until: Option<Timestamp>) {
        self.backlog.add_pause(self.sites[site].0, until);
    }

    /// Sets the progress of a sink; it joins the next commit.
    pub fn note_progress(&mut self, progress: Progress) {
        self.backlog.add_progress(progress);
    }

    /// How many sites have a ring here.
    #[must_use]
    pub const fn sites(&self) -> usize {
        self.sites.len()
    }

    /// Drains the rings, then calls `texts`. A text is sent before its sample is published, so the texts of all drained
    /// samples are available by then, and no reader of the store sees a failure without its reason.
    pub fn collect(&mut self, texts: impl FnOnce(&mut Self)) {
        // A ring replaced by now receives nothing more: one more drain takes the rest.
        let moved = std::mem::take(&mut self.moved);
        for site in 0..self.sites.len() {
            self.drain(site);
        }
        for (site, ring) in moved {
            let reader = &mut self.sites[site].1;
            *reader = ring.reader_at(reader.next_seq());
            self.drain(site);
        }
        self.packer.close(&mut self.entries);
        self.backlog.add_entries(&mut self.entries);
        texts(self);
        let sites = &self.sites;
        for (_, text) in self.early_texts.release(|&(site, seq)| seq < sites[site].1.next_seq()) {
            self.backlog.add_text(text);
        }
        self.lost.add(self.backlog.shed());
    }

    /// Takes consecutive samples of `site` from `first_seq` on that another webmon made. They and everything else that is taken
    /// until [`Intake::take_position`] go into one commit, or a later one, together with that position.
    pub fn take_samples(&mut self, site: SiteId, first_seq: u64, samples: &[Sample]) {
        self.drained.clear();
        self.drained.extend(samples.iter().map(Sample::packed));
        self.packer.push(site, first_seq, &self.drained, &mut self.entries);
    }

    /// Takes the text of the failures with these numbers, whose samples were taken already.
    pub fn take_text(&mut self, site: SiteId, seqs: RangeInclusive<u64>, detail: String, address: Option<SocketAddr>) {
        let (seq, last) = seqs.into_inner();
        self.backlog.add_text(FailureText { site, seq, last, detail, address });
    }

    /// Takes the certificate that `site` presents.
    pub fn take_certificate(&mut self, site: SiteId, certificate: Arc<Certificate>) {
        self.backlog.add_certificate(site, certificate);
    }

    /// Takes how far the stream was read that the samples came from. Returns the bytes of samples that wait for their commit.
    pub fn take_position(&mut self, position: StreamPosition) -> usize {
        self.packer.close(&mut self.entries);
        self.backlog.add_entries(&mut self.entries);
        self.backlog.set_position(position);
        self.backlog.bytes()
    }

    /// Takes what locations saw together.
    pub fn take_seen(&mut self, seen: &SeenNews) {
        self.backlog.add_seen(seen);
    }

    /// Gives the store another number with the next commit.
    pub fn note_store_id(&mut self, id: StoreId) {
        self.backlog.set_store_id(id);
    }

    fn drain(&mut self, site: usize) {
        let (id, reader) = &mut self.sites[site];
        self.drained.clear();
        let drained = reader.drain_packed_before(Timestamp::MAX, &mut self.drained);
        self.lost.samples += drained.lost;
        self.packer.push(*id, drained.first_seq, &self.drained, &mut self.entries);
    }

    /// The losses since the last call.
    pub fn take_lost(&mut self) -> Dropped {
        std::mem::take(&mut self.lost)
    }

    /// Moves the backlog to the end of `pending`, which the writer is about to commit.
    pub(super) fn hand_over(&mut self, pending: &mut PendingCommit) {
        pending.append(self.backlog.take());
        self.lost.add(pending.shed());
        self.backlog.share(pending.bytes());
        self.taken = pending.samples();
    }

    /// The writer committed what it had taken.
    pub(super) fn committed(&mut self) {
        self.taken = 0;
    }

    /// The writer is available again: when it takes the backlog, the oldest of both are dropped first.
    pub(super) fn returned(&mut self) {
        self.backlog.share(0);
    }

    /// Uncommitted samples, here or at the writer.
    #[must_use]
    pub fn unsaved(&self) -> u64 {
        self.taken + self.backlog.samples()
    }

    /// Limits waiting samples to this many bytes.
    #[cfg(test)]
    pub(super) fn set_room(&mut self, bytes: usize) {
        self.backlog.set_room(bytes);
    }
}
