//! The small records beside the samples: sites, how far they are sealed, alerts, and the texts of failures.
//!
//! Each is a frame with its own version and checksum.
//!
//! Invariants: records read back equal, except that durations are stored in whole µs.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use redb::WriteTransaction;

use crate::alert::{Alert, AlertRecord, AlertState, Percentile, Reading, RuleKind, Threshold};
use crate::model::{SiteId, Timestamp};
use crate::stats::Availability;
use crate::store::codec::frame::{self, Cursor, Damage, FrameKey, put, put_text};

use super::schema;

const VERSION: u8 = 1;

/// Version of an alert since it has a rule, an incident and a reading.
pub(super) const ALERT_VERSION: u8 = 2;

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
        match self.address {
            None => put(out, 0),
            Some(SocketAddr::V4(address)) => {
                put(out, 4);
                out.extend_from_slice(&address.ip().octets());
                put(out, u64::from(address.port()));
            }
            Some(SocketAddr::V6(address)) => {
                put(out, 6);
                out.extend_from_slice(&address.ip().octets());
                put(out, u64::from(address.port()));
                put(out, u64::from(address.scope_id()));
            }
        }
        frame::seal(out, key);
    }

    /// Reads back the one at `key`.
    pub fn decode(key: FrameKey, frame: &[u8]) -> Result<Self, Damage> {
        let mut cursor = frame::unseal(frame, VERSION, key)?;
        let last_seq = cursor.take()?;
        let detail = cursor.take_text()?.to_owned();
        let address = match cursor.take()? {
            0 => None,
            4 => {
                let ip: [u8; 4] = octets(&mut cursor)?;
                Some(SocketAddr::new(IpAddr::from(ip), cursor.take_as()?))
            }
            6 => {
                let ip: [u8; 16] = octets(&mut cursor)?;
                let port = cursor.take_as()?;
                Some(SocketAddrV6::new(ip.into(), port, 0, cursor.take_as()?).into())
            }
            _ => return Err(Damage::Range),
        };
        Ok(Self { last_seq, detail, address })
    }
}

/// Writes `alert`, which is about `site`, to `out`, which is cleared.
pub fn encode_alert(site: SiteId, alert: &AlertRecord, out: &mut Vec<u8>) {
    frame::begin(out, ALERT_VERSION);
    put_alert(out, site, alert);
    frame::seal(out, frame::ANYWHERE);
}

/// Appends `alert`, which is about `site`.
pub fn put_alert(out: &mut Vec<u8>, site: SiteId, alert: &AlertRecord) {
    put(out, u64::from(site.0));
    put(out, alert.at.as_micros());
    put(out, state_code(alert.state));
    put(out, u64::from(alert.threshold.ppm()));
    put(out, micros(alert.window));
    put(out, alert.since.as_micros());
    put_optional(out, alert.downtime.map(micros));
    put_optional(out, alert.availability.map(|availability| availability.checks));
    put(out, alert.availability.map_or(0, |availability| availability.up));
    put_text(out, &alert.message);
    put(out, rule_code(alert.rule));
    put_optional(out, alert.incident);
    put_reading(out, alert.reading.as_ref());
}

fn put_reading(out: &mut Vec<u8>, reading: Option<&Reading>) {
    match reading {
        None => put(out, 0),
        Some(Reading::Latency { percentile, limit, slower, answered }) => {
            put(out, 1);
            for number in [percentile.percent(), micros(*limit), *slower, *answered] {
                put(out, number);
            }
        }
        Some(Reading::Certificate { not_after, days_left }) => {
            put(out, 2);
            put(out, not_after.as_micros());
            put(out, days_left.cast_unsigned());
        }
        Some(Reading::Burn { target, rate_milli, long, short }) => {
            put(out, 3);
            for number in [u64::from(target.ppm()), *rate_milli, micros(*long), micros(*short)] {
                put(out, number);
            }
        }
        Some(Reading::Note(text)) => {
            put(out, 4);
            put_text(out, text);
        }
    }
}

fn take_reading(cursor: &mut Cursor<'_>) -> Result<Option<Reading>, Damage> {
    Ok(Some(match cursor.take()? {
        0 => return Ok(None),
        1 => {
            let percent = cursor.take()?;
            let percentile = Percentile::ALL.into_iter().find(|percentile| percentile.percent() == percent);
            let percentile = percentile.ok_or(Damage::Range)?;
            let limit = Duration::from_micros(cursor.take()?);
            Reading::Latency { percentile, limit, slower: cursor.take()?, answered: cursor.take()? }
        }
        2 => Reading::Certificate { not_after: time(cursor)?, days_left: cursor.take()?.cast_signed() },
        3 => {
            let target = Threshold::from_ppm(cursor.take_as()?).ok_or(Damage::Range)?;
            let rate_milli = cursor.take()?;
            let (long, short) = (Duration::from_micros(cursor.take()?), Duration::from_micros(cursor.take()?));
            Reading::Burn { target, rate_milli, long, short }
        }
        4 => Reading::Note(cursor.take_text()?.to_owned()),
        _ => return Err(Damage::Range),
    }))
}

fn rule_code(rule: RuleKind) -> u64 {
    RuleKind::ALL.iter().position(|&kind| kind == rule).expect("all are listed") as u64
}

/// Reads an alert back; `name` gives the names of sites.
pub fn decode_alert(frame: &[u8], name: impl Fn(SiteId) -> Arc<str>) -> Result<(SiteId, AlertRecord), Damage> {
    match frame::unseal(frame, ALERT_VERSION, frame::ANYWHERE) {
        Err(Damage::Version(1)) => take_alert(&mut frame::unseal(frame, VERSION, frame::ANYWHERE)?, name, 1),
        cursor => take_alert(&mut cursor?, name, ALERT_VERSION),
    }
}

/// Takes an alert as [`put_alert`] of `version` wrote it.
pub fn take_alert(
    cursor: &mut Cursor<'_>,
    name: impl Fn(SiteId) -> Arc<str>,
    version: u8,
) -> Result<(SiteId, AlertRecord), Damage> {
    let site = SiteId(cursor.take_as()?);
    let at = time(cursor)?;
    let state = match cursor.take()? {
        0 => AlertState::Down,
        1 => AlertState::Up,
        2 => AlertState::Ended,
        3 => AlertState::Breached,
        4 => AlertState::Cleared,
        _ => return Err(Damage::Range),
    };
    let threshold = Threshold::from_ppm(cursor.take_as()?).ok_or(Damage::Range)?;
    let window = Duration::from_micros(cursor.take()?);
    let since = time(cursor)?;
    let downtime = take_optional(cursor)?.map(Duration::from_micros);
    let checks = take_optional(cursor)?;
    let up = cursor.take()?;
    let availability = checks.map(|checks| Availability { up, checks });
    if availability.is_some_and(|availability| availability.checks == 0 || availability.up > availability.checks) {
        return Err(Damage::Range);
    }
    let message = cursor.take_text()?.to_owned();
    let (mut rule, mut incident, mut reading) = (RuleKind::Availability, None, None);
    if version >= ALERT_VERSION {
        rule = *RuleKind::ALL.get(cursor.take_as::<usize>()?).ok_or(Damage::Range)?;
        (incident, reading) = (take_optional(cursor)?, take_reading(cursor)?);
    }
    let site_name = name(site);
    let facts =
        Alert { at, site: site_name, state, rule, incident, reading, availability, threshold, window, since, downtime };
    Ok((site, AlertRecord { facts, message }))
}

const fn state_code(state: AlertState) -> u64 {
    match state {
        AlertState::Down => 0,
        AlertState::Up => 1,
        AlertState::Ended => 2,
        AlertState::Breached => 3,
        AlertState::Cleared => 4,
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn time(cursor: &mut Cursor<'_>) -> Result<Timestamp, Damage> {
    cursor.take().map(Timestamp::from_micros)
}

pub(super) fn octets<const N: usize>(cursor: &mut Cursor<'_>) -> Result<[u8; N], Damage> {
    cursor.take_bytes(N)?.try_into().map_err(|_| Damage::Short)
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
            let _ = (TextRecord::decode(frame::ANYWHERE, &frame).is_ok(), decode_alert(&frame, |_| "".into()).is_ok());
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

    #[test]
    fn alerts_read_back_in_every_state() {
        let down = AlertRecord {
            facts: Alert {
                at: Timestamp::from_secs(100),
                site: "api".into(),
                state: AlertState::Down,
                rule: RuleKind::Availability,
                incident: None,
                reading: None,
                availability: Some(Availability { up: 19, checks: 24 }),
                threshold: Threshold::from_ppm(800_000).unwrap(),
                window: Duration::from_millis(120_500),
                since: Timestamp::from_secs(100),
                downtime: None,
            },
            message: "Website api is down. availability=79.17%, time=1970-01-01T00:01:40+00:00".into(),
        };
        let mut up = down.clone();
        (up.facts.state, up.facts.downtime) = (AlertState::Up, Some(Duration::from_micros(7)));
        let mut ended = AlertRecord { message: String::new(), ..up.clone() };
        (ended.facts.state, ended.facts.availability) = (AlertState::Ended, None);
        let with = |rule, reading| {
            let mut other = down.clone();
            (other.facts.state, other.facts.rule) = (AlertState::Breached, rule);
            (other.facts.reading, other.facts.incident) = (Some(reading), Some(412));
            other
        };
        let (percentile, limit) = (Percentile::P95, Duration::from_millis(800));
        let slow = with(RuleKind::Latency, Reading::Latency { percentile, limit, slower: 3, answered: 60 });
        let not_after = Timestamp::from_secs(86_400);
        let expiring = with(RuleKind::Certificate, Reading::Certificate { not_after, days_left: -2 });
        let (target, long) = (Threshold::from_ppm(999_000).unwrap(), Duration::from_hours(1));
        let short = Duration::from_mins(5);
        let burning = with(RuleKind::SloFast, Reading::Burn { target, rate_milli: 14_400, long, short });
        let own = with(RuleKind::Network, Reading::Note("none of 40 hosts answers".to_owned()));
        for alert in [down.clone(), up, ended, slow, expiring, burning, own] {
            let mut out = Vec::new();
            encode_alert(SiteId(3), &alert, &mut out);
            let name = |site| if site == SiteId(3) { Arc::from("api") } else { Arc::from("?") };
            assert_eq!(decode_alert(&out, name), Ok((SiteId(3), alert)));
        }
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
