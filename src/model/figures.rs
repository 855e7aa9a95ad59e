//! Formats figures for humans: durations with their unit, percentages that never hide a failure, counts.
//!
//! Invariants: rounding comes before the choice of the unit, so 999.6 ms is `1.00 s`; times have three significant digits. A
//! share, also in messages and machine formats, reads as all (or as zero) only when it is exactly that.

use std::time::Duration;

/// A duration given in microseconds as number and unit: `("12.3", "ms")`, `("1.24", "s")`, `("0.31", "ms")`.
#[must_use]
pub fn time_parts(micros: f64) -> (String, &'static str) {
    let millis = micros / 1e3;
    for (limit, decimals) in [(9.995, 2), (99.95, 1), (999.5, 0)] {
        if millis < limit {
            return (format!("{millis:.decimals$}"), "ms");
        }
    }
    let secs = micros / 1e6;
    for (limit, decimals) in [(9.995, 2), (99.95, 1)] {
        if secs < limit {
            return (format!("{secs:.decimals$}"), "s");
        }
    }
    (format!("{secs:.0}"), "s")
}

/// [`time`] in seven cells, so that the units line up in a column: `12.3 ms`, ` 123 ms`, `1.24 s `.
#[must_use]
pub fn time_cell(micros: f64) -> String {
    let (number, unit) = time_parts(micros);
    format!("{number:>4} {unit:<2}")
}

/// A duration given in microseconds: `12.3 ms`.
#[must_use]
pub fn time(micros: f64) -> String {
    let (number, unit) = time_parts(micros);
    format!("{number} {unit}")
}

/// A share in percent with two decimals; `100%` only for all, `0%` only for none.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
pub fn percent(part: u64, whole: u64) -> String {
    if part >= whole {
        return "100%".to_owned();
    }
    if part == 0 {
        return "0%".to_owned();
    }
    let percent = (part as f64 / whole as f64 * 100.0).clamp(0.01, 99.99);
    format!("{percent:.2}%")
}

/// A share in hundredths of a percent, rounded half up: 7917 for 79.17 %; 0 only for none, 10,000 only for all.
#[must_use]
pub fn basis_points(part: u64, whole: u64) -> u16 {
    let (of, all) = (u128::from(part.min(whole)), u128::from(whole.max(1)));
    let rounded = u16::try_from((of * 20_000 + all) / (all * 2)).unwrap_or(10_000);
    match part {
        0 => 0,
        part if part >= whole => 10_000,
        _ => rounded.clamp(1, 9_999),
    }
}

/// A share of `0.0..=1.0` to four decimals: 0 only for none, 1 only for all.
#[must_use]
pub fn four_decimals(share: f64) -> f64 {
    let rounded = (share * 1e4).round() / 1e4;
    if share > 0.0 && share < 1.0 { rounded.clamp(0.0001, 0.9999) } else { rounded }
}

/// A share of `0.0..=1.0` in whole percent, rounded down: `100%` only for all, `<1%` below one percent.
#[must_use]
pub fn whole_percent(share: f64) -> String {
    if share > 0.0 && share < 0.01 {
        return "<1%".to_owned();
    }
    // A product such as 0.29 * 100 falls below its whole number; a quotient of whole numbers is the share itself.
    let near = (share * 100.0).round();
    format!("{:.0}%", if near / 100.0 > share { near - 1.0 } else { near })
}

/// Parts per million in percent, exactly: `80%`, `99.999%`.
#[must_use]
pub fn exact_percent(ppm: u32) -> String {
    let (whole, rest) = (ppm / 10_000, ppm % 10_000);
    let decimals = format!("{rest:04}");
    let decimals = decimals.trim_end_matches('0');
    if decimals.is_empty() { format!("{whole}%") } else { format!("{whole}.{decimals}%") }
}

/// A multiple given in thousandths: `0.25`, `14.4`, `120`; `<0.01` below a hundredth, `0` only for none.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn multiple(milli: u64) -> String {
    match milli {
        0 => "0".to_owned(),
        1..10 => "<0.01".to_owned(),
        _ => three_digits(milli as f64 / 1e3, ""),
    }
}

/// A share in parts per million in percent with two decimals, also above 100 % or below 0 %; `100%` and `0%` only for just that.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "two decimals are shown")]
pub fn share(ppm: i64) -> String {
    match ppm {
        0..=1_000_000 => percent(ppm.unsigned_abs(), 1_000_000),
        _ => format!("{:.2}%", ppm as f64 / 1e4),
    }
}

/// A count: `9,999`, then `12.3k`, `4.56M`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..10_000 => format!("{},{:03}", n / 1_000, n % 1_000),
        10_000..999_500 => three_digits(n as f64 / 1e3, "k"),
        999_500..999_500_000 => three_digits(n as f64 / 1e6, "M"),
        _ => three_digits(n as f64 / 1e9, "G"),
    }
}

/// `noun`, with an `s` unless there is one: `site`, `sites`.
#[must_use]
pub fn plural(n: u64, noun: &str) -> String {
    format!("{noun}{}", if n == 1 { "" } else { "s" })
}

/// Bytes in decimal units: `512 B`, `41 MB`, `1.1 GB`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
pub fn bytes(n: u64) -> String {
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut value = n as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if value < 999.5 {
            break;
        }
        value /= 1e3;
        unit = next;
    }
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A duration: `12.3 ms`, `1.24 s`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn duration(duration: Duration) -> String {
    time(duration.as_micros() as f64)
}

fn three_digits(value: f64, unit: &str) -> String {
    let decimals = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rounding_says_all_or_nothing_of_less_or_more() {
        for (part, whole, points, two, four) in [
            (23_999, 24_000, 9_999, "99.99%", 0.9999),
            (1, 24_000, 1, "0.01%", 0.0001),
            (24_000, 24_000, 10_000, "100%", 1.0),
            (0, 24_000, 0, "0%", 0.0),
            (1, 3, 3_333, "33.33%", 0.3333),
            (u64::MAX - 1, u64::MAX, 9_999, "99.99%", 1.0),
        ] {
            assert_eq!((basis_points(part, whole), percent(part, whole).as_str()), (points, two), "{part} of {whole}");
            #[allow(clippy::cast_precision_loss, reason = "a share")]
            let share = part as f64 / whole as f64;
            assert!((four_decimals(share) - four).abs() < 1e-12, "{part} of {whole}");
        }
        for (share, text) in [(0.0, "0%"), (0.004, "<1%"), (0.01, "1%"), (0.9999, "99%"), (1.0, "100%")] {
            assert_eq!(whole_percent(share), text);
        }
        for percent in 0..=100_u32 {
            let share = f64::from(percent) / 100.0;
            assert_eq!(whole_percent(share), format!("{percent}%"));
            assert_eq!(whole_percent(f64::from(percent * 864) / 86_400.0), format!("{percent}%"));
            let below = match percent {
                0 => continue,
                1 => "<1%".to_owned(),
                percent => format!("{}%", percent - 1),
            };
            assert_eq!(whole_percent(share.next_down()), below);
        }
        for (ppm, text) in
            [(800_000, "80%"), (999_990, "99.999%"), (999_999, "99.9999%"), (5, "0.0005%"), (1_000_000, "100%")]
        {
            assert_eq!(exact_percent(ppm), text);
        }
    }

    #[test]
    fn times_are_rounded_before_the_unit_is_chosen() {
        for (micros, cell) in [
            (310.0, "0.31 ms"),
            (12_340.0, "12.3 ms"),
            (123_400.0, " 123 ms"),
            (999_400.0, " 999 ms"),
            (999_600.0, "1.00 s "),
            (9_996.0, "10.0 ms"),
            (1_240_000.0, "1.24 s "),
            (12_300_000.0, "12.3 s "),
            (123_000_000.0, " 123 s "),
        ] {
            assert_eq!(time_cell(micros), cell, "{micros} µs");
        }
    }

    #[test]
    fn a_percentage_never_hides_a_failure_or_a_success() {
        for (part, whole, text) in
            [(59, 60, "98.33%"), (60, 60, "100%"), (99_999, 100_000, "99.99%"), (1, 100_000, "0.01%"), (0, 5, "0%")]
        {
            assert_eq!(percent(part, whole), text);
        }
    }

    #[test]
    fn multiples_and_shares_never_hide_a_little() {
        for (milli, text) in [(0, "0"), (4, "<0.01"), (250, "0.25"), (14_400, "14.4"), (120_400, "120")] {
            assert_eq!(multiple(milli), text);
        }
        for (ppm, text) in [
            (0, "0%"),
            (3, "0.01%"),
            (999_999, "99.99%"),
            (1_000_000, "100%"),
            (1_234_500, "123.45%"),
            (-500, "-0.05%"),
        ] {
            assert_eq!(share(ppm), text);
        }
    }

    #[test]
    fn counts_and_bytes_keep_their_width() {
        for (n, text) in [(999, "999"), (9_999, "9,999"), (12_345, "12.3k"), (999_499, "999k"), (999_500, "1.00M")] {
            assert_eq!(count(n), text);
        }
        for (n, text) in [(512, "512 B"), (41_000_000, "41 MB"), (1_100_000_000, "1.1 GB")] {
            assert_eq!(bytes(n), text);
        }
    }
}
