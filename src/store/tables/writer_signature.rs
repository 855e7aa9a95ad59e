//! The writer's signature in `meta`: its pid and start, from opening the store to closing it cleanly.
//!
//! A killed writer cannot sign off, so a signature names the last writer; the reader must ask the system whether that
//! process still exists. A writer that had to close the store because its disk was full recognises by it whether
//! another one wrote in the meantime: then the numbers of the waiting samples are taken, and they must not be written.

use redb::{ReadTransaction, WriteTransaction};

use crate::model::Timestamp;

use super::schema;

pub(crate) const PROCESS: &str = "writer process";
pub(crate) const SINCE: &str = "writer since";

/// A process that opened the store for writing and did not close it cleanly, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Its pid.
    pub process: u32,
    /// When it opened the store.
    pub since: Timestamp,
}

/// Removes the signature, if any.
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
