//! The laws of telling, over random histories with a crash between any two steps.
//!
//! A world is a ledger and an outbox in memory, what was committed, and outlets that act or do not, and whose answers may be
//! lost. At the end everything recovers, and the log of each outlet is held against the alerts that were committed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::queue::{Delivery, FailedRequest, Failure, Next, OutletTerms, Queue};
use super::{Audience, Outbox};
use crate::alert::incident::ledger::Ledger;
use crate::alert::incident::order::{OrderedBy, Silenced, UserOrder};
use crate::alert::incident::terms::{Emitted, LedgerTerms, SiteTerms, Target};
use crate::alert::kept::change::{Change, ChangeKey, Counter, Record};
use crate::alert::kept::incident::Phase;
use crate::alert::{
    Alert, AlertRecord, AlertState, Calm, News, NewsContext, NewsKind, Rule, RuleKind, Severity, SiteSelector,
};
use crate::model::Timestamp;
use crate::model::time::leap::Leap;

const SITES: usize = 3;
const START: Timestamp = Timestamp::from_secs(1_000_000);

/// What one outlet acted on: the number of the row, its incident and what it said.
type Heard = Vec<(u64, u64, NewsKind)>;

struct World {
    ledger: Ledger,
    outbox: Outbox,
    kept: BTreeMap<ChangeKey, Record>,
    /// Changes that are not committed yet: only those of answers may wait.
    lazy: Vec<Change>,
    now: Timestamp,
    elapsed: Duration,
    /// The committed alerts, with their incident.
    alerts: Vec<(u64, AlertState)>,
    is_down: [bool; SITES],
    heard: HashMap<&'static str, Heard>,
    /// The numbers of requests by which `grouped` recognises repeats, as a home server of Matrix does.
    known: HashSet<u64>,
    calm: Option<Calm>,
    /// Outlets and incidents of which a request may have brought something.
    reached: HashSet<(Arc<str>, u64)>,
    /// Those that ended before.
    ended_unheard: HashSet<(Arc<str>, u64)>,
}

const OUTLETS: [(&str, Delivery); 4] = [
    ("chat", Delivery::Chat { group: Duration::ZERO }),
    ("grouped", Delivery::Chat { group: Duration::from_secs(10) }),
    ("pager", Delivery::Dedup),
    ("program", Delivery::Program),
];

fn terms() -> Vec<OutletTerms> {
    let terms = |(key, delivery): (&str, Delivery)| OutletTerms {
        key: key.into(),
        name: key.into(),
        delivery,
        after: Duration::ZERO,
        only: Severity::Warning,
        sites: SiteSelector::All,
        is_forgetful: false,
    };
    OUTLETS.into_iter().map(terms).collect()
}

fn site(index: usize) -> Arc<str> {
    format!("site {index}").into()
}

/// Of the incidents: since the opening, the calm, until the reminder, since the acknowledgement. Of the rows: since they were made, until
/// they are due. Of the silences: since they began, until they end.
type Ages = (Vec<(u64, [Option<i64>; 4])>, Vec<(u64, i64, i64)>, Vec<(i64, i64)>);

impl World {
    fn new(calm: Option<Calm>) -> Self {
        let mut world = Self {
            ledger: Ledger::new(LedgerTerms::default(), Box::new(|_| String::new())),
            outbox: Outbox::new(0),
            kept: BTreeMap::new(),
            lazy: Vec::new(),
            now: START,
            elapsed: Duration::ZERO,
            alerts: Vec::new(),
            is_down: [false; SITES],
            heard: HashMap::new(),
            known: HashSet::new(),
            calm,
            reached: HashSet::new(),
            ended_unheard: HashSet::new(),
        };
        world.start();
        world
    }

    /// A program that begins with what was committed.
    fn start(&mut self) {
        let sites = (0..SITES).map(|index| {
            let remind = (index == 1).then_some(Duration::from_mins(1));
            (site(index), SiteTerms { remind, ..SiteTerms::default() })
        });
        let terms_of_ledger = LedgerTerms { calm: self.calm, sites: sites.collect(), ..LedgerTerms::default() };
        self.ledger = Ledger::new(terms_of_ledger, Box::new(|_| String::new()));
        self.outbox = Outbox::new(7);
        self.elapsed = Duration::ZERO;
        self.lazy.clear();
        let (mut incidents, mut silences, mut rows, mut told) = (vec![], vec![], vec![], vec![]);
        for (key, record) in &self.kept {
            match (key, record) {
                (_, Record::Incident(incident)) => incidents.push((**incident).clone()),
                (_, Record::Silence(silence)) => silences.push(silence.clone()),
                (_, Record::Row(row)) => rows.push((**row).clone()),
                (ChangeKey::Told(outlet, incident), Record::Told(at)) => {
                    told.push(((Arc::clone(outlet), *incident), *at));
                }
                _ => {}
            }
        }
        let next = |counter| match self.kept.get(&ChangeKey::Next(counter)) {
            Some(Record::Next(number)) => *number,
            _ => 1,
        };
        self.ledger.restore(incidents, silences, (next(Counter::Incident), next(Counter::Silence)));
        // The mark of a request that was not sent may not have been taken back on the disk.
        for row in rows.iter().filter(|row| row.is_begun) {
            let key = (Arc::clone(&row.outlet), row.incident);
            if row.news.kind == NewsKind::Opened {
                self.ended_unheard.remove(&key);
            }
            self.reached.insert(key);
        }
        self.outbox.restore(rows, told, next(Counter::Row));
        self.outbox.set_outlets(terms());
    }

    fn commit(&mut self, changes: Vec<Change>) {
        for (key, record) in std::mem::take(&mut self.lazy).into_iter().chain(changes) {
            match record {
                Some(record) => _ = self.kept.insert(key, record),
                None => _ = self.kept.remove(&key),
            }
        }
    }

    /// Fans out what the ledger emitted and commits it, unless the program crashes first.
    fn finish(&mut self, emitted: Emitted, programs: Option<(u64, News)>, crashes: bool) -> bool {
        let Emitted { news, mut changes } = emitted;
        for (incident, news) in &news {
            self.outbox.post(*incident, news, Audience::default(), self.now, &mut changes);
        }
        if let Some((incident, news)) = programs {
            self.outbox.post_to_programs(incident, &news, self.now, &mut changes);
        }
        if crashes {
            self.start();
            return false;
        }
        self.commit(changes);
        for (incident, _) in news.iter().filter(|(_, news)| news.kind.is_closing()) {
            let keys = OUTLETS.map(|(outlet, _)| (Arc::<str>::from(outlet), *incident));
            self.ended_unheard.extend(keys.into_iter().filter(|key| !self.reached.contains(key)));
        }
        true
    }

    fn alert(&mut self, index: usize, ends: bool, crashes: bool) {
        let state = match (self.is_down[index], ends) {
            (false, _) => AlertState::Down,
            (true, false) => AlertState::Up,
            (true, true) => AlertState::Ended,
        };
        let mut facts = Alert::ended(site(index), &Rule::default(), self.now, self.now);
        facts.state = state;
        let mut out = Emitted::default();
        let number = self.ledger.note(&facts, NewsContext::default(), self.now, &mut out).expect("it is known");
        let kind = match state {
            AlertState::Down => NewsKind::Opened,
            AlertState::Up => NewsKind::Closed,
            _ => NewsKind::Ended,
        };
        let alert = AlertRecord { facts, message: String::new() };
        let news = News { kind, alert, context: NewsContext::default() };
        if self.finish(out, Some((number, news)), crashes) {
            self.is_down[index] = !self.is_down[index];
            self.alerts.push((number, state));
        }
    }

    fn step(&mut self) {
        let mut out = Emitted::default();
        self.ledger.step(self.now, &mut out);
        self.finish(out, None, false);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.elapsed += time;
        self.step();
    }

    /// One request of an outlet, if it has one to make, while a site may go down or up. Returns whether it made one.
    fn deliver(&mut self, outlet: usize, outcome: Outcome, meanwhile: Option<usize>) -> bool {
        let (key, _) = OUTLETS[outlet];
        let Next::Send(rows) = self.outbox.next(key, self.now, self.elapsed) else { return false };
        let mut changes = Vec::new();
        let outgoing = self.outbox.begin(key, &rows, self.elapsed, &mut changes);
        assert!(!outgoing.rows.is_empty());
        if outcome == Outcome::CrashBeforeMark {
            self.start();
            return true;
        }
        self.commit(changes);
        if outcome != Outcome::Unsent {
            self.reached.extend(outgoing.rows.iter().map(|row| (Arc::from(key), row.incident)));
        }
        if let Some(site) = meanwhile {
            self.alert(site, false, false);
        }
        if outcome == Outcome::CrashBeforeRequest {
            self.start();
            return true;
        }
        if outcome.acts() && (key != "grouped" || self.known.insert(outgoing.number)) {
            let heard = self.heard.entry(key).or_default();
            heard.extend(outgoing.rows.iter().map(|row| (row.number, row.incident, row.news.kind)));
        }
        let (mut changes, times) = (Vec::new(), (self.now, self.elapsed));
        match outcome {
            Outcome::CrashAfterRequest => {
                self.start();
                return true;
            }
            Outcome::Taken => {
                self.outbox.succeeded(&key.into(), &outgoing.rows, self.now, self.elapsed, &mut changes);
                // An answer may be committed later.
                self.lazy.append(&mut changes);
            }
            _ => {
                let failed =
                    FailedRequest { is_unsent: outcome == Outcome::Unsent, ..failed(Failure::Transient(None)) };
                self.outbox.failed(&key.into(), &outgoing.rows, &failed, times, &mut changes);
                self.lazy.append(&mut changes);
            }
        }
        true
    }

    /// A refused order does nothing.
    fn obey(&mut self, order: &UserOrder) {
        let ordered = OrderedBy { by: "ada".into(), at: self.now, text: "on it".into() };
        let mut out = Emitted::default();
        let _refused = self.ledger.obey(order, &ordered, self.now, &mut out);
        self.finish(out, None, false);
    }

    /// The clock, which was wrong since the start, is set.
    fn leap(&mut self, by: Duration, is_back: bool) {
        self.now = if is_back { self.now.before(by) } else { self.now.after(by) };
        let leap = Leap { by, is_back, since: START, now: self.now };
        let mut out = Emitted::default();
        self.ledger.leap(&leap, &mut out);
        self.outbox.leap(&leap, &mut out.changes);
        self.commit(out.changes);
    }

    /// How long ago everything was, s; what is to come is below zero.
    fn ages(&self) -> Ages {
        let age = |at: Timestamp| self.now.as_micros().cast_signed() - at.as_micros().cast_signed();
        let incidents = self.ledger.open_incidents().map(|incident| {
            let calming = match incident.phase {
                Phase::Calming(since) => Some(age(since)),
                _ => None,
            };
            let (due, ack) = (incident.reminder.map(|(due, _)| age(due)), incident.ack.as_ref().map(|ack| age(ack.at)));
            (incident.number, [Some(age(incident.opened())), calming, due, ack])
        });
        let rows =
            self.outbox.queues.values().flat_map(Queue::rows).map(|row| (row.number, age(row.made), age(row.due)));
        let silences = self.ledger.silences().map(|silence| (age(silence.from), age(silence.until)));
        (incidents.collect(), rows.collect(), silences.collect())
    }

    /// Everything recovers: silences end, time passes, every outlet takes what waits.
    fn recover(&mut self) {
        self.obey(&UserOrder::EndSilence(Silenced::All));
        for _ in 0..400 {
            self.pass(Duration::from_secs(40));
            let sent = (0..OUTLETS.len()).map(|outlet| self.deliver(outlet, Outcome::Taken, None)).filter(|sent| *sent);
            let (sent, waiting) = (sent.count(), self.outbox.states().map(|(_, state)| state.waiting).sum::<usize>());
            let is_settled = self.ledger.open_incidents().all(|incident| self.is_down[index_of(incident.site())]);
            if sent == 0 && waiting == 0 && is_settled {
                return;
            }
        }
        panic!("something waits for ever");
    }
}

fn failed(failure: Failure) -> FailedRequest {
    FailedRequest { failure, reason: "it is away".to_owned(), is_unsent: false }
}

fn index_of(site: &str) -> usize {
    site.rsplit(' ').next().and_then(|index| index.parse().ok()).expect("the name ends with its index")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Taken,
    AnswerLost,
    NotTaken,
    /// It certainly did not arrive.
    Unsent,
    CrashBeforeMark,
    CrashBeforeRequest,
    CrashAfterRequest,
}

impl Outcome {
    fn acts(self) -> bool {
        matches!(self, Self::Taken | Self::AnswerLost | Self::CrashAfterRequest)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Alert { site: usize, ends: bool, crashes: bool },
    Deliver { outlet: usize, outcome: Outcome, meanwhile: Option<usize> },
    Pass(u64),
    Silence { site: usize, minutes: u64 },
    EndSilence,
    Ack { site: usize },
    Withdraw { site: usize },
    Crash,
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        5 => Just(Outcome::Taken),
        1 => Just(Outcome::AnswerLost),
        2 => Just(Outcome::NotTaken),
        3 => Just(Outcome::Unsent),
        1 => Just(Outcome::CrashBeforeMark),
        1 => Just(Outcome::CrashBeforeRequest),
        1 => Just(Outcome::CrashAfterRequest),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let alert = (0..SITES, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let delivery = (0..OUTLETS.len(), outcome(), prop::option::weighted(0.2, 0..SITES));
    prop_oneof![
        5 => alert.prop_map(|(site, ends, crashes)| Step::Alert { site, ends, crashes }),
        8 => delivery.prop_map(|(outlet, outcome, meanwhile)| Step::Deliver { outlet, outcome, meanwhile }),
        4 => (1u64..200).prop_map(Step::Pass),
        1 => (0..SITES, 1u64..20).prop_map(|(site, minutes)| Step::Silence { site, minutes }),
        1 => Just(Step::EndSilence),
        1 => (0..SITES).prop_map(|site| Step::Ack { site }),
        1 => (0..SITES).prop_map(|site| Step::Withdraw { site }),
        1 => Just(Step::Crash),
    ]
}

fn play(world: &mut World, steps: &[Step]) {
    for &step in steps {
        match step {
            Step::Alert { site, ends, crashes } => world.alert(site, ends, crashes),
            Step::Deliver { outlet, outcome, meanwhile } => _ = world.deliver(outlet, outcome, meanwhile),
            Step::Pass(secs) => world.pass(Duration::from_secs(secs)),
            Step::Silence { site: index, minutes } => {
                let sites = SiteSelector::of([&*site(index)]);
                let until = world.now.after(Duration::from_mins(minutes));
                world.obey(&UserOrder::Silence { sites, until, is_maintenance: false, replaces: false });
            }
            Step::EndSilence => world.obey(&UserOrder::EndSilence(Silenced::All)),
            Step::Ack { site: index } => world.obey(&UserOrder::Acknowledge(Target::Site(site(index)))),
            Step::Withdraw { site: index } => world.obey(&UserOrder::Withdraw(Target::Site(site(index)))),
            Step::Crash => world.start(),
        }
    }
}

/// The kinds that an outlet was told of each incident, repeats of one row left out. Fails if a repeat or an earlier row
/// comes after a later one (T4, T5).
fn told(heard: &Heard) -> Result<HashMap<u64, Vec<NewsKind>>, TestCaseError> {
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut told: HashMap<u64, Vec<NewsKind>> = HashMap::new();
    for &(row, incident, kind) in heard {
        let before = last.insert(incident, row);
        prop_assert!(before.is_none_or(|before| before <= row), "{incident}: {heard:?}");
        if before != Some(row) {
            told.entry(incident).or_default().push(kind);
        }
    }
    Ok(told)
}

fn check(world: &World) -> Result<(), TestCaseError> {
    let is_over = |incident: u64| world.ledger.open_incidents().all(|open| open.number != incident);
    let ended = |incident| world.alerts.contains(&(incident, AlertState::Ended));
    for (key, delivery) in OUTLETS {
        let heard = world.heard.get(key).cloned().unwrap_or_default();
        if delivery == Delivery::Program {
            // Every alert arrives, in the order of the alerts; a repeat repeats whole calls.
            let mut rows: Vec<(u64, u64, NewsKind)> = heard;
            rows.sort_unstable_by_key(|(row, ..)| *row);
            rows.dedup();
            let states = rows.iter().map(|(_, incident, kind)| {
                let state = match kind {
                    NewsKind::Opened => AlertState::Down,
                    NewsKind::Closed => AlertState::Up,
                    _ => AlertState::Ended,
                };
                (*incident, state)
            });
            prop_assert_eq!(states.collect::<Vec<_>>(), world.alerts.clone());
            continue;
        }
        for (incident, kinds) in told(&heard)? {
            let is_chat = matches!(delivery, Delivery::Chat { .. });
            if kinds[0] == NewsKind::Was {
                prop_assert!(is_chat && kinds.len() == 1, "{key} {incident}: {kinds:?}");
                continue;
            }
            // T2: nothing comes before the opening; T1: what opened closes.
            prop_assert_eq!(kinds[0], NewsKind::Opened, "{} {}: {:?}", key, incident, kinds);
            let closings = kinds.iter().filter(|kind| kind.is_closing()).count();
            let expected = usize::from(is_over(incident) && !(is_chat && ended(incident)));
            prop_assert_eq!(closings, expected, "{} {}: {:?}", key, incident, kinds);
            prop_assert!(closings == 0 || kinds.last().is_some_and(|kind| kind.is_closing()), "{kinds:?}");
            prop_assert_eq!(kinds.iter().filter(|kind| **kind == NewsKind::Opened).count(), 1);
        }
        let told = told(&heard)?;
        // What nobody can have heard of before its end is one message at most.
        for (incident, kinds) in &told {
            let is_unheard = world.ended_unheard.contains(&(key.into(), *incident));
            prop_assert!(!is_unheard || kinds[..] == [NewsKind::Was], "{key} {incident}: {kinds:?}");
        }
        // T3: what is open and not muted was told.
        for open in world.ledger.open_incidents() {
            prop_assert!(told.contains_key(&open.number), "{key}: {open:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_of_telling_hold_over_crashes(
        steps in prop::collection::vec(step(), 1..120), calm in prop::option::of(Just(Calm::default())),
    ) {
        let mut world = World::new(calm);
        play(&mut world, &steps);
        world.recover();
        check(&world)?;
    }

    #[test]
    fn a_clock_that_is_set_delays_nothing_and_hurries_nothing(
        (before, after) in (prop::collection::vec(step(), 0..40), prop::collection::vec(step(), 1..60)),
        calm in prop::option::of(Just(Calm::default())), secs in 5u64..900_000, is_back: bool,
    ) {
        let mut worlds = [World::new(calm), World::new(calm)];
        for world in &mut worlds {
            let mut late = terms();
            late[2].after = Duration::from_secs(90);
            world.outbox.set_outlets(late);
            play(world, &before);
        }
        worlds[1].leap(Duration::from_secs(secs), is_back);
        // Changes that waited for a commit joined the commit of the leap.
        worlds[0].commit(Vec::new());
        for step in after {
            let [right, set] = &mut worlds;
            prop_assert_eq!(right.ages(), set.ages(), "before {:?}", step);
            play(right, &[step]);
            play(set, &[step]);
            prop_assert_eq!(&right.heard, &set.heard, "after {:?}", step);
        }
        let [right, set] = &worlds;
        prop_assert_eq!(&right.alerts, &set.alerts);
        prop_assert!(right.kept.keys().eq(set.kept.keys()), "the same is stored");
    }
}

/// A machine without a clock of its own starts 30 days late, and is set right while the outlet cannot be reached.
#[test]
fn a_message_is_not_given_up_because_the_clock_was_set() {
    let month = Duration::from_hours(30 * 24);
    for is_back in [false, true] {
        let mut outbox = alone(|outlet| outlet.after = Duration::from_mins(1));
        let begun = START.after(month);
        let opened = news(NewsKind::Opened, 0);
        outbox.post(1, &opened, Audience::default(), begun, &mut Vec::new());
        let clock = begun.after(Duration::from_secs(30));
        let now = if is_back { clock.before(month) } else { clock.after(month) };
        let mut changes = Vec::new();
        outbox.leap(&Leap { by: month, is_back, since: begun, now }, &mut changes);
        assert!(
            matches!(&changes[..], [(ChangeKey::Row(1), Some(Record::Row(row)))] if row.made.after(Duration::from_secs(30)) == now)
        );
        assert_eq!(outbox.expire(now.after(Duration::from_mins(1)), &mut Vec::new()), []);
        let next = |outbox: &mut Outbox, secs| {
            outbox.next("chat", now.after(Duration::from_secs(secs)), Duration::from_secs(30 + secs))
        };
        // It is due at once: the incident of `news` is a month older than the message.
        assert_eq!(next(&mut outbox, 0), Next::Send(vec![1]));
        let (given_up, _) = outbox.expire(now.after(Duration::from_hours(24)), &mut Vec::new()).pop().unwrap();
        assert_eq!(&*given_up, "chat");
    }
}

/// A world with one outlet of these terms.
fn alone(change: impl Fn(&mut OutletTerms)) -> Outbox {
    let mut outbox = Outbox::new(0);
    let mut only = terms().remove(0);
    change(&mut only);
    outbox.set_outlets(vec![only]);
    outbox
}

fn news(kind: NewsKind, secs: u64) -> News {
    let at = START.after(Duration::from_secs(secs));
    let since = if kind == NewsKind::Opened { at } else { START };
    let mut facts = Alert::ended("api".into(), &Rule::default(), since, at);
    facts.state = if kind == NewsKind::Opened { AlertState::Down } else { AlertState::Up };
    News { kind, alert: AlertRecord { facts, message: String::new() }, context: NewsContext::default() }
}

/// Posts `kind` at `secs`, then asks what to do.
fn post(outbox: &mut Outbox, incident: u64, kind: NewsKind, secs: u64) -> Next {
    let now = START.after(Duration::from_secs(secs));
    outbox.post(incident, &news(kind, secs), Audience::default(), now, &mut Vec::new());
    outbox.next("chat", now, Duration::from_secs(secs))
}

/// Takes what may go out at `secs`, successfully. Returns the rows.
fn take(outbox: &mut Outbox, secs: u64) -> Vec<NewsKind> {
    let (now, elapsed) = (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
    let Next::Send(rows) = outbox.next("chat", now, elapsed) else { return Vec::new() };
    let outgoing = outbox.begin("chat", &rows, elapsed, &mut Vec::new());
    outbox.succeeded(&"chat".into(), &outgoing.rows, now, elapsed, &mut Vec::new());
    outgoing.rows.iter().map(|row| row.news.kind).collect()
}

#[test]
fn an_outlet_that_waits_hears_only_of_what_lasts_and_is_not_acknowledged() {
    let patient = |outbox: &mut OutletTerms| outbox.after = Duration::from_mins(10);
    let mut outbox = alone(patient);
    assert_eq!(post(&mut outbox, 1, NewsKind::Opened, 0), Next::Later(Duration::from_mins(10)));
    post(&mut outbox, 1, NewsKind::Closed, 300);
    assert_eq!(take(&mut outbox, 3_000), [], "it was short");
    post(&mut outbox, 2, NewsKind::Opened, 3_000);
    post(&mut outbox, 2, NewsKind::Acknowledged, 3_300);
    assert_eq!(take(&mut outbox, 5_000), [], "somebody looks after it");
    post(&mut outbox, 2, NewsKind::Closed, 5_000);
    post(&mut outbox, 3, NewsKind::Opened, 6_000);
    assert_eq!(take(&mut outbox, 6_599), []);
    assert_eq!(take(&mut outbox, 6_600), [NewsKind::Opened]);
    post(&mut outbox, 3, NewsKind::Acknowledged, 6_700);
    assert_eq!(take(&mut outbox, 6_700), [NewsKind::Acknowledged]);
    post(&mut outbox, 3, NewsKind::Closed, 6_800);
    assert_eq!(take(&mut outbox, 6_800), [NewsKind::Closed]);
}

/// What certainly was not sent joins its end, also if that came during the request; what may have arrived does not.
#[test]
fn an_opening_that_was_not_sent_joins_its_end() {
    for (is_unsent, ends_meanwhile) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut outbox = alone(|_| {});
        let Next::Send(rows) = post(&mut outbox, 1, NewsKind::Opened, 0) else { panic!("it is due") };
        let mut changes = Vec::new();
        let outgoing = outbox.begin("chat", &rows, Duration::ZERO, &mut changes);
        if ends_meanwhile {
            post(&mut outbox, 1, NewsKind::Closed, 1);
        }
        let failed = FailedRequest { is_unsent, ..failed(Failure::Transient(None)) };
        outbox.failed(&"chat".into(), &outgoing.rows, &failed, (START, Duration::ZERO), &mut changes);
        // In the commit of the failure, so that a crash finds it marked or joined.
        let kept = changes.iter().rev().find(|(key, _)| *key == ChangeKey::Row(rows[0])).unwrap();
        let is_begun = matches!(&kept.1, Some(Record::Row(row)) if row.is_begun);
        assert_eq!((is_begun, kept.1.is_none()), (!is_unsent, is_unsent && ends_meanwhile));
        if !ends_meanwhile {
            post(&mut outbox, 1, NewsKind::Closed, 1);
        }
        let told: Vec<NewsKind> = (100..200).step_by(50).flat_map(|secs| take(&mut outbox, secs)).collect();
        let expected: &[NewsKind] = if is_unsent { &[NewsKind::Was] } else { &[NewsKind::Opened, NewsKind::Closed] };
        assert_eq!(told, expected, "{is_unsent} {ends_meanwhile}");
    }
}

/// A later request that was not sent says nothing of an earlier one that may have arrived.
#[test]
fn a_mark_stays_once_a_request_may_have_arrived() {
    let mut outbox = alone(|_| {});
    post(&mut outbox, 1, NewsKind::Opened, 0);
    for (secs, is_unsent) in [(0, false), (100, true)] {
        let (now, elapsed) = (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
        let Next::Send(rows) = outbox.next("chat", now, elapsed) else { panic!("it waits") };
        let outgoing = outbox.begin("chat", &rows, elapsed, &mut Vec::new());
        let failed = FailedRequest { is_unsent, ..failed(Failure::Transient(None)) };
        outbox.failed(&"chat".into(), &outgoing.rows, &failed, (now, elapsed), &mut Vec::new());
    }
    post(&mut outbox, 1, NewsKind::Closed, 200);
    let told: Vec<NewsKind> = (300..400).step_by(50).flat_map(|secs| take(&mut outbox, secs)).collect();
    assert_eq!(told, [NewsKind::Opened, NewsKind::Closed]);
}

#[test]
fn a_storm_is_two_messages_to_people() {
    let mut outbox = alone(|terms| terms.delivery = Delivery::Chat { group: Duration::from_secs(10) });
    for incident in 0..300 {
        post(&mut outbox, incident, NewsKind::Opened, incident / 150);
    }
    assert_eq!(take(&mut outbox, 9), []);
    assert_eq!(take(&mut outbox, 10).len(), 300);
    for incident in 0..300 {
        post(&mut outbox, incident, NewsKind::Closed, 20);
    }
    assert_eq!(take(&mut outbox, 39), [], "not within 30 s");
    assert_eq!(take(&mut outbox, 50).len(), 300);
}

#[test]
fn pauses_that_a_server_asks_for_are_kept_and_retries_slow_down() {
    let mut outbox = alone(|_| {});
    post(&mut outbox, 1, NewsKind::Opened, 0);
    let mut fail = |failure, secs: u64| {
        let (now, elapsed) = (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
        let Next::Send(rows) = outbox.next("chat", now, elapsed) else { panic!("it waits at {secs} s") };
        let outgoing = outbox.begin("chat", &rows, elapsed, &mut Vec::new());
        let times = (now, elapsed);
        let given_up = outbox.failed(&"chat".into(), &outgoing.rows, &failed(failure), times, &mut Vec::new());
        let resume = outbox.resume("chat").unwrap().checked_sub(elapsed).unwrap();
        (resume, given_up)
    };
    assert_eq!(fail(Failure::Transient(Some(Duration::from_secs(7))), 0).0, Duration::from_secs(7));
    assert_eq!(
        fail(Failure::Transient(Some(Duration::from_hours(9))), 8).0,
        Duration::from_hours(1),
        "at most an hour"
    );
    assert!(fail(Failure::Transient(None), 3_700).0 >= Duration::from_mins(5), "after ten minutes, every five");
    assert_eq!(fail(Failure::Broken, 8_000).0, Duration::from_mins(15));
    assert_eq!(fail(Failure::Gone, 9_000).1, 1, "410 gives up");
    assert_eq!(outbox.states().next().unwrap().1.given_up, 1);
}

/// 300 sites go down within two seconds, and up a minute later: people get a message for all of them, a service that keeps
/// incidents gets each apart, at its own pace.
#[test]
fn a_storm_is_two_messages_to_people_and_one_each_to_a_service() {
    let mut outbox = Outbox::new(0);
    outbox.set_outlets(terms().into_iter().filter(|terms| ["grouped", "pager"].contains(&&*terms.key)).collect());
    let mut sent: HashMap<(&str, bool), Vec<(u64, usize)>> = HashMap::new();
    for millis in (0..180_000).step_by(50) {
        let elapsed = Duration::from_millis(millis);
        let now = START.after(elapsed);
        for (kind, from) in [(NewsKind::Opened, 0), (NewsKind::Closed, 60_000)] {
            let begun = millis.checked_sub(from).filter(|since| *since < 2_000);
            // 7 or 8 in each step of 50 ms.
            for incident in begun.into_iter().flat_map(|since| since * 3 / 20..(since + 50) * 3 / 20) {
                outbox.post(incident, &news(kind, millis / 1_000), Audience::default(), now, &mut Vec::new());
            }
        }
        for outlet in ["grouped", "pager"] {
            while let Next::Send(rows) = outbox.next(outlet, now, elapsed) {
                let outgoing = outbox.begin(outlet, &rows, elapsed, &mut Vec::new());
                outbox.succeeded(&outlet.into(), &outgoing.rows, now, elapsed, &mut Vec::new());
                let is_end = outgoing.rows[0].news.kind == NewsKind::Closed;
                sent.entry((outlet, is_end)).or_default().push((millis, rows.len()));
            }
        }
    }
    for is_end in [false, true] {
        let (people, service) = (&sent[&("grouped", is_end)], &sent[&("pager", is_end)]);
        assert!(people.len() <= 2 && people.iter().map(|(_, rows)| rows).sum::<usize>() == 300, "{people:?}");
        assert!(service.len() == 300 && service.iter().all(|(_, rows)| *rows == 1));
        let from = if is_end { 60_000 } else { 0 };
        assert!(service.iter().chain(people).all(|(at, _)| (from..from + 60_000).contains(at)), "{people:?}");
    }
}

/// An outlet that rejects one message, whatever comes with it, hears all others; also where it groups.
#[test]
fn a_message_that_is_rejected_holds_up_no_other() {
    for key in ["grouped", "pager"] {
        let mut outbox = Outbox::new(0);
        outbox.set_outlets(terms().into_iter().filter(|terms| &*terms.key == key).collect());
        for incident in 1..=5 {
            outbox.post(incident, &news(NewsKind::Opened, 0), Audience::default(), START, &mut Vec::new());
        }
        let mut taken = Vec::new();
        for secs in 0..3_000 {
            let (now, elapsed) = (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
            let Next::Send(rows) = outbox.next(key, now, elapsed) else { continue };
            let outgoing = outbox.begin(key, &rows, elapsed, &mut Vec::new());
            let incidents: Vec<u64> = outgoing.rows.iter().map(|row| row.incident).collect();
            if incidents.contains(&1) {
                let failed = failed(Failure::Broken);
                outbox.failed(&key.into(), &outgoing.rows, &failed, (now, elapsed), &mut Vec::new());
            } else {
                outbox.succeeded(&key.into(), &outgoing.rows, now, elapsed, &mut Vec::new());
                taken.extend(incidents);
            }
        }
        taken.sort_unstable();
        assert_eq!(taken, [2, 3, 4, 5], "{key}");
    }
}

#[test]
fn what_waits_is_bounded_and_what_is_old_is_given_up_with_what_follows() {
    let mut outbox = alone(|_| {});
    for incident in 0..(super::ROWS_MAX as u64 + 5) {
        outbox.post(incident, &news(NewsKind::Opened, 0), Audience::default(), START, &mut Vec::new());
    }
    let state = outbox.states().next().unwrap().1;
    assert_eq!((state.waiting, state.given_up), (super::ROWS_MAX, 5));
    // A day later nothing is left, and a close of what was given up is not told.
    let mut changes = Vec::new();
    let given_up = outbox.expire(START.after(Duration::from_hours(24)), &mut changes);
    assert_eq!(given_up, [("chat".into(), super::ROWS_MAX)]);
    assert_eq!(changes.len(), super::ROWS_MAX);
    post(&mut outbox, 7, NewsKind::Closed, 86_500);
    assert_eq!(take(&mut outbox, 90_000), []);
}

#[test]
fn severity_sites_and_names_decide_who_hears() {
    let mut outbox = alone(|terms| {
        terms.only = Severity::Critical;
        terms.sites = SiteSelector::of(["group:shop"]);
    });
    let mut try_post = |group: Option<&str>, tell: Option<&[Arc<str>]>, rule: RuleKind| {
        let mut news = news(NewsKind::Opened, 0);
        news.alert.facts.rule = rule;
        let before = outbox.states().map(|(_, state)| state.waiting).sum::<usize>();
        let incident = before as u64 + 1;
        outbox.post(incident, &news, Audience { group, tell, except: &[] }, START, &mut Vec::new());
        outbox.states().map(|(_, state)| state.waiting).sum::<usize>() > before
    };
    assert!(try_post(Some("shop"), None, RuleKind::Availability));
    assert!(!try_post(Some("blog"), None, RuleKind::Availability));
    assert!(!try_post(Some("shop"), None, RuleKind::Latency), "a warning");
    assert!(!try_post(Some("shop"), Some(&["mail".into()]), RuleKind::SloFast), "the site chose another");
    assert!(try_post(Some("shop"), Some(&["chat".into()]), RuleKind::SloFast));
}

/// A request of `outlet` at `secs`: its number, the incidents and whether it may be a repeat; `None` if none may go.
fn request(outbox: &mut Outbox, secs: u64, outcome: Result<(), FailedRequest>) -> Option<(u64, Vec<u64>, bool)> {
    let (now, elapsed) = (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
    let Next::Send(rows) = outbox.next("chat", now, elapsed) else { return None };
    let outgoing = outbox.begin("chat", &rows, elapsed, &mut Vec::new());
    match outcome {
        Ok(()) => outbox.succeeded(&"chat".into(), &outgoing.rows, now, elapsed, &mut Vec::new()),
        Err(failed) => {
            outbox.failed(&"chat".into(), &outgoing.rows, &failed, (now, elapsed), &mut Vec::new());
        }
    }
    let incidents = outgoing.rows.iter().map(|row| row.incident).collect();
    Some((outgoing.number, incidents, outgoing.is_perhaps_repeat))
}

fn grouped() -> Outbox {
    alone(|terms| terms.delivery = Delivery::Chat { group: Duration::from_secs(10) })
}

/// A home server drops a message under a number that it knows; so nothing else may come along under that.
#[test]
fn what_may_have_arrived_is_repeated_as_it_was_and_others_go_apart() {
    let away = || Err(failed(Failure::Transient(None)));
    for opened in [1, 2] {
        let mut outbox = grouped();
        for incident in 1..=opened {
            post(&mut outbox, incident, NewsKind::Opened, 0);
        }
        let incidents: Vec<u64> = (1..=opened).collect();
        let (number, first, is_repeat) = request(&mut outbox, 10, away()).unwrap();
        assert_eq!((&first, is_repeat), (&incidents, false));
        // Another site goes down before the repeat.
        post(&mut outbox, 9, NewsKind::Opened, 11);
        outbox.next("chat", START.after(Duration::from_secs(100)), Duration::from_secs(100));
        let (other, alone, is_repeat) = request(&mut outbox, 110, Ok(())).unwrap();
        assert_eq!((alone, is_repeat), (vec![9], false));
        assert_ne!(other, number);
        outbox.next("chat", START.after(Duration::from_secs(150)), Duration::from_secs(150));
        assert_eq!(request(&mut outbox, 160, Ok(())), Some((number, incidents, true)));
    }
}

/// The same over a restart, after which nothing tells by its attempts that a message was begun.
#[test]
fn a_restart_repeats_a_set_and_joins_nothing_to_it() {
    let mut outbox = grouped();
    let mut changes = Vec::new();
    for incident in 1..=2 {
        outbox.post(incident, &news(NewsKind::Opened, 0), Audience::default(), START, &mut changes);
    }
    let at = |secs| (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
    outbox.next("chat", at(0).0, at(0).1);
    let Next::Send(rows) = outbox.next("chat", at(10).0, at(10).1) else { panic!("it is due") };
    let number = outbox.begin("chat", &rows, at(10).1, &mut changes).number;
    let kept: BTreeMap<ChangeKey, Option<Record>> = changes.into_iter().collect();
    let rows = kept.values().filter_map(|record| match record {
        Some(Record::Row(row)) => Some((**row).clone()),
        _ => None,
    });
    let mut restarted = grouped();
    restarted.restore(rows.collect(), Vec::new(), 1);
    post(&mut restarted, 3, NewsKind::Opened, 12);
    assert_eq!(request(&mut restarted, 22, Ok(())), Some((number, vec![1, 2], true)));
    restarted.next("chat", at(60).0, at(60).1);
    let (other, incidents, is_repeat) = request(&mut restarted, 70, Ok(())).unwrap();
    assert_eq!((incidents, is_repeat), (vec![3], false));
    assert!(other > number, "{other} {number}");
}

/// An answer that rejects a message, or asks for a pause, says that it was not taken; only a silence leaves that open.
#[test]
fn a_repeat_within_a_run_is_perhaps_one_only_after_a_silence() {
    let failures = [
        (Failure::Transient(None), true),
        (Failure::Transient(Some(Duration::from_secs(1))), false),
        (Failure::Broken, false),
    ];
    for (failure, is_perhaps) in failures {
        let mut outbox = alone(|_| {});
        post(&mut outbox, 1, NewsKind::Opened, 0);
        assert_eq!(request(&mut outbox, 0, Err(failed(failure))).map(|request| request.2), Some(false));
        let unsent = FailedRequest { is_unsent: true, ..failed(Failure::Transient(None)) };
        assert_eq!(request(&mut outbox, 100, Err(unsent)).map(|request| request.2), Some(is_perhaps));
        assert_eq!(request(&mut outbox, 200, Ok(())).map(|request| request.2), Some(is_perhaps), "{failure:?}");
    }
}

/// A message that its outlet rejects waits for a quarter of an hour, a new one for the backoff alone.
#[test]
fn a_rejected_message_delays_no_new_one() {
    let rejects = || Err(failed(Failure::Broken));
    let mut outbox = alone(|_| {});
    post(&mut outbox, 1, NewsKind::Opened, 0);
    for secs in [0, 100, 200] {
        assert!(request(&mut outbox, secs, rejects()).is_some(), "{secs}");
    }
    assert_eq!(request(&mut outbox, 400, rejects()), None, "it waits");
    assert_eq!(outbox.resume("chat"), Some(Duration::from_secs(200 + 900)));
    post(&mut outbox, 2, NewsKind::Opened, 400);
    assert_eq!(request(&mut outbox, 400, Ok(())).map(|request| request.1), Some(vec![2]));
    // An outlet that takes something is tried with the other once, not thrice.
    assert_eq!(request(&mut outbox, 401, rejects()).map(|request| request.1), Some(vec![1]));
    assert_eq!(request(&mut outbox, 900, rejects()), None);
    assert_eq!(request(&mut outbox, 401 + 900, Ok(())).map(|request| request.1), Some(vec![1]));
}

#[test]
fn a_rejected_message_of_a_set_holds_up_no_other() {
    let mut outbox = grouped();
    for incident in 1..=5 {
        post(&mut outbox, incident, NewsKind::Opened, 0);
    }
    let (chat, mut told): (Arc<str>, _) = ("chat".into(), Vec::new());
    // Whatever holds the news of incident 5 is rejected.
    for secs in (0..900).step_by(5) {
        let times = (START.after(Duration::from_secs(secs)), Duration::from_secs(secs));
        let Next::Send(rows) = outbox.next("chat", times.0, times.1) else { continue };
        let rows = outbox.begin("chat", &rows, times.1, &mut Vec::new()).rows;
        if rows.iter().any(|row| row.incident == 5) {
            outbox.failed(&chat, &rows, &failed(Failure::Broken), times, &mut Vec::new());
        } else {
            told.extend(rows.iter().map(|row| row.incident));
            outbox.succeeded(&chat, &rows, times.0, times.1, &mut Vec::new());
        }
    }
    assert_eq!(told, [1, 2, 3, 4]);
}

#[test]
fn a_further_outlet_that_breaks_is_named_by_the_report_that_waits() {
    let mut outbox = grouped();
    let report = |kind, said: &str| {
        let mut report = news(kind, 0);
        report.alert.facts.rule = RuleKind::Outlet;
        report.alert.message = said.to_owned();
        report
    };
    for (kind, said) in [(NewsKind::Opened, "cannot notify a"), (NewsKind::Reminder, "cannot notify a, b")] {
        outbox.post(1, &report(kind, said), Audience::default(), START, &mut Vec::new());
    }
    assert!(matches!(outbox.next("chat", START, Duration::ZERO), Next::Later(_)), "it gathers");
    let Next::Send(rows) = outbox.next("chat", START, Duration::from_secs(20)) else { panic!("it is due") };
    let sent = outbox.begin("chat", &rows, Duration::from_secs(20), &mut Vec::new()).rows;
    let said: Vec<&str> = sent.iter().map(|row| row.news.alert.message.as_str()).collect();
    assert_eq!(said, ["cannot notify a, b"]);
}

#[test]
fn an_acknowledgement_that_is_withdrawn_brings_back_an_outlet_that_hears_late() {
    let patient = |outbox: &mut OutletTerms| outbox.after = Duration::from_mins(10);
    let mut outbox = alone(patient);
    post(&mut outbox, 1, NewsKind::Opened, 0);
    post(&mut outbox, 1, NewsKind::Acknowledged, 100);
    assert_eq!(post(&mut outbox, 1, NewsKind::Withdrawn, 200), Next::Later(Duration::from_mins(10)));
    assert_eq!(take(&mut outbox, 600), [NewsKind::Opened]);
    // At once if the time is over.
    post(&mut outbox, 2, NewsKind::Opened, 0);
    post(&mut outbox, 2, NewsKind::Acknowledged, 100);
    post(&mut outbox, 2, NewsKind::Withdrawn, 700);
    assert_eq!(take(&mut outbox, 700), [NewsKind::Opened]);
    // An acknowledgement before the opening is reported, such as during a silence.
    let mut acknowledged = news(NewsKind::Opened, 800);
    acknowledged.context.by = Some("ada".to_owned());
    let now = START.after(Duration::from_secs(800));
    outbox.post(3, &acknowledged, Audience::default(), now, &mut Vec::new());
    assert_eq!(take(&mut outbox, 5_000), []);
    post(&mut outbox, 3, NewsKind::Withdrawn, 5_000);
    assert_eq!(take(&mut outbox, 5_000), [NewsKind::Opened]);
    // Others have heard of it already, or never do.
    let mut outbox = alone(|_| {});
    assert_eq!(post(&mut outbox, 1, NewsKind::Withdrawn, 0), Next::Idle);
}

/// An outlet that is removed from the file and put back hears of the end of what it knows, and of nothing else.
#[test]
fn an_outlet_that_returns_hears_of_what_ended_while_it_was_gone() {
    let mut outbox = alone(|_| {});
    let outlets: Vec<OutletTerms> = outbox.outlets().cloned().collect();
    post(&mut outbox, 1, NewsKind::Opened, 0);
    assert_eq!(take(&mut outbox, 0), [NewsKind::Opened]);
    post(&mut outbox, 2, NewsKind::Opened, 1);
    outbox.set_outlets(Vec::new());
    post(&mut outbox, 3, NewsKind::Opened, 2);
    for incident in 1..=3 {
        assert_eq!(post(&mut outbox, incident, NewsKind::Closed, 10), Next::Idle);
    }
    outbox.set_outlets(outlets);
    let told: Vec<NewsKind> = (20..30).flat_map(|secs| take(&mut outbox, secs)).collect();
    assert_eq!(told, [NewsKind::Opened, NewsKind::Closed, NewsKind::Closed]);
}
