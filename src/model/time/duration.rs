//! Parses and prints durations: `[N(ms|s|m|h|d)]+`, printed canonically (`90s` becomes `1m30s`).
//!
//! One grammar for sites.yaml, the command line, messages and titles. Bounds: whole numbers with units, at most `u64::MAX`
//! milliseconds.

use std::fmt::Write as _;
use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a duration. The message says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is empty.
    #[error("a duration is missing; write for instance 500ms, 30s or 5m")]
    Empty,
    /// A number is missing.
    #[error("invalid duration {0:?}; write whole numbers with units, for instance 500ms, 30s or 1m30s")]
    Number(String),
    /// A number has no unit.
    #[error("duration {0:?} lacks its unit; write {0}s or {0}ms")]
    NoUnit(String),
    /// The unit is unknown.
    #[error("unknown unit {unit:?} in duration {text:?}; the units are ms, s, m, h, d")]
    Unit {
        /// The whole text.
        text: String,
        /// The part that is no unit.
        unit: String,
    },
    /// The duration exceeds `u64::MAX` milliseconds.
    #[error("duration {0:?} is too long")]
    TooLong(String),
}

/// Whole microseconds, rounded down, saturating.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Reads a duration such as `500ms`, `30s` or `1m30s`.
///
/// # Errors
/// A [`DurationError`] whose message quotes the text and says what to write.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let whole = text.trim();
    if whole.is_empty() {
        return Err(DurationError::Empty);
    }
    let mut rest = whole;
    let mut millis = 0u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(DurationError::Number(whole.to_owned()));
        }
        if tail.is_empty() {
            return Err(DurationError::NoUnit(whole.to_owned()));
        }
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(letters);
        if unit.starts_with(['.', ',', '-', '+', ' ']) {
            return Err(DurationError::Number(whole.to_owned()));
        }
        let Some(&(_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(DurationError::Unit { text: whole.to_owned(), unit: unit.to_owned() });
        };
        millis = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(scale))
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(|| DurationError::TooLong(whole.to_owned()))?;
        rest = next;
    }
    Ok(Duration::from_millis(millis))
}

/// The canonical form, to the millisecond: `1m30s`, `500ms`, `0s`.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in UNITS {
        let count = millis / scale;
        millis %= scale;
        if count > 0 {
            write!(text, "{count}{unit}").expect("writing to a String cannot fail");
        }
    }
    text
}

/// Whole seconds as `1h2m3s`, for messages; less than a second as `400ms`, since `0s` would say that it took no time.
#[must_use]
pub fn format_seconds(duration: Duration) -> String {
    match (duration.as_secs(), duration.as_micros()) {
        (0, 1..) => format(duration.max(Duration::from_millis(1))),
        (seconds, _) => format(Duration::from_secs(seconds)),
    }
}

/// The two largest units, for narrow places: `35s`, `4m12s`, `2h14m`, `6d02h`.
#[must_use]
pub fn format_short(duration: Duration) -> String {
    let secs = duration.as_secs();
    let (days, hours, minutes, seconds) = (secs / 86_400, secs / 3_600 % 24, secs / 60 % 60, secs % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, m) => format!("{m}m{seconds:02}s"),
        (0, h, m) => format!("{h}h{m:02}m"),
        (d, h, _) => format!("{d}d{h:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints_canonically() {
        for (text, canonical) in
            [("90s", "1m30s"), ("1m30s", "1m30s"), ("500ms", "500ms"), ("0s", "0s"), ("25h", "1d1h"), ("60000ms", "1m")]
        {
            assert_eq!(format(parse(text).unwrap()), canonical, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration_and_says_what_to_write() {
        for (text, part) in [
            ("", "missing"),
            ("10", "lacks its unit"),
            (".5s", "whole numbers"),
            ("-5s", "whole numbers"),
            ("1.5s", "whole numbers"),
            ("5 parsecs", "whole numbers"),
            ("5y", "the units are"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615d", "too long"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text:?}: {message}");
        }
    }

    #[test]
    fn short_forms_show_the_two_largest_units() {
        for (secs, text) in [(35, "35s"), (252, "4m12s"), (61, "1m01s"), (8_040, "2h14m"), (525_600, "6d02h")] {
            assert_eq!(format_short(Duration::from_secs(secs)), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(millis in 0u64..=u64::MAX / 2) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            drop(parse(&text));
        }
    }
}
