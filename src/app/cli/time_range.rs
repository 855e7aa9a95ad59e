//! `--since` and `--until`: RFC 3339, a local date or date-time, or a duration back from now.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::model::time::duration;

/// Parses an instant.
///
/// # Errors
/// A sentence that quotes the text and lists the accepted forms.
pub fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(back) = duration::parse(text) {
        return Ok(now.before(back));
    }
    let parsed = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local: DateTime = text.parse().ok()?;
        Some(zone.to_ambiguous_zoned(local).compatible().ok()?.timestamp())
    });
    let Some(at) = parsed else {
        return Err(format!(
            "cannot read the time {text:?}; write a duration back from now (90s, 24h, 30d), \
             a date (2026-11-22), a local time (2026-11-22T09:00) or RFC 3339 (2026-11-22T09:00:00Z)"
        ));
    };
    let micros = u64::try_from(at.as_microsecond()).map_err(|_| format!("the time {text:?} is before 1970"))?;
    Ok(Timestamp::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_forms_are_read() {
        let now = Timestamp::from_secs(1_795_340_000);
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        for (text, secs) in [
            ("1h", 1_795_336_400),
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
    fn anything_else_is_refused_with_what_to_write() {
        let error = instant("yesterday", Timestamp::ZERO, &TimeZone::UTC).unwrap_err();
        assert!(error.contains("yesterday") && error.contains("24h"), "{error}");
    }
}
