//! Windows against a plain walk along the zone's clock, and the days on which clocks are set.

use std::time::Duration;

use jiff::civil::{Date, Time, date, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

fn every(zone: &str, words: &[&str], from: &str, to: &str) -> Maintenance {
    let days = Days::of(words.iter().copied()).unwrap();
    let schedule = Schedule::Every { days, from: clock_time(from).unwrap(), to: clock_time(to).unwrap() };
    window(zone, schedule)
}

fn window(zone: &str, schedule: Schedule) -> Maintenance {
    Maintenance { schedule, zone: TimeZone::get(zone).unwrap(), sites: SiteSelector::All, reason: None }
}

fn utc(text: &str) -> Timestamp {
    stamp(text.parse().unwrap())
}

fn text(at: Timestamp) -> String {
    at.instant().to_string()
}

/// The windows that start in the 40 days after `from`.
fn windows(of: &Maintenance, from: Timestamp) -> Vec<(String, String)> {
    let until = from.after(Duration::from_hours(24 * 40));
    let mut next = of.next_after(from);
    let mut found = Vec::new();
    while let Some((start, end)) = next.filter(|(start, _)| *start < until) {
        found.push((text(start), text(end)));
        next = of.next_after(start);
    }
    found
}

fn pair(start: &str, end: &str) -> (String, String) {
    (start.to_owned(), end.to_owned())
}

#[test]
fn berlin_in_spring_lasts_half_an_hour_and_in_autumn_two_hours() {
    let window = every("Europe/Berlin", &["sun"], "02:30", "03:30");
    let spring = windows(&window, utc("2026-03-23T00:00:00Z"));
    assert_eq!(spring[0], pair("2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"), "03:00 to 03:30 CEST");
    assert_eq!(spring[1], pair("2026-04-05T00:30:00Z", "2026-04-05T01:30:00Z"));
    let autumn = windows(&window, utc("2026-10-19T00:00:00Z"));
    assert_eq!(autumn[0], pair("2026-10-25T00:30:00Z", "2026-10-25T02:30:00Z"), "02:30 CEST to 03:30 CET");
    assert_eq!(autumn[1], pair("2026-11-01T01:30:00Z", "2026-11-01T02:30:00Z"));

    for (at, inside) in [
        ("2026-03-29T00:59:59.999999Z", false),
        ("2026-03-29T01:00:00Z", true),
        ("2026-03-29T01:29:59.999999Z", true),
        ("2026-03-29T01:30:00Z", false),
        ("2026-10-25T00:29:59Z", false),
        ("2026-10-25T00:30:00Z", true),
        ("2026-10-25T01:15:00Z", true),
        ("2026-10-25T02:29:59Z", true),
        ("2026-10-25T02:30:00Z", false),
    ] {
        assert_eq!(window.covers(utc(at)), inside, "{at}");
    }
}

#[test]
fn a_window_at_four_starts_at_four_on_each_of_these_days() {
    let window = every("Europe/Berlin", &["day"], "04:00", "05:00");
    let starts = |from: &str| windows(&window, utc(from))[0].0.clone();
    assert_eq!(starts("2026-03-28T12:00:00Z"), "2026-03-29T02:00:00Z");
    assert_eq!(starts("2026-10-24T12:00:00Z"), "2026-10-25T03:00:00Z");
}

#[test]
fn a_window_inside_the_gap_does_not_take_place() {
    let window = every("Europe/Berlin", &["29"], "02:10", "02:50");
    let found = windows(&window, utc("2026-03-25T00:00:00Z"));
    assert_eq!(found, [pair("2026-04-29T00:10:00Z", "2026-04-29T00:50:00Z")]);
    let once = Schedule::once("2026-03-29T02:10".parse().unwrap(), "2026-03-29T02:50".parse().unwrap()).unwrap();
    assert!(window_never_comes(once, "2026-01-01T00:00:00Z"));
}

fn window_never_comes(once: Schedule, now: &str) -> bool {
    window("Europe/Berlin", once).never_comes(utc(now))
}

#[test]
fn lord_howe_moves_its_clock_by_half_an_hour() {
    // 5 April 2026: 02:00 +11 becomes 01:30 +10:30. 4 October: 02:00 +10:30 becomes 02:30 +11.
    let window = every("Australia/Lord_Howe", &["sun"], "01:45", "02:15");
    let autumn = windows(&window, utc("2026-04-01T00:00:00Z"));
    assert_eq!(autumn[0], pair("2026-04-04T14:45:00Z", "2026-04-04T15:45:00Z"), "an hour");
    let spring = windows(&window, utc("2026-09-29T00:00:00Z"));
    assert_eq!(spring[0], pair("2026-10-03T15:15:00Z", "2026-10-03T15:30:00Z"), "a quarter of an hour");
}

#[test]
fn apia_skipped_a_day() {
    // After 29 December 2011, 24:00 −10, came 31 December, 00:00 +14: at 10:00 UTC on the 30th.
    let night = every("Pacific/Apia", &["day"], "22:00", "02:00");
    let found = windows(&night, utc("2011-12-29T00:00:00Z"));
    assert_eq!(found[0], pair("2011-12-29T08:00:00Z", "2011-12-29T12:00:00Z"));
    assert_eq!(found[1], pair("2011-12-30T08:00:00Z", "2011-12-30T10:00:00Z"), "ends where its end would be shown");
    assert_eq!(found[2], pair("2011-12-30T10:00:00Z", "2011-12-30T12:00:00Z"), "starts where its start would be shown");
    assert_eq!(found[3], pair("2011-12-31T08:00:00Z", "2011-12-31T12:00:00Z"));
    // 30 December would have been a Friday.
    let friday = every("Pacific/Apia", &["fri"], "02:00", "04:00");
    let found = windows(&friday, utc("2011-12-29T00:00:00Z"));
    assert_eq!(found[0], pair("2012-01-05T12:00:00Z", "2012-01-05T14:00:00Z"), "6 January, +14");
}

#[test]
fn a_whole_day_from_noon_is_always_covered() {
    let window = every("Europe/Berlin", &["day"], "12:00", "12:00");
    let first = utc("2026-03-27T00:00:00Z");
    for hour in 0..100 {
        assert!(window.covers(first.after(Duration::from_hours(hour))), "hour {hour}");
    }
    assert!(!window.never_comes(first));
}

#[test]
fn a_single_window_comes_once() {
    let once = Schedule::once(moment("2026-12-01T22:00").unwrap(), moment("2026-12-02T02:00").unwrap()).unwrap();
    let window = window("Europe/Berlin", once);
    let (start, end) = (utc("2026-12-01T21:00:00Z"), utc("2026-12-02T01:00:00Z"));
    assert_eq!(window.next_after(start.before(Duration::from_micros(1))), Some((start, end)));
    assert_eq!((window.span_at(start), window.next_after(start)), (Some((start, end)), None));
    assert!(!window.covers(end) && window.never_comes(end));
    assert!(!window.never_comes(start) && !window.never_comes(Timestamp::ZERO));

    let moment = |text| moment(text).unwrap();
    let (from, to) = (moment("2026-12-01T22:00"), moment("2026-12-01T22:00:00"));
    assert_eq!(Schedule::once(from, to), Err(MaintenanceError::Backwards { from, to }));
}

#[test]
fn a_moment_has_a_date_and_a_time_and_no_offset() {
    for text in [
        "2026-12-01",
        "22:00",
        "2026-12-01 22:00",
        "2026-12-01T22:00Z",
        "2026-12-01T22:00+01:00",
        "2026-13-01T22:00",
        "",
    ] {
        assert_eq!(moment(text), Err(MaintenanceError::Moment(text.to_owned())), "{text}");
    }
    assert!(moment("2026-12-01T22:00:30").is_ok());
}

#[test]
fn a_search_finds_the_rarest_days() {
    for word in ["29", "30", "31", "last", "mon"] {
        let window = every("Europe/Berlin", &[word], "02:30", "02:45");
        let mut at = utc("2026-01-01T00:00:00Z");
        for _ in 0..60 {
            at = window.next_after(at).expect("it comes again").0;
        }
        assert!(at > utc("2027-02-01T00:00:00Z"), "{word}: {}", text(at));
    }
}

#[test]
fn of_several_windows_that_which_ends_last_is_told() {
    let mut short = every("UTC", &["day"], "02:00", "03:00");
    let long = Maintenance { sites: SiteSelector::of(["group:shop"]), ..every("UTC", &["day"], "01:00", "05:00") };
    short.reason = Some("backup".into());
    let mut calendar = Calendar::new(vec![short.clone(), long]);
    let at = utc("2026-06-01T02:30:00Z");
    assert_eq!(calendar.active("api", None, at), Some((&short, utc("2026-06-01T03:00:00Z"))));
    assert_eq!(calendar.active("cart", Some("shop"), at).unwrap().1, utc("2026-06-01T05:00:00Z"));
    assert_eq!(calendar.active("api", None, utc("2026-06-01T03:00:00Z")), None);
}

/// Whether `at` belongs to the window that starts on `day`, by the definition alone: the clock has shown `from` or later at
/// `at` or before, and will show `to` or earlier after it. Clocks are read each half minute over four days around it.
fn covers_by_walk(zone: &TimeZone, day: Date, from: Time, to: Time, at: i64) -> bool {
    let starts = day.to_datetime(from);
    let ends = if to <= from { day.tomorrow().unwrap() } else { day }.to_datetime(to);
    let shows = |second: i64| zone.to_datetime(jiff::Timestamp::from_second(second).unwrap());
    let reach = 3 * 86_400;
    let began = (at - reach..=at).step_by(30).any(|second| shows(second) >= starts);
    began && (at + 30..=at + reach).step_by(30).any(|second| shows(second) <= ends)
}

const ZONES: [(&str, &str); 6] = [
    ("Europe/Berlin", "2026-03-29T01:00:00Z"),
    ("Europe/Berlin", "2026-10-25T01:00:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    // Midnight is shown twice, and midnight is in the gap.
    ("America/Havana", "2026-11-01T05:00:00Z"),
    ("Pacific/Apia", "2011-12-30T10:00:00Z"),
];

fn on_the_clock() -> impl Strategy<Value = Time> {
    // Mostly near midnight and 02:00, where clocks are set.
    (prop_oneof![0i8..4, 22i8..24, 0i8..24], 0i8..12).prop_map(|(hour, five)| time(hour, five * 5, 0, 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_instant_is_covered_as_the_walk_along_the_clock_says(
        (zone, change) in proptest::sample::select(ZONES.as_slice()),
        from in on_the_clock(),
        to in on_the_clock(),
        minutes in -2_000i64..2_000,
        weekday in 0usize..7,
    ) {
        let at = change.parse::<jiff::Timestamp>().unwrap().as_second() + minutes * 60;
        let word = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][weekday];
        for words in [&["day"][..], &[word]] {
            let days = Days::of(words.iter().copied()).unwrap();
            let window = window(zone, Schedule::Every { days, from, to });
            let today = window.date_at(Timestamp::from_secs(at.unsigned_abs()));
            let expected = (-3..=3).filter_map(|offset: i32| today.checked_add(offset.days()).ok()).any(|day| {
                days.counts(day) && covers_by_walk(&window.zone, day, from, to, at)
            });
            prop_assert_eq!(window.covers(Timestamp::from_secs(at.unsigned_abs())), expected, "{:?}", words);
        }
    }

    #[test]
    fn a_calendar_says_what_its_windows_say(
        (zone, change) in proptest::sample::select(ZONES.as_slice()),
        from in on_the_clock(),
        to in on_the_clock(),
        steps in proptest::collection::vec(-3_000i64..6_000, 1..60),
    ) {
        let window = window(zone, Schedule::Every { days: Days::EACH, from, to });
        let mut calendar = Calendar::new(vec![window.clone()]);
        let mut at = change.parse::<jiff::Timestamp>().unwrap().as_second() - 86_400;
        for step in steps {
            at += step;
            let now = Timestamp::from_secs(at.unsigned_abs());
            let found = calendar.active("api", None, now).map(|(_, end)| end);
            prop_assert_eq!(found, window.span_at(now).map(|(_, end)| end));
            // The next window starts after now, and nothing starts in between.
            let (start, end) = window.next_after(now).expect("it comes each day");
            prop_assert!(now < start && start < end && window.span_at(start) == Some((start, end)));
            let between = now.after(start.since(now) / 2);
            prop_assert!(window.span_at(between).is_none_or(|span| span == window.span_at(now).unwrap()));
        }
    }
}

#[test]
fn a_moment_before_the_epoch_is_the_epoch() {
    let once = Schedule::Once { from: date(1960, 1, 1).at(0, 0, 0, 0), to: date(1970, 1, 2).at(0, 0, 0, 0) };
    assert_eq!(window("UTC", once).span_at(Timestamp::ZERO), Some((Timestamp::ZERO, Timestamp::from_secs(86_400))));
}
