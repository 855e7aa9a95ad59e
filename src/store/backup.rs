//! A copy of the store into a new file, and giving room back.
//!
//! Idea: a backup copies every row as it is, in one read transaction, so that it is the store at one moment while the
//! monitor goes on writing; it comes out compact. Like a new store it is made under a temporary name, synced and then
//! linked to its own, so there is never half a copy, and nothing that exists is overwritten. Compaction moves pages
//! in durable transactions of the database: stopped at any moment, it leaves a whole store. Limits: what the
//! monitor frees while a copy is made is used again only after it; a copy commits every [`BATCH`] bytes.

use std::path::Path;

use redb::{Database, ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition};

use super::error::{StoreError, guard};
use super::file::{self, Options};
use super::opened::Store;
use super::schema;
use super::signature;

/// Bytes that one transaction of a copy writes.
const BATCH: usize = 32 << 20;

/// What compaction did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the file on its disk before.
    pub before: u64,
    /// And after.
    pub after: u64,
}

impl Store {
    /// Seals the store at `path` and gives back the room that it does not use.
    ///
    /// # Errors
    /// There is none, it is in use, foreign, newer or damaged, or the system refuses. It is whole in each case.
    pub fn compact(path: &Path, options: &Options) -> Result<Compacted, StoreError> {
        let before = file::bytes(path);
        let (mut store, _) = Self::open_existing(path, options)?;
        if let Some(database) = &mut store.database {
            guard(|| {
                while database.compact()? {}
                Ok(())
            })
            .map_err(|error| StoreError::of(path, error))?;
        }
        store.close()?;
        Ok(Compacted { before, after: file::bytes(path) })
    }
}

/// Writes all that `transaction` sees to a new file at `to`. `progress` hears how many blocks were copied, and of how many.
pub fn copy(transaction: &ReadTransaction, to: &Path, progress: impl FnMut(u64, u64)) -> Result<(), StoreError> {
    let exists = || StoreError::Exists { path: to.to_owned() };
    if std::fs::symlink_metadata(to).is_ok() {
        return Err(exists());
    }
    if file::create_with(to, |database| fill(transaction, database, progress))? { Ok(()) } else { Err(exists()) }
}

fn fill(from: &ReadTransaction, to: &Database, progress: impl FnMut(u64, u64)) -> Result<(), redb::Error> {
    table(from, to, schema::META)?;
    // Nobody writes to the copy.
    let transaction = to.begin_write()?;
    signature::sign_off(&transaction)?;
    transaction.commit()?;
    table(from, to, schema::SITES)?;
    table(from, to, schema::SEALED)?;
    table(from, to, schema::JOURNAL)?;
    table_with(from, to, schema::BLOCKS, progress)?;
    table(from, to, schema::HOURS)?;
    table(from, to, schema::DAYS)?;
    table(from, to, schema::FAILURES)?;
    table(from, to, schema::ALERTS)?;
    table(from, to, schema::CERTIFICATES)?;
    table(from, to, schema::SINKS)?;
    table(from, to, schema::CURSORS)
}

fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    definition: TableDefinition<'_, K, V>,
) -> Result<(), redb::Error> {
    table_with(from, to, definition, |_, _| ())
}

fn table_with<K: redb::Key + 'static, V: redb::Value + 'static>(
    from: &ReadTransaction,
    to: &Database,
    definition: TableDefinition<'_, K, V>,
    mut progress: impl FnMut(u64, u64),
) -> Result<(), redb::Error> {
    // A file of an earlier version does not have all of them.
    let Some(rows) = schema::later_table(from, definition)? else { return Ok(()) };
    let (mut copied, all) = (0, rows.len()?);
    let mut rows = rows.iter()?.peekable();
    while rows.peek().is_some() {
        let transaction = to.begin_write()?;
        {
            let mut copy = transaction.open_table(definition)?;
            let mut written = 0;
            while written < BATCH
                && let Some(row) = rows.next()
            {
                let (key, bytes) = row?;
                written += V::as_bytes(&bytes.value()).as_ref().len();
                copy.insert(key.value(), bytes.value())?;
                copied += 1;
            }
        }
        transaction.commit()?;
        progress(copied, all);
    }
    Ok(())
}
