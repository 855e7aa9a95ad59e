//! The HTML of the pages: what it never contains, what it says, and the geometry of its bars.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::model::{
    BANDS, Column, Day, Figures, Frame, Group, Incident, LocationLine, Locations, SiteLine, SitePage, StatusPage,
};
use super::{FOLDED, Links, bar, document, site, slug, status, style_hash, summary, whole, words};
use crate::alert::RuleKind;
use crate::alert::quorum::{Tally, Verdict, Votes};
use crate::engine::SiteState;
use crate::model::{DomainExpiry, Location, Phase, Status, Timestamp};
use crate::stats::{Answer, Availability, Counts, Latency};

const NOW: Timestamp = Timestamp::from_secs(1_795_255_200);
const HOSTILE: &str = "<b>docs</b> & \"co\" '\u{202e}\u{1b}[31m";

fn frame() -> Frame {
    Frame { title: "Status of <example>".into(), as_of: NOW, zone: TimeZone::UTC, version: "0.1.0" }
}

fn figures(up: u64, checks: u64, coverage: f64) -> Figures {
    let times =
        Latency { count: up, avg: 40_000.0, max: 1_200_000, p50: 40_000, p90: 60_000, p95: 68_000, p99: 104_000 };
    let availability = (checks > 0).then_some(Availability { up, checks });
    let counts = Counts { up, down: checks - up, ..Counts::default() };
    let response = (up > 0).then_some(times);
    Figures { availability, coverage: Some(coverage), counts, down_for: None, response }
}

fn day(back: u64, figures: Figures) -> Day {
    let from = NOW.before(Duration::from_hours(24 * (back + 1)));
    Day { from, until: from.after(Duration::from_hours(24)), figures }
}

fn line(name: &str, state: SiteState) -> SiteLine {
    let days = (0..90u64).rev().map(|back| match back {
        80.. => day(back, Figures::default()),
        33 => day(back, figures(8_639, 8_640, 1.0)),
        7 => day(back, figures(4_000, 8_640, 1.0)),
        3 => day(back, figures(3_000, 3_000, 0.35)),
        _ => day(back, figures(8_640, 8_640, 1.0)),
    });
    let hour = (0..60).map(|minute| (minute % 17 != 5).then_some(40_000 + minute * 300)).collect();
    let days = days.collect();
    SiteLine {
        name: name.into(),
        url: None,
        note: Some(HOSTILE.into()),
        state,
        days,
        figures: figures(777_000, 777_600, 0.99),
        hour,
        votes: None,
    }
}

fn incident(site: &str) -> Incident {
    Incident {
        site: site.into(),
        rule: RuleKind::Availability,
        since: NOW.before(Duration::from_mins(21)),
        until: None,
        answers: vec![(Answer::Code(Status::new(503).unwrap()), 118)],
        failed_at: Vec::new(),
        text: None,
        locations: None,
    }
}

fn status_page(sites: &[(&str, SiteState, Option<&str>)]) -> StatusPage {
    let mut groups: Vec<Group> = Vec::new();
    for (name, state, group) in sites {
        match groups.iter_mut().find(|known| known.name.as_deref() == *group) {
            Some(known) => known.sites.push(line(name, *state)),
            None => groups.push(Group {
                name: group.map(Into::into),
                note: group.map(Into::into),
                sites: vec![line(name, *state)],
            }),
        }
    }
    StatusPage { frame: frame(), groups, incidents: vec![incident(sites[0].0)], more_incidents: 3 }
}

fn site_page(name: &str) -> SitePage {
    let column = |number: u64| {
        let from = NOW.before(Duration::from_mins(15 * (96 - number)));
        let mut bands = [0; BANDS];
        bands[usize::try_from(number % 5 + 6).unwrap()] = 90;
        let mut phases = [None; Phase::ALL.len()];
        (phases[0], phases[3]) = (Some(4_000.0), Some(36_000.0));
        let figures = if number == 40 { Figures::default() } else { figures(90, 90, 1.0) };
        Column { from, until: from.after(Duration::from_mins(15)), figures, bands, phases }
    };
    SitePage {
        frame: frame(),
        name: name.into(),
        group: None,
        url: Some("https://example.org/?token=***".into()),
        note: Some(HOSTILE.into()),
        state: SiteState::Down,
        since: Some(NOW.before(Duration::from_mins(21))),
        last: Some(Answer::Code(Status::new(503).unwrap())),
        periods: vec![
            (Duration::from_hours(24), figures(8_639, 8_640, 1.0)),
            (Duration::from_hours(168), figures(60_000, 60_480, 0.9)),
        ],
        span: Duration::from_hours(24),
        columns: (0..96).map(column).collect(),
        bounds: std::array::from_fn(|place| 1_000 * u32::try_from(place + 1).unwrap()),
        failures: vec![(Answer::Code(Status::new(503).unwrap()), 118)],
        incidents: vec![incident(name)],
        more_incidents: 0,
        certificate: None,
        domain: None,
        locations: None,
        objective: Some(Err("maintenance begins where no single checks are kept".into())),
    }
}

#[test]
fn a_site_over_its_locations_says_how_they_see_it() {
    let votes = |verdict, up, down, assigned| Votes { verdict, tally: Tally { up, down }, assigned };
    for (votes, said) in [
        (votes(Verdict::Up, 3, 0, 3), "up at 3 of 3 locations"),
        (votes(Verdict::Up, 1, 0, 3), "up at 1 of 1 location; 2 cannot tell"),
        (votes(Verdict::Down, 1, 2, 3), "down at 2 of 3 locations"),
        (votes(Verdict::Partial, 2, 1, 3), "down at 1 of 3 locations"),
        (votes(Verdict::Unknown, 0, 1, 3), "1 of 3 locations can tell"),
    ] {
        assert_eq!(words::votes(&votes), said);
    }
    let down = votes(Verdict::Down, 1, 2, 3);
    let mut all = status_page(&[("api", SiteState::Down, None)]);
    all.groups[0].sites[0].votes = Some(down);
    assert!(status(&all, Links::Served).contains("down at 2 of 3 locations"));
    let seen = |location: &str, state, code| LocationLine {
        location: Location::new(location).unwrap(),
        state,
        checked: Some(NOW),
        last: Some(Answer::Code(Status::new(code).unwrap())),
        figures: figures(90, 100, 1.0),
    };
    let lines = vec![seen("fra1", SiteState::Down, 503), seen("nyc1", SiteState::Up, 200)];
    let page = SitePage { locations: Some(Locations { votes: Some(down), lines }), ..site_page("api") };
    let page = site(&page, Links::Served);
    for part in [
        "down at 2 of 3 locations",
        ">fra1<",
        ">nyc1<",
        "503",
        "share of the known time in which the locations saw it up together",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!site(&site_page("api"), Links::Served).contains("ocations"), "one location: all as before");
}

#[test]
fn an_incident_says_from_how_many_locations_it_was_seen() {
    let mut seen = Incident { locations: Some((2, 3)), ..incident("api") };
    assert_eq!(words::why(&seen), "503 Service Unavailable ×118, seen from 2 of 3 locations");
    seen.failed_at = vec![(Location::new("fra1").unwrap(), 61), (Location::new("nyc1").unwrap(), 57)];
    let told = "503 Service Unavailable ×118, seen from 2 of 3 locations: fra1 ×61, nyc1 ×57";
    assert_eq!(words::why(&seen), told);
    (seen.rule, seen.locations, seen.failed_at) = (RuleKind::Partial, Some((1, 3)), Vec::new());
    assert_eq!(words::why(&seen), "down for some, seen from 1 of 3 locations");
    seen.text = Some("Website api is partly down.".into());
    assert_eq!(words::why(&seen), "Website api is partly down.");
}

#[test]
fn a_page_loads_nothing_runs_nothing_and_escapes_what_others_wrote() {
    let page = status_page(&[(HOSTILE, SiteState::Up, Some(HOSTILE)), ("api", SiteState::Down, None)]);
    let pages = [
        status(&page, Links::Served),
        site(&site_page(HOSTILE), Links::Files),
        whole(&page, &[site_page(HOSTILE), site_page("api")]),
        super::error(404, "Not Found", HOSTILE),
    ];
    for text in pages {
        let lower = text.to_lowercase();
        for word in ["<script", "javascript:", " style=", "onload=", "<b>docs", "http://", "https://"] {
            let found = lower.replace("http://www.w3.org/2000/svg", "").replace("https://example.org/?token=***", "");
            assert!(!found.contains(word), "{word} in {text}");
        }
        assert!(!text.contains('\u{202e}') && !text.contains('\u{1b}'));
        assert_eq!(text.matches("<style>").count(), 1);
        assert!(text.contains(document::STYLE));
    }
    assert!(style_hash().starts_with("sha256-") && style_hash().len() == 51);
}

#[test]
fn the_same_data_makes_the_same_bytes() {
    let page = status_page(&[("api", SiteState::Up, None)]);
    assert_eq!(status(&page, Links::Files), status(&page.clone(), Links::Files));
    let summary: serde_json::Value = serde_json::from_str(&summary(&page)).unwrap();
    assert_eq!((&summary["sites"][0]["up"], &summary["sites"][0]["checks"]), (&777_000.into(), &777_600.into()));
}

#[test]
fn the_verdict_counts_and_has_a_shape_of_its_own() {
    use SiteState::{Down, Failing, Paused, Unknown, Up};
    for (states, expected) in [
        (&[Up][..], "● The site is up"),
        (&[Up, Up], "● All 2 sites are up"),
        (&[Up, Down], "▼ 1 of 2 sites is down"),
        (&[Down, Down, Unknown], "▼ 2 of 3 sites are down; 1 cannot be judged"),
        (&[Up, Failing], "▲ 1 of 2 sites failed its last check"),
        (&[Up, Paused, Unknown], "● 1 of 3 sites is up; 1 cannot be judged; 1 is paused"),
        (&[Unknown, Paused], "? Nothing can be said of 2 sites"),
    ] {
        let sites: Vec<(&str, SiteState, Option<&str>)> = states.iter().map(|state| ("a", *state, None)).collect();
        assert_eq!(super::status::verdict(&status_page(&sites)).1, expected);
    }
}

#[test]
fn many_sites_are_folded_by_group_without_their_past_hours() {
    let names: Vec<String> = (0..=FOLDED).map(|number| format!("site {number}")).collect();
    let sites: Vec<(&str, SiteState, Option<&str>)> =
        names.iter().map(|name| (name.as_str(), SiteState::Up, Some("shop"))).collect();
    let text = status(&status_page(&sites), Links::Served);
    assert!(text.contains("<summary>shop · 201 sites</summary>") && !text.contains("Past hour"));
}

#[test]
fn notes_stand_by_their_site_and_by_their_group() {
    let mut page = status_page(&[("api", SiteState::Up, Some("shop")), ("blog", SiteState::Up, None)]);
    page.groups[0].note = Some("run by <others>".into());
    page.groups[0].sites[0].note = Some("not at night".into());
    page.groups[1].sites[0].note = None;
    for text in [status(&page, Links::Files), whole(&page, &[])] {
        assert!(text.contains("</h2><p class=\"m\">run by &lt;others&gt;</p>"), "{text}");
        assert!(text.contains("api</a><br><span class=\"m\">not at night</span>"), "{text}");
        assert!(text.contains("blog</a></th>"), "{text}");
    }
    assert!(site(&site_page("api"), Links::Served).contains("<p class=\"m\">&lt;b&gt;docs"));
    let summary: serde_json::Value = serde_json::from_str(&summary(&page)).unwrap();
    assert_eq!(
        (&summary["sites"][0]["note"], &summary["sites"][1]["note"]),
        (&"not at night".into(), &serde_json::Value::Null)
    );
}

#[test]
fn a_domain_has_the_date_on_which_its_registration_ends() {
    let mut page = site_page("api");
    let day = Duration::from_hours(24);
    for (expires, said) in [
        (Some(NOW.after(61 * day)), Some("</time>: 61 days left.</p>")),
        (Some(NOW.before(day)), Some("</time>: it has ended.</p>")),
        (None, None),
    ] {
        page.domain = Some(Arc::new(DomainExpiry { name: "example.org".into(), expires, warn: 30 * day }));
        let text = site(&page, Links::Served);
        assert_eq!(text.contains("<h2>Domain</h2><p>example.org is registered until "), said.is_some(), "{text}");
        assert!(said.is_none_or(|said| text.contains(said)), "{text}");
    }
}

#[test]
fn slugs_are_plain_and_differ() {
    assert_eq!(slug("api-2"), "api-2");
    let names = ["API", "api!", "a b", "a-b", "<b>", "日本", "", "../../etc/passwd", "a/b"];
    let slugs: std::collections::BTreeSet<String> = names.iter().map(|name| slug(name)).collect();
    assert_eq!(slugs.len(), names.len());
    assert!(
        slugs.iter().flat_map(|slug| slug.chars()).all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    );
}

#[test]
fn each_site_of_one_file_has_an_id_of_its_own() {
    let hashed = slug("a b");
    let names = ["top", "site-x", "x", "-x", "a/b?c#d", "a b", &hashed, "site-top", "", "A", "a", "日本"];
    let sites: Vec<(&str, SiteState, Option<&str>)> = names.iter().map(|name| (*name, SiteState::Up, None)).collect();
    let text = whole(&status_page(&sites), &names.map(site_page));
    let all: Vec<&str> = text.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let ids: std::collections::BTreeSet<&str> = all.iter().copied().collect();
    assert_eq!((all.len(), ids.len()), (names.len() + 1, names.len() + 1), "{all:?}");
    for name in names {
        let link = Links::Within.site(name);
        assert!(ids.contains(link.trim_start_matches('#')) && text.contains(&format!("href=\"{link}\"")), "{link}");
    }
    assert!(ids.contains("top") && ids.contains("site-top") && Links::Within.all() == "#top");
}

#[test]
fn durations_are_two_units_at_most() {
    for (secs, text) in [(0, "0s"), (40, "40s"), (61, "1m 1s"), (3_600, "1h"), (3_605, "1h"), (90_061, "1d 1h")] {
        assert_eq!(words::lasted(Duration::from_secs(secs)), text);
    }
}

proptest! {
    /// A failed check shows as at least 4 px of red and never as all of a day that had a success; time without checks is grey.
    #[test]
    fn red_shows_and_does_not_exaggerate(up in 0u64..10_000, down in 0u64..10_000, coverage in 0.0f64..=1.0) {
        let day = day(0, figures(up, up + down, coverage));
        let (red, grey) = (bar::red_height(&day), bar::missing_height(&day));
        prop_assert!(red + grey <= 24);
        if up + down > 0 {
            prop_assert_eq!(red == 0, down == 0);
            prop_assert!(red == 0 || red >= 4);
            prop_assert!(up == 0 || red < 24);
            prop_assert!(down == 0 || down * 200 > up || red == 4, "{} px for {} of {}", red, down, up);
        }
        let words = words::availability(&day.figures);
        prop_assert!(down == 0 || !words.contains("100%"), "{}", words);
    }
}
