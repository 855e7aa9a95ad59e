//! Scenarios of the ledger, as a user would tell them.

use std::time::Duration;

use super::ledger::Ledger;
use super::terms::{Emitted, LedgerTerms, Mute, SiteTerms, Target};
use crate::alert::incident::order::{Obeyed, OrderedBy, Refusal, SILENCES_MAX, Silenced, UserOrder, WINDOW_MEMORY};
use crate::alert::kept::change::ChangeKey;
use crate::alert::kept::incident::{Incident, SILENCE_MAX};
use crate::alert::maintenance::{Days, Maintenance, Schedule, clock_time};
use crate::alert::{Alert, AlertState, Calm, NewsContext, NewsKind, Rule, RuleKind, SiteSelector};
use crate::model::Timestamp;
use crate::model::time::leap::Leap;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(1_000_000 + secs)
}

struct Scene {
    ledger: Ledger,
    seen: Vec<(u64, NewsKind, u64)>,
    now: u64,
    /// When its clock was last right.
    begin: Timestamp,
    /// The changes that a leap of the clock made.
    stored: Vec<ChangeKey>,
}

impl Scene {
    fn new(terms: LedgerTerms) -> Self {
        let ledger = Ledger::new(terms, Box::new(|alert| alert.site.to_string()));
        Self { ledger, seen: Vec::new(), now: 0, begin: at(0), stored: Vec::new() }
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
        let sites = SiteSelector::of([words]);
        let order = UserOrder::Silence { sites, until: at(until), is_maintenance: false, replaces: false };
        self.obey(&order).unwrap();
    }

    fn obey(&mut self, order: &UserOrder) -> Result<Obeyed, Refusal> {
        let ordered = OrderedBy { by: "ada".into(), at: at(self.now), text: "on it".to_owned() };
        let mut out = Emitted::default();
        let obeyed = self.ledger.obey(order, &ordered, at(self.now), &mut out);
        assert!(obeyed.is_ok() || out.changes.is_empty(), "a refused order changes nothing");
        self.note(out);
        obeyed
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
fn what_a_hub_reports_is_reported_here_once_the_hub_is_gone() {
    let mut scene = Scene::new(calm_terms());
    scene.ledger.leave_until(at(1_000));
    scene.alert(100, "api", Down);
    let open = scene.ledger.open_incidents().next().cloned().unwrap();
    assert_eq!(scene.ledger.mute(&open, at(100)), Some(Mute::Hub));
    scene.alert(200, "api", Up);
    scene.alert(8_000, "web", Down);
    assert_eq!(scene.seen(), [(8_000, Opened, 2)], "the hub is silent since 1,000");
    scene.ledger.leave_until(at(9_000));
    scene.alert(8_500, "web", Up);
    assert_eq!(scene.seen(), [(8_500, Closed, 2)], "what was opened here is closed here");
    scene.alert(8_600, "shop", Down);
    scene.until(9_100);
    assert_eq!(scene.seen(), [(9_000, Opened, 3)], "it outlasts the hub");
}

/// The hub was to report for ten more seconds, and these do not last longer because the clock was set back by hours.
#[test]
fn a_clock_that_was_set_back_does_not_leave_sites_to_a_hub_for_longer() {
    let mut scene = Scene::new(calm_terms());
    scene.ledger.leave_until(at(9_010));
    scene.alert(100, "api", Down);
    scene.until(105);
    assert_eq!(scene.seen(), []);
    scene.ledger.leave_until(at(110));
    scene.until(120);
    assert_eq!(scene.seen(), [(110, Opened, 1)]);
}

/// Two hubs find the same; whichever is killed, people hear of each incident once.
#[test]
fn a_hub_that_takes_over_tells_what_was_not_told_and_the_ends_of_the_rest() {
    let mut scene = Scene::new(calm_terms());
    let mut out = Emitted::default();
    assert!(scene.ledger.follow(&mut out).is_empty());
    for (second, site) in [(100, "told"), (110, "told and over"), (120, "new"), (130, "new and over")] {
        scene.alert(second, site, Down);
    }
    scene.alert(140, "told and over", Up);
    scene.alert(141, "new and over", Up);
    scene.until(600);
    assert_eq!(scene.seen(), []);
    let told = |site: &str, _| site.starts_with("told");
    let mut out = Emitted::default();
    let known = scene.ledger.lead(told, at(600), &mut out);
    let known: Vec<&str> = known.iter().map(|(_, news)| &*news.alert.site).collect();
    assert_eq!(known, ["told", "told and over"]);
    let ends: Vec<(NewsKind, &str)> = out.news.iter().map(|(_, news)| (news.kind, &*news.alert.site)).collect();
    assert_eq!(ends, [(Closed, "told and over")]);
    scene.until(602);
    assert_eq!(scene.seen(), [(601, Opened, 3)], "the one that was not told");
    scene.alert(1_700, "told", Up);
    scene.until(9_000);
    assert_eq!(scene.seen().iter().map(|(_, kind, number)| (*kind, *number)).collect::<Vec<_>>(), [(Closed, 1)]);
    // It is the other one's turn: what is open here ends without a message.
    scene.alert(9_000, "again", Down);
    assert_eq!(scene.seen(), [(9_000, Opened, 5)]);
    assert_eq!(scene.ledger.follow(&mut Emitted::default()), [5, 3], "by the names of the sites");
    scene.alert(9_100, "again", Up);
    scene.until(90_000);
    assert_eq!(scene.seen(), []);
}

#[test]
fn reminders_double_and_stop_with_an_acknowledgement() {
    let remind = Some(Duration::from_secs(2));
    let mut scene = Scene::new(with_site("api", SiteTerms { remind, ..SiteTerms::default() }));
    scene.alert(0, "api", Down);
    scene.until(20);
    assert_eq!(scene.seen(), [(0, Opened, 1), (2, Reminder, 1), (6, Reminder, 1), (14, Reminder, 1)]);
    let acknowledge = UserOrder::Acknowledge(Target::Site("api".into()));
    assert_eq!(scene.obey(&acknowledge).unwrap().incidents, [(1, "api".into())]);
    let again = scene.obey(&acknowledge).unwrap();
    assert_eq!((again.incidents.len(), again.events.len()), (1, 0), "the same again is no change");
    scene.until(100);
    assert_eq!(scene.seen(), [(20, Acknowledged, 1)]);
    assert_eq!(scene.obey(&UserOrder::Withdraw(Target::Number(1))).unwrap().events.len(), 1);
    assert_eq!(scene.seen(), [(100, Withdrawn, 1)]);
    // The pause has grown to 64 s by now: the next is due at 126 s.
    scene.until(126);
    assert_eq!(scene.seen(), [(126, Reminder, 1)]);
    scene.alert(130, "api", Up);
    scene.until(10_000);
    assert_eq!(scene.seen(), [(130, Closed, 1)]);
}

#[test]
fn reminders_follow_the_settings() {
    let terms = |remind: Option<u64>| {
        let remind = remind.map(Duration::from_secs);
        with_site("api", SiteTerms { remind, ..SiteTerms::default() })
    };
    let mut scene = Scene::new(terms(Some(60)));
    scene.alert(0, "api", Down);
    scene.until(70);
    assert_eq!(scene.seen(), [(0, Opened, 1), (60, Reminder, 1)]);
    // The same again changes nothing: the next is due after 120 s.
    scene.ledger.set_terms(terms(Some(60)), at(70), &mut Emitted::default());
    scene.until(190);
    assert_eq!(scene.seen(), [(180, Reminder, 1)]);
    scene.ledger.set_terms(terms(None), at(190), &mut Emitted::default());
    scene.until(10_000);
    assert_eq!(scene.seen(), []);
    scene.ledger.set_terms(terms(Some(100)), at(10_000), &mut Emitted::default());
    scene.until(10_110);
    assert_eq!(scene.seen(), [(10_100, Reminder, 1)]);
    // A restart with other settings.
    let kept: Vec<Incident> = scene.ledger.open_incidents().cloned().collect();
    let mut again = Scene::new(terms(None));
    again.now = 10_110;
    again.ledger.restore(kept, Vec::new(), (2, 1));
    again.ledger.set_terms(terms(None), at(10_110), &mut Emitted::default());
    again.until(20_000);
    assert_eq!(again.seen(), []);
}

#[test]
fn the_first_reminder_after_a_silence_waits_for_its_pause() {
    let remind = Some(Duration::from_mins(1));
    let mut scene = Scene::new(with_site("api", SiteTerms { remind, ..SiteTerms::default() }));
    scene.silence(0, "api", 70);
    scene.alert(5, "api", Down);
    scene.until(200);
    assert_eq!(scene.seen(), [(70, Opened, 1), (130, Reminder, 1)]);
}

/// A run that selects other sites knows nothing of this one: neither that it is still down nor that a reminder is due.
#[test]
fn a_site_that_is_not_watched_is_not_reminded_of_until_it_is_again() {
    let remind = Some(Duration::from_mins(1));
    let terms = with_site("api", SiteTerms { remind, ..SiteTerms::default() });
    let mut scene = Scene::new(terms.clone());
    scene.alert(0, "api", Down);
    let kept: Vec<Incident> = scene.ledger.open_incidents().cloned().collect();
    let mut others = Scene::new(with_site("web", SiteTerms::default()));
    others.ledger.restore(kept, Vec::new(), (2, 1));
    others.until(600);
    assert_eq!(others.seen(), []);
    assert_eq!(others.ledger.due(), Timestamp::MAX, "nothing to look for either");
    let kept: Vec<Incident> = others.ledger.open_incidents().cloned().collect();
    let mut again = Scene::new(terms);
    again.now = 600;
    again.ledger.restore(kept, Vec::new(), (2, 1));
    again.until(601);
    assert_eq!(again.seen(), [(601, Reminder, 1)]);
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

fn silence(words: &str, until: u64) -> UserOrder {
    let sites = SiteSelector::of([words]);
    UserOrder::Silence { sites, until: at(until), is_maintenance: false, replaces: false }
}

/// An acknowledgement without words leaves those that are there, with their author; other words replace them.
#[test]
fn an_acknowledgement_without_words_keeps_earlier_ones() {
    let mut scene = Scene::new(calm_terms());
    scene.alert(10, "api", Down);
    let mut acknowledge = |by: &str, text: &str| {
        let ordered = OrderedBy { by: by.into(), at: at(20), text: text.to_owned() };
        let order = UserOrder::Acknowledge(Target::Site("api".into()));
        let obeyed = scene.ledger.obey(&order, &ordered, at(20), &mut Emitted::default()).unwrap();
        assert_eq!(obeyed.incidents, [(1, "api".into())]);
        let ack = scene.ledger.incident(1).unwrap().ack.clone().unwrap();
        (ack.by.to_string(), ack.text, obeyed.events.len())
    };
    let said = |by: &str, text: &str, events| (by.to_owned(), text.to_owned(), events);
    assert_eq!(acknowledge("ada", ""), said("ada", "", 1));
    assert_eq!(acknowledge("ada", "on it"), said("ada", "on it", 1));
    assert_eq!(acknowledge("ada", ""), said("ada", "on it", 0));
    assert_eq!(acknowledge("bob", ""), said("ada", "on it", 0));
    assert_eq!(acknowledge("bob", "mine"), said("bob", "mine", 1));
}

#[test]
fn an_order_that_means_nothing_is_refused() {
    let mut scene = Scene::new(calm_terms());
    let target = Target::Site("api".into());
    assert_eq!(scene.obey(&UserOrder::Acknowledge(target.clone())), Err(Refusal::NothingOpen(target.clone())));
    scene.alert(10, "api", Down);
    scene.alert(20, "api", Up);
    assert_eq!(scene.obey(&UserOrder::Withdraw(target.clone())), Err(Refusal::NothingOpen(target)));
    assert_eq!(scene.obey(&silence("api", 20)), Err(Refusal::Past));
    assert_eq!(scene.obey(&silence("api", 21 + SILENCE_MAX.as_secs())), Err(Refusal::TooLong));
    assert!(scene.obey(&silence("api", 20 + SILENCE_MAX.as_secs())).is_ok());
    let unknown = UserOrder::EndSilence(Silenced::Number(2));
    assert_eq!(scene.obey(&unknown), Err(Refusal::NotSilenced(Silenced::Number(2))));
    for _ in 1..SILENCES_MAX {
        scene.obey(&silence("blog", 1_000)).unwrap();
    }
    assert_eq!(scene.obey(&silence("blog", 1_000)), Err(Refusal::TooMany));
    assert_eq!(scene.obey(&UserOrder::EndSilence(Silenced::All)).unwrap().ended.len(), SILENCES_MAX);
    assert_eq!(scene.obey(&UserOrder::EndSilence(Silenced::All)), Err(Refusal::NotSilenced(Silenced::All)));
}

#[test]
fn a_silence_from_the_dashboard_takes_the_place_of_its_last_one_alone() {
    let mut scene = Scene::new(calm_terms());
    scene.obey(&silence("all", 500)).unwrap();
    let cycle = |until| UserOrder::Silence {
        sites: SiteSelector::of(["api"]),
        until: at(until),
        is_maintenance: false,
        replaces: true,
    };
    scene.obey(&cycle(100)).unwrap();
    let obeyed = scene.obey(&cycle(200)).unwrap();
    assert_eq!((obeyed.silence, obeyed.ended), (Some(3), vec![2]));
    let off = UserOrder::EndSilence(Silenced::Sites(SiteSelector::of(["api"])));
    assert_eq!(scene.obey(&off).unwrap().ended, [3]);
    assert_eq!(scene.ledger.active(at(1)).map(|silence| silence.number).collect::<Vec<_>>(), [1]);
}

/// Statistics without maintenance need the windows of the past.
#[test]
fn a_window_of_maintenance_is_remembered_and_no_other_silence_is() {
    let mut scene = Scene::new(calm_terms());
    let window = |until| UserOrder::Silence {
        sites: SiteSelector::All,
        until: at(until),
        is_maintenance: true,
        replaces: false,
    };
    scene.obey(&window(100)).unwrap();
    scene.obey(&silence("api", 50)).unwrap();
    scene.until(30);
    scene.obey(&window(90)).unwrap();
    scene.until(40);
    assert_eq!(scene.obey(&UserOrder::EndSilence(Silenced::Number(3))).unwrap().ended, [3]);
    scene.until(200);
    let kept = |scene: &Scene| -> Vec<(u64, Timestamp, Timestamp)> {
        scene.ledger.silences().map(|silence| (silence.number, silence.from, silence.until)).collect()
    };
    assert_eq!(kept(&scene), [(1, at(0), at(100)), (3, at(30), at(40))]);
    assert_eq!(scene.ledger.active(at(200)).count(), 0);
    let mut out = Emitted::default();
    scene.ledger.step(at(40).after(WINDOW_MEMORY), &mut out);
    assert_eq!(kept(&scene), [(1, at(0), at(100))], "nobody looks back so far");
}

impl Scene {
    /// The clock, which was wrong since the scene began, is set by so many seconds.
    fn leap(&mut self, secs: u64, is_back: bool) {
        let by = Duration::from_secs(secs);
        self.now = if is_back { self.now - secs } else { self.now + secs };
        let leap = Leap { by, is_back, since: self.begin, now: at(self.now) };
        let mut out = Emitted::default();
        self.ledger.leap(&leap, &mut out);
        assert!(out.news.is_empty());
        self.stored.extend(out.changes.into_iter().map(|(key, _)| key));
    }
}

/// An outage of 44 s is none of three hours, and none of 0 s; a calm, a silence and a reminder last as long as they would have.
#[test]
fn a_clock_that_is_set_changes_no_incident() {
    const SET: u64 = 3 * 3_600;
    for is_back in [false, true] {
        // Times go on from here; back, the scene begins late enough.
        let (begin, there) = if is_back { (20_000, 20_000 - SET) } else { (0, SET) };
        let remind = Some(Duration::from_secs(100));
        let mut terms = with_site("api", SiteTerms { remind, ..SiteTerms::default() });
        terms.calm = Some(Calm { least: Duration::from_mins(1), most: Duration::from_mins(10) });
        let mut scene = Scene::new(terms);
        (scene.now, scene.begin) = (begin, at(begin));
        scene.alert(begin + 10, "api", Down);
        // The second one of web closes after a calm of a minute.
        for (second, state) in [(11, Down), (12, Up), (13, Down), (30, Up)] {
            scene.alert(begin + second, "web", state);
        }
        scene.silence(begin + 35, "shop", begin + 95);
        scene.alert(begin + 36, "shop", Down);
        scene.seen();
        scene.until(begin + 40);
        scene.leap(SET, is_back);
        assert_eq!(scene.stored.len(), 4, "three incidents and a silence: {:?}", scene.stored);
        let open = scene.ledger.incident(1).cloned().unwrap();
        assert_eq!((open.opened(), open.newest.since), (at(there + 10), at(there + 10)));
        scene.until(there + 120);
        let seen = [(there + 90, Closed, 3), (there + 95, Opened, 4), (there + 110, Reminder, 1)];
        assert_eq!(scene.seen(), seen, "back: {is_back}");
        scene.alert(there + 130, "api", Up);
        assert_eq!(scene.ledger.incident(1).unwrap().closing().downtime, Some(Duration::from_mins(2)));
    }
}

/// An incident of an earlier run may have been noted by a clock that was right: it keeps its time.
#[test]
fn what_was_noted_before_the_clock_was_wrong_keeps_its_time() {
    let mut scene = Scene::new(calm_terms());
    scene.alert(100, "api", Down);
    scene.until(500);
    scene.begin = at(200);
    scene.leap(3_600, false);
    assert_eq!(scene.ledger.incident(1).unwrap().opened(), at(100));
    // Noted by a clock that was ahead of the one that was too late: no later than now, and no longer than it was to be.
    scene.silence(5_000, "web", 5_600);
    scene.now = 4_500;
    scene.leap(60, false);
    assert_eq!(
        scene.ledger.silences().map(|silence| (silence.from, silence.until)).next(),
        Some((at(4_560), at(5_160)))
    );
}
