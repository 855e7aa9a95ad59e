//! Renaming a site, and deleting all its data; for commands that have the file to themselves.
//!
//! All data of a site refer to its number: samples, rollups, alerts, certificate, pause and export cursors. Renaming
//! therefore changes one row, and messages of past alerts keep the old name. Deletion removes every row of the number
//! in one transaction.
//!
//! Invariants: the number of the next alert never falls below what a sink was sent, so no later alert is mistaken for
//! an exported one.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable, WriteTransaction};

use crate::model::SiteId;
use crate::store::error::StoreError;
use crate::store::file::open::Options;
use crate::store::file::path_check;
use crate::store::read::view;
use crate::store::tables::alert::decode_alert;
use crate::store::tables::record::SiteRecord;
use crate::store::tables::{export_cursor, outbox, schema};
use crate::store::writable::Store;

impl Store {
    /// Opens the store at `path`, which exists, and seals it; nothing is moved aside.
    ///
    /// # Errors
    /// There is none, it is in use, foreign, newer or damaged, or the system refuses.
    pub fn alone(path: &Path, options: &Options) -> Result<Self, StoreError> {
        Self::open_existing(&path_check::resolved(path)?, options).map(|(store, _)| store)
    }

    /// The name and number of every site.
    ///
    /// # Errors
    /// Those of the database.
    pub fn names(&self) -> Result<Vec<(Arc<str>, SiteId)>, StoreError> {
        self.look(|transaction| Ok(view::sites(transaction)?.into_iter().map(|(id, site)| (site.name, id)).collect()))
    }

    /// Gives `site` a name that no other site has, and closes the store.
    ///
    /// # Errors
    /// Those of the database.
    pub fn rename(mut self, site: SiteId, name: &str) -> Result<(), StoreError> {
        let known = self.look(|transaction| Ok(view::sites(transaction)?.remove(&site)))?;
        let Some(known) = known else { return self.close() };
        self.write(|transaction| {
            let mut bytes = Vec::new();
            SiteRecord { name: name.into(), ..known }.encode((site.0, 0), &mut bytes);
            transaction.open_table(schema::SITES)?.insert(site.0, bytes.as_slice())?;
            Ok(())
        })?;
        self.close()
    }

    /// Removes all data of `site`, and closes the store.
    ///
    /// # Errors
    /// Those of the database.
    pub fn forget(mut self, site: SiteId) -> Result<(), StoreError> {
        let mut sinks = self.look(export_cursor::all)?;
        self.write(|transaction| {
            forget(transaction, site.0)?;
            let next = transaction.open_table(schema::ALERTS)?.last()?.map_or(0, |(number, _)| number.value() + 1);
            for progress in &mut sinks {
                progress.next_alert = progress.next_alert.min(next);
                progress.cursors.clear();
                export_cursor::write(transaction, progress)?;
                let place = (progress.sink, u64::from(site.0));
                transaction.open_table(schema::CURSORS)?.remove(place)?;
            }
            Ok(())
        })?;
        self.close()
    }
}

fn forget(transaction: &WriteTransaction, site: u32) -> Result<(), redb::Error> {
    transaction.open_table(schema::SITES)?.remove(site)?;
    transaction.open_table(schema::SEALED)?.remove(site)?;
    for table in [schema::BLOCKS, schema::HOURS, schema::DAYS, schema::FAILURES, schema::EVIDENCE, schema::SEEN] {
        transaction.open_table(table)?.retain_in(schema::whole(site), |_, _| false)?;
    }
    transaction.open_table(schema::CERTIFICATES)?.remove(site)?;
    transaction.open_table(schema::ORIGINS)?.remove(site)?;
    outbox::forget(transaction, SiteId(site))?;
    transaction.open_table(schema::META)?.remove(&*schema::paused_key(SiteId(site)))?;
    transaction
        .open_table(schema::ALERTS)?
        .retain(|_, frame| decode_alert(frame, |_| "".into()).map_or(true, |(of, _)| of.0 != site))?;
    Ok(())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::alert::AlertState;
    use crate::alert::record::tests::record;
    use crate::model::Timestamp;
    use crate::ring::Producer;
    use crate::store::archive::Archive;
    use crate::store::read::view::Query;
    use crate::store::tests::samples::day;
    use crate::store::writer::Writer;

    #[test]
    fn a_renamed_site_keeps_its_past_and_a_forgotten_one_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let names: [Arc<str>; 2] = ["api".into(), "docs".into()];
        let sites = store.register(&names, Timestamp::ZERO).unwrap();
        let mut producers = [0, 0].map(|seq| Producer::new(1_000, seq));
        let readers = sites.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        let samples = day(500);
        for (producer, (site, name)) in producers.iter_mut().zip(sites.iter().zip(&names)) {
            for sample in &samples {
                producer.push(*sample);
            }
            let at = samples[400].at;
            let alert = record(name, AlertState::Down, at);
            writer.note_alert(site.id, alert);
        }
        assert!(writer.close(samples[499].at).notices.is_empty());

        Store::alone(&path, &Options::default()).unwrap().rename(sites[0].id, "shop").unwrap();
        let archive = Archive::open(&path).unwrap();
        let sites_of = |archive: &Archive| -> Vec<(Arc<str>, u64)> {
            archive.sites().unwrap().into_iter().map(|site| (site.name, site.next_seq)).collect()
        };
        assert_eq!(sites_of(&archive), [("shop".into(), 500), ("docs".into(), 500)]);
        let alerts = archive.alerts(&Query::ALL).unwrap();
        assert_eq!(alerts.iter().map(|alert| &*alert.site).collect::<Vec<_>>(), ["shop", "docs"]);
        drop(archive);

        Store::alone(&path, &Options::default()).unwrap().forget(sites[1].id).unwrap();
        let archive = Archive::open(&path).unwrap();
        assert_eq!(sites_of(&archive), [("shop".into(), 500)]);
        assert_eq!(archive.alerts(&Query::ALL).unwrap().len(), 1);
        assert!(archive.verify().unwrap().is_sound());
        drop(archive);
        let store = Store::open(&path, &Options::default(), Timestamp::ZERO).unwrap().store;
        let again = store.register(&["docs".into()], Timestamp::ZERO).unwrap()[0];
        assert_eq!((again.next_seq, again.last_at), (0, None), "it begins anew");
    }
}
