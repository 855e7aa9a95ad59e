//! `--since` and `--until`: RFC 3339, a local date or date-time, or a duration back from now.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::model::{Timestamp, duration};

/// Reads an instant as people write it.
///
/// # Errors
/// A sentence that quotes the text and says what may be written.
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
    let micros = u64::try_from(at.as_microsecond()).map_err(|_| format!("the time {text:?} lies before 1970"))?;
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

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        let error = instant("yesterday", Timestamp::ZERO, &TimeZone::UTC).unwrap_err();
        assert!(error.contains("yesterday") && error.contains("24h"), "{error}");
    }
}
