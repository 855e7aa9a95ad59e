//! The record of an alert, as it stands in its own table and in those of incidents and messages.
//!
//! Each alert has a frame with its own version and checksum; within another record it has none. Invariants: alerts read back
//! equal, except that durations are stored in whole µs; an alert that has nothing to do with locations is written as before
//! there were any.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Alert, AlertRecord, AlertState, Percentile, Reading, RuleKind, Threshold};
use crate::model::{SiteId, Timestamp};
use crate::stats::Availability;
use crate::store::codec::frame::{self, Cursor, Damage, put, put_text};

use super::record::{micros, put_optional, take_optional, time};

mod locations;

use locations::{put_locations, take_locations};

/// Versions of an alert's frame: the first had neither rule nor incident nor reading.
const VERSIONS: RangeInclusive<u8> = 1..=LOCATIONS_VERSION;

/// Version of an alert since it has them.
pub(super) const ALERT_VERSION: u8 = 2;

/// Version of an alert that rests on several locations or is about one; all others are written as before.
const LOCATIONS_VERSION: u8 = 3;

/// In place of the kind of a reading: locations, then the reading.
const LOCATIONS: u64 = 7;

/// Writes `alert`, which is about `site`, to `out`, which is cleared.
pub fn encode_alert(site: SiteId, alert: &AlertRecord, out: &mut Vec<u8>) {
    frame::begin(out, if is_of_locations(alert) { LOCATIONS_VERSION } else { ALERT_VERSION });
    put_alert(out, site, alert);
    frame::seal(out, frame::ANYWHERE);
}

/// Whether `alert` has something that earlier versions do not know.
pub(super) fn is_of_locations(alert: &Alert) -> bool {
    alert.locations.is_some() || matches!(alert.rule, RuleKind::Partial | RuleKind::Location)
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
    if alert.rule == RuleKind::Location {
        // The site is webmon itself; the name is that of the location.
        put_text(out, &alert.site);
    }
    put_optional(out, alert.incident);
    // They stand before the reading, as one of another kind: so an alert without them is what it always was.
    if let Some(locations) = &alert.locations {
        put(out, LOCATIONS);
        put_locations(out, locations);
    }
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
        Some(Reading::Blind { down, sites }) => {
            for number in [5, u64::from(*down), u64::from(*sites)] {
                put(out, number);
            }
        }
        Some(Reading::Silent { last }) => {
            put(out, 6);
            put_optional(out, last.map(Timestamp::as_micros));
        }
    }
}

fn take_reading(cursor: &mut Cursor<'_>, kind: u64) -> Result<Option<Reading>, Damage> {
    Ok(Some(match kind {
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
        5 => Reading::Blind { down: cursor.take_as()?, sites: cursor.take_as()? },
        6 => Reading::Silent { last: take_optional(cursor)?.map(Timestamp::from_micros) },
        _ => return Err(Damage::Range),
    }))
}

fn rule_code(rule: RuleKind) -> u64 {
    RuleKind::ALL.iter().position(|&kind| kind == rule).expect("all are listed") as u64
}

/// Reads an alert back; `name` gives the names of sites.
pub fn decode_alert(frame: &[u8], name: impl Fn(SiteId) -> Arc<str>) -> Result<(SiteId, AlertRecord), Damage> {
    let (version, mut cursor) = frame::unseal_any(frame, VERSIONS, frame::ANYWHERE)?;
    take_alert(&mut cursor, name, version)
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
    let mut facts = Alert {
        at,
        site: name(site),
        state,
        rule: RuleKind::Availability,
        incident: None,
        reading: None,
        availability,
        threshold,
        window,
        since,
        downtime,
        locations: None,
    };
    if version >= ALERT_VERSION {
        take_cause(cursor, &mut facts)?;
    }
    Ok((site, AlertRecord { facts, message }))
}

/// Takes the rule, the incident, and what was judged.
fn take_cause(cursor: &mut Cursor<'_>, facts: &mut Alert) -> Result<(), Damage> {
    facts.rule = *RuleKind::ALL.get(cursor.take_as::<usize>()?).ok_or(Damage::Range)?;
    if facts.rule == RuleKind::Location {
        facts.site = cursor.take_text()?.into();
    }
    facts.incident = take_optional(cursor)?;
    let mut kind = cursor.take()?;
    if kind == LOCATIONS {
        facts.locations = Some(take_locations(cursor)?);
        kind = cursor.take()?;
    }
    facts.reading = take_reading(cursor, kind)?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Locations;
    use crate::model::Location;
    use proptest::prelude::*;

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
                locations: None,
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
        let names = ["fra1", "nyc1"].map(|name| Location::new(name).unwrap());
        let seen = |locations| {
            let mut seen = down.clone();
            seen.facts.locations = Some(locations);
            seen
        };
        let (voted, alone) = (seen(Locations::votes(3, 2, names.clone())), seen(Locations::Alone(names[0].clone())));
        let mut partial = seen(Locations::votes(9, 1, []));
        (partial.facts.state, partial.facts.rule) = (AlertState::Breached, RuleKind::Partial);
        for alert in [down.clone(), up, ended, slow, expiring, burning, own, voted, alone, partial] {
            let mut out = Vec::new();
            encode_alert(SiteId(3), &alert, &mut out);
            let name = |site| if site == SiteId(3) { Arc::from("api") } else { Arc::from("?") };
            assert_eq!(decode_alert(&out, name), Ok((SiteId(3), alert)));
        }
    }

    #[test]
    fn an_alert_about_a_location_keeps_its_name() {
        let (fra1, at) = (Location::new("fra1").unwrap(), Timestamp::from_secs(100));
        for reading in
            [Reading::Blind { down: 8, sites: 10 }, Reading::Silent { last: Some(at) }, Reading::Silent { last: None }]
        {
            let facts = Alert::of_location(&fra1, AlertState::Breached, reading, (at, at));
            let alert = AlertRecord { facts, message: "Location fra1 is away.".to_owned() };
            let mut out = Vec::new();
            encode_alert(SiteId::OWN, &alert, &mut out);
            assert_eq!(decode_alert(&out, |_| "webmon".into()), Ok((SiteId::OWN, alert)));
        }
    }

    /// What has nothing to do with locations, an earlier webmon reads; it refuses the rest as newer.
    #[test]
    fn only_alerts_of_locations_have_the_new_version() {
        let mut alert = crate::alert::record::tests::record("api", AlertState::Down, Timestamp::from_secs(100));
        let version = |alert: &AlertRecord| {
            let mut out = Vec::new();
            encode_alert(SiteId(3), alert, &mut out);
            out[0]
        };
        assert_eq!(version(&alert), 2);
        alert.facts.locations = Some(Locations::votes(3, 2, []));
        assert_eq!(version(&alert), 3);
    }

    proptest! {
        #[test]
        fn any_sealed_bytes_read_or_are_refused(bytes: Vec<u8>, version in VERSIONS) {
            let mut frame = Vec::new();
            frame::begin(&mut frame, version);
            frame.extend_from_slice(&bytes);
            frame::seal(&mut frame, frame::ANYWHERE);
            let _judged = decode_alert(&frame, |_| "".into());
        }
    }
}
