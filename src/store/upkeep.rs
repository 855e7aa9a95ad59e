//! A writer's maintenance beside saving samples: sealing, rolling up and removing old data, each in bounded steps.
//!
//! Each step of removal is a transaction of its own: replaced pages become free for the transaction after the next, so
//! a file at its limit grows by little more than a step.

use redb::{ReadableTable, TableDefinition, TableError};

use crate::model::Timestamp;

use super::commit::PendingCommit;
use super::error::StoreError;
use super::limits::Keep;
use super::maintain::alert_retention::KeptAlerts;
use super::maintain::retention::{self, Trimmed};
use super::maintain::seal::Sealed;
use super::maintain::{rollup_builder, space};
use super::tables::{record, schema};
use super::writable::Store;

/// Steps of one trimming, so the commits of a small file do not wait long.
const STEPS_MAX: usize = 64;

impl Store {
    /// Whether rollups of a format 1 file are still missing.
    pub(super) fn is_behind(&self) -> Result<bool, StoreError> {
        self.look(|transaction| Ok(transaction.open_table(schema::META)?.get(schema::BEHIND)?.is_some()))
    }

    /// Retention.
    pub(super) const fn keep(&self) -> &Keep {
        &self.keep
    }

    /// Removes data beyond their retention and builds missing rollups, a bounded part of each; with `seal`, after
    /// sealing.
    pub(super) fn trim(&mut self, now: Timestamp, seal: bool) -> Result<(Sealed, Trimmed), StoreError> {
        let by_age = self.trust.by_age(now);
        let (sealing, mut sealed) = (if seal { Some(self.seal_most()?) } else { None }, Sealed::default());
        let (keep, taken) = (self.keep, self.bytes());
        let mut room = self.room;
        let first = self.write(|transaction| {
            sealed = sealing.map_or_else(|| Ok(Sealed::default()), |sealing| sealing.finish(transaction))?;
            let behind = rollup_builder::catch_up(transaction, rollup_builder::BLOCKS_MAX)?;
            Ok(behind)
        });
        let behind = first?;
        let (step, mut outcome) = (keep.step(retention::BLOCKS_MAX), Trimmed::default());
        let mut left = (step * STEPS_MAX).min(retention::BLOCKS_MAX);
        let (mut kept, mut is_sealing) = (KeptAlerts::default(), seal);
        loop {
            let most = step.min(left);
            let next = self.write(|transaction| {
                room = space::measure(transaction, &keep, taken, room, is_sealing)?;
                retention::trim(transaction, (&keep, room), (now, by_age), most, &mut kept)
            })?;
            room = room.map(|room| room.without(next.alert_bytes));
            is_sealing = false;
            outcome.add(next);
            left -= most;
            if !next.more || left == 0 {
                break;
            }
        }
        self.room = room;
        outcome.more |= behind;
        Ok((sealed, outcome))
    }

    /// Bytes of pages held only by readers, when last computed.
    pub(super) fn held_by_readers(&self) -> u64 {
        self.room.map_or(0, |room| room.held)
    }

    /// Renames the tables of texts and of evidence if they cannot be read, because a damaged page of one fails every commit
    /// with a row of it; returns whether it did.
    pub(super) fn set_texts_aside(&mut self) -> Result<bool, StoreError> {
        let texts = self.set_aside(schema::FAILURES)?;
        Ok(self.set_aside(schema::EVIDENCE)? || texts)
    }

    fn set_aside(&mut self, table: schema::Expendable) -> Result<bool, StoreError> {
        self.reopen()?;
        let read = self.look(|transaction| {
            let rows = schema::later_table(transaction, table)?;
            rows.map_or(Ok(()), |rows| rows.iter()?.try_for_each(|row| row.map(drop)))?;
            Ok(())
        });
        if !matches!(read, Err(StoreError::Damaged { .. })) {
            return Ok(false);
        }
        self.let_go();
        self.write(|transaction| {
            for name in schema::asides(table) {
                let aside: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new(&name);
                match transaction.rename_table(table, aside) {
                    Err(TableError::TableExists(_)) => {}
                    renamed => {
                        renamed?;
                        transaction.open_table(table)?;
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        })
    }

    /// An empty [`PendingCommit`] that continues the numbers of the file.
    pub(super) fn pending(&self) -> Result<PendingCommit, StoreError> {
        self.look(|transaction| {
            let entry =
                transaction.open_table(schema::JOURNAL)?.last()?.map_or(Ok(0), |(number, _)| after(number.value()))?;
            let alert =
                transaction.open_table(schema::ALERTS)?.last()?.map_or(Ok(0), |(number, _)| after(number.value()))?;
            Ok(PendingCommit::new(entry, alert))
        })
    }
}

/// The next number; an honest file is far from the end of the range.
fn after(number: u64) -> Result<u64, redb::Error> {
    let next = number.checked_add(1).filter(|next| *next <= record::NUMBER_MAX);
    next.ok_or_else(|| redb::Error::Corrupted("a number in it is at the end of its range".to_owned()))
}
