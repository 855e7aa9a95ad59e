//! The certificate that each site last presented: one row per site, written when it changes.
//!
//! Every reader of the store (a read-only dashboard, an export, the next start) thus knows until when a certificate is
//! valid without waiting for a check.
//!
//! Invariants: a row is written in the transaction of the samples committed with it, and only if it changed.
//! A missing table (a file of an earlier program) is empty.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::model::{Certificate, SiteId};
use crate::store::codec::certificate::{put_certificate, take_certificate};
use crate::store::codec::frame::{self, Damage, FrameKey};

use super::schema;

const VERSION: u8 = 1;

/// Writes it to `out`, which is cleared; `key` is where it belongs.
pub fn encode(certificate: &Certificate, key: FrameKey, out: &mut Vec<u8>) {
    frame::begin(out, VERSION);
    put_certificate(out, certificate);
    frame::seal(out, key);
}

/// Reads back the one at `key`.
pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Certificate, Damage> {
    take_certificate(&mut frame::unseal(frame, VERSION, key)?)
}

/// Writes those of `certificates` that are not in the file already.
pub fn write<'c>(
    transaction: &WriteTransaction,
    certificates: impl Iterator<Item = (&'c SiteId, &'c Certificate)>,
) -> Result<(), redb::Error> {
    let mut rows = transaction.open_table(schema::CERTIFICATES)?;
    let mut bytes = Vec::new();
    for (site, certificate) in certificates {
        encode(certificate, (site.0, 0), &mut bytes);
        if rows.get(site.0)?.is_none_or(|stored| stored.value() != bytes) {
            rows.insert(site.0, bytes.as_slice())?;
        }
    }
    Ok(())
}

/// Those of all sites, by number; damaged ones are left out.
pub fn all(transaction: &ReadTransaction) -> Result<Vec<(SiteId, Certificate)>, redb::Error> {
    let mut certificates = Vec::new();
    let Some(rows) = schema::later_table(transaction, schema::CERTIFICATES)? else { return Ok(certificates) };
    for row in rows.iter()? {
        let (site, bytes) = row?;
        let site = site.value();
        certificates.extend(decode((site, 0), bytes.value()).ok().map(|certificate| (SiteId(site), certificate)));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{Cause, Observation, Timestamp};
    use crate::store::codec::certificate::{FAULTS, NAME_MAX};
    use crate::store::tests::simulated_disk::Disk;
    use crate::store::verify::verify;
    use crate::store::writer::Writer;
    use redb::ReadableDatabase;

    const KEY: FrameKey = (7, 0);

    fn certificate(subject: &str, not_after: u64) -> Certificate {
        Certificate {
            subject: subject.to_owned(),
            issuer: "R11".to_owned(),
            not_before: Timestamp::from_secs(1),
            not_after: Timestamp::from_secs(not_after),
            faults: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn any_certificate_reads_back(
            names: [String; 2], times: [u64; 2], faults in prop::collection::vec(0..FAULTS.len(), 0..9),
        ) {
            let [subject, issuer] = names;
            let [not_before, not_after] = times.map(Timestamp::from_micros);
            let faults = faults.into_iter().map(|number| FAULTS[number]).collect();
            let written = Certificate { subject, issuer, not_before, not_after, faults };
            let mut out = Vec::new();
            encode(&written, KEY, &mut out);
            prop_assert_eq!(decode(KEY, &out), Ok(written));
            prop_assert_eq!(decode((8, 0), &out), Err(Damage::Checksum));
        }

        #[test]
        fn any_sealed_bytes_read_or_are_refused(bytes: Vec<u8>) {
            let mut frame = Vec::new();
            frame::begin(&mut frame, VERSION);
            frame.extend_from_slice(&bytes);
            frame::seal(&mut frame, KEY);
            let _read_or_refused = decode(KEY, &frame).is_ok();
        }
    }

    #[test]
    fn a_name_without_end_is_cut_between_letters() {
        let mut out = Vec::new();
        encode(&certificate(&format!("a{}", "ü".repeat(NAME_MAX)), 9), KEY, &mut out);
        assert_eq!(decode(KEY, &out).unwrap().subject, format!("a{}", "ü".repeat(NAME_MAX / 2 - 1)));
    }

    #[test]
    fn the_newest_of_each_site_is_kept_and_outlives_the_writer() {
        let disk = Disk::default();
        let store = disk.store().unwrap();
        assert_eq!(store.certificates().unwrap(), [], "a file without the table has none");
        let sites = store.register(&["a".into(), "b".into()], Timestamp::ZERO).unwrap();
        let rings: Vec<_> = sites.iter().map(|_| crate::ring::Producer::new(10, 0)).collect();
        let readers = sites.iter().zip(&rings).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        let mut observed = |site, certificate: &Certificate, now| {
            // A check that was up has no text to keep, but a certificate.
            let certificate = Some(Arc::new(certificate.clone()));
            writer.note_failure(site, 0, &Observation { certificate, ..Observation::failed(Cause::Ok, "") });
            writer.flush(Timestamp::from_secs(now));
            writer.store().certificates().unwrap()
        };
        let (first, second) = (certificate("api.example.com", 100), certificate("api.example.com", 200));
        assert_eq!(observed(0, &first, 1), [(sites[0].id, first.clone())]);
        assert_eq!(observed(1, &first, 2), [(sites[0].id, first.clone()), (sites[1].id, first.clone())]);
        let both = [(sites[0].id, second.clone()), (sites[1].id, first)];
        assert_eq!(observed(0, &second, 3), both);
        assert!(writer.close(Timestamp::from_secs(4)).notices.is_empty());
        let store = disk.store().unwrap();
        assert_eq!(store.certificates().unwrap(), both);
        drop(store);
        let database = disk.open().unwrap();
        assert!(verify(&database.begin_read().unwrap()).unwrap().is_sound());
        let change = database.begin_write().unwrap();
        change.open_table(schema::CERTIFICATES).unwrap().insert(0, [1, 2, 3].as_slice()).unwrap();
        change.commit().unwrap();
        let look = database.begin_read().unwrap();
        assert_eq!(all(&look).unwrap().len(), 1, "a damaged one is left out");
        assert!(!verify(&look).unwrap().is_sound());
    }
}
