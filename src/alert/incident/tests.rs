//! Scenarios of the ledger, as a user would tell them.

use std::time::Duration;

use super::ledger::Ledger;
use super::terms::{Emitted, LedgerTerms, Mute, SiteTerms, Target};
use crate::alert::kept::incident::{Ack, Incident, Silence};
use crate::alert::maintenance::{Days, Maintenance, Schedule, clock_time};
use crate::alert::{Alert, AlertState, Calm, NewsContext, NewsKind, Rule, RuleKind, SiteSelector};
use crate::model::Timestamp;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

struct Scene {
    ledger: Ledger,
    seen: Vec<(u64, NewsKind, u64)>,
    now: u64,
}

impl Scene {
    fn new(terms: LedgerTerms) -> Self {
        Self { ledger: Ledger::new(terms, Box::new(|alert| alert.site.to_string())), seen: Vec::new(), now: 0 }
    }

    fn note(&mut self, out: Emitted) {
        let now = self.now;
        self.seen.extend(out.news.into_iter().map(|(number, news)| (now, news.kind, number)));
    }

    /// Steps every second until `secs`.
    fn until(&mut self, secs: u64) {
        while self.now < secs {
            self.now += 1;
            let mut out = Emitted::default();
            self.ledger.step(at(self.now), &mut out);
            self.note(out);
        }
    }

    fn alert(&mut self, secs: u64, site: &str, state: AlertState) {
        self.until(secs);
        let mut facts = Alert::ended(site.into(), &Rule::default(), at(secs), at(secs));
        facts.state = state;
        let mut out = Emitted::default();
        self.ledger.note(&facts, NewsContext::default(), at(secs), &mut out);
        self.note(out);
    }

    fn silence(&mut self, secs: u64, words: &str, until: u64) {
        self.until(secs);
        let silence = Silence {
            number: 0,
            sites: SiteSelector::of([words]),
            from: at(secs),
            until: at(until),
            by: "ada".into(),
            text: String::new(),
            is_maintenance: false,
        };
        self.ledger.silence(silence, &mut Emitted::default());
    }

    fn seen(&mut self) -> Vec<(u64, NewsKind, u64)> {
        std::mem::take(&mut self.seen)
    }
}

fn calm_terms() -> LedgerTerms {
    LedgerTerms { calm: Some(Calm::default()), ..LedgerTerms::default() }
}

fn with_site(name: &str, terms: SiteTerms) -> LedgerTerms {
    let mut all = calm_terms();
    all.sites.insert(name.into(), terms);
    all
}

use AlertState::{Down, Ended, Up};
use NewsKind::{Acknowledged, Closed, Opened, Reminder, Withdrawn};

#[test]
fn the_first_incident_of_a_quiet_site_is_reported_at_once() {
    let mut scene = Scene::new(calm_terms());
    scene.alert(100, "api", Down);
    scene.alert(220, "api", Up);
    // More than two hours later, as the first.
    scene.alert(220 + 7_201, "api", Down);
    scene.alert(220 + 7_300, "api", Up);
    assert_eq!(scene.seen(), [(100, Opened, 1), (220, Closed, 1), (7_421, Opened, 2), (7_520, Closed, 2)]);
}

#[test]
fn a_fluttering_site_is_one_down_and_one_up() {
    let mut scene = Scene::new(calm_terms());
    scene.alert(100, "api", Down);
    scene.alert(200, "api", Up);
    for flap in 0..20 {
        scene.alert(300 + flap * 200, "api", Down);
        scene.alert(400 + flap * 200, "api", Up);
    }
    let last_up = 400 + 19 * 200;
    scene.until(last_up + 3_600);
    let seen = scene.seen();
    assert_eq!(seen[..3], [(100, Opened, 1), (200, Closed, 1), (300, Opened, 2)]);
    assert_eq!(seen[3..], [(last_up + 3_600, Closed, 2)], "19 relapses: the longest calm");
}

#[test]
fn without_calm_every_alert_is_reported() {
    let mut scene = Scene::new(LedgerTerms::default());
    for flap in 0..5 {
        scene.alert(100 + flap * 200, "api", Down);
        scene.alert(200 + flap * 200, "api", Up);
    }
    let kinds: Vec<NewsKind> = scene.seen().into_iter().map(|(_, kind, _)| kind).collect();
    assert_eq!(kinds, [Opened, Closed].repeat(5));
}

#[test]
fn a_silence_mutes_openings_and_not_the_end_of_what_was_reported() {
    let mut scene = Scene::new(calm_terms());
    scene.alert(100, "api", Down);
    scene.silence(110, "api", 500);
    scene.alert(200, "api", Up);
    assert_eq!(scene.seen(), [(100, Opened, 1), (200, Closed, 1)], "up is reported in the silence");
    // It opens in a silence and is still open when that ends: reported then, once.
    scene.alert(8_000, "api", Up);
    scene.silence(8_000, "api", 9_000);
    scene.alert(8_100, "api", Down);
    scene.until(10_000);
    assert_eq!(scene.seen(), [(9_000, Opened, 2)]);
    // Down before and after a silence: not reported again.
    scene.silence(10_000, "all", 11_000);
    scene.until(12_000);
    scene.alert(12_000, "api", Up);
    assert_eq!(scene.seen(), [(12_000, Closed, 2)]);
    // Opened and closed within a silence: nothing.
    scene.silence(30_000, "api", 40_000);
    scene.alert(31_000, "api", Down);
    let open = scene.ledger.open_incidents().next().cloned().unwrap();
    assert_eq!(scene.ledger.mute(&open, at(31_000)), Some(Mute::Silence(4)));
    scene.alert(32_000, "api", Up);
    scene.until(50_000);
    assert_eq!(scene.seen(), []);
}

#[test]
fn reminders_double_and_stop_with_an_acknowledgement() {
    let remind = Some(Duration::from_secs(2));
    let mut scene = Scene::new(with_site("api", SiteTerms { remind, ..SiteTerms::default() }));
    scene.alert(0, "api", Down);
    scene.until(20);
    assert_eq!(scene.seen(), [(0, Opened, 1), (2, Reminder, 1), (6, Reminder, 1), (14, Reminder, 1)]);
    let mut out = Emitted::default();
    let ack = Ack { by: "ada".into(), at: at(20), text: "on it".into() };
    assert_eq!(scene.ledger.acknowledge(&Target::Site("api".into()), &ack, &mut out), [1]);
    scene.note(out);
    scene.until(100);
    assert_eq!(scene.seen(), [(20, Acknowledged, 1)]);
    let mut out = Emitted::default();
    assert_eq!(scene.ledger.withdraw(&Target::Number(1), at(100), &mut out), [1]);
    scene.note(out);
    assert_eq!(scene.seen(), [(100, Withdrawn, 1)]);
    // The pause has grown to 64 s by now: the next is due at 126 s.
    scene.until(126);
    assert_eq!(scene.seen(), [(126, Reminder, 1)]);
    scene.alert(130, "api", Up);
    scene.until(10_000);
    assert_eq!(scene.seen(), [(130, Closed, 1)]);
}

#[test]
fn a_site_is_quiet_while_its_parent_is_down() {
    let parent = Some("gateway".into());
    let mut scene = Scene::new(with_site("api", SiteTerms { parent, ..SiteTerms::default() }));
    scene.alert(10, "gateway", Down);
    scene.alert(11, "api", Down);
    scene.alert(100, "gateway", Up);
    scene.until(110);
    assert_eq!(scene.seen(), [(10, Opened, 1), (100, Closed, 1), (101, Opened, 2)], "it is still down");
}

#[test]
fn maintenance_mutes_and_what_is_still_down_at_its_end_is_reported() {
    // The scenes begin at 13:46:40 UTC: from 200 s to 800 s.
    let (from, to) = (clock_time("13:50").unwrap(), clock_time("14:00").unwrap());
    let schedule = Schedule::Every { days: Days::EACH, from, to };
    let (zone, sites) = (jiff::tz::TimeZone::UTC, SiteSelector::of(["api"]));
    let window = Maintenance { schedule, zone, sites, reason: Some("backup".into()) };
    let mut scene = Scene::new(LedgerTerms { maintenance: vec![window], ..LedgerTerms::default() });
    scene.alert(100, "api", Down);
    scene.alert(250, "api", Up);
    assert_eq!(scene.seen(), [(100, Opened, 1), (250, Closed, 1)], "reported before it, so closed in it");
    scene.alert(300, "api", Down);
    let muted = scene.ledger.incident(2).map(|incident| scene.ledger.mute(incident, at(300)));
    assert_eq!(muted, Some(Some(Mute::Maintenance)));
    scene.alert(400, "api", Up);
    scene.alert(500, "blog", Down);
    scene.alert(700, "api", Down);
    scene.until(900);
    assert_eq!(scene.seen(), [(500, Opened, 3), (800, Opened, 4)]);
}

#[test]
fn a_site_that_is_removed_ends_its_incident() {
    let mut scene = Scene::new(calm_terms());
    scene.alert(10, "api", Down);
    scene.alert(20, "api", Ended);
    assert_eq!(scene.seen(), [(10, Opened, 1), (20, NewsKind::Ended, 1)]);
    assert_eq!(scene.ledger.open_incidents().count(), 0);
}

#[test]
fn an_incident_of_an_earlier_version_is_adopted_once() {
    let mut scene = Scene::new(calm_terms());
    let mut opening = Alert::ended("api".into(), &Rule::default(), at(5), at(5));
    opening.state = Down;
    let mut out = Emitted::default();
    assert_eq!(scene.ledger.adopt(&opening, &mut out), 1);
    assert_eq!(scene.ledger.adopt(&opening, &mut out), 1);
    assert!(out.news.is_empty());
    scene.alert(50, "api", Up);
    assert_eq!(scene.seen(), [(50, Closed, 1)]);
    assert_eq!(scene.ledger.incident(1).map(Incident::rule), Some(RuleKind::Availability));
}
