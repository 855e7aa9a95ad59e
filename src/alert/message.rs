//! The sentences that announce a transition: public, to the letter, because scripts read them.
//!
//! Availability has two decimals always, time is in the given zone to the second with a numeric offset (also in
//! UTC), downtime is cut to whole seconds, or to milliseconds below one. The name of the site goes in as it is; configuration keeps it clean.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::model::time::duration;
use crate::stats::Availability;

/// `Website {site} is down. availability={availability}, time={time}`.
pub(super) fn down(site: &str, availability: Availability, at: Timestamp, zone: &TimeZone) -> String {
    format!("Website {site} is down. availability={}, time={}", percent(availability), time(at, zone))
}

/// `Website {site} is up. availability={availability}, time={time}, downtime={duration}`.
pub(super) fn up(site: &str, availability: Availability, at: Timestamp, downtime: Duration, zone: &TimeZone) -> String {
    let (percent, time, downtime) = (percent(availability), time(at, zone), duration::format_seconds(downtime));
    format!("Website {site} is up. availability={percent}, time={time}, downtime={downtime}")
}

fn percent(availability: Availability) -> String {
    let points = availability.basis_points();
    format!("{}.{:02}%", points / 100, points % 100)
}

fn time(at: Timestamp, zone: &TimeZone) -> String {
    let micros = i64::try_from(at.as_micros()).expect("a timestamp is below 2^52");
    let instant = jiff::Timestamp::from_microsecond(micros).expect("a timestamp is before the year 9999");
    instant.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 09:00:00 UTC.
    const NINE_UTC: u64 = 1_795_338_000;
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn availability(up: u64, checks: u64) -> Availability {
        Availability { up, checks }
    }

    #[test]
    fn messages_are_to_the_letter() {
        let berlin = TimeZone::posix(BERLIN).unwrap();
        let at = Timestamp::from_micros(NINE_UTC * 1_000_000 + 999_999);
        assert_eq!(
            down("api", availability(2, 3), at, &berlin),
            "Website api is down. availability=66.67%, time=2026-11-22T10:00:00+01:00"
        );
        assert_eq!(
            up("api", availability(23, 24), at, Duration::from_millis(3_723_900), &berlin),
            "Website api is up. availability=95.83%, time=2026-11-22T10:00:00+01:00, downtime=1h2m3s"
        );
    }

    #[test]
    fn availability_has_two_decimals_always() {
        for (up, checks, text) in [
            (0, 12, "0.00%"),
            (1, 1, "100.00%"),
            (4, 5, "80.00%"),
            (19, 24, "79.17%"),
            (1, 2_000, "0.05%"),
            (23_999, 24_000, "99.99%"),
            (1, 24_000, "0.01%"),
        ] {
            assert_eq!(percent(availability(up, checks)), text);
        }
    }

    #[test]
    fn no_downtime_is_told_as_none() {
        let told =
            |millis| up("api", availability(1, 1), Timestamp::ZERO, Duration::from_millis(millis), &TimeZone::UTC);
        assert!(told(400).ends_with("downtime=400ms") && told(1_400).ends_with("downtime=1s"));
    }

    #[test]
    fn the_offset_is_numeric_in_every_zone_and_follows_the_seasons() {
        let summer = 1_782_864_000; // 2026-07-01 00:00:00 UTC
        for (zone, secs, text) in [
            ("UTC0", NINE_UTC, "2026-11-22T09:00:00+00:00"),
            ("EST5EDT,M3.2.0,M11.1.0", NINE_UTC, "2026-11-22T04:00:00-05:00"),
            ("IST-5:30", NINE_UTC, "2026-11-22T14:30:00+05:30"),
            (BERLIN, summer, "2026-07-01T02:00:00+02:00"),
        ] {
            let zone = TimeZone::posix(zone).unwrap();
            assert_eq!(time(Timestamp::from_secs(secs), &zone), text);
        }
        assert_eq!(time(Timestamp::from_secs(NINE_UTC), &TimeZone::UTC), "2026-11-22T09:00:00+00:00");
    }

    #[test]
    fn the_last_timestamp_can_be_told() {
        assert!(time(Timestamp::MAX, &TimeZone::UTC).starts_with("2112-"));
    }
}
