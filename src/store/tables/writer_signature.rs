//! Who writes: the number of a process and since when, in `meta`, from the opening of the store to its clean closing.
//!
//! A writer that is killed cannot sign off, so a signature says who wrote last; whether that process is still there is
//! for the reader to ask of the system. And a writer that had to close the store, because its disk was full, knows by it
//! whether another one wrote meanwhile: then the numbers of the samples that wait are taken, and they must not be written.

use redb::{ReadTransaction, WriteTransaction};

use crate::model::Timestamp;

use super::schema;

pub(crate) const PROCESS: &str = "writer process";
pub(crate) const SINCE: &str = "writer since";

/// A process that opened the store for writing and did not close it cleanly, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The number of the process.
    pub process: u32,
    /// When it opened the store.
    pub since: Timestamp,
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
