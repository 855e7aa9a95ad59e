//! The texts of failed checks, by number. Cost: one row for each text, and one look for each site.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use redb::ReadTransaction;

use crate::model::SiteId;
use crate::store::tables::record::TextRecord;
use crate::store::tables::schema;

/// A site, consecutive failures of it that share a text, the reason in words, and the address of the last connection or attempt.
pub type StoredFailure = (SiteId, RangeInclusive<u64>, String, Option<SocketAddr>);

/// Those within these numbers of each site, cut to them; damaged ones are left out.
pub fn within(
    transaction: &ReadTransaction,
    seqs: &BTreeMap<SiteId, RangeInclusive<u64>>,
) -> Result<Vec<StoredFailure>, redb::Error> {
    let rows = transaction.open_table(schema::FAILURES)?;
    let mut found = Vec::new();
    for (&site, seqs) in seqs {
        let (from, to) = (*seqs.start(), *seqs.end());
        // The row that begins at or before the first number may reach beyond it.
        let before = rows.range((site.0, 0)..=(site.0, from))?.next_back().transpose()?;
        let first = before.map_or(from, |(key, _)| key.value().1);
        for row in rows.range((site.0, first)..=(site.0, to))? {
            let (key, bytes) = row?;
            let Ok(text) = TextRecord::decode(key.value(), bytes.value()) else { continue };
            let seqs = key.value().1.max(from)..=text.last_seq.min(to);
            if !seqs.is_empty() {
                found.push((site, seqs, text.detail, text.address));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Observation, Sample, Timestamp};
    use crate::ring::Producer;
    use crate::store::Writer;
    use crate::store::tests::simulated_disk::Disk;

    #[test]
    fn the_texts_of_a_range_are_cut_to_it() {
        let disk = Disk::default();
        let store = disk.store().unwrap();
        let sites = store.register(&["a".into(), "b".into()], Timestamp::ZERO).unwrap();
        let mut rings: Vec<_> = sites.iter().map(|_| Producer::new(99, 0)).collect();
        let readers = sites.iter().zip(&rings).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        // Failures: 2 to 4 and 6 of the first site, 0 of the second.
        for seq in 0..8_u64 {
            let is_refused = (2..5).contains(&seq);
            let cause = if is_refused || seq == 6 { Cause::ConnectRefused } else { Cause::Ok };
            let at = Timestamp::from_secs(100 + seq);
            rings[0].push(Sample::bare(at, cause));
            let text = if is_refused { "refused" } else { "again" };
            writer.note_failure(0, seq, &Observation::failed(cause, text));
        }
        writer.flush(Timestamp::from_secs(200));
        let archive = disk.archive().unwrap();
        let of = |site: usize, seqs: RangeInclusive<u64>| {
            let found = archive.failures(&BTreeMap::from([(sites[site].id, seqs)])).unwrap();
            found.into_iter().map(|(_, seqs, text, _)| (seqs, text)).collect::<Vec<_>>()
        };
        let [refused, again] = ["refused", "again"].map(str::to_owned);
        assert_eq!(of(0, 0..=9), [(2..=4, refused.clone()), (6..=6, again.clone())]);
        assert_eq!(of(0, 3..=6), [(3..=4, refused.clone()), (6..=6, again)]);
        assert_eq!(of(0, 3..=3), [(3..=3, refused)]);
        assert_eq!(of(0, 5..=5), []);
        assert_eq!(of(1, 0..=9), []);
    }
}
