//! Who writes: the number of a process and since when, in `meta`, from the opening of the store to its clean closing.
//!
//! A writer that is killed cannot sign off, so a signature says who wrote last; whether that process is still there is
//! for the reader to ask of the system. And a writer that had to close the store, because its disk was full, knows by it
//! whether another one wrote meanwhile: then the numbers of the samples that wait are taken, and they must not be written.

use redb::{ReadTransaction, WriteTransaction};

use crate::model::Timestamp;

use super::schema;
use crate::store::error::StoreError;
use crate::store::writable::Store;

const PROCESS: &str = "writer process";
const SINCE: &str = "writer since";

/// A process that opened the store for writing and did not close it cleanly, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The number of the process.
    pub process: u32,
    /// When it opened the store.
    pub since: Timestamp,
}

impl Store {
    /// Notes that the process of this number writes from now on, until the store is closed.
    ///
    /// # Errors
    /// Those of the database.
    pub fn sign(&mut self, process: u32, now: Timestamp) -> Result<(), StoreError> {
        self.write(|transaction| {
            let mut meta = transaction.open_table(schema::META)?;
            meta.insert(PROCESS, u64::from(process))?;
            meta.insert(SINCE, now.as_micros())?;
            Ok(())
        })?;
        self.signed = Some(Signature { process, since: now });
        Ok(())
    }

    /// Lets go of a store that another writer has signed, or closed, since this one did: it has used the numbers of what waits
    /// here.
    pub(crate) fn recognise(&mut self) -> Result<(), StoreError> {
        if self.signed.is_some() && self.look(read)? != self.signed {
            self.let_go();
            return Err(StoreError::Taken { path: self.path().to_owned() });
        }
        Ok(())
    }
}

/// Takes a signature away, if there is one.
pub fn sign_off(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(schema::META)?;
    meta.remove(PROCESS)?;
    meta.remove(SINCE)?;
    Ok(())
}

/// The signature that `transaction` sees.
pub fn read(transaction: &ReadTransaction) -> Result<Option<Signature>, redb::Error> {
    let meta = transaction.open_table(schema::META)?;
    let process = meta.get(PROCESS)?.and_then(|process| u32::try_from(process.value()).ok());
    let since = meta.get(SINCE)?.map_or(Timestamp::ZERO, |since| Timestamp::from_micros(since.value()));
    Ok(process.map(|process| Signature { process, since }))
}
