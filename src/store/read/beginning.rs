//! Where the stored data of a site begin.
//!
//! A period in which they begin was not monitored from its start, however long the site's interval is. Cost: the oldest
//! row of days and hours, and the oldest block or group of the journal.

use crate::model::{Sample, SiteId, Timestamp};
use crate::stats::Cadence;
use crate::store::codec::block;
use crate::store::tables::rollup::RollupRow;
use crate::store::tables::schema;

use super::view::View;

/// The due time of the oldest check of `site` of which anything is stored. Damaged records are skipped.
pub fn begins(view: &View, site: SiteId) -> Result<Option<Timestamp>, redb::Error> {
    let mut oldest: Option<Timestamp> = None;
    let mut note = |due: Timestamp| oldest = Some(oldest.map_or(due, |oldest| oldest.min(due)));
    for table in [&view.days, &view.hours].into_iter().flatten() {
        if let Some((key, bytes)) = table.range(schema::whole(site.0))?.next().transpose()?
            && let Ok(roll) = RollupRow::decode(key.value(), bytes.value())
            && let Some(oldest) = roll.stretch.oldest
        {
            note(oldest.due);
        }
    }
    let mut samples: Vec<Sample> = Vec::new();
    if let Some((key, bytes)) = view.blocks.range(schema::whole(site.0))?.next().transpose()? {
        // An error leaves nothing that counts.
        if block::decode(key.value(), bytes.value(), &mut samples).is_err() {
            samples.clear();
        }
    } else if view.tail.count(site) > 0 && view.tail.decode(site, 0, 0, &mut samples).is_err() {
        samples.clear();
    }
    if let Some(first) = samples.first() {
        note(Cadence::due(first));
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::ring::Producer;
    use crate::store::read::view::Query;
    use crate::store::tests::samples::day;
    use crate::store::tests::simulated_disk::Disk;
    use crate::store::writer::Writer;

    /// From the journal, from blocks and from days, and for a period that begins before or after it.
    #[test]
    fn the_oldest_check_is_found_wherever_it_is_kept() {
        let disk = Disk::default();
        let store = disk.store().unwrap();
        let site = store.register(&["api".into()], Timestamp::from_secs(1)).unwrap()[0];
        let mut producer = Producer::new(4_096, site.next_seq);
        let mut writer = Writer::new(store, vec![(site.id, producer.ring().reader_at_head())]).unwrap();
        let samples = day(3_000);
        let first = Some(Cadence::due(&samples[0]));
        let begins = |writer: &Writer, since: Timestamp, site: SiteId| {
            let query = Query { sites: Some(vec![site]), since, until: Timestamp::MAX };
            writer.store().figures(&query, None).unwrap().remove(0).begins
        };
        assert_eq!(begins(&writer, Timestamp::ZERO, site.id), None);
        for batch in samples.chunks(1_000) {
            for sample in batch {
                producer.push(*sample);
            }
            let last = batch[batch.len() - 1].at;
            writer.flush(last);
            for _ in 0..3 {
                assert_eq!(begins(&writer, Timestamp::ZERO, site.id), first);
                assert_eq!(begins(&writer, last, site.id), first);
                // Seals, then rolls up.
                writer.flush(last.after(Duration::from_hours(3)));
            }
        }
        assert_eq!(begins(&writer, Timestamp::ZERO, SiteId(9)), None);
        // A view of a dashboard has no use for it.
        let query = Query { sites: Some(vec![site.id]), ..Query::ALL };
        let viewed = writer.store().figures(&query, Some(Duration::from_hours(1))).unwrap().remove(0);
        assert!(viewed.beats.is_some() && viewed.begins.is_none());
    }
}
