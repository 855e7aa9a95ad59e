//! The outages of this machine's own network, by realm and start: in which time silent checks of which sites say nothing.
//!
//! Samples stay as they were observed; sums leave out what an outage covers ([`Outages::of`]). A site belongs
//! to an outage by its number, written down when the outage began, whatever its address is later.
//!
//! Invariants: a row is written when its outage begins, again when it ends, and removed if it was none; no hour is rolled
//! up while an outage may yet be found in it. Bounds: two numbers per run of consecutive sites. A missing table (a file of
//! an earlier program) is empty.

use std::collections::BTreeMap;

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::alert::network::{Blind, Mask, Outage, Realm};
use crate::model::{SiteId, Timestamp};
use crate::store::codec::frame::{self, Damage, FrameKey, put};

use super::schema;

const VERSION: u8 = 1;

/// Most sites of a row, which bounds what a damaged one may allocate.
const SITES_MAX: u32 = 1 << 20;

/// Rows to be written, and to be removed.
pub type Waiting = BTreeMap<FrameKey, Option<Vec<u8>>>;

/// The key of the outage of `realm` that began at `from`.
#[must_use]
pub const fn key(realm: Realm, from: Timestamp) -> FrameKey {
    (realm as u32, from.as_micros())
}

/// The row of `outage`.
#[must_use]
pub fn encode(outage: &Outage) -> Vec<u8> {
    let mut out = Vec::new();
    frame::begin(&mut out, VERSION);
    put(&mut out, outage.blind.to.as_micros());
    put(&mut out, outage.hosts as u64);
    let mut sites: Vec<u32> = outage.sites.iter().map(|site| site.0).collect();
    sites.sort_unstable();
    sites.dedup();
    let mut next = 0;
    for run in sites.chunk_by(|before, after| before + 1 == *after) {
        put(&mut out, u64::from(run[0] - next));
        put(&mut out, run.len() as u64);
        next = run[run.len() - 1];
    }
    frame::seal(&mut out, key(outage.blind.realm, outage.blind.from));
    out
}

/// Reads back the row at `key`.
pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Outage, Damage> {
    let mut cursor = frame::unseal(frame, VERSION, key)?;
    let realm = Realm::ALL.into_iter().find(|realm| *realm as u32 == key.0).ok_or(Damage::Range)?;
    let from = Timestamp::from_micros(key.1);
    let blind = Blind { realm, from, to: Timestamp::from_micros(cursor.take()?) };
    let hosts = cursor.take_as()?;
    let (mut sites, mut next) = (Vec::new(), 0u32);
    while cursor.left() > 0 {
        let (gap, length): (u32, u32) = (cursor.take_as()?, cursor.take_as()?);
        let first = next.checked_add(gap).ok_or(Damage::Range)?;
        let is_small = length > 0 && u32::try_from(sites.len()).is_ok_and(|known| known + length <= SITES_MAX);
        next = first.checked_add(length.saturating_sub(1)).filter(|_| is_small).ok_or(Damage::Range)?;
        sites.extend((first..=next).map(SiteId));
    }
    Ok(Outage { blind, hosts, sites })
}

/// Writes and removes rows.
pub fn write(transaction: &WriteTransaction, rows: &Waiting) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(schema::BLIND)?;
    for (key, row) in rows {
        match row {
            Some(row) => _ = table.insert(key, row.as_slice())?,
            None => _ = table.remove(key)?,
        }
    }
    Ok(())
}

/// All outages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outages(Vec<Outage>);

impl Outages {
    /// Those that `transaction` sees.
    ///
    /// # Errors
    /// Those of the database.
    pub fn new(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        schema::later_table(transaction, schema::BLIND)?.map_or_else(|| Ok(Self::default()), |rows| Self::within(&rows))
    }

    /// Those in the table; damaged ones are left out.
    ///
    /// # Errors
    /// Those of the database.
    pub fn within(rows: &impl ReadableTable<FrameKey, &'static [u8]>) -> Result<Self, redb::Error> {
        let mut outages = Vec::new();
        for row in rows.iter()? {
            let (key, bytes) = row?;
            outages.extend(decode(key.value(), bytes.value()));
        }
        Ok(Self(outages))
    }

    /// What they cover of `site`.
    #[must_use]
    pub fn of(&self, site: SiteId) -> Mask {
        let concerned = self.0.iter().filter(|outage| outage.sites.binary_search(&site).is_ok());
        Mask::new(concerned.map(|outage| (outage.blind.from, outage.blind.to)))
    }

    /// Those that have not ended.
    pub fn open(&self) -> impl Iterator<Item = &Outage> {
        self.0.iter().filter(|outage| outage.blind.to == Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_outage_reads_back(
            realm in prop::sample::select(Realm::ALL.to_vec()), times in [0u64..1 << 50, 0u64..1 << 50], hosts in 0usize..1 << 20,
            sites in prop::collection::btree_set(prop_oneof![0u32..40, any::<u32>()], 0..30), other in 0u32..50,
        ) {
            let [from, to] = times.map(Timestamp::from_micros);
            let sites: Vec<SiteId> = sites.into_iter().map(SiteId).collect();
            let outage = Outage { blind: Blind { realm, from, to }, hosts, sites: sites.clone() };
            let row = encode(&outage);
            prop_assert_eq!(decode(key(realm, from), &row), Ok(outage.clone()));
            prop_assert!(decode((realm as u32, times[0] + 1), &row).is_err(), "of another place");
            let is_concerned = sites.contains(&SiteId(other)) && from < to;
            prop_assert_eq!(Outages(vec![outage]).of(SiteId(other)).is_empty(), !is_concerned);
        }

        #[test]
        fn any_bytes_are_an_outage_or_damage(bytes: Vec<u8>) {
            let mut row = Vec::new();
            frame::begin(&mut row, VERSION);
            row.extend(bytes);
            frame::seal(&mut row, (1, 7));
            if let Ok(outage) = decode((1, 7), &row) {
                prop_assert!(outage.sites.len() <= SITES_MAX as usize);
            }
        }
    }
}
