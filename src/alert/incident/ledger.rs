//! All incidents: turns alerts of the rules into what users hear of.
//!
//! ```text
//!    rule breached                                        settle over, rule clear all the time
//!  ┌────────┐  open   ┌─────────────── open ───────────────┐  close   ┌────────┐
//!  │ closed ├────────►│ breached ──clear──► calming(settle)├─────────►│ closed │
//!  └────────┘         │    ▲                   │           │          └────────┘
//!                     │    └────relapse────────┘ settle ×2 │   site or rule removed: ended
//!                     └────────────────────────────────────┘
//! ```
//!
//! Invariants: `Opened` is emitted at most once per incident and before anything else about it; an incident whose
//! `Opened` was emitted is followed by exactly one `Closed` or `Ended`, whatever is muted; an incident that opens and closes
//! while it is muted emits nothing. Only reports are muted, never checks, figures or records. Time is an argument.
//! Bounds: one incident per site and rule, remembered for [`Calm::memory`] after it closed. Cost: a step without a due
//! instant is constant; otherwise linear in the incidents.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::change::{Change, ChangeKey, Counter, Record};
use crate::alert::{Alert, AlertRecord, AlertState, Calm, News, NewsContext, NewsKind, RuleKind};
use crate::model::Timestamp;

use super::record::{Ack, Incident, Phase, Silence};

/// The longest pause between two reminders.
const REMIND_MAX: Duration = Duration::from_hours(24);

/// A closed incident is remembered at least this long: outlets that expire what is not repeated still ask for it.
const MEMORY_MIN: Duration = Duration::from_mins(10);

/// How often a muted incident is looked at.
const MUTE_LOOK: Duration = Duration::from_secs(1);

/// What the ledger knows about a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteTerms {
    /// Its group.
    pub group: Option<Arc<str>>,
    /// While this site is down, this one's incidents are muted.
    pub parent: Option<Arc<str>>,
    /// The pause before the first reminder.
    pub remind: Option<Duration>,
    /// The outlets that hear of it; `None`: all.
    pub tell: Option<Arc<[Arc<str>]>>,
}

/// The settings of the ledger.
#[derive(Clone, Debug, Default)]
pub struct LedgerTerms {
    /// The calm; `None`: every alert is reported.
    pub calm: Option<Calm>,
    /// The sites.
    pub sites: HashMap<Arc<str>, SiteTerms>,
}

/// Why an incident is not reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mute {
    /// By the silence of this number.
    Silence(u64),
    /// Its parent is down.
    Parent(Arc<str>),
    /// Its site is paused.
    Paused,
}

/// What follows from a call: news for the outlets, and changes to keep.
#[derive(Debug, Default)]
pub struct Emitted {
    /// News, in order, each with the number of its incident.
    pub news: Vec<(u64, News)>,
    /// Changes, in order.
    pub changes: Vec<Change>,
}

/// Which incidents a user means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The one of this number.
    Number(u64),
    /// All open ones of this site.
    Site(Arc<str>),
}

type Key = (Arc<str>, RuleKind);

/// See the module.
pub struct Ledger {
    terms: LedgerTerms,
    incidents: BTreeMap<Key, Incident>,
    silences: BTreeMap<u64, Silence>,
    paused: HashSet<Arc<str>>,
    next_incident: u64,
    next_silence: u64,
    /// Nothing is due before.
    next_look: Timestamp,
    /// Words an alert.
    word: Box<dyn Fn(&Alert) -> String + Send>,
}

impl Ledger {
    /// An empty ledger; `word` words alerts.
    #[must_use]
    pub fn new(terms: LedgerTerms, word: Box<dyn Fn(&Alert) -> String + Send>) -> Self {
        Self {
            terms,
            incidents: BTreeMap::new(),
            silences: BTreeMap::new(),
            paused: HashSet::new(),
            next_incident: 1,
            next_silence: 1,
            next_look: Timestamp::ZERO,
            word,
        }
    }

    /// Takes over what was kept.
    pub fn restore(&mut self, incidents: Vec<Incident>, silences: Vec<Silence>, next: (u64, u64)) {
        let above = |next: u64, known: Option<u64>| next.max(known.map_or(1, |known| known + 1));
        self.next_incident = above(next.0, incidents.iter().map(|incident| incident.number).max());
        self.next_silence = above(next.1, silences.iter().map(|silence| silence.number).max());
        self.incidents =
            incidents.into_iter().map(|incident| ((Arc::clone(incident.site()), incident.rule()), incident)).collect();
        self.silences = silences.into_iter().map(|silence| (silence.number, silence)).collect();
        self.next_look = Timestamp::ZERO;
    }

    /// Adopts an incident that an earlier version opened and reported, as `opening` says. Returns its number.
    pub fn adopt(&mut self, opening: Alert, out: &mut Emitted) -> u64 {
        let key = (Arc::clone(&opening.site), opening.rule);
        if let Some(known) = self.incidents.get(&key).filter(|known| known.is_open()) {
            return known.number;
        }
        let mut incident = self.open(&opening, NewsContext::default(), Duration::ZERO, out);
        incident.is_announced = true;
        self.keep(key, incident, out)
    }

    /// Replaces the settings.
    pub fn set_terms(&mut self, terms: LedgerTerms) {
        self.terms = terms;
        self.next_look = Timestamp::ZERO;
    }

    /// What is known about a site.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<&SiteTerms> {
        self.terms.sites.get(name)
    }

    /// Notes that checks of `site` are paused, or no longer.
    pub fn set_paused(&mut self, site: &Arc<str>, is_paused: bool) {
        if is_paused {
            self.paused.insert(Arc::clone(site));
        } else {
            self.paused.remove(site);
        }
        self.next_look = Timestamp::ZERO;
    }

    /// Notes `alert`. Returns the number of its incident; `None` for the end of one that is not known.
    pub fn note(&mut self, alert: &Alert, context: NewsContext, now: Timestamp, out: &mut Emitted) -> Option<u64> {
        self.next_look = Timestamp::ZERO;
        let key = (Arc::clone(&alert.site), alert.rule);
        let known = self.incidents.remove(&key);
        match (alert.state.is_opening(), known) {
            (true, Some(mut incident)) if incident.is_open() => {
                let is_relapse = matches!(incident.phase, Phase::Calming(_));
                incident.newest = Alert { incident: Some(incident.number), ..alert.clone() };
                incident.phase = Phase::Breached;
                if is_relapse {
                    incident.relapses += 1;
                    incident.settle = self.terms.calm.map_or(Duration::ZERO, |calm| calm.doubled(incident.settle));
                } else if incident.is_announced && incident.ack.is_none() && self.mute(&incident, now).is_none() {
                    // A rule that is breached further, such as a certificate with fewer days left.
                    self.emit(NewsKind::Reminder, &incident, incident.newest.clone(), now, out);
                }
                Some(self.keep(key, incident, out))
            }
            (true, before) => {
                let last = before.as_ref().and_then(|before| match before.phase {
                    Phase::Closed(at) => Some((at, before.settle)),
                    _ => None,
                });
                if let Some(before) = before {
                    out.changes.push((ChangeKey::Incident(before.number), None));
                }
                let settle = self.terms.calm.map_or(Duration::ZERO, |calm| calm.at_opening(alert.at, last));
                let mut incident = self.open(alert, context, settle, out);
                if self.mute(&incident, now).is_none() {
                    self.announce(&mut incident, now, out);
                }
                Some(self.keep(key, incident, out))
            }
            (false, Some(mut incident)) if incident.is_open() => {
                incident.newest = Alert { incident: Some(incident.number), ..alert.clone() };
                let number = incident.number;
                if alert.state == AlertState::Ended {
                    self.close(&mut incident, NewsKind::Ended, alert.at, out);
                } else if incident.settle.is_zero() || self.terms.calm.is_none() {
                    self.close(&mut incident, NewsKind::Closed, alert.at, out);
                } else {
                    incident.phase = Phase::Calming(alert.at);
                }
                self.keep(key, incident, out);
                Some(number)
            }
            (false, known) => {
                let number = known.as_ref().map(|known| known.number);
                if let Some(known) = known {
                    self.incidents.insert(key, known);
                }
                number.filter(|_| alert.state == AlertState::Ended)
            }
        }
    }

    /// Lets time pass until `now`.
    pub fn step(&mut self, now: Timestamp, out: &mut Emitted) {
        if now < self.next_look {
            return;
        }
        let ended: Vec<u64> = self.silences.values().filter(|silence| silence.until <= now).map(|s| s.number).collect();
        for number in ended {
            self.silences.remove(&number);
            out.changes.push((ChangeKey::Silence(number), None));
        }
        let due: Vec<Key> = self
            .incidents
            .iter()
            .filter(|(_, incident)| self.is_due(incident, now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            let Some(mut incident) = self.incidents.remove(&key) else { continue };
            if self.advance(&mut incident, now, out) {
                self.keep(key, incident, out);
            } else {
                out.changes.push((ChangeKey::Incident(incident.number), None));
            }
        }
        let instants = self.incidents.values().filter_map(|incident| self.due_at(incident, now));
        let silences = self.silences.values().map(|silence| silence.until);
        self.next_look = instants.chain(silences).min().unwrap_or(Timestamp::MAX);
    }

    /// Acknowledges the open incidents that `target` means. Returns their numbers.
    pub fn acknowledge(&mut self, target: &Target, ack: &Ack, out: &mut Emitted) -> Vec<u64> {
        self.change_ack(target, Some(ack), ack.at, out)
    }

    /// Withdraws their acknowledgements. Returns the numbers of those that had one.
    pub fn withdraw(&mut self, target: &Target, now: Timestamp, out: &mut Emitted) -> Vec<u64> {
        self.change_ack(target, None, now, out)
    }

    fn change_ack(&mut self, target: &Target, ack: Option<&Ack>, now: Timestamp, out: &mut Emitted) -> Vec<u64> {
        let is_meant = |incident: &Incident| match target {
            Target::Number(number) => incident.number == *number,
            Target::Site(site) => incident.site() == site,
        };
        let changes = |incident: &Incident| incident.is_open() && is_meant(incident) && incident.ack.as_ref() != ack;
        let keys: Vec<Key> =
            self.incidents.iter().filter(|(_, incident)| changes(incident)).map(|(key, _)| key.clone()).collect();
        let mut numbers = Vec::new();
        for key in keys {
            let Some(mut incident) = self.incidents.remove(&key) else { continue };
            incident.ack = ack.cloned();
            numbers.push(incident.number);
            if incident.is_announced {
                let kind = if ack.is_some() { NewsKind::Acknowledged } else { NewsKind::Withdrawn };
                self.emit(kind, &incident, incident.opening.clone(), now, out);
            }
            self.keep(key, incident, out);
        }
        self.next_look = Timestamp::ZERO;
        numbers
    }

    /// Begins a silence; its number is set. Returns the number.
    pub fn silence(&mut self, mut silence: Silence, out: &mut Emitted) -> u64 {
        silence.number = self.next_silence;
        self.next_silence += 1;
        out.changes.push((ChangeKey::Next(Counter::Silence), Some(Record::Next(self.next_silence))));
        out.changes.push((ChangeKey::Silence(silence.number), Some(Record::Silence(silence.clone()))));
        let number = silence.number;
        self.silences.insert(number, silence);
        self.next_look = Timestamp::ZERO;
        number
    }

    /// Ends the silence of this number, or all. Returns how many ended.
    pub fn end_silence(&mut self, number: Option<u64>, out: &mut Emitted) -> usize {
        let ended: Vec<u64> =
            self.silences.keys().copied().filter(|&known| number.is_none_or(|number| number == known)).collect();
        for number in &ended {
            self.silences.remove(number);
            out.changes.push((ChangeKey::Silence(*number), None));
        }
        self.next_look = Timestamp::ZERO;
        ended.len()
    }

    /// The silences, by number.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// All incidents that are open, by site and rule.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|incident| incident.is_open())
    }

    /// The incident of this number, open or closed lately.
    #[must_use]
    pub fn incident(&self, number: u64) -> Option<&Incident> {
        self.incidents.values().find(|incident| incident.number == number)
    }

    /// Why `incident` is not reported at `now`; `None` if it is.
    #[must_use]
    pub fn mute(&self, incident: &Incident, now: Timestamp) -> Option<Mute> {
        let site = incident.site();
        let terms = self.terms.sites.get(site);
        let group = terms.and_then(|terms| terms.group.as_deref());
        let silence = self
            .silences
            .values()
            .find(|silence| silence.from <= now && now < silence.until && silence.sites.selects(site, group));
        if let Some(silence) = silence {
            return Some(Mute::Silence(silence.number));
        }
        if incident.rule().is_own() {
            return None;
        }
        if self.paused.contains(site) {
            return Some(Mute::Paused);
        }
        let parent = terms.and_then(|terms| terms.parent.as_ref())?;
        let is_down = |parent: &Incident| parent.is_open() && incident.rule() != RuleKind::Certificate;
        let parent_key = (Arc::clone(parent), RuleKind::Availability);
        self.incidents.get(&parent_key).filter(|parent| is_down(parent)).map(|_| Mute::Parent(Arc::clone(parent)))
    }

    /// When something about `incident` is due, at `now` or later.
    fn due_at(&self, incident: &Incident, now: Timestamp) -> Option<Timestamp> {
        match incident.phase {
            Phase::Closed(at) => Some(at.after(self.memory())),
            Phase::Calming(since) => Some(since.after(incident.settle)),
            Phase::Breached if !incident.is_announced => Some(now.after(MUTE_LOOK)),
            Phase::Breached => incident.reminder.map(|(due, _)| due),
        }
    }

    fn is_due(&self, incident: &Incident, now: Timestamp) -> bool {
        match incident.phase {
            Phase::Breached if !incident.is_announced => self.mute(incident, now).is_none(),
            _ => self.due_at(incident, now).is_some_and(|due| due <= now),
        }
    }

    fn memory(&self) -> Duration {
        self.terms.calm.map_or(MEMORY_MIN, |calm| calm.memory().max(MEMORY_MIN))
    }

    /// Does what is due for `incident` at `now`. Returns whether it is still remembered.
    fn advance(&self, incident: &mut Incident, now: Timestamp, out: &mut Emitted) -> bool {
        match incident.phase {
            Phase::Closed(_) => return false,
            Phase::Calming(since) => {
                let closed = since.after(incident.settle);
                self.close(incident, NewsKind::Closed, closed, out);
            }
            Phase::Breached if !incident.is_announced => self.announce(incident, now, out),
            Phase::Breached => {
                if incident.ack.is_none() && self.mute(incident, now).is_none() {
                    self.emit(NewsKind::Reminder, incident, incident.newest.clone(), now, out);
                }
                if let Some((due, pause)) = &mut incident.reminder {
                    // Reminders that fell into a stop of webmon are one.
                    while *due <= now {
                        *pause = pause.saturating_mul(2).min(REMIND_MAX);
                        *due = due.after(*pause);
                    }
                }
            }
        }
        true
    }

    fn open(&mut self, alert: &Alert, context: NewsContext, settle: Duration, out: &mut Emitted) -> Incident {
        let number = self.next_incident;
        self.next_incident += 1;
        out.changes.push((ChangeKey::Next(Counter::Incident), Some(Record::Next(self.next_incident))));
        let opening = Alert { incident: Some(number), ..alert.clone() };
        let remind = self.terms.sites.get(&alert.site).and_then(|terms| terms.remind);
        Incident {
            number,
            newest: opening.clone(),
            reminder: remind.map(|pause| (opening.at.after(pause), pause)),
            opening,
            context,
            phase: Phase::Breached,
            settle,
            relapses: 0,
            is_announced: false,
            ack: None,
        }
    }

    fn announce(&self, incident: &mut Incident, now: Timestamp, out: &mut Emitted) {
        incident.is_announced = true;
        self.emit(NewsKind::Opened, incident, incident.opening.clone(), now, out);
    }

    /// Closes `incident` at `at`, reported if its opening was.
    fn close(&self, incident: &mut Incident, kind: NewsKind, at: Timestamp, out: &mut Emitted) {
        incident.phase = Phase::Closed(at);
        incident.reminder = None;
        incident.ack = None;
        if incident.is_announced {
            let since = incident.opened();
            let alert = Alert { since, downtime: Some(incident.newest.at.since(since)), ..incident.newest.clone() };
            self.emit(kind, incident, alert, at, out);
        }
    }

    fn emit(&self, kind: NewsKind, incident: &Incident, facts: Alert, now: Timestamp, out: &mut Emitted) {
        let context = NewsContext {
            relapses: incident.relapses,
            open_for: (kind == NewsKind::Reminder).then(|| now.since(incident.opened())),
            by: incident.ack.as_ref().map(|ack| ack.by.to_string()),
            text: incident.ack.as_ref().map(|ack| ack.text.clone()),
            ..incident.context.clone()
        };
        let alert = AlertRecord { message: (self.word)(&facts), facts };
        out.news.push((incident.number, News { kind, alert, context }));
    }

    fn keep(&mut self, key: Key, incident: Incident, out: &mut Emitted) -> u64 {
        let number = incident.number;
        out.changes.push((ChangeKey::Incident(number), Some(Record::Incident(Box::new(incident.clone())))));
        self.incidents.insert(key, incident);
        number
    }
}
