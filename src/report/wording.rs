//! Wording shared by the reports: compact times, counts of answers, plurals, padding by cells.
//!
//! Figures come from [`crate::model::figures`]. Only the text lines of the headless monitor write times without a space
//! (`5.1ms`), so that a line splits into words.

use std::fmt::Write as _;
use std::io;

use unicode_width::UnicodeWidthStr;

use crate::alert::Locations;
use crate::model::text::clean;
use crate::model::{Location, figures};
use crate::stats::{Answer, Availability, Summary};

/// The text of an absent figure.
pub(super) const NONE: &str = "–";

/// Writes `text` as one line, without the characters that a terminal would obey.
pub(super) fn line(out: &mut impl io::Write, text: &str) -> io::Result<()> {
    let mut line = clean(text);
    line.push('\n');
    out.write_all(line.as_bytes())
}

/// [`line`] with its start, `head`, in the colour `sgr` (ECMA-48 SGR).
pub(super) fn colored_line(out: &mut impl io::Write, sgr: u8, head: &str, rest: &str) -> io::Result<()> {
    writeln!(out, "\x1b[{sgr}m{}\x1b[0m{}", clean(head), clean(rest))
}

/// A duration in µs as one word: `0.31ms`, `5.1ms`, `120ms`, `1.24s`. Rounded before the unit is chosen.
pub(super) fn compact(micros: f64) -> String {
    let (number, unit) = compact_parts(micros);
    format!("{number}{unit}")
}

/// Two durations, the first unit only if it differs: `5.0/8.9ms`, `290ms/1.98s`.
pub(super) fn compact_pair(first: f64, second: f64) -> String {
    let ((left, unit), (right, other)) = (compact_parts(first), compact_parts(second));
    if unit == other { format!("{left}/{right}{other}") } else { format!("{left}{unit}/{right}{other}") }
}

fn compact_parts(micros: f64) -> (String, &'static str) {
    let millis = micros / 1e3;
    for (limit, decimals) in [(0.995, 2), (99.95, 1), (999.5, 0)] {
        if millis < limit {
            return (format!("{millis:.decimals$}"), "ms");
        }
    }
    let secs = micros / 1e6;
    let decimals = match secs {
        s if s < 9.995 => 2,
        s if s < 99.95 => 1,
        _ => 0,
    };
    (format!("{secs:.decimals$}"), "s")
}

/// Those that saw a site down, of all that had a vote: `2/3`, with names `1/3 (fra1)`; where the news is good, those that saw
/// it up. `fra1 alone` for a location that judged for itself.
#[must_use]
pub fn locations(locations: &Locations, is_good: bool, with_names: bool) -> String {
    match locations {
        Locations::Alone(location) => format!("{location} alone"),
        Locations::Votes { down, votes, .. } if is_good => format!("{}/{votes}", votes.saturating_sub(*down)),
        Locations::Votes { down, votes, names } => {
            let listed: Vec<&str> = names.iter().take_while(|_| with_names).map(Location::name).collect();
            match (listed.as_slice(), names.len() < *down as usize) {
                ([], _) => format!("{down}/{votes}"),
                (_, true) => format!("{down}/{votes} ({}, …)", listed.join(", ")),
                (_, false) => format!("{down}/{votes} ({})", listed.join(", ")),
            }
        }
    }
}

/// `n` with grouped thousands: `17,280`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 site`, `5 sites`.
pub(super) fn plural(n: u64, noun: &str) -> String {
    format!("{} {}", grouped(n), figures::plural(n, noun))
}

/// A share in parts per million as a percentage without needless zeros: `99.95%`.
pub(super) fn share(ppm: u32) -> String {
    let decimals = format!("{:04}", ppm % 10_000);
    let decimals = decimals.trim_end_matches('0');
    let point = if decimals.is_empty() { "" } else { "." };
    format!("{}{point}{decimals}%", ppm / 10_000)
}

/// Availability: two decimals, never 100 % with a failure, `~` in front if less than 99.5 % of the due checks were made.
pub(super) fn availability(summary: &Summary) -> String {
    availability_of(summary, true)
}

/// Availability, with `≈` in front if the figures are not exact.
pub(super) fn availability_of(summary: &Summary, is_exact: bool) -> String {
    let Some(Availability { up, checks }) = summary.availability else { return NONE.to_owned() };
    let is_partial = summary.coverage.is_some_and(|coverage| coverage < 0.995);
    let mark = match (is_exact, is_partial) {
        (false, _) => "≈",
        (true, true) => "~",
        (true, false) => "",
    };
    format!("{mark}{}", figures::percent(up, checks))
}

/// Coverage in whole percent, rounded down, so that `100%` means all.
pub(super) fn coverage(summary: &Summary) -> String {
    summary.coverage.map_or_else(|| NONE.to_owned(), figures::whole_percent)
}

/// `503`, `refused`.
pub(super) fn answer(answer: Answer) -> String {
    match answer {
        Answer::Code(status) => status.get().to_string(),
        Answer::Cause(cause) => cause.word().to_owned(),
    }
}

/// All checks, statuses ascending and then words: `200×59 503×1 timeout×2`. The order is the same in every line.
pub(super) fn answers_in_order(answers: &[(Answer, u64)]) -> String {
    let mut ordered = answers.to_vec();
    ordered.sort_by_key(|&(answer, _)| answer);
    joined(&merged(&ordered))
}

/// All checks, failures first, by count: `503×21 timeout×2 200×123`.
pub(super) fn answers_worst_first(answers: &[(Answer, u64)]) -> String {
    let mut parts = merged(answers);
    // Merging increases counts only among the failures, which come first; sort those again.
    for i in 1..parts.len() {
        let mut at = i;
        while at > 0 && parts[at].is_word && parts[at].count > parts[at - 1].count {
            parts.swap(at, at - 1);
            at -= 1;
        }
    }
    joined(&parts)
}

struct AnswerCount {
    text: String,
    count: u64,
    is_word: bool,
}

fn merged(answers: &[(Answer, u64)]) -> Vec<AnswerCount> {
    let mut parts: Vec<AnswerCount> = Vec::with_capacity(answers.len());
    for &(answer, count) in answers {
        let (text, is_word) = (self::answer(answer), matches!(answer, Answer::Cause(_)));
        match parts.iter_mut().find(|part| part.text == text) {
            Some(part) => part.count += count,
            None => parts.push(AnswerCount { text, count, is_word }),
        }
    }
    parts
}

fn joined(parts: &[AnswerCount]) -> String {
    let mut text = String::new();
    for part in parts {
        let gap = if text.is_empty() { "" } else { " " };
        write!(text, "{gap}{}×{}", part.text, part.count).expect("writing to a String cannot fail");
    }
    text
}

/// The width of `text` in terminal cells.
pub(super) fn cells(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// `text` followed by blanks up to `width` cells.
pub(super) fn left(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(cells(text))))
}

/// `text` after blanks up to `width` cells.
pub(super) fn right(text: &str, width: usize) -> String {
    format!("{}{text}", " ".repeat(width.saturating_sub(cells(text))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Cause, Status};

    #[test]
    fn compact_times_are_rounded_before_the_unit_is_chosen() {
        for (micros, text) in [
            (310.0, "0.31ms"),
            (997.0, "1.0ms"),
            (5_100.0, "5.1ms"),
            (9_000.0, "9.0ms"),
            (99_960.0, "100ms"),
            (999_600.0, "1.00s"),
            (12_340_000.0, "12.3s"),
            (600_000_000.0, "600s"),
        ] {
            assert_eq!(compact(micros), text, "{micros} µs");
        }
        assert_eq!(compact_pair(5_000.0, 8_900.0), "5.0/8.9ms");
        assert_eq!(compact_pair(290_000.0, 1_980_000.0), "290ms/1.98s");
    }

    #[test]
    fn thousands_stand_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (17_280, "17,280"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(n), text);
        }
        assert_eq!(plural(1, "site"), "1 site");
        assert_eq!(plural(2, "site"), "2 sites");
    }

    #[test]
    fn causes_that_read_alike_are_counted_together_and_ordered_anew() {
        let code = |code| Answer::Code(Status::new(code).unwrap());
        let answers = [
            (code(503), 5),
            (Answer::Cause(Cause::ConnectTimeout), 4),
            (Answer::Cause(Cause::ResponseTimeout), 3),
            (Answer::Cause(Cause::DnsError), 1),
            (code(200), 60),
        ];
        assert_eq!(answers_worst_first(&answers), "timeout×7 503×5 dns×1 200×60");
        assert_eq!(answers_in_order(&answers), "200×60 503×5 dns×1 timeout×7");
        assert_eq!(answers_in_order(&[]), "");
    }

    #[test]
    fn padding_counts_cells_not_characters() {
        assert_eq!(left("日本", 6), "日本  ");
        assert_eq!(right("5 ms", 6), "  5 ms");
        assert_eq!(left("too long", 3), "too long");
    }
}
