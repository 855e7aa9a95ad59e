//! Verification of a site's rollups: each row against the sum of its samples.
//!
//! Verification decodes every block anyway, so the rolled-up samples are summed by hour at the same time and compared
//! with the rows; days are compared with their hours.
//!
//! Invariants: a row is not blamed for a sum that cannot be known: hours with trimmed samples, sites with a damaged
//! block, days with trimmed hours.
//! Bounds: the sums of one site in memory, some 300 bytes per hour.

use std::collections::BTreeMap;

use crate::alert::network::Mask;
use crate::model::{Sample, SiteId, Timestamp};
use crate::stats::{PeriodFigures, Rollup};
use crate::store::codec::frame::ANYWHERE;
use crate::store::read::view::View;
use crate::store::tables::rollup::{Grain, RollupRow};
use crate::store::tables::schema;

/// The sums of one site's samples.
#[derive(Debug, Default)]
pub struct Recount {
    /// Encoded as rows: the histograms of a rollup in memory take 24 KiB.
    hours: BTreeMap<u64, Vec<u8>>,
    /// The hour of the last sample, not in `hours` yet.
    open: Option<(u64, Rollup)>,
    /// Samples before this number are rolled up.
    rolled: u64,
    mask: Mask,
    /// Hours up to this one may have had samples that were trimmed.
    doubtful: Option<u64>,
    /// Whether there was a block; otherwise every sample was trimmed.
    has_blocks: bool,
    is_damaged: bool,
}

/// Rows read, and wrong rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recounted {
    /// Rows of hours and of days.
    pub rows: u64,
    /// Hours that are damaged, missing, or not the sum of their samples.
    pub hours: u64,
    /// Days that are damaged or not the sum of their hours.
    pub days: u64,
}

impl Recount {
    /// For a site whose samples before number `rolled` are rolled up, those that `mask` covers as unknown.
    pub fn new(rolled: u64, mask: Mask) -> Self {
        Self { rolled, mask, ..Self::default() }
    }

    /// Adds the next block of the site: its first number, and the largest time in it and before it; `None` if it is
    /// damaged.
    pub fn admit(&mut self, first: u64, peak: Option<Timestamp>, samples: &[Sample]) {
        let Some(peak) = peak else {
            self.is_damaged = true;
            return;
        };
        if !self.has_blocks && first > 0 {
            self.doubtful = Some(Grain::Hour.of(peak));
        }
        self.has_blocks = true;
        for (_, sample) in (first..self.rolled).zip(samples) {
            let hour = Grain::Hour.of(sample.at);
            if self.open.as_ref().is_none_or(|(open, _)| *open != hour) {
                self.close_hour();
            }
            let hours = &mut self.hours;
            let (_, rollup) = self.open.get_or_insert_with(|| (hour, take_hour(hours, hour).unwrap_or_default()));
            rollup.admit(&self.mask.seen(sample));
        }
    }

    fn close_hour(&mut self) {
        if let Some((hour, rollup)) = self.open.take() {
            let bytes = self.hours.entry(hour).or_default();
            RollupRow { stretch: PeriodFigures { rollup, ..PeriodFigures::default() }, ..RollupRow::default() }
                .encode(ANYWHERE, bytes);
        }
    }

    /// Compares the rows of `site` with the sums.
    pub fn compare(mut self, view: &View, site: SiteId) -> Result<Recounted, redb::Error> {
        let mut found = Recounted::default();
        let (Some(hours), Some(days)) = (&view.hours, &view.days) else { return Ok(found) };
        self.close_hour();
        let mut sums: BTreeMap<u64, Rollup> = BTreeMap::new();
        let mut oldest = None;
        let mut is_whole = true;
        for row in hours.range(schema::whole(site.0))? {
            let (key, bytes) = row?;
            let number = key.value().1;
            let oldest = *oldest.get_or_insert(number);
            found.rows += 1;
            let counted = take_hour(&mut self.hours, number);
            let Ok(roll) = RollupRow::decode(key.value(), bytes.value()) else {
                found.hours += 1;
                is_whole = false;
                continue;
            };
            let is_known =
                self.has_blocks && !self.is_damaged && self.doubtful.is_none_or(|doubtful| number > doubtful);
            let is_wrong = is_known && counted.is_none_or(|counted| counted != roll.stretch.rollup);
            found.hours += u64::from(is_wrong);
            let day = number / 24;
            if day * 24 >= oldest {
                sums.entry(day).or_default().merge(&roll.stretch.rollup);
            }
        }
        // An hour with samples but without a row, although no such old one was trimmed; if only days are left, all
        // were.
        let all_went = oldest.is_none() && days.range(schema::whole(site.0))?.next().is_some();
        let missing = self.hours.keys().filter(|hour| !all_went && oldest.is_none_or(|oldest| **hour >= oldest));
        found.hours += if self.is_damaged { 0 } else { missing.count() as u64 };
        for row in days.range(schema::whole(site.0))? {
            let (key, bytes) = row?;
            found.rows += 1;
            let sum = sums.get(&key.value().1).filter(|_| is_whole);
            let is_wrong = match RollupRow::decode(key.value(), bytes.value()) {
                Ok(roll) => sum.is_some_and(|sum| *sum != roll.stretch.rollup),
                Err(_) => true,
            };
            found.days += u64::from(is_wrong);
        }
        Ok(found)
    }
}

/// Removes the sum of `hour` from `hours`.
fn take_hour(hours: &mut BTreeMap<u64, Vec<u8>>, hour: u64) -> Option<Rollup> {
    RollupRow::decode(ANYWHERE, &hours.remove(&hour)?).ok().map(|roll| roll.stretch.rollup)
}
