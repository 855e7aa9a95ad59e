//! The room in use: the pages of our tables, without those that a reader or the last commit still holds.
//!
//! The database keeps a replaced page until no reader can see it. Such pages are not stored history, and removing
//! samples does not free them, so they do not count. Counting walks the branches of the tables: a small file is counted
//! every time, a large one at most once a day and only when its size on the disk comes near the limit; in between, the
//! numbers of blocks, which fill a page each, and of hours give the difference.
//!
//! Bounds: a file also holds what a transaction replaces, so [`limit`] leaves part of the bound free, a larger part in
//! a smaller file.

use redb::{ReadableTableMetadata, TableDefinition, WriteTransaction};

use crate::store::limits::Keep;
use crate::store::tables::schema;

/// Pages are counted again after this many sealings, a day.
const RECOUNT_AFTER: u32 = 96;

/// A smaller file is counted every time.
const SMALL: u64 = 64 << 20;

/// Pages held by readers are computed once in this many sealings.
const READERS_AFTER: u32 = 4;

/// A block with its key and its share of the pages above it.
pub const BLOCK_BYTES: u64 = 4_096 + 4_096 / 64;

/// The row of an hour with its key and its share of half-filled pages.
pub const HOUR_BYTES: u64 = 600;

/// Largest reserve for pages that a transaction replaces, where it exceeds a tenth.
const RESERVE: u64 = 4 << 20;

/// The room in use at the last count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceUsage {
    /// Bytes of the pages of all tables.
    used: u64,
    /// Blocks and hours at that time.
    blocks: u64,
    hours: u64,
    /// Sealings since then.
    age: u32,
    /// Bytes of pages held only by readers.
    pub held: u64,
}

/// The bytes in use at which removal begins.
pub const fn limit(max_size: u64) -> u64 {
    let tenth = max_size / 10;
    let share = tenth * 5;
    let reserve = if share < RESERVE { share } else { RESERVE };
    max_size - if tenth > reserve { tenth } else { reserve }
}

/// The smallest limit for the newest blocks of `sites` sites, with an hour and a day each.
pub const fn needed(sites: u64) -> u64 {
    (sites * (2 * BLOCK_BYTES + 2 * HOUR_BYTES)) / 5 * 10
}

/// The room in use, counted if `known` is not to be relied on and `taken`, the bytes of the file on its disk, comes
/// near the limit; none while the file is far below it. `is_sealing`: the first step of a sealing, by which what is
/// known ages.
pub fn measure(
    transaction: &WriteTransaction,
    keep: &Keep,
    taken: u64,
    known: Option<SpaceUsage>,
    is_sealing: bool,
) -> Result<Option<SpaceUsage>, redb::Error> {
    let Some(max_size) = keep.max_size.filter(|max_size| taken >= limit(*max_size)) else { return Ok(None) };
    let known = known.filter(|room| room.age < RECOUNT_AFTER && taken >= SMALL);
    let mut room = match known {
        Some(room) if !is_sealing => return Ok(Some(room)),
        Some(room) => SpaceUsage { age: room.age + 1, ..room },
        None => count(transaction)?,
    };
    if taken > max_size.saturating_add(max_size / 10) && room.age.is_multiple_of(READERS_AFTER) {
        let stats = transaction.stats()?;
        let allocated = stats.allocated_pages() * stats.page_size() as u64;
        room.held = allocated.saturating_sub(count(transaction)?.used);
    } else if taken <= max_size {
        room.held = 0;
    }
    Ok(Some(room))
}

fn count(transaction: &WriteTransaction) -> Result<SpaceUsage, redb::Error> {
    let (blocks, blocks_used) = table(transaction, schema::BLOCKS)?;
    let (hours, hours_used) = table(transaction, schema::HOURS)?;
    let used = blocks_used
        + hours_used
        + table(transaction, schema::DAYS)?.1
        + table(transaction, schema::FAILURES)?.1
        + table(transaction, schema::CURSORS)?.1
        + table(transaction, schema::JOURNAL)?.1
        + table(transaction, schema::ALERTS)?.1
        + table(transaction, schema::SITES)?.1
        + table(transaction, schema::SEALED)?.1
        + table(transaction, schema::CERTIFICATES)?.1
        + table(transaction, schema::OUTBOX)?.1
        + table(transaction, schema::BLIND)?.1
        + table(transaction, schema::EVIDENCE)?.1
        + table(transaction, schema::SINKS)?.1;
    Ok(SpaceUsage { used, blocks, hours, age: 0, held: 0 })
}

/// The rows of a table and the bytes of its pages.
fn table<K: redb::Key + 'static>(
    transaction: &WriteTransaction,
    definition: TableDefinition<'_, K, &'static [u8]>,
) -> Result<(u64, u64), redb::Error> {
    let table = transaction.open_table(definition)?;
    let stats = table.stats()?;
    Ok((table.len()?, stats.stored_bytes() + stats.metadata_bytes() + stats.fragmented_bytes()))
}

impl SpaceUsage {
    /// The room after removal of `alert_bytes`, which the numbers of blocks do not reflect.
    pub const fn without(self, alert_bytes: u64) -> Self {
        Self { used: self.used.saturating_sub(alert_bytes), ..self }
    }

    /// Bytes in use, estimated from the present numbers of blocks and hours.
    pub const fn now(&self, blocks: u64, hours: u64) -> u64 {
        let before = self.blocks * BLOCK_BYTES + self.hours * HOUR_BYTES;
        (self.used + blocks * BLOCK_BYTES + hours * HOUR_BYTES).saturating_sub(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::simulated_disk::Disk;

    /// A trimming has many steps.
    #[test]
    fn what_is_known_ages_once_a_sealing() {
        let database = Disk::default().open().unwrap();
        let change = database.begin_write().unwrap();
        let keep = Keep { max_size: Some(SMALL), ..Keep::default() };
        let measured = |known, is_sealing| measure(&change, &keep, SMALL, known, is_sealing).unwrap().unwrap();
        let mut room = measured(None, true);
        assert_eq!(measured(Some(room), false), room);
        for age in 1..=RECOUNT_AFTER {
            room = measured(Some(room.without(1)), true);
            assert_eq!(measured(Some(room), false).age, if age < RECOUNT_AFTER { age } else { 0 });
        }
    }

    #[test]
    fn the_limit_leaves_room_for_what_a_transaction_replaces() {
        let mib = 1 << 20;
        assert_eq!(limit(10 * mib), 6 * mib);
        assert_eq!(limit(1_000_000), 500_000);
        assert_eq!(limit(20 * mib), 16 * mib);
        assert_eq!(limit(100 * mib), 90 * mib);
        assert!(limit(1 << 50) > (1 << 50) / 10 * 8);
    }
}
