//! Round marks on the axes of a chart: steps of 1, 2 or 5 for response times; whole seconds, minutes, hours or days of the
//! zone for instants.

use jiff::Span;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::stats::series::SeriesRange;

/// Distances of instants, in seconds. Below a day each divides the next whole unit.
const STEPS: [i64; 22] = [
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    10_800,
    21_600,
    43_200,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
];
const DAY: i64 = 86_400;
const MINUTE: i64 = 60;
/// Blank cells between a label and the next mark.
const GAP: usize = 2;

/// A labelled instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeTick {
    /// The cell that holds it.
    pub cell: usize,
    /// Its time of day, or its date at midnight.
    pub label: String,
}

/// Round instants within `scope`, as many as have room for their labels.
pub fn times(scope: &SeriesRange, zone: &TimeZone) -> Vec<TimeTick> {
    let cell = scope.cell.as_secs_f64().max(1e-6);
    #[allow(clippy::cast_precision_loss, reason = "steps are below 2^22")]
    let cells = |step: i64| step as f64 / cell;
    #[allow(clippy::cast_precision_loss, reason = "a label has a few cells")]
    let fits = |step: &i64| cells(*step) >= (1 + label_width(*step) + GAP) as f64;
    let step = STEPS.into_iter().find(fits).unwrap_or(28 * DAY);
    let local = scope.from.instant().to_zoned(zone.clone()).datetime();
    let mut ticks = Vec::new();
    let mut next = floor(local, step);
    // There is at most one tick in a cell.
    for _ in 0..=scope.cells {
        let Some(at) = next.and_then(|next| instant(next, zone)) else { break };
        if at >= scope.start(scope.cells) {
            break;
        }
        if let Some(cell) = scope.of(at).filter(|cell| ticks.last().is_none_or(|last: &TimeTick| last.cell < *cell)) {
            ticks.push(TimeTick { cell, label: label(at, step, zone) });
        }
        next = next.and_then(|next| next.checked_add(Span::new().seconds(step)).ok());
    }
    ticks
}

const fn label_width(step: i64) -> usize {
    if step < MINUTE { "14:02:13".len() } else { "14:02".len() }
}

/// The last multiple of `step` at or before `at`: of a day counted from midnight, beyond that from a Monday.
fn floor(at: DateTime, step: i64) -> Option<DateTime> {
    let midnight = at.date().to_datetime(jiff::civil::Time::midnight());
    if step < DAY {
        let since = i64::from(at.hour()) * 3_600 + i64::from(at.minute()) * 60 + i64::from(at.second());
        return midnight.checked_add(Span::new().seconds(since / step * step)).ok();
    }
    // The first day of the epoch was a Thursday.
    let days = i64::from(at.date().since(jiff::civil::date(1970, 1, 1)).ok()?.get_days()) + 3;
    midnight.checked_sub(Span::new().days(days % (step / DAY))).ok()
}

fn instant(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let at = zone.to_timestamp(local).ok()?;
    Some(Timestamp::from_micros(u64::try_from(at.as_microsecond()).ok()?))
}

fn label(at: Timestamp, step: i64, zone: &TimeZone) -> String {
    let clock = at.format(zone, if step < MINUTE { "%H:%M:%S" } else { "%H:%M" });
    if step >= DAY || clock.bytes().all(|byte| matches!(byte, b'0' | b':')) { at.format(zone, "%m-%d") } else { clock }
}

/// The step, 1, 2 or 5 times a power of ten, of which at most `most` lie up to `top`.
pub fn step(top: u32, most: u32) -> u32 {
    let steps = (0..9).flat_map(|power| [1, 2, 5].map(|digit| 10_u32.pow(power).saturating_mul(digit)));
    steps.into_iter().find(|step| top / step <= most.max(1)).unwrap_or(u32::MAX)
}

/// `50 ms`, `1.5 s`, `0.2 ms`: a round time given in µs, without decimals that say nothing.
pub fn time(micros: u32) -> String {
    let micros = f64::from(micros);
    if micros >= 1e6 { format!("{} s", micros / 1e6) } else { format!("{} ms", micros / 1e3) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shown(span: Duration, until: &str, most: usize, zone: &TimeZone) -> Vec<(usize, String)> {
        let until: jiff::Timestamp = until.parse().unwrap();
        let until = Timestamp::from_micros(u64::try_from(until.as_microsecond()).unwrap());
        times(&SeriesRange::new(span, until, most), zone).into_iter().map(|tick| (tick.cell, tick.label)).collect()
    }

    #[test]
    fn instants_are_round_in_the_zone() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let kathmandu = TimeZone::get("Asia/Kathmandu").unwrap();
        let labels = |span: Duration, until: &str, zone: &TimeZone| {
            shown(span, until, 69, zone).into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ")
        };
        let at = "2026-11-22T13:02:13Z";
        let (mins, hours) = (Duration::from_mins, Duration::from_hours);
        assert_eq!(labels(mins(1), at, &berlin), "14:01:15 14:01:30 14:01:45 14:02:00");
        assert_eq!(labels(mins(10), at, &berlin), "13:54 13:56 13:58 14:00 14:02");
        assert_eq!(labels(hours(1), at, &berlin), "13:10 13:20 13:30 13:40 13:50 14:00");
        assert_eq!(labels(hours(1), at, &kathmandu), "17:50 18:00 18:10 18:20 18:30 18:40");
        assert_eq!(labels(hours(24), at, &berlin), "18:00 11-22 06:00 12:00");
        assert_eq!(labels(hours(24), at, &kathmandu), "11-22 06:00 12:00 18:00");
        assert_eq!(labels(hours(24 * 7), at, &berlin), "11-16 11-17 11-18 11-19 11-20 11-21 11-22");
        assert_eq!(labels(hours(24 * 30), at, &berlin), "10-26 11-02 11-09 11-16 11-23");
    }

    #[test]
    fn a_change_of_the_clock_moves_no_mark() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (until, labels) in [
            // 02:00 is 03:00, and 02:00 comes twice.
            ("2026-03-29T04:10:00Z", "00:00 01:00 03:00 04:00 05:00 06:00"),
            ("2026-10-25T04:10:00Z", "01:00 02:00 03:00 04:00 05:00"),
        ] {
            let ticks = shown(Duration::from_hours(6), until, 99, &berlin);
            let shown: Vec<String> =
                ticks.iter().map(|tick| tick.1.replace("03-29", "00:00").replace("10-25", "00:00")).collect();
            assert_eq!(shown.join(" "), labels);
            assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    #[test]
    fn times_have_steps_of_one_two_or_five() {
        for (top, most, shown) in [
            (250_000, 3, "100 ms"),
            (60_000, 3, "20 ms"),
            (10_000, 2, "5 ms"),
            (12_000_000, 6, "2 s"),
            (900, 4, "0.2 ms"),
        ] {
            assert_eq!(time(step(top, most)), shown, "{top}");
        }
        assert_eq!((time(1_500_000), time(0)), ("1.5 s".to_owned(), "0 ms".to_owned()));
    }
}
