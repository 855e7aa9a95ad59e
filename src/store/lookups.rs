//! Lookups in a writer's store at the start of a monitor, samples aside.

use crate::alert::AlertRecord;
use crate::model::{Certificate, SiteId, Timestamp};

use super::error::StoreError;
use super::file::path_check::Identity;
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

    /// The random number of this store on the machine `host`, and whether it is another than before. It is `fresh` if it has
    /// none yet, or if both the machine and the file are others: then this is a copy, and the original may be in use, too.
    ///
    /// # Errors
    /// Those of the database.
    pub fn agent(&self, fresh: u64, host: Option<&str>) -> Result<(u64, bool), StoreError> {
        let [agent, host_then, file_then] = self.look(schema::agent)?;
        let host = host.map(|host| u64::from(crc32c::crc32c(host.as_bytes())));
        let file = self.identity.map(Identity::node);
        let is_other = |then: Option<u64>, now: Option<u64>| then.zip(now).is_some_and(|(then, now)| then != now);
        let is_copy = is_other(host_then, host) && is_other(file_then, file);
        let number = agent.filter(|_| !is_copy).unwrap_or(fresh);
        let here = [(schema::AGENT, Some(number)), (schema::AGENT_HOST, host), (schema::AGENT_FILE, file)];
        if here.map(|(_, number)| number) != [agent, host_then, file_then] {
            self.change(|transaction| {
                let mut meta = transaction.open_table(schema::META)?;
                for (key, number) in here {
                    if let Some(number) = number {
                        meta.insert(key, number)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok((number, is_copy))
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

#[cfg(test)]
mod tests {
    use crate::store::tests::simulated_disk::Disk;

    #[test]
    fn a_store_keeps_its_number_unless_both_machine_and_file_are_others() {
        let mut store = Disk::default().store().unwrap();
        let mut agent = |fresh, host, file| {
            store.identity = file;
            store.agent(fresh, host).unwrap()
        };
        let [here, there] = [1, 2].map(|number| Some(super::Identity::numbered(number)));
        assert_eq!(agent(7, Some("a"), here), (7, false));
        assert_eq!(agent(8, Some("a"), here), (7, false));
        // A container that was made again; a file that was rebuilt; nothing known.
        assert_eq!(agent(8, Some("b"), here), (7, false));
        assert_eq!(agent(8, Some("b"), there), (7, false));
        assert_eq!(agent(8, None, None), (7, false));
        // Both at once, against the last known ones.
        assert_eq!(agent(8, Some("a"), here), (8, true));
        assert_eq!(agent(9, Some("a"), here), (8, false));
    }
}
