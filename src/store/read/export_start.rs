//! Where the export to a new sink begins.

use std::collections::BTreeMap;

use redb::ReadTransaction;

use crate::model::{SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::read::view::{self, View};
use crate::store::tables::export_cursor::{PointCounts, Progress, StoredSink, all};
use crate::store::tables::{alert, schema};

/// Where the export to a new sink begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With later samples and alerts.
    Now,
    /// With the first sample and alert from this time on.
    Since(Timestamp),
    /// With the oldest stored ones.
    All,
}

/// Every sink with the number of samples not exported yet.
pub fn stored(transaction: &ReadTransaction) -> Result<Vec<StoredSink>, redb::Error> {
    let sinks = all(transaction)?;
    if sinks.is_empty() {
        return Ok(Vec::new());
    }
    let view = View::new(transaction)?;
    let mut ends = Vec::new();
    for site in view::sites(transaction)?.into_keys() {
        ends.push((site, view.newest(site)?.0));
    }
    let behind = |progress: &Progress| {
        let lacks = |(site, end): &(SiteId, u64)| end.saturating_sub(progress.cursors.get(site).copied().unwrap_or(0));
        ends.iter().map(lacks).sum()
    };
    Ok(sinks.into_iter().map(|progress| StoredSink { behind: behind(&progress), progress }).collect())
}

/// The progress of a sink that begins at `start`, before anything was sent; everything is sealed.
pub fn begin(transaction: &ReadTransaction, (sink, name): (u32, &str), start: Start) -> Result<Progress, redb::Error> {
    let view = View::new(transaction)?;
    let mut cursors = BTreeMap::new();
    for site in view::sites(transaction)?.into_keys() {
        let end = view.newest(site)?.0;
        let from = match start {
            Start::Now => end,
            Start::Since(since) => first_since(&view, site, end, since)?,
            Start::All => first_since(&view, site, end, Timestamp::ZERO)?,
        };
        cursors.insert(site, from);
    }
    let mut next_alert = 0;
    for row in transaction.open_table(schema::ALERTS)?.range::<u64>(..)?.rev() {
        let (number, bytes) = row?;
        let at = alert::decode_alert(bytes.value(), |_| "".into()).map(|(_, alert)| alert.at);
        let wanted = match start {
            Start::Now => false,
            Start::Since(since) => at.is_ok_and(|at| at >= since),
            Start::All => true,
        };
        if !wanted {
            next_alert = number.value() + 1;
            break;
        }
    }
    let (name, tally) = (name.into(), PointCounts::default());
    Ok(Progress { sink, name, tally, next_alert, next_point: 0, acknowledged: None, cursors })
}

/// The number of the first sealed sample of `site` from `since` on; `end` without one.
pub(crate) fn first_since(view: &View, site: SiteId, end: u64, since: Timestamp) -> Result<u64, redb::Error> {
    let mut first = end;
    for row in view.blocks.range(schema::whole(site.0))?.rev() {
        let (key, bytes) = row?;
        let mut samples = Vec::new();
        let Ok(head) = block::decode(key.value(), bytes.value(), &mut samples) else { continue };
        if head.peak < since {
            break;
        }
        if let Some(index) = samples.iter().position(|sample| sample.at >= since) {
            first = key.value().1 + index as u64;
        }
    }
    Ok(first)
}
