//! The unsealed tail: the whole journal, still encoded, indexed by site.
//!
//! A reader loads the journal (at most a quarter of an hour), checks each entry once, and later decodes single groups.
//! A reader that loads it repeatedly keeps it and adds new entries only; if the journal begins with another entry than
//! before, it was sealed, and everything is read again.
//!
//! Invariants: groups of one site are in order of seq; a damaged entry is counted and skipped as a whole.
//! Bounds: 24 bytes per group beside the journal itself. A kept tail is valid while one [`crate::store::Writer`]
//! numbers the entries.

use std::collections::BTreeMap;

use redb::ReadableTable;

use crate::model::{Sample, SiteId};
use crate::store::codec::frame::Damage;
use crate::store::codec::journal_entry::{self, Code, SampleGroup};

use super::record::NUMBER_MAX;

/// The journal in memory.
#[derive(Debug, Default)]
pub struct Journal {
    /// Entries, each with the encoding of its groups.
    entries: Vec<(Vec<u8>, Code)>,
    /// Groups of each site, by seq.
    groups: BTreeMap<SiteId, Vec<GroupPosition>>,
    /// Damaged entries.
    pub damaged: u64,
    /// The number of the journal's first entry, if any.
    first: Option<u64>,
    /// The number after its last.
    next: u64,
}

/// The position of a group.
#[derive(Clone, Copy, Debug)]
pub struct GroupPosition {
    first_seq: u64,
    count: u32,
    entry: u32,
    start: u32,
    end: u32,
}

impl GroupPosition {
    fn of(entry: usize, group: &SampleGroup) -> Self {
        let narrow = |number: usize| u32::try_from(number).expect("an entry and the journal are far below 4 GiB");
        let [entry, start, end] = [entry, group.place.start, group.place.end].map(narrow);
        Self { first_seq: group.first_seq, count: narrow(group.count), entry, start, end }
    }

    fn next_seq(self) -> u64 {
        self.first_seq + u64::from(self.count)
    }
}

impl Journal {
    /// Reads the whole journal.
    pub fn load(journal: &impl ReadableTable<u64, &'static [u8]>) -> Result<Self, redb::Error> {
        let mut tail = Self::default();
        tail.catch_up(journal)?;
        Ok(tail)
    }

    /// Reads the entries added since the last call.
    pub fn catch_up(&mut self, journal: &impl ReadableTable<u64, &'static [u8]>) -> Result<(), redb::Error> {
        let first = journal.first()?.map(|(number, _)| number.value());
        if first != self.first {
            *self = Self { first, ..Self::default() };
        }
        for row in journal.range(self.next..)? {
            let (number, bytes) = row?;
            self.next = number.value().saturating_add(1);
            self.admit(bytes.value());
        }
        Ok(())
    }

    fn admit(&mut self, bytes: &[u8]) {
        let mut groups = Vec::new();
        let read = journal_entry::groups(bytes, |group| groups.push(group));
        let is_forged = |group: &SampleGroup| group.first_seq > NUMBER_MAX || group.count as u64 > NUMBER_MAX;
        if read.is_err() || groups.iter().any(is_forged) {
            self.damaged += 1;
            return;
        }
        let Some(code) = groups.first().map(|group| group.code) else { return };
        for group in groups {
            let place = GroupPosition::of(self.entries.len(), &group);
            let places = self.groups.entry(group.site).or_default();
            if places.last().is_none_or(|last| last.first_seq <= place.first_seq) {
                places.push(place);
            } else {
                places.insert(places.partition_point(|other| other.first_seq <= place.first_seq), place);
            }
        }
        self.entries.push((bytes.to_vec(), code));
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.damaged == 0
    }

    /// The sites from this one on that have samples here, once each, in order.
    pub fn sites_from(&self, first: SiteId) -> impl Iterator<Item = SiteId> {
        self.groups.range(first..).map(|(site, _)| *site)
    }

    /// The number of samples of `site`.
    pub fn samples(&self, site: SiteId) -> u64 {
        self.of(site).iter().map(|place| u64::from(place.count)).sum()
    }

    /// The number of groups of `site`.
    pub fn count(&self, site: SiteId) -> usize {
        self.of(site).len()
    }

    /// The number after the last sample of `site`, if it has one here.
    pub fn next_seq(&self, site: SiteId) -> Option<u64> {
        self.of(site).last().map(|place| place.next_seq())
    }

    /// Appends the samples of a site's group to `out`, those before `from` left out, and returns the number of the
    /// first.
    pub fn decode(&self, site: SiteId, index: usize, from: u64, out: &mut Vec<Sample>) -> Result<u64, Damage> {
        self.decode_at(self.of(site)[index], from, out)
    }

    /// The same for one of [`Journal::of`].
    pub fn decode_at(&self, place: GroupPosition, from: u64, out: &mut Vec<Sample>) -> Result<u64, Damage> {
        if place.next_seq() <= from {
            return Ok(from);
        }
        let start = out.len();
        let (entry, code) = &self.entries[place.entry as usize];
        journal_entry::decode(entry, place.start as usize..place.end as usize, (place.count as usize, *code), out)?;
        if place.first_seq < from {
            let sealed = usize::try_from(from - place.first_seq).expect("a group has fewer samples");
            out.drain(start..start + sealed);
        }
        Ok(place.first_seq.max(from))
    }

    /// The groups of `site`, in the order of their numbers.
    pub fn of(&self, site: SiteId) -> &[GroupPosition] {
        self.groups.get(&site).map_or(&[], Vec::as_slice)
    }
}
