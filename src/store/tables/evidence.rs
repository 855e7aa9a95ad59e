//! What sites answered when they began to fail: the head and the beginning of the body, by (site, seq of the sample).
//!
//! Invariants: a row goes with its sample, or earlier where a site has more than [`SITE_BYTES`] of rows. Bounds: a row of more
//! than [`ROW_BYTES`] is not read. A missing table (a file of an earlier program) is empty.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use redb::{ReadTransaction, ReadableTable, Table, WriteTransaction};

use crate::model::{Cause, Evidence, FailedAnswer, Http, SiteId, Status, Timestamp};
use crate::store::codec::frame::{self, Cursor, Damage, FrameKey, put, put_text};

use super::schema;

const VERSION: u8 = 1;

/// Bytes of the rows of one site, with their keys; its oldest rows go first.
pub const SITE_BYTES: usize = 64 << 10;

/// Most bytes of a row, which bounds what a damaged one may allocate. A probe keeps 8 KiB of headers and 2 KiB of a body.
const ROW_BYTES: usize = 16 << 10;

/// Rows to be written.
pub type Waiting = BTreeMap<FrameKey, Vec<u8>>;

/// The row at `key` of `answer`.
#[must_use]
pub fn encode(answer: &FailedAnswer, key: FrameKey) -> Vec<u8> {
    let FailedAnswer { at, cause, status, http, evidence } = answer;
    let mut out = Vec::new();
    frame::begin(&mut out, VERSION);
    put(&mut out, at.as_micros());
    put(&mut out, *cause as u64);
    put(&mut out, status.map_or(0, |status| u64::from(status.get())));
    put(&mut out, u64::from(http.code()));
    put_text(&mut out, &evidence.url);
    put(&mut out, evidence.more_headers as u64);
    put(&mut out, evidence.headers.len() as u64);
    for (name, value) in &evidence.headers {
        put_text(&mut out, name);
        put_text(&mut out, value);
    }
    put(&mut out, u64::from(evidence.body.is_some()));
    put_text(&mut out, evidence.body.as_deref().unwrap_or_default());
    frame::seal(&mut out, key);
    out
}

/// Reads back the row at `key`.
pub fn decode(key: FrameKey, frame: &[u8]) -> Result<FailedAnswer, Damage> {
    if frame.len() > ROW_BYTES {
        return Err(Damage::Range);
    }
    let mut cursor = frame::unseal(frame, VERSION, key)?;
    let at = Timestamp::from_micros(cursor.take()?);
    let cause = cursor.take_as().and_then(|code: u8| Cause::from_code(code).ok_or(Damage::Range))?;
    let status = match cursor.take_as()? {
        0 => None,
        status => Some(Status::new(status).ok_or(Damage::Range)?),
    };
    let http = cursor.take_as().and_then(|code: u8| Http::from_code(code).ok_or(Damage::Range))?;
    Ok(FailedAnswer { at, cause, status, http, evidence: decode_evidence(&mut cursor)? })
}

fn decode_evidence(cursor: &mut Cursor<'_>) -> Result<Evidence, Damage> {
    let (url, more_headers) = (cursor.take_text()?.to_owned(), cursor.take_as()?);
    let count: usize = cursor.take_as()?;
    // A header takes two bytes, which bounds what is allocated.
    if count > cursor.left() / 2 {
        return Err(Damage::Short);
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        headers.push((cursor.take_text()?.to_owned(), cursor.take_text()?.to_owned()));
    }
    let has_body = cursor.take()? != 0;
    let body = Some(cursor.take_text()?.to_owned()).filter(|_| has_body);
    Ok(Evidence { url, headers, more_headers, body })
}

/// Writes `rows`, and removes the oldest ones of sites that have too many bytes.
pub fn write(transaction: &WriteTransaction, rows: &Waiting) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(schema::EVIDENCE)?;
    for (key, row) in rows {
        table.insert(key, row.as_slice())?;
    }
    let mut sites: Vec<u32> = rows.keys().map(|(site, _)| *site).collect();
    sites.dedup();
    sites.into_iter().try_for_each(|site| trim(&mut table, site))
}

fn trim(table: &mut Table<'_, FrameKey, &'static [u8]>, site: u32) -> Result<(), redb::Error> {
    let (mut kept, mut gone) = (0, Vec::new());
    for row in table.range(schema::whole(site))?.rev() {
        let (key, bytes) = row?;
        kept += bytes.value().len() + size_of::<FrameKey>();
        if kept > SITE_BYTES {
            gone.push(key.value());
        }
    }
    for key in gone {
        table.remove(key)?;
    }
    Ok(())
}

/// Removes the rows of `site` before sample `next`.
pub fn forget(transaction: &WriteTransaction, site: u32, next: u64) -> Result<(), redb::Error> {
    transaction.open_table(schema::EVIDENCE)?.retain_in((site, 0)..(site, next), |_, _| false)?;
    Ok(())
}

/// What `site` answered within `period`, oldest first; damaged rows are left out. Cost: all rows of the site are read.
///
/// # Errors
/// Those of the database.
pub fn within(
    transaction: &ReadTransaction,
    site: SiteId,
    period: &RangeInclusive<Timestamp>,
) -> Result<Vec<FailedAnswer>, redb::Error> {
    let mut found = Vec::new();
    let Some(rows) = schema::later_table(transaction, schema::EVIDENCE)? else { return Ok(found) };
    for row in rows.range(schema::whole(site.0))? {
        let (key, bytes) = row?;
        found.extend(decode(key.value(), bytes.value()).ok().filter(|answer| period.contains(&answer.at)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use redb::ReadableDatabase;

    use super::*;
    use crate::model::Observation;
    use crate::ring::Producer;
    use crate::store::tests::simulated_disk::Disk;
    use crate::store::verify::verify;
    use crate::store::writer::Writer;

    const KEY: FrameKey = (7, 9);

    fn evidence(body: &str) -> Evidence {
        Evidence {
            url: "http://a.test/".to_owned(),
            headers: vec![("server".to_owned(), "nginx".to_owned())],
            more_headers: 2,
            body: Some(body.to_owned()),
        }
    }

    proptest! {
        #[test]
        fn any_answer_reads_back(
            texts: [String; 2], headers in prop::collection::vec((".{0,9}", ".{0,30}"), 0..9), body: Option<String>,
            at in 0..=Timestamp::MAX.as_micros(), cause in 0..Cause::ALL.len(), status in 99u16..1000,
            http in prop::sample::select(&Http::ALL[..]), more_headers in 0usize..500,
        ) {
            let [url, _] = texts;
            let written = FailedAnswer {
                at: Timestamp::from_micros(at),
                cause: Cause::ALL[cause],
                status: Status::new(status),
                http,
                evidence: Evidence { url, headers, more_headers, body },
            };
            let out = encode(&written, KEY);
            prop_assert_eq!(decode(KEY, &out), Ok(written));
            prop_assert_eq!(decode((8, 9), &out), Err(Damage::Checksum));
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
    fn a_site_keeps_its_newest_answers_within_its_bytes_and_others_lose_nothing() {
        let disk = Disk::default();
        let store = disk.store().unwrap();
        let sites = store.register(&["a".into(), "b".into()], Timestamp::ZERO).unwrap();
        let rings: Vec<_> = sites.iter().map(|_| Producer::new(10, 0)).collect();
        let readers = sites.iter().zip(&rings).map(|(site, ring)| (site.id, ring.ring().reader_at_head()));
        let mut writer = Writer::new(store, readers.collect()).unwrap();
        for (site, count) in [(1, 1), (0, 60)] {
            for seq in 0..count {
                let evidence = Some(Box::new(evidence(&"x".repeat(2_000))));
                let seen = Observation { evidence, ..Observation::failed(Cause::Status, "") };
                writer.note_evidence(site, seq, Timestamp::from_secs(seq), &seen);
                writer.flush(Timestamp::from_secs(seq));
            }
        }
        // A check without an answer leaves nothing.
        writer.note_evidence(0, 99, Timestamp::from_secs(99), &Observation::failed(Cause::ConnectRefused, ""));
        assert!(writer.close(Timestamp::from_secs(100)).notices.is_empty());
        let database = disk.open().unwrap();
        let look = database.begin_read().unwrap();
        let of = |site: usize, period| within(&look, sites[site].id, &period).unwrap();
        let all = Timestamp::ZERO..=Timestamp::MAX;
        let kept = of(0, all.clone());
        let (first, last) = (kept[0].at, kept.last().unwrap().at);
        assert_eq!(last, Timestamp::from_secs(59), "the newest is kept");
        let row = encode(&kept[0], KEY).len() + size_of::<FrameKey>();
        assert_eq!(kept.len(), SITE_BYTES / row);
        assert_eq!(of(0, all.clone()).len() as u64, 60 - first.as_micros() / 1_000_000);
        assert_eq!(of(0, last..=last), [kept.last().unwrap().clone()]);
        assert_eq!(of(1, all).len(), 1);
        assert!(verify(&look).unwrap().is_sound());
    }
}
