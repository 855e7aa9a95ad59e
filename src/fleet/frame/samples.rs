//! Samples of many sites: the groups, the texts of failures, then the columns of all samples as one sequence.
//!
//! ```text
//! base µs | groups | a site for each | runs of (samples a group, how many groups) | a first number for each
//!         | texts | (group, offset, more, detail, address) for each | columns
//! ```
//!
//! Invariants: the samples of a group are consecutive; sites ascend; a text belongs to samples of its group, no sample has two.
//! Bounds: [`SAMPLES_MAX`] samples; an encoded one has at most [`SAMPLE_MAX`] bytes beside its text.

use std::net::SocketAddr;

use crate::model::text::DETAIL_MAX;
use crate::model::{Sample, SiteId, Timestamp};
use crate::store::codec::address::{put_address, take_address};
use crate::store::codec::decoder;
use crate::store::codec::frame::{Cursor, Damage, put};
use crate::store::codec::{Encoder, columns};

use super::fields::{Ascending, in_range, put_cut, put_step, take_clean, take_count, take_step, take_time};

/// Most samples in a frame.
pub const SAMPLES_MAX: usize = 5_000;

/// Most bytes of a sample that is a group of its own: site, run, first number, and its columns.
pub const SAMPLE_MAX: usize = 5 + (2 + 2) + 10 + columns::SAMPLE_MAX;

/// Most bytes of the rest: base, counts, open runs.
pub const SAMPLES_AROUND: usize = 8 + 2 + 3 + 2 * (6 + 3);

/// Most bytes of a text beside its detail: group, offset, more, length, address.
pub const TEXT_AROUND: usize = 2 + 2 + 2 + 2 + (1 + 16 + 3 + 5);

/// A group takes at least this many bytes: site and first number.
const GROUP_MIN: usize = 2;

/// A text takes at least this many bytes.
const TEXT_MIN: usize = 5;

/// Consecutive samples of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The site's number in the sender's store.
    pub site: SiteId,
    /// The number of the first.
    pub first_seq: u64,
    /// At least one.
    pub samples: Vec<Sample>,
    /// The texts of those that failed, as far as there are any, in order.
    pub texts: Vec<FailureRun>,
}

/// The text of consecutive failures that share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureRun {
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The reason in words; may be empty.
    pub detail: String,
    /// The address of the last connection or attempt.
    pub address: Option<SocketAddr>,
}

impl Group {
    /// The number after the last sample.
    #[must_use]
    pub const fn next_seq(&self) -> u64 {
        self.first_seq + self.samples.len() as u64
    }
}

/// Appends `groups`.
pub fn put_groups(out: &mut Vec<u8>, groups: &[Group]) {
    debug_assert!(groups.iter().map(|group| group.samples.len()).sum::<usize>() <= SAMPLES_MAX);
    let base = groups.first().and_then(|group| group.samples.first()).map_or(Timestamp::ZERO, |first| first.at);
    put(out, base.as_micros());
    put(out, groups.len() as u64);
    let (mut sites, mut last) = (Ascending::default(), 0);
    for group in groups {
        sites.put(out, group.site);
    }
    for run in groups.chunk_by(|one, other| one.samples.len() == other.samples.len()) {
        put(out, run[0].samples.len() as u64);
        put(out, run.len() as u64);
    }
    for group in groups {
        put_step(out, &mut last, group.first_seq);
    }
    put_texts(out, groups);
    let mut encoder = Encoder::default();
    encoder.restart(base);
    for group in groups {
        encoder.push_all(&group.samples);
    }
    encoder.finish(out);
}

fn put_texts(out: &mut Vec<u8>, groups: &[Group]) {
    put(out, groups.iter().map(|group| group.texts.len() as u64).sum());
    let mut before = 0;
    for (index, group) in groups.iter().enumerate() {
        let mut free = group.first_seq;
        for text in &group.texts {
            put(out, (index - before) as u64);
            put(out, text.first - free);
            put(out, text.last - text.first);
            put_cut(out, &text.detail, DETAIL_MAX);
            put_address(out, text.address);
            (before, free) = (index, text.last + 1);
        }
    }
}

/// Takes groups, which nothing may follow.
pub fn take_groups(cursor: &mut Cursor<'_>) -> Result<Vec<Group>, Damage> {
    let base = take_time(cursor)?;
    let count = take_count(cursor, SAMPLES_MAX, GROUP_MIN)?;
    let mut sites = Ascending::default();
    let sites = (0..count).map(|_| sites.take(cursor)).collect::<Result<Vec<_>, _>>()?;
    let lengths = take_lengths(cursor, count)?;
    let (mut groups, mut last) = (Vec::with_capacity(count), 0);
    for (&site, &length) in sites.iter().zip(&lengths) {
        let first_seq = take_step(cursor, &mut last)?;
        in_range(first_seq + length as u64)?;
        groups.push(Group { site, first_seq, samples: Vec::new(), texts: Vec::new() });
    }
    take_texts(cursor, &mut groups, &lengths)?;
    let (mut samples, mut from) = (Vec::new(), 0);
    decoder::decode(cursor.0, lengths.iter().sum(), base, &mut samples)?;
    for (group, length) in groups.iter_mut().zip(lengths) {
        group.samples = samples[from..from + length].to_vec();
        from += length;
    }
    Ok(groups)
}

/// The samples of each of `groups` groups, at least one and [`SAMPLES_MAX`] together.
fn take_lengths(cursor: &mut Cursor<'_>, groups: usize) -> Result<Vec<usize>, Damage> {
    let (mut lengths, mut room) = (Vec::with_capacity(groups), SAMPLES_MAX);
    while lengths.len() < groups {
        let (length, times): (usize, usize) = (cursor.take_as()?, cursor.take_as()?);
        let all = length.checked_mul(times).filter(|&all| all > 0 && times <= groups - lengths.len());
        room = all.and_then(|all| room.checked_sub(all)).ok_or(Damage::Range)?;
        lengths.extend(std::iter::repeat_n(length, times));
    }
    Ok(lengths)
}

fn take_texts(cursor: &mut Cursor<'_>, groups: &mut [Group], lengths: &[usize]) -> Result<(), Damage> {
    let (mut index, mut free) = (0, None);
    for _ in 0..take_count(cursor, SAMPLES_MAX, TEXT_MIN)? {
        let further: usize = cursor.take_as()?;
        index = groups.len().min(index + further.min(groups.len()));
        let (Some(group), Some(&length)) = (groups.get_mut(index), lengths.get(index)) else {
            return Err(Damage::Range);
        };
        let end = group.first_seq + length as u64;
        let from = free.filter(|_| further == 0).unwrap_or(group.first_seq);
        let first = from.checked_add(cursor.take()?).ok_or(Damage::Range)?;
        let last = first.checked_add(cursor.take()?).filter(|&last| last < end).ok_or(Damage::Range)?;
        let detail = take_clean(cursor, DETAIL_MAX)?;
        group.texts.push(FailureRun { first, last, detail, address: take_address(cursor)? });
        free = Some(last + 1);
    }
    Ok(())
}
