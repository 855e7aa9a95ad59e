//! Export progress: one row per sink, and one per sink and site.
//!
//! A sink is identified by its name, which contains everything that distinguishes its target. Its cursor of a site is
//! the number of the next sample to send, moved only after the server acknowledged the earlier ones; a site without a
//! row begins at its first sample, so a new sink gets a row for each existing site.
//!
//! Invariants: a written cursor is never ahead of the acknowledgements; a damaged row restarts at the site's first
//! sample, which sends the same points again.
//! Bounds: [`SINKS_MAX`] sinks; beyond that the longest unused one is removed.

use std::collections::BTreeMap;
use std::sync::Arc;

use redb::{ReadTransaction, Table, WriteTransaction};

use crate::model::{SiteId, Timestamp};
use crate::store::codec::frame::{self, Damage, put, put_text};

use super::schema::{self, later_table};

/// Largest number of sinks.
pub const SINKS_MAX: usize = 8;

const VERSION: u8 = 1;

/// Counts of a sink's points by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointCounts {
    /// Points accepted by the server.
    pub sent: u64,
    /// Points rejected one by one.
    pub rejected: u64,
    /// Samples removed or damaged before they were sent.
    pub skipped: u64,
}

/// The progress of a sink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Its number in the file.
    pub sink: u32,
    /// Its identity.
    pub name: Arc<str>,
    /// Its points by outcome.
    pub tally: PointCounts,
    /// The number of the alert to send next.
    pub next_alert: u64,
    /// The number of the next point about the export itself.
    pub next_point: u64,
    /// When the server acknowledged something last.
    pub acknowledged: Option<Timestamp>,
    /// The number of the sample of each site to send next; on its way to the store, of those sites that moved.
    pub cursors: BTreeMap<SiteId, u64>,
}

/// A sink and its backlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSink {
    /// Its progress.
    pub progress: Progress,
    /// Stored samples that were not acknowledged.
    pub behind: u64,
}

impl Progress {
    /// Applies `newer`.
    pub fn update(&mut self, mut newer: Self) {
        self.cursors.append(&mut newer.cursors);
        newer.cursors = std::mem::take(&mut self.cursors);
        *self = newer;
    }

    fn encode(&self, out: &mut Vec<u8>) {
        frame::begin(out, VERSION);
        put_text(out, &self.name);
        let PointCounts { sent, rejected, skipped } = self.tally;
        let acknowledged = self.acknowledged.map_or(0, Timestamp::as_micros);
        for number in [sent, rejected, skipped, self.next_alert, self.next_point, acknowledged] {
            put(out, number);
        }
        frame::seal(out, (self.sink, 0));
    }

    fn decode(sink: u32, frame: &[u8]) -> Result<Self, Damage> {
        let mut cursor = frame::unseal(frame, VERSION, (sink, 0))?;
        let name = cursor.take_text()?.into();
        let tally = PointCounts { sent: cursor.take()?, rejected: cursor.take()?, skipped: cursor.take()? };
        let (next_alert, next_point, acknowledged) = (cursor.take()?, cursor.take()?, cursor.take()?);
        let acknowledged = (acknowledged > 0).then(|| Timestamp::from_micros(acknowledged));
        Ok(Self { sink, name, tally, next_alert, next_point, acknowledged, cursors: BTreeMap::new() })
    }
}

/// Writes the progress of a sink to `transaction`, which the caller commits.
pub fn write(transaction: &WriteTransaction, progress: &Progress) -> Result<(), redb::Error> {
    let mut bytes = Vec::new();
    progress.encode(&mut bytes);
    transaction.open_table(schema::SINKS)?.insert(progress.sink, bytes.as_slice())?;
    let mut cursors = transaction.open_table(schema::CURSORS)?;
    for (site, next_seq) in &progress.cursors {
        let key = cursor_key(progress.sink, *site);
        frame::begin(&mut bytes, VERSION);
        put(&mut bytes, *next_seq);
        frame::seal(&mut bytes, key);
        cursors.insert(key, bytes.as_slice())?;
    }
    Ok(())
}

/// Every sink, with its cursors.
pub fn all(transaction: &ReadTransaction) -> Result<Vec<Progress>, redb::Error> {
    let mut sinks = Vec::new();
    let Some(rows) = later_table(transaction, schema::SINKS)? else { return Ok(sinks) };
    let cursors = later_table(transaction, schema::CURSORS)?;
    for row in rows.range::<u32>(..)? {
        let (sink, bytes) = row?;
        let Ok(mut progress) = Progress::decode(sink.value(), bytes.value()) else { continue };
        if let Some(cursors) = &cursors {
            for row in cursors.range(schema::whole(sink.value()))? {
                let (key, bytes) = row?;
                let (site, next_seq) = decode_cursor(key.value(), bytes.value()).unwrap_or((None, 0));
                progress.cursors.extend(site.map(|site| (site, next_seq)));
            }
        }
        sinks.push(progress);
    }
    Ok(sinks)
}

/// The site and its next number in the row at `key`.
pub fn decode_cursor(key: frame::FrameKey, frame: &[u8]) -> Result<(Option<SiteId>, u64), Damage> {
    let next_seq = frame::unseal(frame, VERSION, key)?.take()?;
    Ok((u32::try_from(key.1).ok().map(SiteId), next_seq))
}

/// Whether `frame` is a sound row of number `sink`.
pub fn check(sink: u32, frame: &[u8]) -> Result<(), Damage> {
    Progress::decode(sink, frame).map(drop)
}

const fn cursor_key(sink: u32, SiteId(site): SiteId) -> frame::FrameKey {
    (sink, site as u64)
}

/// Removes the longest unused sink if there are too many.
pub fn shed(transaction: &WriteTransaction, known: &[Progress]) -> Result<(), redb::Error> {
    if known.len() < SINKS_MAX {
        return Ok(());
    }
    let Some(oldest) = known.iter().min_by_key(|progress| progress.acknowledged) else { return Ok(()) };
    transaction.open_table(schema::SINKS)?.remove(oldest.sink)?;
    let mut cursors: Table<'_, frame::FrameKey, &[u8]> = transaction.open_table(schema::CURSORS)?;
    cursors.retain_in(schema::whole(oldest.sink), |_, _| false)?;
    Ok(())
}
