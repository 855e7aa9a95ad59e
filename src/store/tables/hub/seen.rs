//! What the locations of a hub saw of a site together, by the hour, and when which location was blind.
//!
//! ```text
//! seen       version 1 | locations | up | down | unknown, µs | outages
//! sightless  version 1 | location | start | end, µs
//! ```
//!
//! The hour of a site is written once all its locations are past it, and again if samples of it come later, so readers may trust
//! it. A missing hour is to be worked out from samples. Rows of both tables are small: about 20 bytes.
//!
//! Invariants: rows read back equal; reading never panics, whatever the bytes are; an hour holds at most an hour.

use std::collections::BTreeMap;
use std::ops::Range;

use redb::{ReadTransaction, ReadableTable as _, TableHandle as _, WriteTransaction};

use crate::alert::quorum::{Seen, Sight};
use crate::model::{Location, SiteId, Timestamp};
use crate::store::codec::frame::{self, Cursor, Damage, FrameKey, put, put_text};

use crate::store::tables::rollup::{Grain, put_outages, take_outages};
use crate::store::tables::schema;

const VERSION: u8 = 1;

/// An hour, µs.
const HOUR: u64 = 3_600_000_000;

/// From this number on, a value is not a time.
const NEVER: u64 = 1 << 52;

/// What the locations of a site saw in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenHour {
    /// How many locations were to check it.
    pub locations: u32,
    /// What they saw.
    pub sight: Sight,
}

/// What a hub found about what its locations see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeenNews {
    /// An hour of a site: number of the hour since the epoch.
    Hour(SiteId, u64, SeenHour),
    /// A location is blind in this time; it ends at [`Timestamp::MAX`] while it lasts.
    Blind(Location, Range<Timestamp>),
}

/// Rows to be written.
#[derive(Debug, Default)]
pub struct Waiting {
    hours: BTreeMap<FrameKey, Vec<u8>>,
    blind: BTreeMap<(String, u64), Vec<u8>>,
}

/// When each location was blind, in the order of time.
pub type BlindTimes = BTreeMap<Location, Vec<Range<Timestamp>>>;

impl Waiting {
    /// Adds a row.
    pub fn add(&mut self, news: &SeenNews) {
        match news {
            SeenNews::Hour(site, hour, seen) => {
                let key = (site.0, *hour);
                self.hours.insert(key, encode(seen, key));
            }
            SeenNews::Blind(location, span) => {
                let key = (location.name().to_owned(), span.start.as_micros());
                self.blind.insert(key, encode_blind(location, span));
            }
        }
    }

    /// Appends later rows, which replace earlier ones.
    pub fn append(&mut self, later: &mut Self) {
        self.hours.append(&mut later.hours);
        self.blind.append(&mut later.blind);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hours.is_empty() && self.blind.is_empty()
    }

    /// Writes them.
    pub fn write(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        if !self.hours.is_empty() {
            let mut rows = transaction.open_table(schema::SEEN)?;
            for (key, row) in &self.hours {
                rows.insert(key, row.as_slice())?;
            }
        }
        if !self.blind.is_empty() {
            let mut rows = transaction.open_table(schema::SIGHTLESS)?;
            for ((location, since), row) in &self.blind {
                rows.insert((location.as_str(), *since), row.as_slice())?;
            }
        }
        Ok(())
    }
}

fn encode(seen: &SeenHour, key: FrameKey) -> Vec<u8> {
    let mut out = Vec::new();
    let Seen { up, down, unknown } = seen.sight.seen;
    frame::begin(&mut out, VERSION);
    for number in [u64::from(seen.locations), up, down, unknown] {
        put(&mut out, number);
    }
    put_outages(&mut out, Grain::Hour.start(key.1).as_micros(), &seen.sight.outages);
    frame::seal(&mut out, key);
    out
}

/// Reads back the row at `key`.
pub fn decode(key: FrameKey, bytes: &[u8]) -> Result<SeenHour, Damage> {
    let mut cursor = frame::unseal(bytes, VERSION, key)?;
    let locations = cursor.take_as()?;
    let time = |cursor: &mut Cursor<'_>| cursor.take().and_then(|time| within(time, HOUR));
    let seen = Seen { up: time(&mut cursor)?, down: time(&mut cursor)?, unknown: time(&mut cursor)? };
    let outages = take_outages(&mut cursor, Grain::Hour.start(key.1).as_micros())?;
    if cursor.left() > 0 || seen.up + seen.down + seen.unknown > HOUR {
        return Err(Damage::Range);
    }
    Ok(SeenHour { locations, sight: Sight { seen, outages } })
}

fn encode_blind(location: &Location, span: &Range<Timestamp>) -> Vec<u8> {
    let mut out = Vec::new();
    frame::begin(&mut out, VERSION);
    put_text(&mut out, location.name());
    put(&mut out, span.start.as_micros());
    put(&mut out, span.end.as_micros());
    frame::seal(&mut out, frame::ANYWHERE);
    out
}

/// Reads back the row at `key`, which the row holds itself.
pub fn decode_blind(key: (&str, u64), bytes: &[u8]) -> Result<(Location, Range<Timestamp>), Damage> {
    let mut cursor = frame::unseal(bytes, VERSION, frame::ANYWHERE)?;
    let location = Location::new(cursor.take_text()?).ok_or(Damage::Range)?;
    let (since, until) = (cursor.take()?, cursor.take().and_then(|until| within(until, NEVER))?);
    if (location.name(), since) != key || until < since || cursor.left() > 0 {
        return Err(Damage::Range);
    }
    Ok((location, Timestamp::from_micros(since)..Timestamp::from_micros(until)))
}

const fn within(number: u64, most: u64) -> Result<u64, Damage> {
    if number <= most { Ok(number) } else { Err(Damage::Range) }
}

/// The stored hours of `site` among `hours`; damaged ones are left out.
pub fn hours(
    transaction: &ReadTransaction,
    site: SiteId,
    hours: Range<u64>,
) -> Result<BTreeMap<u64, SeenHour>, redb::Error> {
    let mut found = BTreeMap::new();
    let Some(rows) = schema::later_table(transaction, schema::SEEN)? else { return Ok(found) };
    for row in rows.range((site.0, hours.start)..(site.0, hours.end))? {
        let (key, bytes) = row?;
        found.extend(decode(key.value(), bytes.value()).ok().map(|seen| (key.value().1, seen)));
    }
    Ok(found)
}

/// The newest stored hour of `site`.
pub fn newest(transaction: &ReadTransaction, site: SiteId) -> Result<Option<u64>, redb::Error> {
    let Some(rows) = schema::later_table(transaction, schema::SEEN)? else { return Ok(None) };
    let last = rows.range(schema::whole(site.0))?.next_back().transpose()?;
    Ok(last.map(|(key, _)| key.value().1))
}

/// When which location was blind; damaged rows are left out.
pub fn blind(transaction: &ReadTransaction) -> Result<BlindTimes, redb::Error> {
    let mut found = BlindTimes::new();
    let Some(rows) = schema::later_table(transaction, schema::SIGHTLESS)? else { return Ok(found) };
    for row in rows.iter()? {
        let (key, bytes) = row?;
        if let Ok((location, span)) = decode_blind(key.value(), bytes.value()) {
            found.entry(location).or_default().push(span);
        }
    }
    Ok(found)
}

/// Removes what ended before `horizon`. The store of another webmon than a hub is left as it is.
pub fn trim(transaction: &WriteTransaction, horizon: Timestamp) -> Result<(), redb::Error> {
    let has =
        |name: &str| -> Result<bool, redb::Error> { Ok(transaction.list_tables()?.any(|table| table.name() == name)) };
    if has(schema::SEEN.name())? {
        let mut rows = transaction.open_table(schema::SEEN)?;
        for site in transaction.open_table(schema::SITES)?.iter()? {
            let site = site?.0.value();
            rows.retain_in((site, 0)..(site, Grain::Hour.of(horizon)), |_, _| false)?;
        }
    }
    if has(schema::SIGHTLESS.name())? {
        let is_kept = |key: (&str, u64), row: &[u8]| decode_blind(key, row).is_ok_and(|(_, span)| horizon <= span.end);
        transaction.open_table(schema::SIGHTLESS)?.retain(is_kept)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alert::quorum::Verdict;
    use crate::store::tests::simulated_disk::Disk;

    const KEY: FrameKey = (7, 498_682);

    fn start() -> u64 {
        Grain::Hour.start(KEY.1).as_micros()
    }

    fn sight(parts: &[(u8, u64)]) -> Sight {
        let (mut sight, mut from) = (Sight::default(), start());
        for (verdict, length) in parts {
            let verdict = [Verdict::Up, Verdict::Down, Verdict::Partial, Verdict::Unknown][usize::from(*verdict)];
            let until = (from + length).min(start() + HOUR);
            sight.take(verdict, Timestamp::from_micros(from)..Timestamp::from_micros(until));
            from = until;
        }
        sight
    }

    proptest! {
        #[test]
        fn an_hour_reads_back_and_any_bytes_read_or_are_refused(
            parts in prop::collection::vec((0u8..4, 1u64..HOUR / 3), 0..9), locations: u32, bytes: Vec<u8>,
        ) {
            let seen = SeenHour { locations, sight: sight(&parts) };
            let row = encode(&seen, KEY);
            prop_assert_eq!(decode(KEY, &row), Ok(seen));
            prop_assert_eq!(decode((7, 1), &row), Err(Damage::Checksum));
            let mut sealed = Vec::new();
            frame::begin(&mut sealed, VERSION);
            sealed.extend_from_slice(&bytes);
            frame::seal(&mut sealed, KEY);
            if let Ok(SeenHour { sight: Sight { seen, .. }, .. }) = decode(KEY, &sealed) {
                prop_assert!(seen.up + seen.down + seen.unknown <= HOUR);
            }
            let _read = decode_blind(("a", 7), &sealed);
        }

        /// Cut anywhere and appended, a stretch is the whole.
        #[test]
        fn sights_of_neighbours_make_the_sight_of_both(
            parts in prop::collection::vec((0u8..4, 1u64..HOUR / 9), 1..9), cut in 0usize..9,
        ) {
            let whole = sight(&parts);
            let cut = cut.min(parts.len());
            let mut sum = sight(&parts[..cut]);
            let (mut rest, mut from) = (Sight::default(), start() + parts[..cut].iter().map(|(_, length)| length).sum::<u64>());
            for (verdict, length) in &parts[cut..] {
                let verdict = [Verdict::Up, Verdict::Down, Verdict::Partial, Verdict::Unknown][usize::from(*verdict)];
                rest.take(verdict, Timestamp::from_micros(from)..Timestamp::from_micros(from + length));
                from += length;
            }
            sum.append(&rest);
            prop_assert_eq!((sum.seen, sum.outages.longest), (whole.seen, whole.outages.longest));
        }
    }

    #[test]
    fn what_is_written_is_read_until_its_time_is_over() {
        let database = Disk::default().open().unwrap();
        let [a, b] = ["a", "b"].map(|name| Location::new(name).unwrap());
        let at = Timestamp::from_secs;
        let hour = SeenHour { locations: 3, sight: sight(&[(0, HOUR / 4), (1, 10)]) };
        let mut waiting = Waiting::default();
        assert!(waiting.is_empty());
        for news in [
            SeenNews::Hour(SiteId(7), 1, hour),
            SeenNews::Hour(SiteId(7), 2, hour),
            SeenNews::Hour(SiteId(8), 9, hour),
            SeenNews::Blind(a.clone(), at(10)..Timestamp::MAX),
            SeenNews::Blind(a.clone(), at(10)..at(20)),
            SeenNews::Blind(b.clone(), at(7_000)..Timestamp::MAX),
        ] {
            waiting.add(&news);
        }
        let change = database.begin_write().unwrap();
        waiting.write(&change).unwrap();
        change.open_table(schema::SITES).unwrap().insert(7, &[0][..]).unwrap();
        change.commit().unwrap();
        let read = redb::ReadableDatabase::begin_read(&database).unwrap();
        assert_eq!(hours(&read, SiteId(7), 0..9).unwrap().keys().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!(newest(&read, SiteId(7)).unwrap(), Some(2));
        let spans = BlindTimes::from([(a, vec![at(10)..at(20)]), (b.clone(), vec![at(7_000)..Timestamp::MAX])]);
        assert_eq!(blind(&read).unwrap(), spans);
        let change = database.begin_write().unwrap();
        trim(&change, at(2 * 3_600)).unwrap();
        change.commit().unwrap();
        let read = redb::ReadableDatabase::begin_read(&database).unwrap();
        assert_eq!(hours(&read, SiteId(7), 0..9).unwrap().keys().copied().collect::<Vec<_>>(), [2]);
        assert_eq!(blind(&read).unwrap().into_keys().collect::<Vec<_>>(), [b]);
    }
}
