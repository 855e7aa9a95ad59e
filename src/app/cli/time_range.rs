//! `--since` and `--until`: RFC 3339, a local date or time, a word for a day, or a duration back from now.

use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};

use crate::model::Timestamp;
use crate::model::time::duration;

const WEEK: Duration = Duration::from_hours(7 * 24);

/// Parses an instant. A time without a date is the last one that is not after `now`.
///
/// # Errors
/// A sentence that quotes the text and lists the accepted forms.
pub fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Some(back) = back(text) {
        return Ok(now.before(back));
    }
    let Some(at) = absolute(text, now, zone) else {
        return Err(format!(
            "cannot read the time {text:?}; write a duration back from now (90s, 24h, 30d, 1w), a time (03:20), today, \
             yesterday, a date (2026-11-22), a local time (2026-11-22T09:00) or RFC 3339 (2026-11-22T09:00:00Z)"
        ));
    };
    let micros = u64::try_from(at.as_microsecond()).map_err(|_| format!("the time {text:?} is before 1970"))?;
    Ok(Timestamp::from_micros(micros))
}

/// The duration that `text` is, which may begin with weeks: `24h`, `1w`, `1w2d`.
#[must_use]
pub fn back(text: &str) -> Option<Duration> {
    let Some((weeks, rest)) = text.trim().split_once('w') else { return duration::parse(text).ok() };
    let weeks = weeks.bytes().all(|byte| byte.is_ascii_digit()).then(|| weeks.parse::<u32>().ok())??;
    let rest = if rest.is_empty() { Duration::ZERO } else { duration::parse(rest).ok()? };
    WEEK.checked_mul(weeks)?.checked_add(rest)
}

fn absolute(text: &str, now: Timestamp, zone: &TimeZone) -> Option<jiff::Timestamp> {
    let now = jiff::Timestamp::from_microsecond(i64::try_from(now.as_micros()).ok()?).ok()?;
    let today = Zoned::new(now, zone.clone()).date();
    // Both readings of a time that the clock shows twice.
    let shown = |local: DateTime| {
        let at = zone.to_ambiguous_zoned(local);
        [at.clone().compatible(), at.later()].into_iter().filter_map(|at| Some(at.ok()?.timestamp()))
    };
    let at = |local: DateTime| shown(local).next();
    let midnight = |date: Date| at(date.to_datetime(Time::midnight()));
    match text {
        "now" => return Some(now),
        "today" => return midnight(today),
        "yesterday" => return midnight(today.yesterday().ok()?),
        _ => {}
    }
    if let Some(time) = clock_time(text) {
        // A clock that is set back over midnight has shown times of the next day.
        let dates = (-1..=1).filter_map(|days| today.checked_add(days.days()).ok());
        return dates.flat_map(|date| shown(date.to_datetime(time))).filter(|at| *at <= now).max();
    }
    text.parse::<jiff::Timestamp>().ok().or_else(|| at(text.parse().ok()?))
}

/// `03:20` or `03:20:15`.
fn clock_time(text: &str) -> Option<Time> {
    let is_clock = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let padded = if text.find(':') == Some(1) { format!("0{text}") } else { text.to_owned() };
    (is_clock && text.contains(':')).then(|| padded.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        // 2026-11-22T10:33:20+01:00
        let now = Timestamp::from_secs(1_795_340_000);
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, secs) in [
            ("1h", 1_795_336_400),
            ("1w", 1_795_340_000 - 7 * 86_400),
            ("2w3d", 1_795_340_000 - 17 * 86_400),
            ("now", 1_795_340_000),
            ("today", 1_795_302_000),
            ("yesterday", 1_795_302_000 - 86_400),
            ("03:20", 1_795_302_000 + 12_000),
            ("3:20", 1_795_302_000 + 12_000),
            ("10:33:20", 1_795_340_000),
            // Still to come today.
            ("10:33:21", 1_795_340_001 - 86_400),
            ("2026-11-22", 1_795_302_000),
            ("2026-11-22T09:00", 1_795_334_400),
            ("2026-11-22 09:00:30", 1_795_334_430),
            ("2026-11-22T09:00:00Z", 1_795_338_000),
            ("2026-11-22T09:00:00+01:00", 1_795_334_400),
        ] {
            assert_eq!(instant(text, now, &zone), Ok(Timestamp::from_secs(secs)), "{text}");
        }
    }

    /// As in the C library: a time in a gap takes the offset before it, an ambiguous time is the earlier one.
    #[test]
    fn a_change_of_the_clock_leaves_no_local_time_unreadable() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let sao_paulo = TimeZone::get("America/Sao_Paulo").unwrap();
        for (text, zone, utc) in [
            ("2026-11-01", &berlin, "2026-10-31T23:00:00Z"),
            ("2026-03-29T02:30", &berlin, "2026-03-29T01:30:00Z"),
            ("2026-10-25T02:30", &berlin, "2026-10-25T00:30:00Z"),
            ("2026-10-26", &berlin, "2026-10-25T23:00:00Z"),
            // This day has no midnight.
            ("2018-11-04", &sao_paulo, "2018-11-04T03:00:00Z"),
        ] {
            let at: jiff::Timestamp = utc.parse().unwrap();
            let expected = Timestamp::from_secs(at.as_second().unsigned_abs());
            assert_eq!(instant(text, Timestamp::ZERO, zone), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_date_is_the_last_at_which_the_clock_showed_it() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let sao_paulo = TimeZone::get("America/Sao_Paulo").unwrap();
        let at = |text: &str| {
            let at: jiff::Timestamp = text.parse().unwrap();
            Timestamp::from_secs(at.as_second().unsigned_abs())
        };
        for (now, text, zone, utc) in [
            // 02:30 comes at 00:30 and at 01:30 UTC.
            ("2026-10-25T00:29:59Z", "02:30", &berlin, "2026-10-24T00:30:00Z"),
            ("2026-10-25T00:40:00Z", "02:30", &berlin, "2026-10-25T00:30:00Z"),
            ("2026-10-25T01:29:59Z", "02:30", &berlin, "2026-10-25T00:30:00Z"),
            ("2026-10-25T01:30:00Z", "02:30", &berlin, "2026-10-25T01:30:00Z"),
            ("2026-10-25T12:00:00Z", "02:30", &berlin, "2026-10-25T01:30:00Z"),
            // It is left out: 03:30 stands for it.
            ("2026-03-29T01:40:00Z", "02:30", &berlin, "2026-03-29T01:30:00Z"),
            ("2026-03-29T01:20:00Z", "02:30", &berlin, "2026-03-28T01:30:00Z"),
            // Midnight is 23:00 of the day before, once.
            ("2018-02-18T02:40:00Z", "23:30", &sao_paulo, "2018-02-18T02:30:00Z"),
            ("2018-02-18T02:10:00Z", "23:30", &sao_paulo, "2018-02-18T01:30:00Z"),
        ] {
            assert_eq!(instant(text, at(now), zone), Ok(at(utc)), "{text} at {now}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for text in ["someday", "w", "1w2", "1.5w", "-1w", "25:00", "3:2", ":", "12"] {
            let error = instant(text, Timestamp::from_secs(1_795_340_000), &TimeZone::UTC).unwrap_err();
            assert!(error.contains(text) && error.contains("24h"), "{error}");
        }
    }
}
