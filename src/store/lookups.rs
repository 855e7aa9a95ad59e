//! Lookups in a writer's store at the start of a monitor, samples aside.

use crate::alert::AlertRecord;
use crate::model::{Certificate, SiteId, Timestamp};

use super::error::StoreError;
use super::read::view::{self, OpenIncident, Query};
use super::tables::blind::Outages;
use super::tables::outbox::Kept;
use super::tables::{certificate, schema};
use super::writable::Store;

impl Store {
    /// The alerts that `query` asks for, by time.
    ///
    /// # Errors
    /// Those of the database.
    pub fn alerts(&self, query: &Query) -> Result<Vec<AlertRecord>, StoreError> {
        self.look(|transaction| view::alerts(transaction, query))
    }

    /// The sites whose newest alert is a `down`, whether monitored now or not: number, name, start.
    ///
    /// # Errors
    /// Those of the database.
    pub fn open_incidents(&self) -> Result<Vec<OpenIncident>, StoreError> {
        self.look(view::open_incidents)
    }

    /// The incidents, waiting messages and silences.
    ///
    /// # Errors
    /// Those of the database.
    pub fn kept(&self) -> Result<Kept, StoreError> {
        self.look(view::kept)
    }

    /// The random number of this store, which is `fresh` if it has none yet.
    ///
    /// # Errors
    /// Those of the database.
    pub fn agent(&self, fresh: u64) -> Result<u64, StoreError> {
        if let Some(agent) = self.look(schema::agent)? {
            return Ok(agent);
        }
        self.change(|transaction| {
            transaction.open_table(schema::META)?.insert(schema::AGENT, fresh)?;
            Ok(())
        })?;
        Ok(fresh)
    }

    /// The certificate that each site last presented, by site.
    ///
    /// # Errors
    /// Those of the database.
    pub fn certificates(&self) -> Result<Vec<(SiteId, Certificate)>, StoreError> {
        self.look(certificate::all)
    }

    /// The outages of this machine's own network.
    ///
    /// # Errors
    /// Those of the database.
    pub fn outages(&self) -> Result<Outages, StoreError> {
        self.look(Outages::new)
    }

    /// The ends of pauses, by site, past ones included.
    ///
    /// # Errors
    /// Those of the database.
    pub fn pauses(&self) -> Result<Vec<(SiteId, Timestamp)>, StoreError> {
        self.look(view::pauses)
    }
}
