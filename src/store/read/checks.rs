//! The single checks of one site in a stretch of time, as they count, with the texts of failures: what a reader keeps that moves
//! through time.
//!
//! Cost: the blocks of the stretch, and the one where the data begin. Bounds: what the caller asks for, 64 bytes a check.

use std::net::SocketAddr;

use redb::ReadOnlyTable;

use crate::alert::network::Mask;
use crate::model::{Cause, Sample, SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::tables::record::TextRecord;
use crate::store::tables::schema;

use super::beginning;
use super::figures::Foundation;
use super::view::View;
use super::walk::walk;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct StoredChecks {
    /// The samples, in the order of their numbers.
    pub samples: Vec<Sample>,
    /// The number of each.
    pub numbers: Vec<u64>,
    /// When the oldest check was due of which anything is stored, whatever the stretch.
    pub begins: Option<Timestamp>,
    /// The time of the newest stored check, whatever the stretch.
    pub newest: Option<Timestamp>,
    /// The outages of the own network under which they count so.
    pub mask: Mask,
    /// The oldest single check and the oldest hour that are stored: while they are the same, so is where the data begin.
    oldest: (u64, Option<u64>),
    /// Whether these are all checks that were stored in the stretch, in the order of time: none was removed, none is damaged, and no
    /// clock was set back.
    pub is_whole: bool,
    texts: Vec<(u64, TextRecord)>,
}

impl StoredChecks {
    /// Why check `number` failed, and the address of its last connection or attempt, where they were kept.
    #[must_use]
    pub fn text(&self, number: u64) -> Option<(&str, Option<SocketAddr>)> {
        let before = self.texts.partition_point(|(first, _)| *first <= number);
        let (_, text) = self.texts[..before].last().filter(|(_, text)| number <= text.last_seq)?;
        Some((&text.detail, text.address))
    }

    /// The checks before `at`.
    #[must_use]
    pub fn before(&self, at: Timestamp) -> usize {
        self.samples.partition_point(|sample| sample.at < at)
    }
}

/// The checks of `site` from `from` to before `to`; `before` are others of it that were read earlier.
pub fn checks(
    view: &View,
    failures: &ReadOnlyTable<(u32, u64), &'static [u8]>,
    (site, before): (SiteId, Option<&StoredChecks>),
    (from, to): (Timestamp, Timestamp),
) -> Result<StoredChecks, redb::Error> {
    let foundation = Foundation::of(view, site, false)?;
    let first_hour = view.hours.as_ref().map(|hours| hours.range(schema::whole(site.0))?.next().transpose());
    let oldest = (foundation.first_raw, first_hour.transpose()?.flatten().map(|(key, _)| key.value().1));
    let begins = match before.filter(|before| before.oldest == oldest && before.begins.is_some()) {
        Some(before) => before.begins,
        None => beginning::begins(view, site)?,
    };
    let mut found = StoredChecks {
        begins,
        oldest,
        newest: view.newest(site)?.1,
        mask: view.outages.of(site),
        ..StoredChecks::default()
    };
    let StoredChecks { samples, numbers, .. } = &mut found;
    let walked = walk(view, site, &view.sealed(site)?, (from, to), 0..u64::MAX, |seq, sample| {
        numbers.push(seq);
        samples.push(*sample);
    })?;
    let is_ordered = found.samples.is_sorted_by(|before, after| before.at < after.at);
    found.is_whole = walked.damaged == 0 && is_ordered && reaches(view, site, foundation.first_raw, from)?;
    found.texts = texts(failures, site, &found)?;
    Ok(found)
}

/// Whether the single checks that are kept reach back to `from`; number `first` is the oldest of them.
fn reaches(view: &View, site: SiteId, first: u64, from: Timestamp) -> Result<bool, redb::Error> {
    if first == 0 {
        return Ok(true);
    }
    let oldest = view.blocks.range(schema::whole(site.0))?.next().transpose()?;
    let head = oldest.and_then(|(key, bytes)| block::head(key.value(), bytes.value()).ok());
    Ok(head.is_some_and(|head| head.low <= from))
}

/// The texts of the failures among `found`.
fn texts(
    failures: &ReadOnlyTable<(u32, u64), &'static [u8]>,
    site: SiteId,
    found: &StoredChecks,
) -> Result<Vec<(u64, TextRecord)>, redb::Error> {
    let mut failed = found.samples.iter().zip(&found.numbers).filter(|(sample, _)| sample.cause != Cause::Ok);
    let Some((_, &first)) = failed.next() else { return Ok(Vec::new()) };
    let last = failed.next_back().map_or(first, |(_, last)| *last);
    let mut texts = Vec::new();
    for row in failures.range((site.0, 0)..=(site.0, last))?.rev() {
        let (key, bytes) = row?;
        let Ok(text) = TextRecord::decode(key.value(), bytes.value()) else { continue };
        if text.last_seq < first {
            break;
        }
        texts.push((key.value().1, text));
    }
    texts.reverse();
    Ok(texts)
}
