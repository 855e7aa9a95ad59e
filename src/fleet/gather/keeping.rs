//! Keeps what a hub takes in its store.

use crate::model::lock::lock;
use crate::model::{Certificate, SiteId, Timestamp};
use crate::store::{Origin, Registered, StoreError, Writer};

use super::Keeper;
use crate::fleet::frame::{FailureRun, Group};

/// A text waits in place of so many samples: fewer of them may wait for a commit.
const TEXT_WEIGHT: u64 = 10;

/// The store of a hub, while it takes a frame.
pub struct WriterKeeper<'w> {
    writer: &'w mut Writer,
    now: Timestamp,
    waiting: u64,
}

impl<'w> WriterKeeper<'w> {
    /// Keeps in the store of `writer` at `now`.
    #[must_use]
    pub const fn new(writer: &'w mut Writer, now: Timestamp) -> Self {
        Self { writer, now, waiting: 0 }
    }

    /// What was taken and waits for a commit, in samples.
    #[must_use]
    pub const fn waiting(&self) -> u64 {
        self.waiting
    }
}

impl Keeper for WriterKeeper<'_> {
    fn adopt(&mut self, origins: &[Origin]) -> Result<Vec<Registered>, StoreError> {
        self.writer.adopt(origins, self.now)
    }

    fn take(&mut self, site: SiteId, group: &Group, passed: usize) {
        let samples = &group.samples[passed..];
        lock(&self.writer.entrance()).take_samples(site, group.first_seq + passed as u64, samples);
        self.waiting += samples.len() as u64;
    }

    fn text(&mut self, site: SiteId, run: &FailureRun) {
        lock(&self.writer.entrance()).take_text(site, run.first..=run.last, run.detail.clone(), run.address);
        self.waiting += TEXT_WEIGHT;
    }

    fn certificate(&mut self, site: SiteId, certificate: Certificate) {
        lock(&self.writer.entrance()).take_certificate(site, certificate.into());
    }
}
