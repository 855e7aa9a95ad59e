//! Times and spans in the words of the dashboard.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::time::duration;
use crate::model::{Timestamp, figures};

/// `14:02:13` in `zone`.
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%H:%M:%S")
}

/// `14:02:13` today, `11-20 03:10` on another day.
pub fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let same_day = at.format(zone, "%F") == now.format(zone, "%F");
    at.format(zone, if same_day { "%H:%M:%S" } else { "%m-%d %H:%M" })
}

/// `22 November`, or `22 November 2025` in another year than `now`'s; `today, …` on its day.
pub fn day(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let year = at.format(zone, "%Y") == now.format(zone, "%Y");
    let date = at.format(zone, if year { "%-d %B" } else { "%-d %B %Y" });
    let today = at.format(zone, "%F") == now.format(zone, "%F");
    if today { format!("today, {date}") } else { date }
}

/// `2027-01-22` in `zone`.
pub fn date(at: Timestamp, zone: &TimeZone) -> String {
    at.format(zone, "%F")
}

/// One day is written in hours, several in days: `24 h`, `7 d`.
const DAY: Duration = Duration::from_hours(24);

/// `10 min`, `1 h`, `1 min 30 s`, `24 h`: a configured span.
pub fn span(span: Duration) -> String {
    let mut words = String::new();
    for c in narrow(span).chars() {
        if words.ends_with(|last: char| last.is_ascii_digit() != c.is_ascii_digit()) {
            words.push(' ');
        }
        words.push(c);
    }
    words.split(' ').map(|word| if word == "m" { "min" } else { word }).collect::<Vec<_>>().join(" ")
}

/// `10m`, `1h`, `24h`: a configured span where there is little room.
pub fn narrow(span: Duration) -> String {
    if span == DAY { "24h".to_owned() } else { duration::format(span) }
}

/// `1 check`, `720 checks`, `12.3k checks`.
pub fn counted(count: u64, one: &str) -> String {
    format!("{} {}", figures::count(count), figures::plural(count, one))
}

/// `3 s`, `4m12s`: a span that runs.
pub fn running(span: Duration) -> String {
    if span < Duration::from_mins(1) { format!("{} s", span.as_secs()) } else { duration::format_short(span) }
}

/// `>4m`, `>12h`: a span whose beginning is unknown.
pub fn more_than(span: Duration) -> String {
    let secs = span.as_secs();
    match secs {
        0..60 => format!(">{secs}s"),
        60..3_600 => format!(">{}m", secs / 60),
        3_600..86_400 => format!(">{}h", secs / 3_600),
        _ => format!(">{}d", secs / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_with_their_units_apart() {
        for (secs, words) in [
            (600, "10 min"),
            (3_600, "1 h"),
            (90, "1 min 30 s"),
            (10, "10 s"),
            (86_400, "24 h"),
            (90_000, "1 d 1 h"),
            (604_800, "7 d"),
        ] {
            assert_eq!(span(Duration::from_secs(secs)), words);
        }
        assert_eq!(span(Duration::from_millis(500)), "500 ms");
    }

    #[test]
    fn a_span_of_unknown_beginning_has_one_unit() {
        for (secs, words) in [(59, ">59s"), (3_599, ">59m"), (86_399, ">23h"), (400 * 86_400, ">400d")] {
            assert_eq!(more_than(Duration::from_secs(secs)), words);
        }
    }

    #[test]
    fn moments_name_another_day() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let now = Timestamp::from_secs(1_795_352_533);
        assert_eq!(moment(now, now, &zone), "14:02:13");
        assert_eq!(moment(now.before(Duration::from_hours(24)), now, &zone), "11-21 14:02");
        assert_eq!(day(now, now, &zone), "today, 22 November");
        assert_eq!(day(now.before(Duration::from_hours(400 * 24)), now, &zone), "18 October 2025");
    }
}
