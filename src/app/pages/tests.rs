//! The pages of a site over its locations, from the store of a hub.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::*;
use crate::alert::record::tests::record;
use crate::alert::{AlertState, Locations};
use crate::app::tests::hub_store::{HubStore, START, at, config};
use crate::model::figures::percent;
use crate::serve::page;
use crate::serve::page::model::{Figures, StatusPage};
use crate::stats::Availability;

/// The ten minutes of the worked example are over.
const END: u64 = 600;

fn setting<'a>(terms: &'a PageTerms, zone: &'a TimeZone) -> Setting<'a> {
    Setting { terms, zone, as_of: at(END) }
}

/// What is shown of a period with the whole example.
#[track_caller]
fn assert_is_the_example(figures: &Figures) {
    let Availability { up, checks } = figures.availability.unwrap();
    assert_eq!(percent(up, checks), "92.17%");
    assert_eq!(figures.down_for, Some(Duration::from_secs(47)));
    assert_eq!((figures.counts.down, figures.counts.checks()), (110, 1_210), "of all checks");
}

#[test]
fn pages_show_for_how_long_the_locations_saw_a_site_down() {
    let hub = HubStore::worked_example();
    let (archive, config, zone) = (hub.archive(), config(), TimeZone::UTC);
    let terms = config.page.clone();
    let setting = setting(&terms, &zone);
    let chosen: Vec<_> = config.sites.iter().collect();
    let memory = Memory::default();
    for is_remembering in [false, true, true] {
        let past = Past::of(&archive, &Rules::of(&config), at(END)).unwrap();
        let past = if is_remembering { past.remembering(&memory) } else { past };
        let sites = judged(&past, &archive.sites().unwrap(), &chosen, at(END)).unwrap();
        let all: StatusPage = status(&past, &setting, &sites).unwrap();
        let line = &all.groups[0].sites[0];
        assert_is_the_example(&line.figures);
        assert_is_the_example(&line.days.last().unwrap().figures);
        let shown = page::status(&all, page::Links::Served);
        assert!(shown.contains("92.17%") && shown.contains("down for 47s"), "{shown}");
        assert!(shown.contains("up at 3 of 3 locations"), "{shown}");
        assert!(page::summary(&all).contains("\"availability\": 0.9217"), "{}", page::summary(&all));

        let one = site(&past, &setting, &sites[0], Duration::from_hours(24)).unwrap();
        one.periods.iter().for_each(|(_, figures)| assert_is_the_example(figures));
        let column = one.columns.last().unwrap();
        assert_eq!((column.from, column.until), (START, at(END)));
        assert_is_the_example(&column.figures);
        assert!(page::site(&one, page::Links::Served).contains("share of the known time"));
        let lines: Vec<_> = one.locations.unwrap().lines.iter().map(|line| line.location.to_string()).collect();
        assert_eq!(lines, ["a", "b", "c"]);
    }
}

/// `webmon stats`, the dashboard and the pages answer one question with one number.
#[test]
fn pages_show_the_figures_of_stats() {
    let hub = HubStore::worked_example();
    let (archive, config) = (hub.archive(), config());
    let past = Past::of(&archive, &Rules::of(&config), at(END)).unwrap();
    let chosen: Vec<_> = config.sites.iter().collect();
    let sites = judged(&past, &archive.sites().unwrap(), &chosen, at(END)).unwrap();
    for span in [(at(0), at(END)), (at(90), at(130)), (at(0).before(Duration::from_hours(3)), at(155))] {
        let (_, shown) = summed_up(&past, &sites[0], &[span]).unwrap().pop().unwrap();
        let seen = hub.with(|past, group| past.parts((group, Some(at(0))), &[span]).unwrap()).sight.seen;
        assert_eq!(shown.availability, seen.availability());
        assert_eq!(shown.coverage, seen.coverage().map(Availability::ratio));
    }
}

#[test]
fn an_incident_has_what_the_checks_of_all_locations_answered() {
    let mut hub = HubStore::worked_example();
    let mut opening = record("api", AlertState::Down, at(120));
    opening.facts.window = Duration::from_secs(30);
    opening.facts.locations = Some(Locations::votes(3, 2, ["a", "b"].map(|name| Location::new(name).unwrap())));
    let closing = record("api", AlertState::Up, at(163));
    for alert in [opening, closing] {
        hub.writer.note_alert(hub.own, alert);
    }
    hub.writer.flush(at(END));
    let (archive, config, zone) = (hub.archive(), config(), TimeZone::UTC);
    let terms = config.page.clone();
    let past = Past::of(&archive, &Rules::of(&config), at(END)).unwrap();
    let chosen: Vec<_> = config.sites.iter().collect();
    let sites = judged(&past, &archive.sites().unwrap(), &chosen, at(END)).unwrap();
    let all = status(&past, &setting(&terms, &zone), &sites).unwrap();
    let shown = page::status(&all, page::Links::Served);
    let told = "503 Service Unavailable ×110, seen from 2 of 3 locations: a ×60, b ×50";
    assert!(shown.contains(told), "{shown}");
}
