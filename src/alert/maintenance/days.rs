//! The days on which a maintenance window starts: weekdays, days of the month, its last day.
//!
//! Invariants: a [`Days`] counts at least one day of every two months, since each word names one. Cost of a test: constant.

use jiff::civil::{Date, Time};

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_WEEKDAY: u8 = 0b111_1111;

/// Why a word of `every`, `from` or `to` has no meaning. The message quotes it and says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MaintenanceError {
    /// The word names no day.
    #[error("{0:?} is no day; write mon to sun, a range such as mon-fri, day for each day, 1 to 31, or last")]
    Day(String),
    /// No word is there.
    #[error("no day is given; write for instance [mon-fri], or day for each day")]
    NoDay,
    /// The text is no time of day.
    #[error("{0:?} is no time of day; write 00:00 to 23:59, for instance \"02:30\"")]
    Clock(String),
    /// The text is no date with a time.
    #[error("{0:?} is no date with a time; write for instance \"2026-12-01T22:00\"")]
    Moment(String),
    /// A single window ends before it starts.
    #[error("the window ends at {to}, not after its start at {from}")]
    Backwards {
        /// Its start.
        from: jiff::civil::DateTime,
        /// Its end.
        to: jiff::civil::DateTime,
    },
}

/// A set of days. A day counts when any of its words names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// Bit 0 is Monday.
    weekdays: u8,
    /// Bit 1 is the first of the month; bit 0 is unused.
    of_month: u32,
    last: bool,
}

impl Days {
    /// Each day.
    pub const EACH: Self = Self { weekdays: EVERY_WEEKDAY, of_month: 0, last: false };

    /// The days that `words` name: `mon` to `sun`, `1` to `31`, ranges of either (`fri-mon`, `1-7`), `day`, `last`.
    ///
    /// # Errors
    /// The first word that names no day; no word at all.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, MaintenanceError> {
        let mut days = Self { weekdays: 0, of_month: 0, last: false };
        for word in words {
            days.add(word.trim()).ok_or_else(|| MaintenanceError::Day(word.to_owned()))?;
        }
        let is_empty = days.weekdays == 0 && days.of_month == 0 && !days.last;
        if is_empty { Err(MaintenanceError::NoDay) } else { Ok(days) }
    }

    fn add(&mut self, word: &str) -> Option<()> {
        match word {
            "day" => self.weekdays = EVERY_WEEKDAY,
            "last" => self.last = true,
            _ => {
                let (first, last) = word.split_once('-').unwrap_or((word, word));
                if let (Some(first), Some(last)) = (weekday(first), weekday(last)) {
                    // A range may run over the end of the week.
                    let length = (last + 7 - first) % 7;
                    (0..=length).for_each(|step| self.weekdays |= 1 << ((first + step) % 7));
                } else {
                    let (first, last) = (day_of_month(first)?, day_of_month(last)?);
                    if last < first {
                        return None;
                    }
                    (first..=last).for_each(|day| self.of_month |= 1 << day);
                }
            }
        }
        Some(())
    }

    /// Whether a window starts on `date`.
    #[must_use]
    pub fn counts(self, date: Date) -> bool {
        let weekday = date.weekday().to_monday_zero_offset().unsigned_abs();
        let day = date.day().unsigned_abs();
        self.weekdays & (1 << weekday) != 0
            || self.of_month & (1 << day) != 0
            || (self.last && date.day() == date.days_in_month())
    }
}

fn weekday(word: &str) -> Option<u8> {
    (0u8..).zip(WEEKDAYS).find(|(_, name)| *name == word).map(|(number, _)| number)
}

/// `1` to `31`, without a sign or a leading zero.
fn day_of_month(word: &str) -> Option<u8> {
    word.parse().ok().filter(|day: &u8| (1..=31).contains(day) && *word == day.to_string())
}

/// Reads a time of day, `HH:MM`. `24:00` is midnight: a window that ends at or before its start ends on the next day.
///
/// # Errors
/// A text of another form.
pub fn clock_time(text: &str) -> Result<Time, MaintenanceError> {
    let bad = || MaintenanceError::Clock(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i8>().ok());
    if minute.len() != 2 || hour.is_empty() || hour.len() > 2 {
        return Err(bad());
    }
    let (hour, minute) = (number(hour).flatten().ok_or_else(bad)?, number(minute).flatten().ok_or_else(bad)?);
    let hour = if (hour, minute) == (24, 0) { 0 } else { hour };
    Time::new(hour, minute, 0, 0).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::{date, time};

    /// The days of one month that count.
    fn days_of(words: &[&str], year: i16, month: i8) -> Vec<i8> {
        let days = Days::of(words.iter().copied()).unwrap();
        let first = date(year, month, 1);
        (1..=first.days_in_month()).filter(|&day| days.counts(date(year, month, day))).collect()
    }

    #[test]
    fn words_name_days() {
        // 1 November 2026 is a Sunday.
        assert_eq!(days_of(&["sun"], 2026, 11), [1, 8, 15, 22, 29]);
        assert_eq!(days_of(&["mon-wed"], 2026, 11), [2, 3, 4, 9, 10, 11, 16, 17, 18, 23, 24, 25, 30]);
        assert_eq!(days_of(&["sat-mon"], 2026, 11), [1, 2, 7, 8, 9, 14, 15, 16, 21, 22, 23, 28, 29, 30]);
        assert_eq!(days_of(&["1", "15", "last"], 2026, 11), [1, 15, 30]);
        assert_eq!(days_of(&["last"], 2028, 2), [29]);
        assert_eq!(days_of(&["31"], 2026, 11), [0i8; 0]);
        assert_eq!(days_of(&["5-7", "wed"], 2026, 11), [4, 5, 6, 7, 11, 18, 25]);
        assert_eq!(days_of(&["day"], 2026, 2).len(), 28);
        assert_eq!(Days::of(["day"]), Ok(Days::EACH));
    }

    #[test]
    fn other_words_are_refused_with_what_to_write() {
        for word in ["", "Mon", "monday", "0", "32", "7-5", "01", "+1", "mon-5", "mon-", "-fri", "daily", "1-2-3", "ü"]
        {
            let error = Days::of([word]).unwrap_err();
            assert_eq!(error, MaintenanceError::Day(word.to_owned()));
            assert!(error.to_string().contains("mon-fri"), "{error}");
        }
        assert_eq!(Days::of([]), Err(MaintenanceError::NoDay));
    }

    #[test]
    fn times_of_day_read_by_one_form() {
        for (text, expected) in [
            ("02:30", time(2, 30, 0, 0)),
            ("2:30", time(2, 30, 0, 0)),
            ("23:59", time(23, 59, 0, 0)),
            ("24:00", time(0, 0, 0, 0)),
        ] {
            assert_eq!(clock_time(text), Ok(expected), "{text}");
        }
        for text in ["", "2", "2:3", "24:01", "25:00", "-1:00", "02:60", "02:30:00", "2am", " 2:30", "+2:30", "٠٢:٣٠"]
        {
            assert_eq!(clock_time(text), Err(MaintenanceError::Clock(text.to_owned())), "{text}");
        }
    }
}
