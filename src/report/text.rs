//! The text lines of a headless monitor: one event per line, with the local time of day.
//!
//! Up to [`SITES_LISTED`] sites a refresh is one line per site, above that one line per view, so that a log of hundreds of sites
//! stays readable. Alert messages are verbatim. Single spaces separate words, and times have none inside, so lines split into
//! fields.

use std::io;

use jiff::tz::TimeZone;

use crate::alert::{Alert, AlertRecord, AlertState, Reading, RuleKind};
use crate::engine::snapshot::{LastCheck, Row, SiteSnapshot, SiteState, Snapshot, ViewSnapshot};
use crate::model::time::duration;
use crate::model::{Cause, Outcome, Timestamp};
use crate::stats::Latency;

use super::time::{self, clock};
use super::wording::{self, NONE};

/// The most sites with a line each at a refresh.
pub const SITES_LISTED: usize = 20;

/// The states in the order of the summary line; recovering sites count as down.
const SUMMED: [(SiteState, &str); 6] = [
    (SiteState::Up, "up"),
    (SiteState::Down, "down"),
    (SiteState::Failing, "failing"),
    (SiteState::Unknown, "unknown"),
    (SiteState::New, "new"),
    (SiteState::Paused, "paused"),
];

/// The first line: `watching 5 sites, store webmon.redb`.
///
/// # Errors
/// The writer's.
pub fn start(out: &mut impl io::Write, sites: usize, store: Option<&str>) -> io::Result<()> {
    let sites = wording::plural(count(sites), "site");
    match store {
        Some(store) => wording::line(out, &format!("watching {sites}, store {store}")),
        None => wording::line(out, &format!("watching {sites}, no store")),
    }
}

/// Where webmon serves by HTTP: `listening on http://127.0.0.1:9115/`.
///
/// # Errors
/// The writer's.
pub fn listening(out: &mut impl io::Write, url: &str) -> io::Result<()> {
    wording::line(out, &format!("listening on {url}"))
}

/// The statistics of the view with index `view` at its refresh: a line per site, or one for all; none if there is no such view.
///
/// # Errors
/// The writer's.
pub fn refresh(
    out: &mut impl io::Write,
    zone: &TimeZone,
    snapshot: &Snapshot,
    view: usize,
    checks_per_second: f64,
) -> io::Result<()> {
    let Some(view) = snapshot.views.get(view) else { return Ok(()) };
    if snapshot.sites.len() > SITES_LISTED {
        return wording::line(out, &view_line(zone, snapshot, view, checks_per_second));
    }
    for (site, row) in snapshot.sites.iter().zip(&view.rows) {
        wording::line(out, &site_line(zone, &site.name, site.state, row))?;
    }
    Ok(())
}

/// A site's new state and its reason: `10:00:13 api failing: 503 Service Unavailable`.
///
/// # Errors
/// The writer's.
pub fn state_change(
    out: &mut impl io::Write,
    zone: &TimeZone,
    at: Timestamp,
    site: &SiteSnapshot,
    to: SiteState,
) -> io::Result<()> {
    wording::line(out, &format!("{} {}", clock(at, zone), state_sentence(zone, site, to)))
}

/// [`state_change`] without the time.
#[must_use]
pub fn state_sentence(zone: &TimeZone, site: &SiteSnapshot, to: SiteState) -> String {
    let (name, state) = (&site.name, to.name());
    match reason(site, to, zone) {
        Some(reason) => format!("{name} {state}: {reason}"),
        None => format!("{name} {state}"),
    }
}

/// The message of `alert`; empty for an incident that ended with its site.
#[must_use]
pub fn alert_text(alert: &Alert, zone: &TimeZone) -> String {
    match (&alert.reading, alert.state) {
        (_, AlertState::Ended) => String::new(),
        (None, _) => availability_text(alert, zone),
        (Some(reading), state) => reading_text(alert, reading, state == AlertState::Breached, zone),
    }
}

/// The message of a rule other than availability.
fn reading_text(alert: &Alert, reading: &Reading, is_breached: bool, zone: &TimeZone) -> String {
    let (site, time) = (&alert.site, time::with_offset(alert.at, zone));
    let lasted = alert.downtime.map(duration::format_seconds);
    let lasted = lasted.map_or_else(String::new, |lasted| format!(", lasted={lasted}"));
    match reading {
        Reading::Latency { percentile, limit, slower, answered } => {
            let verdict = if is_breached { "slow" } else { "fast again" };
            let (percentile, limit) = (percentile.name(), duration::format(*limit));
            let window = duration::format(alert.window);
            format!(
                "Website {site} is {verdict}. {slower} of {answered} checks in {window} took longer than {limit} \
                 ({percentile}), time={time}{lasted}"
            )
        }
        Reading::Certificate { not_after, days_left } => {
            let date = time::with_offset(*not_after, zone);
            if is_breached {
                format!("Certificate of website {site} expires in {days_left} days, on {date}. time={time}")
            } else {
                format!("Certificate of website {site} was renewed until {date}. time={time}{lasted}")
            }
        }
        Reading::Burn { target, rate_milli, long, short } => {
            let (long, short) = (duration::format(*long), duration::format(*short));
            let target = wording::share(target.ppm());
            let rate = format!("{}.{}", rate_milli / 1_000, rate_milli % 1_000 / 100);
            if is_breached {
                format!(
                    "Website {site} spends its error budget {rate} times too fast. objective={target}, over={long} \
                     and {short}, time={time}"
                )
            } else {
                format!("Website {site} keeps to its error budget again. objective={target}, time={time}{lasted}")
            }
        }
        Reading::Note(text) => format!("webmon: {text} time={time}{lasted}"),
        Reading::Blind { .. } | Reading::Silent { .. } if !is_breached => {
            format!("Location {site} is back. time={time}{lasted}")
        }
        Reading::Blind { down, sites } => format!("Location {site} is blind. sites={down}/{sites}, time={time}"),
        Reading::Silent { last } => {
            let last = last.map_or_else(|| NONE.to_owned(), |last| time::with_offset(last, zone));
            format!("Location {site} is silent. last={last}, time={time}")
        }
    }
}

/// The message of the availability rule, and of a partial outage, public to the letter. The availability always
/// has two decimals; the time is local, to the second, with a numeric offset (also in UTC); the downtime is cut to
/// whole seconds, or to milliseconds below one. The configuration keeps the site's name free of control characters.
fn availability_text(alert: &Alert, zone: &TimeZone) -> String {
    let share = alert.availability.map_or_else(
        || NONE.to_owned(),
        |availability| {
            let points = availability.basis_points();
            format!("{}.{:02}%", points / 100, points % 100)
        },
    );
    let is_partial = alert.rule == RuleKind::Partial;
    let state = match alert.state {
        AlertState::Breached if is_partial => "partly down",
        AlertState::Cleared if is_partial => "no longer partly down",
        state => state.name(),
    };
    let (site, time) = (&alert.site, time::with_offset(alert.at, zone));
    let downtime = alert.downtime.map(duration::format_seconds).map(|downtime| format!(", downtime={downtime}"));
    let is_good = !alert.state.is_opening();
    let locations = alert.locations.as_ref().map(|locations| wording::locations(locations, is_good, is_partial));
    let locations = locations.map(|locations| format!(", locations={locations}"));
    let (downtime, locations) = (downtime.unwrap_or_default(), locations.unwrap_or_default());
    format!("Website {site} is {state}. availability={share}, time={time}{downtime}{locations}")
}

/// Prints the message of an alert; an incident that ended with its site has none.
///
/// # Errors
/// The writer's.
pub fn alert(out: &mut impl io::Write, alert: &AlertRecord) -> io::Result<()> {
    if alert.state == AlertState::Ended { Ok(()) } else { wording::line(out, &alert.message) }
}

/// A warning about webmon itself: `10:00:03 warning: store: not saving since 10:00:03: disk full`.
///
/// # Errors
/// The writer's.
pub fn warning(out: &mut impl io::Write, zone: &TimeZone, at: Timestamp, about: &str, message: &str) -> io::Result<()> {
    wording::line(out, &format!("{} warning: {about}: {message}", clock(at, zone)))
}

fn site_line(zone: &TimeZone, name: &str, state: SiteState, row: &Row) -> String {
    let summary = &row.summary;
    let time = clock(summary.as_of, zone);
    let timeframe = summary.timeframe;
    let availability = wording::availability_of(summary, row.is_exact);
    let response = |of: fn(&Latency) -> f64| {
        summary.response.as_ref().map_or_else(|| NONE.to_owned(), |latency| wording::compact(of(latency)))
    };
    let avg = response(|latency| latency.avg);
    let max = response(|latency| f64::from(latency.max));
    let p95 = response(|latency| f64::from(latency.p95));
    let ttfb = summary
        .ttfb
        .as_ref()
        .map_or_else(|| NONE.to_owned(), |latency| wording::compact_pair(latency.avg, f64::from(latency.max)));
    let answers = wording::answers_in_order(&summary.answers);
    let state = state.name();
    let line =
        format!("{time} {name} {timeframe} {state} {availability} avg {avg} max {max} p95 {p95} ttfb {ttfb} {answers}");
    line.trim_end().to_owned()
}

fn view_line(zone: &TimeZone, snapshot: &Snapshot, view: &ViewSnapshot, checks_per_second: f64) -> String {
    let sites = wording::plural(count(snapshot.sites.len()), "site");
    let mut parts = vec![clock(view.as_of, zone), view.timeframe.to_string(), sites];
    for (state, word) in SUMMED {
        let counted = |site: &SiteState| *site == state || (*site == SiteState::Recovering && state == SiteState::Down);
        let sites = snapshot.sites.iter().filter(|site| counted(&site.state)).count();
        if sites > 0 {
            parts.push(format!("{} {word}", wording::grouped(count(sites))));
        }
    }
    parts.push(format!("{checks_per_second:.1} checks/s"));
    parts.join(" ")
}

/// Why `site` is in state `to`, if its last check shows it.
fn reason(site: &SiteSnapshot, to: SiteState, zone: &TimeZone) -> Option<String> {
    let last = site.last.as_ref()?;
    let outcome = last.sample.outcome();
    match to {
        SiteState::Up | SiteState::New | SiteState::Paused => None,
        SiteState::Recovering => Some("the last check succeeded".to_owned()),
        SiteState::Unknown if outcome != Outcome::Unknown => {
            Some(format!("no result since {}", clock(last.sample.at, zone)))
        }
        SiteState::Down | SiteState::Failing | SiteState::Unknown => (outcome != Outcome::Up).then(|| failure(last)),
    }
}

/// The failure text; if that was not stored, the name of its cause.
fn failure(last: &LastCheck) -> String {
    let detail = last.observation.as_ref().map(|observation| observation.detail.as_str());
    match (detail.filter(|detail| !detail.is_empty()), last.sample.cause, last.sample.status) {
        (Some(detail), _, _) => detail.to_owned(),
        (None, Cause::Status, Some(status)) => format!("status {}", status.get()),
        (None, cause, _) => cause.name().to_owned(),
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).expect("a number of sites fits 64 bits")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::alert::{Locations, Policies};
    use crate::engine::snapshot::Row;
    use crate::engine::snapshot::SiteFacts;
    use crate::model::text::is_harmful;
    use crate::model::{Location, Observation, SiteSlot, Timeframe};
    use crate::report::tests::fixtures;
    use crate::report::tests::fixtures::{at, empty_summary, ended, hostile, printed, summary, zone};
    use crate::stats::{Availability, Beat, Beats, Summary};

    fn site(name: &str, state: SiteState) -> SiteSnapshot {
        SiteSnapshot {
            facts: Arc::new(SiteFacts {
                slot: SiteSlot(0),
                name: name.into(),
                url: "https://api.example.com/".into(),
                curl: Arc::default(),
                interval: Duration::from_secs(10),
                timeout: Duration::from_secs(10),
                max_response_time: None,
                policies: Policies::default(),
                group: None,
                maintenance: Arc::default(),
                place: crate::model::Place::Here,
            }),
            state,
            since: at("2026-11-22T09:00:00Z"),
            last: None,
            is_older: false,
            last_up: None,
            incident: None,
            breaches: Vec::new(),
            paused_until: None,
            judged_from: None,
            votes: None,
        }
    }

    fn with_last(site: SiteSnapshot, cause: Cause, detail: Option<&str>) -> SiteSnapshot {
        let observation = detail.map(|detail| Arc::new(Observation::failed(cause, detail)));
        let sample = crate::model::Sample { cause, ..fixtures::sample() };
        SiteSnapshot { last: Some(LastCheck { seq: 1, sample, observation }), ..site }
    }

    fn snapshot(sites: Vec<SiteSnapshot>, summary: &Summary) -> Snapshot {
        let beats = Beats {
            cell: Duration::from_secs(10),
            newest: at("2026-11-22T09:00:10Z"),
            cells: [Beat::default(); Beats::CELLS],
        };
        let row = Row { summary: summary.clone(), beats, oldest: None, is_exact: true };
        let rows = sites.iter().map(|_| Arc::new(row.clone())).collect();
        let view = ViewSnapshot {
            timeframe: Timeframe::new(Duration::from_mins(10)),
            refresh: Duration::from_secs(10),
            as_of: at("2026-11-22T09:00:10Z"),
            next: at("2026-11-22T09:00:20Z"),
            rows,
        };
        Snapshot {
            at: at("2026-11-22T09:00:10Z"),
            sites: sites.into_iter().map(Arc::new).collect(),
            views: vec![Arc::new(view)],
        }
    }

    #[test]
    fn an_alert_of_several_locations_says_how_many_saw_it_to_the_letter() {
        let location = |name| Location::new(name).unwrap();
        let down = fixtures::alert().facts;
        let text = |rule, state, downtime: Option<u64>, locations| {
            let downtime = downtime.map(Duration::from_secs);
            alert_text(&Alert { rule, state, downtime, locations: Some(locations), ..down.clone() }, &zone())
        };
        let (two, one) =
            (Locations::votes(3, 2, [location("nyc1"), location("fra1")]), Locations::votes(3, 1, [location("fra1")]));
        let none = Locations::votes(3, 0, []);
        let start = "availability=79.17%, time=2026-11-22T10:00:00+01:00";
        let (site, partial) = (RuleKind::Availability, RuleKind::Partial);
        for (text, expected) in [
            (text(site, AlertState::Down, None, two), format!("Website api is down. {start}, locations=2/3")),
            (
                text(site, AlertState::Up, Some(310), none.clone()),
                format!("Website api is up. {start}, downtime=5m10s, locations=3/3"),
            ),
            (
                text(site, AlertState::Up, Some(310), one.clone()),
                format!("Website api is up. {start}, downtime=5m10s, locations=2/3"),
            ),
            (
                text(partial, AlertState::Breached, None, one),
                format!("Website api is partly down. {start}, locations=1/3 (fra1)"),
            ),
            (
                text(partial, AlertState::Cleared, Some(310), none),
                format!("Website api is no longer partly down. {start}, downtime=5m10s, locations=3/3"),
            ),
            (
                text(
                    partial,
                    AlertState::Breached,
                    None,
                    Locations::votes(20, 7, ["a", "b", "c", "d", "e", "f"].map(location)),
                ),
                format!("Website api is partly down. {start}, locations=7/20 (a, b, c, d, e, …)"),
            ),
            (
                text(site, AlertState::Down, None, Locations::Alone(location("fra1"))),
                format!("Website api is down. {start}, locations=fra1 alone"),
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn an_alert_about_a_location_says_what_is_wrong_with_it() {
        let fra1 = Location::new("fra1").unwrap();
        let (since, now) = (at("2026-11-22T08:59:00Z"), at("2026-11-22T09:00:00Z"));
        let text = |state, reading| alert_text(&Alert::of_location(&fra1, state, reading, (since, now)), &zone());
        let (blind, silent) = (Reading::Blind { down: 8, sites: 10 }, Reading::Silent { last: Some(since) });
        for (state, reading, expected) in [
            (AlertState::Breached, blind.clone(), "is blind. sites=8/10, time=2026-11-22T10:00:00+01:00"),
            (AlertState::Breached, silent, "is silent. last=2026-11-22T09:59:00+01:00, time=2026-11-22T10:00:00+01:00"),
            (AlertState::Breached, Reading::Silent { last: None }, "is silent. last=–, time=2026-11-22T10:00:00+01:00"),
            (AlertState::Cleared, blind, "is back. time=2026-11-22T10:00:00+01:00, lasted=1m"),
        ] {
            assert_eq!(text(state, reading), format!("Location fra1 {expected}"));
        }
    }

    #[test]
    fn the_start_says_what_is_watched_and_where_it_is_kept() {
        assert_eq!(printed(|out| start(out, 5, Some("webmon.redb"))), "watching 5 sites, store webmon.redb\n");
        assert_eq!(printed(|out| start(out, 1, None)), "watching 1 site, no store\n");
    }

    #[test]
    fn a_few_sites_have_a_line_each_to_the_letter() {
        let snapshot = snapshot(vec![site("api", SiteState::Up), site("docs", SiteState::Failing)], &summary());
        assert_eq!(
            printed(|out| refresh(out, &zone(), &snapshot, 0, 0.2)),
            "10:00:10 api 10m up 98.33% avg 5.1ms max 9.0ms p95 6.2ms ttfb 5.0/8.9ms 200×59 503×1\n\
             10:00:10 docs 10m failing 98.33% avg 5.1ms max 9.0ms p95 6.2ms ttfb 5.0/8.9ms 200×59 503×1\n"
        );
        assert_eq!(printed(|out| refresh(out, &zone(), &snapshot, 1, 0.2)), "");
    }

    #[test]
    fn missing_figures_are_shown_as_missing_and_partial_ones_as_partial() {
        let empty = snapshot(vec![site("api", SiteState::New)], &empty_summary());
        assert_eq!(
            printed(|out| refresh(out, &zone(), &empty, 0, 0.0)),
            "10:00:10 api 10m new – avg – max – p95 – ttfb –\n"
        );
        let partial = snapshot(vec![site("api", SiteState::Up)], &Summary { coverage: Some(0.78), ..summary() });
        let line = printed(|out| refresh(out, &zone(), &partial, 0, 0.0));
        assert!(line.starts_with("10:00:10 api 10m up ~98.33% avg"), "{line}");
    }

    #[test]
    fn many_sites_are_one_line_a_view_to_the_letter() {
        let states = [(297, SiteState::Up), (1, SiteState::Down), (1, SiteState::Recovering), (1, SiteState::Failing)];
        let sites = states.iter().flat_map(|&(n, state)| vec![site("s", state); n]).collect();
        assert_eq!(
            printed(|out| refresh(out, &zone(), &snapshot(sites, &summary()), 0, 30.0)),
            "10:00:10 10m 300 sites 297 up 2 down 1 failing 30.0 checks/s\n"
        );
    }

    #[test]
    fn the_limit_between_lines_and_summary_is_twenty_sites() {
        for (sites, lines) in [(1, 1), (SITES_LISTED, SITES_LISTED), (SITES_LISTED + 1, 1)] {
            let snapshot = snapshot(vec![site("s", SiteState::Up); sites], &summary());
            assert_eq!(printed(|out| refresh(out, &zone(), &snapshot, 0, 1.0)).lines().count(), lines, "{sites}");
        }
    }

    #[test]
    fn a_change_of_state_says_why() {
        let moment = at("2026-11-22T09:00:13Z");
        for (cause, detail, to, line) in [
            (
                Cause::Status,
                Some("503 Service Unavailable"),
                SiteState::Failing,
                "10:00:13 api failing: 503 Service Unavailable\n",
            ),
            (Cause::Status, None, SiteState::Down, "10:00:13 api down: status 503\n"),
            (Cause::Reset, Some(""), SiteState::Failing, "10:00:13 api failing: reset\n"),
            (
                Cause::Local,
                Some("no route to any network"),
                SiteState::Unknown,
                "10:00:13 api unknown: no route to any network\n",
            ),
            (Cause::Ok, Some(""), SiteState::Unknown, "10:00:13 api unknown: no result since 10:00:00\n"),
            (Cause::Ok, Some(""), SiteState::Recovering, "10:00:13 api recovering: the last check succeeded\n"),
            (Cause::Ok, Some(""), SiteState::Up, "10:00:13 api up\n"),
        ] {
            let site = with_last(site("api", to), cause, detail);
            assert_eq!(printed(|out| state_change(out, &zone(), moment, &site, to)), line);
        }
        let unseen = site("api", SiteState::Unknown);
        assert_eq!(
            printed(|out| state_change(out, &zone(), moment, &unseen, SiteState::Unknown)),
            "10:00:13 api unknown\n"
        );
    }

    #[test]
    fn alerts_are_their_message_and_an_ended_incident_is_silent() {
        assert_eq!(
            printed(|out| alert(out, &fixtures::alert())),
            "Website api is down. availability=79.17%, time=2026-11-22T10:00:00+01:00\n"
        );
        assert_eq!(printed(|out| alert(out, &ended())), "");
        assert_eq!(
            printed(|out| warning(
                out,
                &zone(),
                at("2026-11-22T09:00:03Z"),
                "store",
                "not saving since 10:00:03: disk full"
            )),
            "10:00:03 warning: store: not saving since 10:00:03: disk full\n"
        );
    }

    /// 2026-11-22 09:00:00 UTC.
    const NINE_UTC: u64 = 1_795_338_000;
    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    /// The message of a `down` with this availability at this time.
    fn down_text(up: u64, checks: u64, at: Timestamp, zone: &TimeZone) -> String {
        alert_text(&Alert { at, availability: Some(Availability { up, checks }), ..fixtures::alert().facts }, zone)
    }

    /// The message of an `up` after this downtime.
    fn up_text(downtime: Duration, at: Timestamp, zone: &TimeZone) -> String {
        let availability = Some(Availability { up: 23, checks: 24 });
        let (state, downtime) = (AlertState::Up, Some(downtime));
        alert_text(&Alert { at, state, availability, downtime, ..fixtures::alert().facts }, zone)
    }

    #[test]
    fn alert_messages_are_to_the_letter() {
        let berlin = TimeZone::posix(BERLIN).unwrap();
        let at = Timestamp::from_micros(NINE_UTC * 1_000_000 + 999_999);
        assert_eq!(
            down_text(2, 3, at, &berlin),
            "Website api is down. availability=66.67%, time=2026-11-22T10:00:00+01:00"
        );
        assert_eq!(
            up_text(Duration::from_millis(3_723_900), at, &berlin),
            "Website api is up. availability=95.83%, time=2026-11-22T10:00:00+01:00, downtime=1h2m3s"
        );
        assert_eq!(alert_text(&ended().facts, &berlin), "", "an incident that ends with its site");
    }

    #[test]
    fn availability_in_a_message_always_has_two_decimals() {
        for (up, checks, share) in [
            (0, 12, "0.00%"),
            (1, 1, "100.00%"),
            (4, 5, "80.00%"),
            (19, 24, "79.17%"),
            (1, 2_000, "0.05%"),
            (23_999, 24_000, "99.99%"),
            (1, 24_000, "0.01%"),
        ] {
            let text = down_text(up, checks, Timestamp::ZERO, &TimeZone::UTC);
            assert!(text.contains(&format!(" availability={share}, ")), "{text}");
        }
    }

    #[test]
    fn a_downtime_below_a_second_is_in_milliseconds() {
        for (millis, end) in [(400, "downtime=400ms"), (1_400, "downtime=1s")] {
            let text = up_text(Duration::from_millis(millis), Timestamp::ZERO, &TimeZone::UTC);
            assert!(text.ends_with(end), "{text}");
        }
    }

    #[test]
    fn the_offset_in_a_message_is_numeric_in_every_zone_and_follows_the_seasons() {
        let summer = 1_782_864_000; // 2026-07-01 00:00:00 UTC
        for (zone, secs, time) in [
            ("UTC0", NINE_UTC, "2026-11-22T09:00:00+00:00"),
            ("EST5EDT,M3.2.0,M11.1.0", NINE_UTC, "2026-11-22T04:00:00-05:00"),
            ("IST-5:30", NINE_UTC, "2026-11-22T14:30:00+05:30"),
            (BERLIN, summer, "2026-07-01T02:00:00+02:00"),
        ] {
            let text = down_text(0, 1, Timestamp::from_secs(secs), &TimeZone::posix(zone).unwrap());
            assert!(text.ends_with(&format!(" time={time}")), "{text}");
        }
        assert!(down_text(0, 1, Timestamp::from_secs(NINE_UTC), &TimeZone::UTC).ends_with("09:00:00+00:00"));
        assert!(down_text(0, 1, Timestamp::MAX, &TimeZone::UTC).contains("time=2112-"), "the last timestamp");
    }

    proptest! {
        #[test]
        fn no_name_or_detail_breaks_a_line(name in hostile(), detail in hostile()) {
            let site = with_last(site(&name, SiteState::Failing), Cause::Status, Some(&detail));
            let mut text = printed(|out| state_change(out, &zone(), at("2026-11-22T09:00:13Z"), &site, SiteState::Failing));
            text += &printed(|out| refresh(out, &zone(), &snapshot(vec![site.clone()], &summary()), 0, 1.0));
            text += &printed(|out| warning(out, &zone(), at("2026-11-22T09:00:13Z"), &name, &detail));
            let message = AlertRecord { message: detail.clone(), ..fixtures::alert() };
            text += &printed(|out| alert(out, &message));
            text += &printed(|out| start(out, 1, Some(&name)));
            prop_assert_eq!(text.chars().filter(|&c| c == '\n').count(), 5);
            prop_assert!(!text.chars().any(|c| c != '\n' && is_harmful(c)), "{text:?}");
        }
    }
}
