//! What a writer's store is asked for at the start of a monitor, besides samples.

use std::sync::Arc;

use crate::alert::AlertRecord;
use crate::model::{Certificate, SiteId, Timestamp};

use super::error::StoreError;
use super::read::view::{self, Query};
use super::tables::certificate;
use super::writable::Store;

impl Store {
    /// The alerts that `query` asks for, by time.
    ///
    /// # Errors
    /// Those of the database.
    pub fn alerts(&self, query: &Query) -> Result<Vec<AlertRecord>, StoreError> {
        self.look(|transaction| view::alerts(transaction, query))
    }

    /// The sites whose newest alert is a `down`, watched now or not: number, name, since when.
    ///
    /// # Errors
    /// Those of the database.
    pub fn open_incidents(&self) -> Result<Vec<(SiteId, Arc<str>, Timestamp)>, StoreError> {
        self.look(view::open_incidents)
    }

    /// What the certificate of each site last said, by site; of sites that never showed one, nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub fn certificates(&self) -> Result<Vec<(SiteId, Certificate)>, StoreError> {
        self.look(certificate::all)
    }

    /// Until when sites are paused, by site; also pauses that are over.
    ///
    /// # Errors
    /// Those of the database.
    pub fn pauses(&self) -> Result<Vec<(SiteId, Timestamp)>, StoreError> {
        self.look(view::pauses)
    }
}
