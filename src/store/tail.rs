//! The unsealed tail: everything in the journal, kept encoded, indexed by site.
//!
//! Idea: a reader takes one look at the whole journal (at most what a quarter of an hour brings), checks each
//! entry once, and later decodes single groups. Invariants: groups of one site come in order of seq; a damaged
//! entry is counted and left out as a whole.

use redb::ReadableTable;

use crate::model::{Sample, SiteId};

use super::entry::{self, Group};
use super::wire::Damage;

/// The journal in memory.
#[derive(Debug, Default)]
pub struct Tail {
    entries: Vec<Vec<u8>>,
    /// Groups with the index of their entry, by site and seq.
    groups: Vec<(usize, Group)>,
    /// Entries that could not be read.
    pub damaged: u64,
}

impl Tail {
    /// Reads the journal, all of it.
    pub fn load(journal: &impl ReadableTable<u64, &'static [u8]>) -> Result<Self, redb::Error> {
        let mut tail = Self::default();
        for row in journal.range::<u64>(..)? {
            let (_, bytes) = row?;
            let mut groups = Vec::new();
            let index = tail.entries.len();
            if entry::groups(bytes.value(), |group| groups.push((index, group))).is_ok() {
                tail.groups.append(&mut groups);
                tail.entries.push(bytes.value().to_vec());
            } else {
                tail.damaged += 1;
            }
        }
        tail.groups.sort_by_key(|(_, group)| (group.site, group.first_seq));
        Ok(tail)
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.damaged == 0
    }

    /// The sites that have samples here, once each, in order.
    pub fn sites(&self) -> Vec<SiteId> {
        let mut sites: Vec<SiteId> = self.groups.iter().map(|(_, group)| group.site).collect();
        sites.dedup();
        sites
    }

    /// The number of groups of `site`.
    pub fn count(&self, site: SiteId) -> usize {
        self.of(site).len()
    }

    /// The number after the last sample of `site`, if it has one here.
    pub fn next_seq(&self, site: SiteId) -> Option<u64> {
        self.of(site).last().map(|(_, group)| group.next_seq())
    }

    /// Appends the samples of a site's group to `out`, those before `from` left out, and returns the number of the
    /// first.
    pub fn decode(&self, site: SiteId, index: usize, from: u64, out: &mut Vec<Sample>) -> Result<u64, Damage> {
        self.decode_group(&self.of(site)[index], from, out)
    }

    /// The same for one of [`Tail::of`].
    pub fn decode_group(
        &self,
        (entry, group): &(usize, Group),
        from: u64,
        out: &mut Vec<Sample>,
    ) -> Result<u64, Damage> {
        if group.next_seq() <= from {
            return Ok(from);
        }
        let start = out.len();
        group.decode(&self.entries[*entry], out)?;
        let sealed = usize::try_from(from.saturating_sub(group.first_seq)).expect("a group has fewer samples");
        out.drain(start..start + sealed);
        Ok(group.first_seq.max(from))
    }

    /// The groups of `site`, each with the index of its entry, in the order of their numbers.
    pub fn of(&self, site: SiteId) -> &[(usize, Group)] {
        let start = self.groups.partition_point(|(_, group)| group.site < site);
        let length = self.groups[start..].partition_point(|(_, group)| group.site == site);
        &self.groups[start..start + length]
    }
}
