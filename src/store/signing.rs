//! The writer's signature, and detection of another writer's.

use crate::model::Timestamp;
use crate::store::error::StoreError;
use crate::store::tables::schema;
use crate::store::tables::writer_signature::{PROCESS, SINCE, Signature, read};
use crate::store::writable::Store;

impl Store {
    /// Records this pid as the writer until the store is closed.
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

    /// Releases a store that another writer has signed or closed since this one signed it: that writer has used the
    /// numbers of the waiting data.
    pub(crate) fn recognise(&mut self) -> Result<(), StoreError> {
        if self.signed.is_some() && self.look(read)? != self.signed {
            self.let_go();
            return Err(StoreError::Taken { path: self.path().to_owned() });
        }
        Ok(())
    }
}
