//! The two readers of a store.
//!
//! Invariants: a failed check is delivered with its text, as far as the store has one. A reader that failed is not to be used again,
//! because it may have passed over what it did not deliver. Cost: that of the new samples, as for an export.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::fleet::frame::FailureRun;
use crate::model::{Cause, SiteId};
use crate::store::{Archive, ExportBatch, ExportReader, StoreError};

use super::batch::{Batch, Positions};
use super::step::{BATCH_MAX, Lane};

/// See the module.
#[derive(Debug, Default)]
pub struct Reading {
    live: Option<ExportReader>,
    back: Option<ExportReader>,
    found: ExportBatch,
}

impl Reading {
    /// How far the store is.
    ///
    /// # Errors
    /// Those of the store.
    pub fn ends(archive: &Archive) -> Result<Positions, StoreError> {
        Ok(archive.sites()?.into_iter().map(|site| (site.id, site.next_seq)).collect())
    }

    /// Sets the reader of `lane` to `from`.
    pub fn open(&mut self, lane: Lane, from: &Positions) {
        // No alert has this number: a frame has none.
        *self.reader(lane) = Some(ExportReader::new(from, u64::MAX));
    }

    /// What the reader of `lane` finds.
    ///
    /// # Errors
    /// Those of the store; then the reader has to be opened again.
    pub fn read(&mut self, lane: Lane, archive: &Archive) -> Result<Batch, StoreError> {
        let mut found = std::mem::take(&mut self.found);
        let read = self.reader(lane).as_mut().map_or(Ok(()), |reader| archive.follow(reader, BATCH_MAX, &mut found));
        let batch = read.and_then(|()| {
            let texts = archive.failures(&failed(&found))?;
            let reader = self.reader(lane).as_ref().filter(|_| found.skipped > 0);
            let reached = reader.map(|reader| reader.positions().collect()).unwrap_or_default();
            let mut by_site: BTreeMap<SiteId, Vec<FailureRun>> = BTreeMap::new();
            for (site, seqs, detail, address) in texts {
                let (first, last) = seqs.into_inner();
                by_site.entry(site).or_default().push(FailureRun { first, last, detail, address });
            }
            Ok(Batch { samples: std::mem::take(&mut found.samples), texts: by_site, reached, more: found.more })
        });
        self.found = found;
        batch
    }

    const fn reader(&mut self, lane: Lane) -> &mut Option<ExportReader> {
        match lane {
            Lane::Live => &mut self.live,
            Lane::Back => &mut self.back,
        }
    }
}

/// From the first to the last failed check of each site.
fn failed(found: &ExportBatch) -> BTreeMap<SiteId, RangeInclusive<u64>> {
    let mut failed: BTreeMap<SiteId, RangeInclusive<u64>> = BTreeMap::new();
    for &(site, seq, _) in found.samples.iter().filter(|(_, _, sample)| sample.cause != Cause::Ok) {
        let seqs = failed.entry(site).or_insert(seq..=seq);
        *seqs = *seqs.start()..=seq;
    }
    failed
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::fleet::agent::batch::{bytes_max, cut};
    use crate::fleet::frame::Body;
    use crate::model::{Observation, Timestamp};
    use crate::ring::Producer;
    use crate::store::tests::samples::day_of;
    use crate::store::{Keep, Options, Store, Writer};

    /// Every number of a real store is in exactly one frame, although retention took the oldest samples, before the first reading and
    /// between two.
    #[test]
    fn every_number_is_sent_or_declared_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webmon.redb");
        let day = day_of(1, 8_000);
        let keep = Keep { retention: Some(Duration::from_hours(4)), ..Keep::default() };
        let options = Options { keep, ..Options::default() };
        let store = Store::open(&path, &options, day[0].at).unwrap().store;
        let site = store.register(&["a".into()], day[0].at).unwrap()[0].id;
        let mut ring = Producer::new(2_048, 0);
        let mut writer = Writer::new(store, vec![(site, ring.ring().reader_at_head())]).unwrap();
        let mut check = |count: usize| {
            let from = usize::try_from(ring.next_seq()).unwrap();
            for (seq, sample) in (ring.next_seq()..).zip(&day[from..from + count]) {
                ring.push(*sample);
                if sample.cause != Cause::Ok {
                    writer.note_failure(0, seq, &Observation::failed(sample.cause, "no handshake"));
                }
            }
            let sealed: Timestamp = day[from + count - 1].at.after(Duration::from_mins(16));
            assert_eq!(writer.flush(sealed).dropped, 0);
        };
        (0..8).for_each(|_| check(400));
        let (mut reading, mut expected, mut next) = (Reading::default(), Positions::new(), 0);
        let (mut sent, mut gone, mut texts) = (0, 0, 0);
        reading.open(Lane::Back, &expected);
        for round in 0..5 {
            loop {
                let batch = reading.read(Lane::Back, &Archive::open(&path).unwrap()).unwrap();
                let more = batch.more;
                for body in cut(batch, &mut expected, None, |_| true, bytes_max(16 << 10)) {
                    match body {
                        Body::Gone(holes) => {
                            for hole in holes {
                                assert_eq!((hole.site, hole.from), (site, next));
                                gone += hole.to - hole.from;
                                next = hole.to;
                            }
                        }
                        Body::Samples(groups) => {
                            for group in groups {
                                assert_eq!((group.site, group.first_seq), (site, next));
                                let from = usize::try_from(next).unwrap();
                                assert_eq!(group.samples, day[from..from + group.samples.len()]);
                                let failed = group.samples.iter().filter(|sample| sample.cause != Cause::Ok).count();
                                let told: u64 = group.texts.iter().map(|text| text.last - text.first + 1).sum();
                                assert_eq!(told, failed as u64);
                                texts += told;
                                sent += group.samples.len() as u64;
                                next = group.next_seq();
                            }
                        }
                        other => panic!("{other:?}"),
                    }
                }
                // More is let go before it is read to the end.
                if !more || round == 1 {
                    break;
                }
            }
            (0..2).for_each(|_| check(400));
        }
        assert_eq!(next, 3_200 + 4 * 800);
        assert!(sent > 3_000 && gone > 1_000 && texts > 10, "{sent} {gone} {texts}");
    }
}
