//! The small records beside the samples: sites, how far they are sealed, and the texts of failures.
//!
//! Each is a frame with its own version and checksum.
//!
//! Invariants: records read back equal, except that durations are stored in whole µs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redb::WriteTransaction;

use crate::model::{SiteId, Timestamp};
use crate::store::codec::address::{put_address, take_address};
use crate::store::codec::frame::{self, Cursor, Damage, FrameKey, put, put_text};

use super::schema;

const VERSION: u8 = 1;

/// Version of [`SealedRecord`] since it includes the rollups.
const SEALED_VERSION: u8 = 2;

/// Numbers of samples, entries and alerts stay below this, so incrementing them never wraps: a sample per µs takes
/// 290,000 years.
pub const NUMBER_MAX: u64 = u64::MAX >> 1;

/// A site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteRecord {
    /// Its name in sites.yaml.
    pub name: Arc<str>,
    /// When it was first monitored.
    pub known_since: Timestamp,
}

/// How far the samples of a site are sealed and rolled up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedRecord {
    /// The number after the last sealed sample.
    pub next_seq: u64,
    /// The time of the last sealed sample.
    pub last_at: Timestamp,
    /// The largest time of all sealed samples.
    pub peak: Timestamp,
    /// The number of the last sealed sample whose time is below one before it; 0 when no clock was set back.
    pub setback: u64,
    /// Samples before this number are in the rollups, the others are not.
    pub rolled: u64,
    /// The time of the last sample that is; zero without one.
    pub rolled_at: Timestamp,
}

/// The text of the failures from the key's seq to `last_seq`, which follow each other without a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRecord {
    /// The last one.
    pub last_seq: u64,
    /// The reason in words; may be empty.
    pub detail: String,
    /// The address of the last connection or attempt.
    pub address: Option<SocketAddr>,
}

impl SiteRecord {
    /// Writes it to `out`, which is cleared; `key` is where it belongs.
    pub fn encode(&self, key: FrameKey, out: &mut Vec<u8>) {
        frame::begin(out, VERSION);
        put_text(out, &self.name);
        put(out, self.known_since.as_micros());
        frame::seal(out, key);
    }

    /// Reads back the one at `key`.
    pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Self, Damage> {
        let mut cursor = frame::unseal(frame, VERSION, key)?;
        Ok(Self { name: cursor.take_text()?.into(), known_since: time(&mut cursor)? })
    }
}

impl SealedRecord {
    /// Writes it to `out`, which is cleared; `key` is where it belongs.
    pub fn encode(&self, key: FrameKey, out: &mut Vec<u8>) {
        frame::begin(out, SEALED_VERSION);
        for number in [self.next_seq, self.last_at.as_micros(), self.peak.as_micros(), self.setback] {
            put(out, number);
        }
        put(out, self.rolled);
        put(out, self.rolled_at.as_micros());
        frame::seal(out, key);
    }

    /// Reads back the one at `key`, also one that was written before there were rollups.
    pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Self, Damage> {
        match frame::unseal(frame, SEALED_VERSION, key) {
            Err(Damage::Version(1)) => Self::take(&mut frame::unseal(frame, 1, key)?),
            cursor => {
                let mut cursor = cursor?;
                let record = Self::take(&mut cursor)?;
                Ok(Self { rolled: cursor.take()?, rolled_at: time(&mut cursor)?, ..record })
            }
        }
    }

    fn take(cursor: &mut Cursor<'_>) -> Result<Self, Damage> {
        let next_seq = cursor.take()?;
        if next_seq > NUMBER_MAX {
            return Err(Damage::Range);
        }
        let (last_at, peak) = (time(cursor)?, time(cursor)?);
        Ok(Self { next_seq, last_at, peak, setback: cursor.take()?, ..Self::default() })
    }
}

impl TextRecord {
    /// Writes it to `out`, which is cleared; `key` is where it belongs.
    pub fn encode(&self, key: FrameKey, out: &mut Vec<u8>) {
        frame::begin(out, VERSION);
        put(out, self.last_seq);
        put_text(out, &self.detail);
        put_address(out, self.address);
        frame::seal(out, key);
    }

    /// Reads back the one at `key`.
    pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Self, Damage> {
        let mut cursor = frame::unseal(frame, VERSION, key)?;
        let last_seq = cursor.take()?;
        let detail = cursor.take_text()?.to_owned();
        Ok(Self { last_seq, detail, address: take_address(&mut cursor)? })
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn time(cursor: &mut Cursor<'_>) -> Result<Timestamp, Damage> {
    cursor.take().map(Timestamp::from_micros)
}

pub(super) fn put_optional(out: &mut Vec<u8>, value: Option<u64>) {
    put(out, u64::from(value.is_some()));
    if let Some(value) = value {
        put(out, value);
    }
}

pub(super) fn take_optional(cursor: &mut Cursor<'_>) -> Result<Option<u64>, Damage> {
    match cursor.take()? {
        0 => Ok(None),
        1 => cursor.take().map(Some),
        _ => Err(Damage::Range),
    }
}

/// Inserts new sites in `transaction`.
pub fn insert_sites(transaction: &WriteTransaction, new: &[(u32, SiteRecord)]) -> Result<(), redb::Error> {
    let mut sites = transaction.open_table(schema::SITES)?;
    let mut bytes = Vec::new();
    for (id, record) in new {
        record.encode((*id, 0), &mut bytes);
        sites.insert(id, bytes.as_slice())?;
    }
    Ok(())
}

/// Stored facts about a site that is about to be monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Its stable number.
    pub id: SiteId,
    /// The number of its next sample.
    pub next_seq: u64,
    /// The time of its newest sample.
    pub last_at: Option<Timestamp>,
    /// When it was first monitored.
    pub known_since: Timestamp,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use proptest::prelude::*;

    const KEY: FrameKey = (3, 70_000);

    proptest! {
        #[test]
        fn sites_and_how_far_they_are_sealed_read_back(name in ".{1,40}", numbers: [u64; 6]) {
            let mut out = Vec::new();
            let site = SiteRecord { name: name.into(), known_since: Timestamp::from_micros(numbers[0]) };
            site.encode(KEY, &mut out);
            prop_assert_eq!(SiteRecord::decode(KEY, &out), Ok(site));
            let [next_seq, last_at, peak, setback, rolled, rolled_at] = numbers;
            let next_seq = next_seq & NUMBER_MAX;
            let [last_at, peak, rolled_at] = [last_at, peak, rolled_at].map(Timestamp::from_micros);
            let sealed = SealedRecord { next_seq, last_at, peak, setback, rolled, rolled_at };
            sealed.encode(KEY, &mut out);
            prop_assert_eq!(SealedRecord::decode(KEY, &out), Ok(sealed));
        }

        #[test]
        fn texts_read_back(last_seq: u64, detail in ".{0,60}", ip in prop::option::of(any::<IpAddr>()), port: u16) {
            let text = TextRecord { last_seq, detail, address: ip.map(|ip| SocketAddr::new(ip, port)) };
            let mut out = Vec::new();
            text.encode(KEY, &mut out);
            prop_assert_eq!(TextRecord::decode(KEY, &out), Ok(text));
        }

        #[test]
        fn any_sealed_bytes_read_or_are_refused(bytes: Vec<u8>) {
            let mut frame = Vec::new();
            frame::begin(&mut frame, VERSION);
            frame.extend_from_slice(&bytes);
            frame::seal(&mut frame, frame::ANYWHERE);
            let _ = (SiteRecord::decode(frame::ANYWHERE, &frame).is_ok(), SealedRecord::decode(frame::ANYWHERE, &frame).is_ok());
            let _judged = TextRecord::decode(frame::ANYWHERE, &frame);
        }
    }

    #[test]
    fn how_far_a_site_was_sealed_before_there_were_rollups_is_read() {
        let mut frame = Vec::new();
        frame::begin(&mut frame, 1);
        (1..=4).for_each(|number| put(&mut frame, number));
        frame::seal(&mut frame, KEY);
        let [last_at, peak] = [2, 3].map(Timestamp::from_micros);
        let expected = SealedRecord { next_seq: 1, last_at, peak, setback: 4, ..SealedRecord::default() };
        assert_eq!(SealedRecord::decode(KEY, &frame), Ok(expected));
    }

    /// Such a file can pass every checksum: later numbers must not wrap around.
    #[test]
    fn numbers_at_the_end_of_their_range_are_refused() {
        for next_seq in [u64::MAX, u64::MAX - 1, NUMBER_MAX + 1] {
            let record = SealedRecord { next_seq, ..SealedRecord::default() };
            let mut row = Vec::new();
            record.encode((7, 0), &mut row);
            assert_eq!(SealedRecord::decode((7, 0), &row), Err(Damage::Range), "{next_seq}");
        }
        let record = SealedRecord { next_seq: NUMBER_MAX, ..SealedRecord::default() };
        let mut row = Vec::new();
        record.encode((7, 0), &mut row);
        assert_eq!(SealedRecord::decode((7, 0), &row), Ok(record));
    }
}
