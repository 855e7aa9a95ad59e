//! The end of a silence: `1h`, `until 08:00`, `until 2026-12-01 22:00`.

use jiff::tz::TimeZone;

use crate::alert::maintenance::clock_time;
use crate::app::cli::time_range::instant;
use crate::model::Timestamp;
use crate::model::time::duration;
use crate::model::time::next_clock::next_clock;

const FORMS: &str = "write a duration (30m, 4h, 2d), or `until` and a clock time (08:00), a date (2026-11-22), a local time \
                     (2026-11-22T09:00) or RFC 3339 (2026-11-22T09:00:00Z)";

/// The end that `words` name.
///
/// # Errors
/// A sentence that quotes them and lists the accepted forms.
pub fn end(words: &[String], now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => Err(format!("a silence needs an end: {FORMS}")),
        ["until"] => Err(format!("until when? {FORMS}")),
        ["until", ref rest @ ..] => {
            let text = rest.join(" ");
            let refused = || format!("cannot read the time {text:?}; {FORMS}");
            if let Ok(time) = clock_time(&text) {
                return Ok(next_clock(now, time, zone));
            }
            if duration::parse(&text).is_ok() {
                return Err(format!("`until` takes a time; for a duration write {text} alone"));
            }
            let at = instant(&text, now, zone).map_err(|_| refused())?;
            if at <= now { Err(format!("{text} is past; {FORMS}")) } else { Ok(at) }
        }
        [text] => match duration::parse(text) {
            Ok(length) if length.is_zero() => Err(format!("a silence of {text} is none; {FORMS}")),
            Ok(length) => Ok(now.after(length)),
            Err(_) => Err(format!("cannot read the duration {text:?}; {FORMS}")),
        },
        _ => Err(format!("cannot read {:?}; {FORMS}", words.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_and_others_refused_with_what_to_write() {
        // 2026-11-22 09:33:20 in this zone.
        let (now, zone) = (Timestamp::from_secs(1_795_336_400), TimeZone::fixed(jiff::tz::offset(1)));
        let read = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            end(&words, now, &zone)
        };
        let after = |secs: u64| Ok(now.after(std::time::Duration::from_secs(secs)));
        for (text, expected) in [
            ("1h", after(3_600)),
            ("1d12h", after(36 * 3_600)),
            ("until 10:00", after(1_600)),
            ("until 8:00", after(1_600 + 22 * 3_600)),
            ("until 2026-11-23", after(1_600 + 14 * 3_600)),
            ("until 2026-11-22 10:00", after(1_600)),
            ("until 2026-11-22T09:00:00Z", after(1_600)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for (text, part) in [
            ("", "needs an end"),
            ("until", "until when?"),
            ("0s", "is none"),
            ("tomorrow", "\"tomorrow\""),
            ("10", "\"10\""),
            ("until 25:00", "\"25:00\""),
            ("until 2h", "write 2h alone"),
            ("until 2026-11-21", "is past"),
            ("for 2 hours", "\"for 2 hours\""),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(part) && (refused.contains("08:00") || text == "until 2h"), "{text}: {refused}");
        }
    }
}
