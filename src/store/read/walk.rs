//! A walk over the raw samples of one site, from blocks and journal.
//!
//! Invariants: samples are handed out as they count, in the order of their numbers. Cost: blocks outside the time are not decoded, as
//! far as their order tells.

use std::ops::Range;

use crate::model::{Sample, SiteId, Timestamp};
use crate::store::codec::block;
use crate::store::tables::record::SealedRecord;

use super::samples::{Chain, first_block};
use super::view::{Query, View};

/// What a walk did not find.
#[derive(Clone, Copy, Default)]
pub struct Walked {
    /// Records that could not be read.
    pub damaged: u64,
    /// Numbers without a sample between those that were asked for.
    pub missing: u64,
}

/// Hands the samples of `site`, as they count, with these times and numbers to `each`, in the order of their numbers.
pub fn walk(
    view: &View,
    site: SiteId,
    sealed: &SealedRecord,
    (from, to): (Timestamp, Timestamp),
    numbers: Range<u64>,
    mut each: impl FnMut(u64, &Sample),
) -> Result<Walked, redb::Error> {
    let (query, mask) = (Query { sites: None, since: from, until: to }, view.outages.of(site));
    let mut admit = |first: u64, samples: &[Sample]| {
        let asked = (first..).zip(samples).filter(|(seq, sample)| numbers.contains(seq) && query.covers(sample.at));
        asked.map(|(seq, sample)| each(seq, &mask.seen(sample))).count() > 0
    };
    let mut walked = Walked::default();
    let mut chain = Chain::default();
    let mut samples = Vec::new();
    // The block that holds the first of the numbers, or the first that reaches into the time.
    let holding = view.blocks.range((site.0, 0)..=(site.0, numbers.start))?.next_back().transpose()?;
    let begin = holding.map_or(numbers.start, |(key, _)| key.value().1);
    let begin = match from {
        Timestamp::ZERO => begin,
        _ => begin.max(first_block(view, site, sealed.next_seq, from)?),
    };
    let end = numbers.end.min(sealed.next_seq).max(begin);
    for row in view.blocks.range((site.0, begin)..(site.0, end))? {
        let (key, bytes) = row?;
        let (key, bytes) = (key.value(), bytes.value());
        match block::head(key, bytes) {
            // Nothing in it or, without a clock set back, after it is early enough.
            Ok(head) if head.low >= to && key.1 > sealed.setback && !query.covers(head.low) => return Ok(walked),
            Ok(head) if head.peak < from => walked.missing += chain.follow(key.1, head.count, false),
            _ => {
                samples.clear();
                if block::decode(key, bytes, &mut samples).is_ok() {
                    walked.missing += chain.follow(key.1, samples.len(), admit(key.1, &samples));
                } else {
                    walked.damaged += 1;
                    chain = Chain::default();
                }
            }
        }
    }
    if numbers.end > sealed.next_seq {
        for index in 0..view.tail.count(site) {
            samples.clear();
            if let Ok(first) = view.tail.decode(site, index, sealed.next_seq, &mut samples) {
                walked.missing += chain.follow(first, samples.len(), admit(first, &samples));
            } else {
                walked.damaged += 1;
                chain = Chain::default();
            }
        }
    }
    Ok(walked)
}

/// Whether a sample before `until` is in no rollup.
pub fn has_unrolled(
    view: &View,
    (site, sealed): (SiteId, &SealedRecord),
    until: Timestamp,
) -> Result<bool, redb::Error> {
    let mut found = false;
    walk(view, site, sealed, (Timestamp::ZERO, until), sealed.rolled..u64::MAX, |_, _| found = true)?;
    Ok(found)
}
