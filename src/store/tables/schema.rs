//! The tables of the file, and the number of their format. `docs/store-format.md` describes them.
//!
//! Values are frames (see [`crate::store::codec::frame`]) except where a plain number suffices. Keys that are pairs
//! sort by site, then by seq.
//!
//! Invariants: a table's meaning never changes under one [`VERSION`]; a file without the number is not ours. A file of
//! a later version is never written to; one of an earlier version is read as it is and upgraded by the first writer
//! that opens it ([`upgrade`]). Version 2 added the rollups, which are built from the blocks of a file of version 1,
//! some at each flush; until then the blocks answer. Version 3 has rows in the journal (see
//! [`crate::store::codec::journal_entry`]); earlier entries are still read and sealed. Version 4 has alerts with a rule and
//! an incident, and the outbox; alerts of earlier versions are read. Version 5 has samples that know HTTP/3: journal entries of
//! version 3 and blocks of version 2; earlier ones are read, and are replaced when they are next written.

use redb::{
    Database, Key, ReadOnlyTable, ReadTransaction, ReadableDatabase, TableDefinition, TableError, TableHandle, Value,
};

use crate::model::SiteId;

/// The format that this program writes, and the newest that it reads.
pub const VERSION: u64 = 5;

/// The first format with rollups.
const ROLLED_UP: u64 = 2;

const VERSION_KEY: &str = "webmon schema";

/// [`VERSION_KEY`] → format. [`paused_key`] → end of that site's pause, µs. The writer: [`super::writer_signature`].
pub const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The key in [`META`] of the random number of the store, part of every key of a message. Created at the first start.
pub const AGENT: &str = "agent";

/// The key in [`META`] of a checksum of the name of the machine that uses [`AGENT`].
pub const AGENT_HOST: &str = "agent host";

/// The key in [`META`] of the number on its disk of the file that [`AGENT`] is used with.
pub const AGENT_FILE: &str = "agent file";

/// The keys in [`META`] of the two halves of the number that names the store in a fleet. Drawn at the first start in one.
pub const STORE_HIGH: &str = "store high";

/// See [`STORE_HIGH`].
pub const STORE_LOW: &str = "store low";

/// Site → its name and when it was first watched.
pub const SITES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("sites");

/// Site → how far its samples are sealed.
pub const SEALED: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("sealed");

/// Number → samples of all sites, not yet sealed, in the order of the numbers.
pub const JOURNAL: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");

/// (site, seq of the first) → a block of samples.
pub const BLOCKS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("blocks");

/// (site, hour since the epoch) → the sum of that hour's samples, as far as they are rolled up.
pub const HOURS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("hours");

/// (site, day since the epoch) → the same for a day.
pub const DAYS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("days");

/// The key in [`META`] of the first site that may not be rolled up yet; absent if all are.
pub const BEHIND: &str = "rolled up before site";

/// (site, seq of the first) → the text of consecutive failures that share it.
pub const FAILURES: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("failures");

/// A table that a commit can do without: set aside if a page of it is damaged.
pub type Expendable = TableDefinition<'static, (u32, u64), &'static [u8]>;

/// The names of tables that were `table` before they were set aside.
pub fn asides(table: Expendable) -> impl Iterator<Item = String> {
    (0..ASIDES_MAX).map(move |number| format!("{} damaged {number}", table.name()))
}

const ASIDES_MAX: u32 = 8;

/// Number → an alert, in the order in which they were found.
pub const ALERTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("alerts");

/// Site → the certificate that it last presented. Created with the first certificate.
pub const CERTIFICATES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("certificates");

/// (kind, number) → an incident, a waiting message, what an outlet was told, a silence; see [`super::outbox`]. Created with
/// the first of them.
pub const OUTBOX: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("outbox");

/// (realm, start) → an outage of this machine's own network; see [`super::blind`]. Created with the first of them.
pub const BLIND: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("blind");

/// (site, seq) → what the site answered to a check that failed; see [`super::evidence`]. Created with the first of them.
pub const EVIDENCE: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("evidence");

/// Number → a sink. Created with the first sink.
pub const SINKS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("sinks");

/// (sink, site) → the number of the next sample to export. Created with the first sink.
pub const CURSORS: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("cursors");

/// Site → where its samples come from, if another webmon checks it; see [`super::hub::gathered`]. Created with the first of them.
pub const ORIGINS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("origins");

/// Name of a stream → how far it was read; see [`super::hub::gathered`]. Created when one is first read.
pub const POSITIONS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("positions");

/// (site, hour since the epoch) → what its locations saw of it together; see [`super::hub::seen`]. Created with the first of them.
pub const SEEN: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("seen");

/// (location, start) → when it was blind; see [`super::hub::seen`]. Created with the first of them.
pub const SIGHTLESS: TableDefinition<'_, (&str, u64), &[u8]> = TableDefinition::new("sightless");

const PAUSED: &str = "paused ";

/// The key in [`META`] of the pause of a site.
pub fn paused_key(site: SiteId) -> String {
    format!("{PAUSED}{}", site.0)
}

/// The site whose pause this key of [`META`] is.
pub fn paused_site(key: &str) -> Option<SiteId> {
    key.strip_prefix(PAUSED)?.parse().ok().map(SiteId)
}

/// Every key of one site in a table whose keys begin with it.
pub const fn whole(site: u32) -> std::ops::RangeInclusive<(u32, u64)> {
    (site, 0)..=(site, u64::MAX)
}

/// The format of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Ours, and this program reads it.
    Known,
    /// Ours, of this later version.
    Newer(u64),
    /// Another program's.
    Foreign,
}

/// Creates the tables of a new database.
pub fn create(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert(VERSION_KEY, VERSION)?;
    transaction.open_table(SITES)?;
    transaction.open_table(SEALED)?;
    transaction.open_table(JOURNAL)?;
    transaction.open_table(BLOCKS)?;
    transaction.open_table(HOURS)?;
    transaction.open_table(DAYS)?;
    transaction.open_table(FAILURES)?;
    transaction.open_table(ALERTS)?;
    transaction.commit()?;
    Ok(())
}

/// Upgrades a database of an earlier version.
pub fn upgrade(database: &Database) -> Result<(), redb::Error> {
    let found = database.begin_read()?.open_table(META)?.get(VERSION_KEY)?.map(|version| version.value());
    let Some(found) = found.filter(|found| *found < VERSION) else { return Ok(()) };
    let transaction = database.begin_write()?;
    {
        let mut meta = transaction.open_table(META)?;
        meta.insert(VERSION_KEY, VERSION)?;
        if found < ROLLED_UP {
            meta.insert(BEHIND, 0)?;
        }
    }
    transaction.open_table(HOURS)?;
    transaction.open_table(DAYS)?;
    transaction.commit()?;
    Ok(())
}

/// Opens a table that files of earlier versions lack.
pub fn later_table<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<'_, K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, redb::Error> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The number of the format behind `transaction`, which is ours.
pub fn version(transaction: &ReadTransaction) -> Result<u64, redb::Error> {
    Ok(transaction.open_table(META)?.get(VERSION_KEY)?.map_or(VERSION, |version| version.value()))
}

/// The random number of the store, and where it was drawn: the machine and the file, as far as they are known.
pub fn agent(transaction: &ReadTransaction) -> Result<[Option<u64>; 3], redb::Error> {
    let meta = transaction.open_table(META)?;
    let mut found = [None; 3];
    for (key, found) in [AGENT, AGENT_HOST, AGENT_FILE].into_iter().zip(&mut found) {
        *found = meta.get(key)?.map(|number| number.value());
    }
    Ok(found)
}

/// The format of the database behind `transaction`.
pub fn format(transaction: &ReadTransaction) -> Result<Format, redb::Error> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return Ok(Format::Foreign),
    };
    Ok(match meta.get(VERSION_KEY)?.map(|version| version.value()) {
        None => Format::Foreign,
        Some(version) if version > VERSION => Format::Newer(version),
        Some(_) => Format::Known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::simulated_disk::Disk;

    /// Rollups are made of the whole of a file that has none, and only of such a file.
    #[test]
    fn a_file_of_an_earlier_version_is_brought_up_to_date_once() {
        for (found, is_behind) in [(1, true), (2, false), (4, false), (VERSION, false)] {
            let database = Disk::default().open().unwrap();
            let change = database.begin_write().unwrap();
            change.open_table(META).unwrap().insert(VERSION_KEY, found).unwrap();
            change.commit().unwrap();
            assert_eq!(format(&database.begin_read().unwrap()).unwrap(), Format::Known);
            for _ in 0..2 {
                upgrade(&database).unwrap();
                let transaction = database.begin_read().unwrap();
                assert_eq!(version(&transaction).unwrap(), VERSION);
                let behind = transaction.open_table(META).unwrap().get(BEHIND).unwrap();
                assert_eq!(behind.is_some(), is_behind, "of version {found}");
            }
        }
    }
}
