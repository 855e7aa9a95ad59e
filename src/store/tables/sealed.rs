//! How far the samples of a site are sealed, recomputed if its record is damaged.

use redb::ReadableTable;

use crate::model::{SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::tables::record::SealedRecord;
use crate::store::tables::rollup::RollupRow;
use crate::store::tables::schema;

/// The reach of the rollups, needed when the record of it is damaged.
pub trait Rolled {
    /// The number after the last sample of `site` in them, and its time.
    fn reach(&self, site: SiteId) -> Result<(u64, Timestamp), redb::Error>;
}

/// How far `site` is sealed. A damaged record is recomputed from the site's last block and its rollups.
pub fn read_sealed(
    sealed: &impl ReadableTable<u32, &'static [u8]>,
    blocks: &impl ReadableTable<(u32, u64), &'static [u8]>,
    rollups: &impl Rolled,
    site: SiteId,
) -> Result<SealedRecord, redb::Error> {
    let Some(row) = sealed.get(site.0)? else { return Ok(SealedRecord::default()) };
    if let Ok(record) = SealedRecord::decode((site.0, 0), row.value()) {
        return Ok(record);
    }
    let mut samples = Vec::new();
    for row in blocks.range(schema::whole(site.0))?.rev() {
        let (key, bytes) = row?;
        if let Ok(head) = block::decode(key.value(), bytes.value(), &mut samples) {
            let next_seq = key.value().1 + head.count as u64;
            let last_at = samples.last().map_or(Timestamp::ZERO, |sample| sample.at);
            // Where a clock was set back is lost: "up to the end" is safe, and only slower.
            let (rolled, rolled_at) = rollups.reach(site)?;
            return Ok(SealedRecord { next_seq, last_at, peak: head.peak, setback: next_seq, rolled, rolled_at });
        }
    }
    Ok(SealedRecord::default())
}

/// The number after the last sample in the rows of a site, and its time. Reads all of them.
pub fn reach(
    hours: &impl ReadableTable<(u32, u64), &'static [u8]>,
    site: SiteId,
) -> Result<(u64, Timestamp), redb::Error> {
    let mut reached = (0, Timestamp::ZERO);
    for row in hours.range(schema::whole(site.0))? {
        let (key, bytes) = row?;
        if let Ok(roll) = RollupRow::decode(key.value(), bytes.value()) {
            reached = reached.max((roll.next_seq, roll.stretch.last_at.unwrap_or_default()));
        }
    }
    Ok(reached)
}
