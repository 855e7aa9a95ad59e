//! Removal of outages of this machine's own network, once no stored check can lie in them.
//!
//! An outage says which stored checks count as unknown, so it goes after the last of them, whether age or room took them.
//! Rollups have it in their sums and need it no more.
//!
//! Invariants: an outage stays while a check of its sites that it may cover is stored, while it lasts, and while the order of
//! the times is not known (a clock was set back, a damaged block). Bounds: [`STEP`] rows of each realm are looked at in one
//! transaction. There are no more rows than rounds of checks that are stored: without a round that had no answer, there is none.

use std::collections::HashMap;
use std::time::Duration;

use redb::{ReadableTable, WriteTransaction};

use crate::alert::network::Realm;
use crate::model::{SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::codec::frame::FrameKey;
use crate::store::tables::record::SealedRecord;
use crate::store::tables::{blind, schema};

/// Rows of a realm that are looked at in one transaction, the oldest first.
const STEP: usize = 1_024;

/// Longer than any check: a stored time is that of its end, and an outage covers by the start.
const LONGEST_CHECK: Duration = Duration::from_hours(2);

/// Removes the outages of which no check is stored any more. Returns how many.
pub fn trim(transaction: &WriteTransaction) -> Result<u64, redb::Error> {
    let mut outages = transaction.open_table(schema::BLIND)?;
    let mut oldest = OldestChecks {
        sites: transaction.open_table(schema::SITES)?,
        sealed: transaction.open_table(schema::SEALED)?,
        blocks: transaction.open_table(schema::BLOCKS)?,
        known: HashMap::new(),
    };
    let mut gone: Vec<FrameKey> = Vec::new();
    for realm in Realm::ALL {
        for row in outages.range(blind::key(realm, Timestamp::ZERO)..=blind::key(realm, Timestamp::MAX))?.take(STEP) {
            let (key, bytes) = row?;
            // A damaged row covers nothing.
            let Ok(outage) = blind::decode(key.value(), bytes.value()) else { continue };
            if outage.blind.to == Timestamp::MAX {
                continue;
            }
            let over = outage.blind.to.after(LONGEST_CHECK);
            let mut is_needed = false;
            for site in &outage.sites {
                is_needed = oldest.of(*site)? < over;
                if is_needed {
                    break;
                }
            }
            if !is_needed {
                gone.push(key.value());
            }
        }
    }
    for key in &gone {
        outages.remove(key)?;
    }
    Ok(gone.len() as u64)
}

/// The oldest stored check of each site.
struct OldestChecks<Sites, Sealed, Blocks> {
    sites: Sites,
    sealed: Sealed,
    blocks: Blocks,
    known: HashMap<SiteId, Timestamp>,
}

impl<Sites, Sealed, Blocks> OldestChecks<Sites, Sealed, Blocks>
where
    Sites: ReadableTable<u32, &'static [u8]>,
    Sealed: ReadableTable<u32, &'static [u8]>,
    Blocks: ReadableTable<(u32, u64), &'static [u8]>,
{
    /// No stored check of `site` ended before it.
    fn of(&mut self, site: SiteId) -> Result<Timestamp, redb::Error> {
        if let Some(oldest) = self.known.get(&site) {
            return Ok(*oldest);
        }
        let oldest = self.find(site)?;
        self.known.insert(site, oldest);
        Ok(oldest)
    }

    fn find(&self, site: SiteId) -> Result<Timestamp, redb::Error> {
        if self.sites.get(site.0)?.is_none() {
            // It was forgotten, with all its checks.
            return Ok(Timestamp::MAX);
        }
        // Everything that was never sealed is in the journal.
        let Some(row) = self.sealed.get(site.0)? else { return Ok(Timestamp::ZERO) };
        let Ok(record) = SealedRecord::decode((site.0, 0), row.value()) else { return Ok(Timestamp::ZERO) };
        let Some(first) = self.blocks.range(schema::whole(site.0))?.next().transpose()? else {
            // What is in the journal came later.
            return Ok(record.last_at);
        };
        let (key, bytes) = (first.0.value(), first.1.value());
        let is_in_order = record.setback < key.1;
        let head = block::head(key, bytes).ok().filter(|_| is_in_order);
        Ok(head.map_or(Timestamp::ZERO, |head| head.low))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redb::ReadableTableMetadata as _;

    use super::*;
    use crate::alert::network::{Blind, Outage};
    use crate::model::Sample;
    use crate::store::codec::columns::Encoder;
    use crate::store::tests::samples::day_of;
    use crate::store::tests::simulated_disk::Disk;

    const AT: fn(u64) -> Timestamp = Timestamp::from_secs;

    fn put_block(write: &WriteTransaction, site: u32, first_seq: u64, samples: &[Sample]) {
        let mut bytes = Vec::new();
        let head = block::encode((site, first_seq), samples, samples[0].at, &mut Encoder::default(), &mut bytes);
        assert_eq!(head.count, samples.len());
        write.open_table(schema::BLOCKS).unwrap().insert((site, first_seq), bytes.as_slice()).unwrap();
    }

    fn put_sealed(write: &WriteTransaction, site: u32, record: SealedRecord) {
        let mut bytes = Vec::new();
        record.encode((site, 0), &mut bytes);
        write.open_table(schema::SEALED).unwrap().insert(site, bytes.as_slice()).unwrap();
    }

    #[test]
    fn an_outage_goes_when_the_last_check_that_it_may_cover_has_gone() {
        let disk = Disk::default();
        let names: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
        drop(disk.store().unwrap().register(&names, AT(1)).unwrap());
        let database = disk.open().unwrap();
        let write = database.begin_write().unwrap();
        let samples: Vec<Sample> = day_of(1, 20);
        let first = samples[0].at;
        let put = |realm, from: Timestamp, to: Timestamp, sites: &[u32]| {
            let sites = sites.iter().copied().map(SiteId).collect();
            let row = blind::encode(&Outage { blind: Blind { realm, from, to }, hosts: 3, sites });
            write.open_table(schema::BLIND).unwrap().insert(blind::key(realm, from), row.as_slice()).unwrap();
        };
        let left = || write.open_table(schema::BLIND).unwrap().len().unwrap();
        let before = |hours: u64| first.before(Duration::from_hours(hours));
        // Site 0 has checks from `first` on, site 1 had some until then, site 2 none that is sealed; site 9 was forgotten.
        put_block(&write, 0, 50, &samples);
        let sealed = SealedRecord { next_seq: 70, last_at: first, ..SealedRecord::default() };
        put_sealed(&write, 0, sealed);
        put_sealed(&write, 1, sealed);
        put(Realm::Global, before(9), before(8), &[0, 1, 9]);
        put(Realm::Global, before(7), before(6), &[2]);
        put(Realm::Global, before(5), before(1), &[9, 0]);
        put(Realm::Global, before(4), before(1), &[1]);
        put(Realm::Global, before(3), Timestamp::MAX, &[9]);
        put(Realm::Private, before(9), before(8), &[0]);
        assert_eq!((trim(&write).unwrap(), left()), (2, 4), "a check that began in it may end two hours later");
        // Without the order of the times nothing goes.
        put(Realm::Private, before(9), before(8), &[0]);
        put_sealed(&write, 0, SealedRecord { setback: 50, ..sealed });
        assert_eq!(trim(&write).unwrap(), 0);
        put_sealed(&write, 0, SealedRecord { setback: 49, ..sealed });
        assert_eq!(trim(&write).unwrap(), 1);
        // Nor while a block is damaged.
        put(Realm::Private, before(9), before(8), &[0]);
        write.open_table(schema::BLOCKS).unwrap().insert((0, 40), [1, 2, 3].as_slice()).unwrap();
        assert_eq!(trim(&write).unwrap(), 0);
    }
}
