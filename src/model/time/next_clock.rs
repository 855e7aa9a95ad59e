//! When a clock shows a time of day next.

use jiff::ToSpan as _;
use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::Timestamp;

/// The first instant after `now` at which the clock in `zone` shows `time`; where a change of the clock leaves it out, what it
/// would be with the offset before.
#[must_use]
pub fn next_clock(now: Timestamp, time: Time, zone: &TimeZone) -> Timestamp {
    let today = now.instant().to_zoned(zone.clone()).date();
    // A day may show it twice, or not after `now`.
    let days = (0..3).filter_map(|days| today.checked_add(days.days()).ok());
    let shown = days.filter_map(|day| {
        let at = zone.to_ambiguous_zoned(day.to_datetime(time));
        let is_left_out = matches!(at.offset(), AmbiguousOffset::Gap { .. });
        let earlier = if is_left_out { at.clone().compatible() } else { at.clone().earlier() };
        Some([earlier.ok()?, at.later().ok()?].map(|at| u64::try_from(at.timestamp().as_microsecond()).unwrap_or(0)))
    });
    let mut shown: Vec<Timestamp> = shown.flatten().map(Timestamp::from_micros).filter(|at| *at > now).collect();
    shown.sort_unstable();
    shown.first().copied().unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_is_found_also_where_the_clock_changes() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            Timestamp::from_micros(u64::try_from(at.as_microsecond()).unwrap())
        };
        for (now, time, next) in [
            ("2026-11-22T06:59:59Z", (8, 0), "2026-11-22T07:00:00Z"),
            ("2026-11-22T07:00:00Z", (8, 0), "2026-11-23T07:00:00Z"),
            ("2026-11-22T22:30:00Z", (0, 0), "2026-11-22T23:00:00Z"),
            // Twice in this night, and not at all in that one.
            ("2026-10-25T00:00:00Z", (2, 30), "2026-10-25T00:30:00Z"),
            ("2026-10-25T00:30:00Z", (2, 30), "2026-10-25T01:30:00Z"),
            ("2026-03-29T00:00:00Z", (2, 30), "2026-03-29T01:30:00Z"),
            ("2026-03-29T02:00:00Z", (2, 30), "2026-03-30T00:30:00Z"),
        ] {
            let time = Time::constant(time.0, time.1, 0, 0);
            assert_eq!(next_clock(at(now), time, &berlin), at(next), "{now}");
        }
    }
}
