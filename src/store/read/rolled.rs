//! Everything that is rolled up of each site, as one sum: where counters that go on for ever begin.
//!
//! Invariants: the sum of a site is exactly that of its samples before the number beside it, read in the same transaction, and no
//! later outage of this machine's network changes it. A damaged day is taken from its hours. Cost: a row per site and day.

use redb::ReadTransaction;

use crate::model::{SiteId, Timestamp};
use crate::stats::PeriodFigures;
use crate::stats::Rollup;
use crate::store::tables::rollup::{self, RollupRow};
use crate::store::tables::schema;
use crate::store::tables::sealed::{self, Rolled, read_sealed};

/// The sum of what is rolled up of a site.
#[derive(Clone, Debug)]
pub struct RolledSite {
    /// The site.
    pub site: SiteId,
    /// The sum.
    pub rollup: Rollup,
    /// The number of the first sample that is not in it.
    pub next_seq: u64,
}

struct Hours<'a>(Option<&'a redb::ReadOnlyTable<(u32, u64), &'static [u8]>>);

impl Rolled for Hours<'_> {
    fn reach(&self, site: SiteId) -> Result<(u64, Timestamp), redb::Error> {
        self.0.map_or(Ok((0, Timestamp::ZERO)), |hours| sealed::reach(hours, site))
    }
}

/// At most `most` sites from number `from` on, by number; fewer at the end.
pub fn rolled(transaction: &ReadTransaction, from: SiteId, most: usize) -> Result<Vec<RolledSite>, redb::Error> {
    let sealed = transaction.open_table(schema::SEALED)?;
    let blocks = transaction.open_table(schema::BLOCKS)?;
    let hours = schema::later_table(transaction, schema::HOURS)?;
    let days = schema::later_table(transaction, schema::DAYS)?;
    let mut found = Vec::new();
    for row in sealed.range(from.0..)?.take(most) {
        let site = SiteId(row?.0.value());
        let next_seq = read_sealed(&sealed, &blocks, &Hours(hours.as_ref()), site)?.rolled;
        let mut sum = PeriodFigures::default();
        for row in days.iter().map(|days| days.range(schema::whole(site.0))).collect::<Result<Vec<_>, _>>()? {
            for row in row {
                let (key, bytes) = row?;
                let (key, bytes) = (key.value(), bytes.value());
                let (Err(_), Some(hours)) = (rollup::append(&mut sum, key, bytes), &hours) else { continue };
                for row in hours.range((site.0, key.1 * 24)..(site.0, (key.1 + 1) * 24))? {
                    let (key, bytes) = row?;
                    if let Ok(hour) = RollupRow::decode(key.value(), bytes.value()) {
                        sum.append(&hour.stretch);
                    }
                }
            }
        }
        found.push(RolledSite { site, rollup: sum.rollup, next_seq });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::Sample;
    use crate::ring::Producer;
    use crate::store::tests::samples::day_of;
    use crate::store::{Archive, ExportBatch, ExportReader, Options, Store, Writer};

    /// At any moment the sums of what is rolled up and the samples from there on are all samples, each once.
    #[test]
    fn what_is_rolled_up_and_the_rest_are_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let days: Vec<Vec<Sample>> = (0..2).map(|site| day_of(site, 9_000)).collect();
        let store = Store::open(&path, &Options::default(), days[0][0].at).unwrap().store;
        let known = store.register(&["a".into(), "b".into()], days[0][0].at).unwrap();
        let mut producers: Vec<Producer> = known.iter().map(|_| Producer::new(10_000, 0)).collect();
        let readers = known.iter().zip(&producers).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        let mut rolled_up = 0;
        for end in (0..9_000).step_by(700) {
            let end = end + 700;
            for (producer, day) in producers.iter_mut().zip(&days) {
                day[end - 700..end.min(day.len())].iter().for_each(|sample| _ = producer.push(*sample));
            }
            let now = days[0][end.min(9_000) - 1].at.after(Duration::from_secs(1));
            writer.flush(now);
            let archive = Archive::open(&path).unwrap();
            let bases = archive.rolled(SiteId(0), 10).unwrap();
            let cursors = bases.iter().map(|base| (base.site, base.next_seq)).collect();
            rolled_up += bases.iter().filter(|base| base.next_seq > 0).count();
            let (mut reader, mut found) = (ExportReader::new(&cursors, 0), ExportBatch::default());
            let mut sums: Vec<Rollup> = known
                .iter()
                .map(|site| {
                    bases
                        .iter()
                        .find(|base| base.site == site.id)
                        .map_or_else(Rollup::default, |base| base.rollup.clone())
                })
                .collect();
            loop {
                archive.follow(&mut reader, 333, &mut found).unwrap();
                for (site, _, sample) in &found.samples {
                    let place = known.iter().position(|known| known.id == *site).unwrap();
                    sums[place].admit(sample);
                }
                if !found.more {
                    break;
                }
            }
            for (sum, day) in sums.iter().zip(&days) {
                let whole: Rollup = day[..end.min(day.len())].iter().collect();
                assert_eq!(sum, &whole, "after {end}");
            }
        }
        assert!(rolled_up > 4, "{rolled_up}");
        let second = Archive::open(&path).unwrap().rolled(known[1].id, 1).unwrap();
        assert_eq!(second.iter().map(|base| base.site).collect::<Vec<_>>(), [known[1].id]);
    }
}
