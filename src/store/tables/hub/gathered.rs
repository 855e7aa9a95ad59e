//! Rows that only the store of a hub has: where each site's samples come from, and how far the stream was read.
//!
//! An origin names a site of another store for ever; its description follows that store's sites.yaml. A position belongs to a
//! stream of this name that was created at this time: a server that lost its disk begins another one.
//!
//! Invariants: a site is in `origins` if and only if another webmon checks it; a position never lies after samples that are not
//! committed, because both are written in one transaction. A missing table is an empty one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadTransaction, WriteTransaction};

use crate::model::{Location, SiteId, StoreId, Timestamp};
use crate::store::codec::frame::{self, Cursor, Damage, FrameKey, put, put_text};

use crate::store::tables::record::{micros, time};
use crate::store::tables::schema;

const VERSION: u8 = 1;

/// Where the samples of a site come from, and what is checked there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The place that checks it.
    pub location: Location,
    /// The store of that webmon.
    pub store: StoreId,
    /// The number of the site in that store.
    pub site: SiteId,
    /// Its name there.
    pub name: Arc<str>,
    /// Its group there.
    pub group: Option<Arc<str>>,
    /// Time between due checks.
    pub interval: Duration,
    /// For a whole check.
    pub timeout: Duration,
    /// Its URL, as it is shown.
    pub url: Arc<str>,
}

/// The origin of each site that another webmon checks.
pub type Origins = BTreeMap<SiteId, Origin>;

/// How far a stream was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPosition {
    /// The name of the stream.
    pub stream: Arc<str>,
    /// When the server created it.
    pub created: Timestamp,
    /// The number of the last message that was read.
    pub sequence: u64,
}

impl Origin {
    fn encode(&self, key: FrameKey, out: &mut Vec<u8>) {
        frame::begin(out, VERSION);
        put_text(out, self.location.name());
        out.extend_from_slice(&self.store.0);
        put(out, u64::from(self.site.0));
        put_text(out, &self.name);
        put_text(out, self.group.as_deref().unwrap_or_default());
        put(out, micros(self.interval));
        put(out, micros(self.timeout));
        put_text(out, &self.url);
        frame::seal(out, key);
    }

    /// Reads back the one at `key`.
    ///
    /// # Errors
    /// How the row is damaged.
    pub(crate) fn decode(key: FrameKey, bytes: &[u8]) -> Result<Self, Damage> {
        let mut cursor = frame::unseal(bytes, VERSION, key)?;
        let text = |cursor: &mut Cursor<'_>| cursor.take_text().map(Arc::from);
        Ok(Self {
            location: Location::new(cursor.take_text()?).ok_or(Damage::Range)?,
            store: StoreId(cursor.take_bytes(16)?.try_into().map_err(|_| Damage::Short)?),
            site: SiteId(cursor.take_as()?),
            name: text(&mut cursor)?,
            group: text(&mut cursor).map(|group: Arc<str>| (!group.is_empty()).then_some(group))?,
            interval: Duration::from_micros(cursor.take()?),
            timeout: Duration::from_micros(cursor.take()?),
            url: text(&mut cursor)?,
        })
    }
}

/// Every origin; damaged ones are left out.
pub fn origins(transaction: &ReadTransaction) -> Result<Origins, redb::Error> {
    let mut found = Origins::new();
    let Some(rows) = schema::later_table(transaction, schema::ORIGINS)? else { return Ok(found) };
    for row in rows.range::<u32>(..)? {
        let (key, bytes) = row?;
        let site = key.value();
        found.extend(Origin::decode((site, 0), bytes.value()).ok().map(|origin| (SiteId(site), origin)));
    }
    Ok(found)
}

/// Writes the origins of these sites.
pub fn write_origins<'o>(
    transaction: &WriteTransaction,
    origins: impl Iterator<Item = (SiteId, &'o Origin)>,
) -> Result<(), redb::Error> {
    let mut rows = transaction.open_table(schema::ORIGINS)?;
    let mut bytes = Vec::new();
    for (site, origin) in origins {
        origin.encode((site.0, 0), &mut bytes);
        rows.insert(site.0, bytes.as_slice())?;
    }
    Ok(())
}

/// The position in the stream of this name, if it was ever read and the row is not damaged.
pub fn position(transaction: &ReadTransaction, stream: &str) -> Result<Option<StreamPosition>, redb::Error> {
    let Some(rows) = schema::later_table(transaction, schema::POSITIONS)? else { return Ok(None) };
    let Some(row) = rows.get(stream)? else { return Ok(None) };
    let read = || {
        let mut cursor = frame::unseal(row.value(), VERSION, frame::ANYWHERE)?;
        // The checksum does not cover a key that is a text.
        if cursor.take_text()? != stream {
            return Err(Damage::Range);
        }
        Ok(StreamPosition { stream: stream.into(), created: time(&mut cursor)?, sequence: cursor.take()? })
    };
    Ok(read().ok())
}

/// Writes a position.
pub fn write_position(transaction: &WriteTransaction, position: &StreamPosition) -> Result<(), redb::Error> {
    let mut bytes = Vec::new();
    frame::begin(&mut bytes, VERSION);
    put_text(&mut bytes, &position.stream);
    put(&mut bytes, position.created.as_micros());
    put(&mut bytes, position.sequence);
    frame::seal(&mut bytes, frame::ANYWHERE);
    transaction.open_table(schema::POSITIONS)?.insert(&*position.stream, bytes.as_slice())?;
    Ok(())
}

/// The store's random number, if it has one.
pub fn store_id(transaction: &ReadTransaction) -> Result<Option<StoreId>, redb::Error> {
    let meta = transaction.open_table(schema::META)?;
    let [high, low] = [schema::STORE_HIGH, schema::STORE_LOW].map(|key| meta.get(key));
    let halves = high?.map(|half| half.value()).zip(low?.map(|half| half.value()));
    Ok(halves.map(|(high, low)| StoreId(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())))
}

/// Sets the store's random number.
pub fn write_store_id(transaction: &WriteTransaction, StoreId(bytes): StoreId) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(schema::META)?;
    let (high, low) = bytes.split_at(8);
    for (key, half) in [(schema::STORE_HIGH, high), (schema::STORE_LOW, low)] {
        meta.insert(key, u64::from_be_bytes(half.try_into().expect("half of 16 bytes")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: FrameKey = (3, 0);

    proptest! {
        #[test]
        fn an_origin_reads_back_and_any_bytes_read_or_are_refused(
            location in "[a-z0-9-]{1,32}", store: [u8; 16], site: u32, [name, url] in prop::array::uniform2(".{0,40}"),
            group in prop::option::of(".{1,9}"), [interval, timeout]: [u32; 2], bytes: Vec<u8>,
        ) {
            let [interval, timeout] = [interval, timeout].map(|micros| Duration::from_micros(u64::from(micros)));
            let (location, group) = (Location::new(&location).unwrap(), group.map(Arc::from));
            let (name, url) = (name.into(), url.into());
            let origin =
                Origin { location, store: StoreId(store), site: SiteId(site), name, group, interval, timeout, url };
            let mut out = Vec::new();
            origin.encode(KEY, &mut out);
            prop_assert_eq!(Origin::decode(KEY, &out), Ok(origin));
            let mut hostile = Vec::new();
            frame::begin(&mut hostile, VERSION);
            hostile.extend_from_slice(&bytes);
            frame::seal(&mut hostile, KEY);
            drop(Origin::decode(KEY, &hostile));
        }
    }
}
