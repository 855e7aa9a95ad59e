//! Notes below a table of statistics: since when there are data, holes, what is left out, and why there is no table.
//!
//! Notes that say the same of several sites are one line. Bounds: `NAMED_MAX` names per line, `BEGINS_MAX` lines about
//! first data.

use std::io;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::Timestamp;
use crate::model::time::duration;

use super::lines::{Columns, folded_line};
use super::{Period, StatsRecord, time, wording};

/// Most sites in a sentence.
const NAMED_MAX: usize = 3;

/// Most lines about the first data of sites.
const BEGINS_MAX: usize = 5;

/// Holes of several sites are one if their edges are so close: sites are checked at different moments.
const CLOSE: Duration = Duration::from_mins(1);

const DAY: Duration = Duration::from_hours(24);

/// The first data of sites that have none at the beginning: `  blog: data since 2026-11-22 10:00:00`. Sites with the same second
/// are one line; where these would be too many, one line has the first and the last of them.
///
/// # Errors
/// The writer's.
pub fn begins(out: &mut impl Columns, zone: &TimeZone, records: &[StatsRecord<'_>]) -> io::Result<()> {
    let begins = |record: &StatsRecord<'_>| Some((record.stored?.begins?, record.site.to_owned()));
    let begun: Vec<(Timestamp, String)> = records.iter().filter_map(begins).collect();
    // The heading has the offset of the end.
    let end = records.iter().find_map(|record| record.stored).map(|stored| stored.period.until);
    let shown = |at: Timestamp| {
        format!("{}{}", time::second(at, zone), end.map_or_else(String::new, |end| time::unlike(at, end, zone)))
    };
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for (at, site) in &begun {
        let at = shown(*at);
        match groups.iter_mut().find(|(known, _)| *known == at) {
            Some((_, sites)) => sites.push(site.clone()),
            None => groups.push((at, vec![site.clone()])),
        }
    }
    if groups.len() > BEGINS_MAX {
        let times = || begun.iter().map(|(at, _)| *at);
        let [Some(first), Some(last)] = [times().min(), times().max()] else { return Ok(()) };
        let sites = wording::plural(begun.len() as u64, "site");
        let (first, last) = (shown(first), shown(last));
        return folded_line(out, &format!("  {sites}: data since {first}, of the last since {last}"));
    }
    groups.iter().try_for_each(|(at, sites)| match sites.len() {
        of if of > 1 && of == records.len() => folded_line(out, &format!("  data since {at}")),
        _ => folded_line(out, &format!("  {}: data since {at}", names(sites))),
    })
}

/// Gaps in the observation of sites: `  blog: not observed 02:10:00 – 04:19:40 (webmon did not run, or the clock was set)`.
/// If `shown`, the period of the table, exceeds a day, times have a date.
///
/// # Errors
/// The writer's.
pub fn holes(out: &mut impl Columns, zone: &TimeZone, holes: &[(&str, Period)], shown: Period) -> io::Result<()> {
    let form = if shown.until.since(shown.since) > DAY { time::second } else { time::clock };
    let time = |at: Timestamp| format!("{}{}", form(at, zone), time::unlike(at, shown.until, zone));
    let mut groups: Vec<(Period, Vec<Period>, Vec<String>)> = Vec::new();
    for &(site, hole) in holes {
        let is_close = |a: Timestamp, b: Timestamp| a.since(b).max(b.since(a)) <= CLOSE;
        let same = |first: &Period| is_close(first.since, hole.since) && is_close(first.until, hole.until);
        match groups.iter_mut().find(|(first, _, sites)| same(first) && sites.last().is_none_or(|last| last != site)) {
            Some((_, all, sites)) => {
                all.push(hole);
                sites.push(site.to_owned());
            }
            None => groups.push((hole, vec![hole], vec![site.to_owned()])),
        }
    }
    for (first, all, sites) in &groups {
        let since = all.iter().map(|hole| hole.since).min().unwrap_or(first.since);
        let until = all.iter().map(|hole| hole.until).max().unwrap_or(first.until);
        let (from, to) = (time(since), time(until));
        let is_same = all.iter().all(|hole| time(hole.since) == from && time(hole.until) == to);
        let about = if is_same { "" } else { "about " };
        let why = "webmon did not run, or the clock was set";
        folded_line(out, &format!("  {}: not observed {about}{from} – {to} ({why})", names(sites)))?;
    }
    Ok(())
}

/// The numbers of gaps that are not listed.
///
/// # Errors
/// The writer's.
pub fn more_holes(out: &mut impl Columns, more: &[(&str, u64)]) -> io::Result<()> {
    let mut groups: Vec<(u64, Vec<String>)> = Vec::new();
    for &(site, more) in more.iter().filter(|(_, more)| *more > 0) {
        match groups.iter_mut().find(|(known, _)| *known == more) {
            Some((_, sites)) => sites.push(site.to_owned()),
            None => groups.push((more, vec![site.to_owned()])),
        }
    }
    groups.iter().try_for_each(|(more, sites)| {
        let each = if sites.len() > 1 { " each" } else { "" };
        let (holes, shorter) =
            (wording::plural(*more, "more hole"), if *more == 1 { "a shorter one" } else { "shorter ones" });
        folded_line(out, &format!("  {}: {holes}{each}, {shorter}", names(sites)))
    })
}

/// How much maintenance of a site is left out: `  api: 3h of maintenance left out (2 times)`.
///
/// # Errors
/// The writer's.
pub fn left_out(out: &mut impl Columns, site: &str, times: usize, length: Duration) -> io::Result<()> {
    let (length, times) = (duration::format_seconds(length), wording::plural(times as u64, "time"));
    match length.as_str() {
        "0s" => folded_line(out, &format!("  {site}: no maintenance in this period")),
        length => folded_line(out, &format!("  {site}: {length} of maintenance left out ({times})")),
    }
}

/// The text instead of an empty table of the sites `of`, or of all if that is empty. `begins` is the time of their oldest
/// stored sample.
///
/// # Errors
/// The writer's.
pub fn nothing(
    out: &mut impl Columns,
    zone: &TimeZone,
    of: &[String],
    period: Period,
    begins: Option<Timestamp>,
) -> io::Result<()> {
    let since = time::minute(period.since, zone);
    let told = if period.until == Timestamp::MAX { period.since } else { period.until };
    let period = match period.until {
        Timestamp::MAX => format!("since {since} ({})", time::offset(period.since, zone)),
        until => {
            let offsets = time::offsets(period.since, until, zone);
            format!("between {since} and {} ({offsets})", time::minute(until, zone))
        }
    };
    let begins = begins.map(|at| format!("{}{}", time::minute(at, zone), time::unlike(at, told, zone)));
    let said = match (of, begins) {
        ([], None) => format!("no samples {period}; the store is empty"),
        ([], Some(begins)) => format!("no samples {period}; the store begins at {begins}"),
        (of, None) => format!("the store has no samples of {}", names(of)),
        (of, Some(begins)) => format!("no samples of {} {period}; the first is from {begins}", names(of)),
    };
    folded_line(out, &said)
}

/// The first [`NAMED_MAX`] names, and the number of the others.
fn names(of: &[String]) -> String {
    let shown = of.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    match of.len().saturating_sub(NAMED_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Stored;
    use crate::report::tests::fixtures::{at, printed, summary, zone};

    #[test]
    fn sites_without_data_at_the_beginning_say_since_when_there_is_some() {
        let period = Period { since: at("2026-10-22T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        let (late, later) = (Some(at("2026-11-22T12:39:00Z")), Some(at("2026-11-22T12:50:00Z")));
        let many: Vec<_> = (0..300).map(|n| late.map(|late| late.after(Duration::from_secs(n / 30)))).collect();
        for (begun, told) in [
            (&[None, None][..], ""),
            (&[late, late], "  data since 2026-11-22 13:39:00\n"),
            (&[late], "  0: data since 2026-11-22 13:39:00\n"),
            (&[None, late], "  1: data since 2026-11-22 13:39:00\n"),
            (&[None, late, late], "  1, 2: data since 2026-11-22 13:39:00\n"),
            (&[late, later], "  0: data since 2026-11-22 13:39:00\n  1: data since 2026-11-22 13:50:00\n"),
            (&many, "  300 sites: data since 2026-11-22 13:39:00, of the last since 2026-11-22 13:39:09\n"),
        ] {
            let summary = summary();
            let stored = |begins| Some(Stored { period, is_exact: true, longest_outage: None, begins, left_out: None });
            let names: Vec<String> = (0..begun.len()).map(|n| n.to_string()).collect();
            let record = |(site, &begins)| StatsRecord {
                site,
                state: None,
                summary: &summary,
                stored: stored(begins),
                votes: None,
            };
            let records: Vec<StatsRecord<'_>> = names.iter().map(String::as_str).zip(begun).map(record).collect();
            assert_eq!(printed(|out| begins(out, &zone(), &records)), told);
        }
    }

    #[test]
    fn holes_are_said_in_words() {
        let day = Period { since: at("2026-11-21T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        let night = Period { since: at("2026-11-22T01:10:00Z"), until: at("2026-11-22T03:19:40Z") };
        let told = |all: &[(&str, Period)], shown| printed(|out| holes(out, &zone(), all, shown));
        assert_eq!(
            told(&[("blog", night)], day),
            "  blog: not observed 02:10:00 – 04:19:40 (webmon did not run, or the clock was set)\n"
        );
        let week = Period { since: at("2026-11-15T13:02:00Z"), ..day };
        assert_eq!(
            told(&[("blog", night)], week),
            "  blog: not observed 2026-11-22 02:10:00 – 2026-11-22 04:19:40 (webmon did not run, or the clock was set)\n"
        );
    }

    /// A stop of webmon is a hole of every site, of which each begins and ends at its own check.
    #[test]
    fn what_is_the_same_of_many_sites_is_one_line() {
        let day = Period { since: at("2026-11-21T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        let sites: Vec<String> = (0..300).map(|n| format!("s{n}")).collect();
        let hole = |n: u64| {
            let offset = Duration::from_millis(33 * n);
            let (since, until) = (at("2026-11-22T01:10:00Z").after(offset), at("2026-11-22T03:19:40Z").after(offset));
            Period { since, until }
        };
        let all: Vec<(&str, Period)> = sites.iter().map(String::as_str).zip((0..300).map(hole)).collect();
        let why = "(webmon did not run, or the clock was set)";
        assert_eq!(
            printed(|out| holes(out, &zone(), &all, day)),
            format!("  s0, s1, s2 and 297 more: not observed about 02:10:00 – 04:19:49 {why}\n")
        );
        let other = Period { since: at("2026-11-22T06:10:00Z"), until: at("2026-11-22T06:19:40Z") };
        let three = [("a", hole(0)), ("a", other), ("b", hole(0))];
        assert_eq!(
            printed(|out| holes(out, &zone(), &three, day)),
            format!("  a, b: not observed 02:10:00 – 04:19:40 {why}\n  a: not observed 07:10:00 – 07:19:40 {why}\n")
        );
        assert_eq!(
            printed(|out| more_holes(out, &[("bl\u{202e}og", 3), ("none", 0), ("x", 1), ("y", 3)])),
            "  bl\u{fffd}og, y: 3 more holes each, shorter ones\n  x: 1 more hole, a shorter one\n"
        );
    }

    #[test]
    fn an_empty_period_is_said_in_words() {
        let day = Period { since: at("2026-11-21T13:02:00Z"), until: at("2026-11-22T13:02:00Z") };
        assert_eq!(
            printed(|out| nothing(out, &zone(), &[], day, Some(at("2026-11-20T08:12:00Z")))),
            "no samples between 2026-11-21 14:02 and 2026-11-22 14:02 (+01:00); the store begins at 2026-11-20 09:12\n"
        );
        assert!(printed(|out| nothing(out, &zone(), &[], day, None)).ends_with("; the store is empty\n"));
        // A store with samples of other sites is not empty, and begins with them.
        let off = ["off".to_owned()];
        assert_eq!(printed(|out| nothing(out, &zone(), &off, day, None)), "the store has no samples of off\n");
        assert_eq!(
            printed(|out| nothing(out, &zone(), &off, day, Some(at("2026-11-20T08:12:00Z")))),
            "no samples of off between 2026-11-21 14:02 and 2026-11-22 14:02 (+01:00); the first is from 2026-11-20 09:12\n"
        );
        let many: Vec<String> = (1..=5).map(|site| format!("s{site}")).collect();
        assert!(
            printed(|out| nothing(out, &zone(), &many, day, None))
                .starts_with("the store has no samples of s1, s2, s3 and 2 more")
        );
    }

    #[test]
    fn a_period_across_a_change_of_the_clocks_names_both_offsets() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let period = Period { since: at("2026-10-20T12:00:00Z"), until: at("2026-11-20T12:00:00Z") };
        let begins = Some(at("2026-10-19T12:00:00Z"));
        let text = printed(|out| nothing(out, &berlin, &[], period, begins));
        assert!(
            text.contains("2026-11-20 13:00 (+02:00/+01:00); the store begins at 2026-10-19 14:00 +02:00"),
            "{text}"
        );
        let hole = Period { since: at("2026-10-25T00:30:00Z"), until: at("2026-10-25T01:30:00Z") };
        assert_eq!(
            printed(|out| holes(out, &berlin, &[("blog", hole)], period)),
            "  blog: not observed 2026-10-25 02:30:00 +02:00 – 2026-10-25 02:30:00 (webmon did not run, or the clock was set)\n"
        );
    }
}
