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
    let marks = if step < DAY { within_days(scope, step, zone) } else { midnights(scope, step, zone) };
    let mut ticks: Vec<TimeTick> = Vec::new();
    for at in marks {
        // A change of the clock brings two marks nearer to each other.
        let is_free = |cell: &usize| ticks.last().is_none_or(|last| last.cell + label_width(step) + 1 < *cell);
        if let Some(cell) = scope.of(at).filter(is_free) {
            ticks.push(TimeTick { cell, label: label(at, step, zone) });
        }
    }
    ticks
}

/// The instants of `scope` at which the time of day is a multiple of `step`: also those of an hour that comes twice.
fn within_days(scope: &SeriesRange, step: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let (mut from, end) = (scope.from.instant(), scope.start(scope.cells).instant());
    let mut marks = Vec::new();
    loop {
        let change = zone.following(from).map(|change| change.timestamp()).find(|change| *change > from);
        let until = change.map_or(end, |change| change.min(end));
        let offset = i64::from(zone.to_offset(from).seconds());
        let mut at = (from.as_second() + offset).div_euclid(step) * step - offset;
        while at < until.as_second() || at == until.as_second() && until.subsec_nanosecond() > 0 {
            if let Some(mark) = u64::try_from(at).ok().map(Timestamp::from_secs).filter(|mark| mark.instant() >= from) {
                marks.push(mark);
            }
            at += step;
        }
        if until >= end {
            return marks;
        }
        from = until;
    }
}

/// The midnights of `scope` that are a multiple of `step`, a number of days.
fn midnights(scope: &SeriesRange, step: i64, zone: &TimeZone) -> Vec<Timestamp> {
    let date = scope.from.instant().to_zoned(zone.clone()).date();
    // The first day of the epoch was a Thursday, and steps of weeks begin on a Monday.
    let since = date.since(jiff::civil::date(1970, 1, 1)).map_or(0, |since| i64::from(since.get_days())) + 3;
    let first = date.checked_sub(Span::new().days(since % (step / DAY)));
    let days = first.into_iter().flat_map(|first| first.series(Span::new().days(step / DAY)));
    let midnights = days.map_while(|day| instant(day.to_datetime(jiff::civil::Time::midnight()), zone));
    // There is at most one in a cell.
    midnights.take_while(|at| *at < scope.start(scope.cells)).take(scope.cells + 1).collect()
}

const fn label_width(step: i64) -> usize {
    if step < MINUTE { "14:02:13".len() } else { "14:02".len() }
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
            ("2026-10-25T04:10:00Z", "01:00 02:00 02:00 03:00 04:00 05:00"),
        ] {
            let ticks = shown(Duration::from_hours(6), until, 99, &berlin);
            let shown: Vec<String> =
                ticks.iter().map(|tick| tick.1.replace("03-29", "00:00").replace("10-25", "00:00")).collect();
            assert_eq!(shown.join(" "), labels);
            assert!(ticks.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }

    /// Zoomed in, the hour that comes twice has its marks both times; marks that come too near to another one are left out.
    #[test]
    fn an_hour_that_comes_twice_is_marked_twice() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        // Its clock is set back by half an hour.
        let lord_howe = TimeZone::get("Australia/Lord_Howe").unwrap();
        for (span, until, zone, labels) in [
            (Duration::from_mins(30), "2026-10-25T00:50:00Z", &berlin, "02:25 02:30 02:35 02:40 02:45 02:50"),
            (Duration::from_mins(30), "2026-10-25T01:50:00Z", &berlin, "02:25 02:30 02:35 02:40 02:45 02:50"),
            (Duration::from_mins(30), "2026-10-25T01:10:00Z", &berlin, "02:45 02:50 02:55 02:00 02:05 02:10"),
            (Duration::from_hours(3), "2026-04-04T16:10:00Z", &lord_howe, "00:30 01:00 01:30 01:30 02:00 02:30"),
            (Duration::from_hours(24), "2026-10-25T12:00:00Z", &berlin, "18:00 10-25 06:00 12:00"),
            (Duration::from_hours(24), "2026-03-29T12:00:00Z", &berlin, "18:00 03-29 06:00 12:00"),
        ] {
            let ticks = shown(span, until, 69, zone);
            let shown: Vec<&str> = ticks.iter().map(|tick| tick.1.as_str()).collect();
            assert_eq!(shown.join(" "), labels, "{span:?} to {until}");
            assert!(ticks.windows(2).all(|pair| pair[0].0 + pair[0].1.len() + 1 < pair[1].0), "{ticks:?}");
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
