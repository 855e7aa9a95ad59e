//! Points in time as text: UTC in machine formats, a local zone elsewhere.

use jiff::tz::TimeZone;

use crate::model::Timestamp;

/// Most examined changes of an offset: those of a century.
const CHANGES_MAX: usize = 256;

/// RFC 3339, UTC, exactly six decimals: `2026-11-22T09:00:00.123456Z`. Text order is time order.
#[must_use]
pub fn utc(at: Timestamp) -> String {
    format!("{:.6}", at.instant())
}

/// The time of day: `10:00:10`.
#[must_use]
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%H:%M:%S")
}

/// The day: `2026-11-22`.
pub(super) fn date(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%Y-%m-%d")
}

/// To the minute: `2026-11-22 10:00`.
#[must_use]
pub fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%Y-%m-%d %H:%M")
}

/// To the second: `2026-11-22 10:00:10`.
pub(super) fn second(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%Y-%m-%d %H:%M:%S")
}

/// To the millisecond: `2026-11-22 10:00:10.123`.
pub(super) fn millisecond(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%Y-%m-%d %H:%M:%S%.3f")
}

/// RFC 3339, to the second, with the zone's numeric offset: `2026-11-22T10:00:00+01:00`.
pub(super) fn with_offset(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%Y-%m-%dT%H:%M:%S%:z")
}

/// The zone's offset from UTC at `at`: `+01:00`.
pub(super) fn offset(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%:z")
}

/// ` +02:00`, the offset at `at`; nothing if it is the one at `told`, which stands elsewhere.
pub(super) fn unlike(at: Timestamp, told: Timestamp, zone: &TimeZone) -> String {
    let own = offset(at, zone);
    if own == offset(told, zone) { String::new() } else { format!(" {own}") }
}

/// A period to the minute: `2026-11-22 10:00 – 2026-11-22 11:00 +01:00`, with the offset of its start where that is another one.
pub(super) fn period(since: Timestamp, until: Timestamp, zone: &TimeZone) -> String {
    let (from, to) = (minute(since, zone), minute(until, zone));
    format!("{from}{} – {to} {}", unlike(since, until, zone), offset(until, zone))
}

/// The zone's offsets from `from` to `to`, in their order: `+01:00`, or `+02:00/+01:00` across a change.
pub(super) fn offsets(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    let mut offsets = vec![offset(from, zone)];
    let end = to.instant();
    for change in zone.following(from.instant()).take_while(|change| change.timestamp() <= end).take(CHANGES_MAX) {
        let offset = change.timestamp().to_zoned(zone.clone()).strftime("%:z").to_string();
        if !offsets.contains(&offset) {
            offsets.push(offset);
        }
    }
    offsets.join("/")
}

/// The name of the zone, if it has one, and its offsets from `from` to `to`: `Europe/Berlin (+01:00)`.
#[must_use]
pub fn named(from: Timestamp, to: Timestamp, zone: &TimeZone) -> String {
    let offsets = offsets(from, to, zone);
    match zone.iana_name().filter(|name| !name.is_empty()) {
        Some(name) if !zone.is_unknown() => format!("{name} ({offsets})"),
        _ => offsets,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::tests::fixtures::{at, zone};

    #[test]
    fn utc_always_has_six_decimals() {
        assert_eq!(utc(at("2026-11-22T09:00:00.123456Z")), "2026-11-22T09:00:00.123456Z");
        assert_eq!(utc(Timestamp::ZERO), "1970-01-01T00:00:00.000000Z");
        assert_eq!(utc(Timestamp::MAX), "2112-09-17T23:53:47.370495Z");
    }

    #[test]
    fn local_times_are_those_of_the_zone() {
        let moment = at("2026-11-22T23:00:10.123456Z");
        assert_eq!(clock(moment, &zone()), "00:00:10");
        assert_eq!(date(moment, &zone()), "2026-11-23");
        assert_eq!(minute(moment, &zone()), "2026-11-23 00:00");
        assert_eq!(second(moment, &zone()), "2026-11-23 00:00:10");
        assert_eq!(millisecond(moment, &zone()), "2026-11-23 00:00:10.123");
        assert_eq!(offset(moment, &zone()), "+01:00");
    }

    #[test]
    fn each_end_of_a_period_has_its_own_offset() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let (october, november) = (at("2026-10-20T12:00:00Z"), at("2026-11-22T12:00:00Z"));
        assert_eq!(period(november, november, &berlin), "2026-11-22 13:00 – 2026-11-22 13:00 +01:00");
        assert_eq!(period(october, november, &berlin), "2026-10-20 14:00 +02:00 – 2026-11-22 13:00 +01:00");
        assert_eq!(
            (unlike(october, november, &berlin).as_str(), unlike(october, october, &berlin).as_str()),
            (" +02:00", "")
        );
    }

    #[test]
    fn a_zone_is_named_with_every_offset_of_the_period() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let (january, july, november) =
            (at("2026-01-15T12:00:00Z"), at("2026-07-15T12:00:00Z"), at("2026-11-22T12:00:00Z"));
        assert_eq!(named(november, november, &berlin), "Europe/Berlin (+01:00)");
        assert_eq!(named(july, november, &berlin), "Europe/Berlin (+02:00/+01:00)");
        assert_eq!(named(january, november, &berlin), "Europe/Berlin (+01:00/+02:00)");
        assert_eq!(named(july, november, &TimeZone::UTC), "UTC (+00:00)");
        assert_eq!(named(july, november, &zone()), "+01:00");
        // A rule has no end, and the bounds may be far from anything stored.
        let rule = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(named(Timestamp::ZERO, Timestamp::MAX, &rule), "+01:00/+02:00");
    }

    proptest! {
        #[test]
        fn the_order_of_texts_is_the_order_of_times(a in 0u64..1 << 52, b in 0u64..1 << 52) {
            let (a, b) = (Timestamp::from_micros(a), Timestamp::from_micros(b));
            prop_assert_eq!(utc(a).cmp(&utc(b)), a.cmp(&b));
        }
    }
}
