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
//! Bounds: one incident per site and rule, remembered for [`crate::alert::Calm::memory`] after it closed. Cost: a step without a due
//! instant is constant; otherwise linear in the incidents.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::alert::kept::change::{ChangeKey, Counter, Record};
use crate::alert::kept::incident::{Incident, Phase, Silence};
use crate::alert::kept::numbers::Numbers;
use crate::alert::{Alert, AlertRecord, AlertState, News, NewsContext, NewsKind, RuleKind};
use crate::model::Timestamp;

use super::terms::{Emitted, LedgerTerms, SiteTerms};

/// The longest pause between two reminders.
const REMIND_MAX: Duration = Duration::from_hours(24);

/// A closed incident is remembered at least this long: outlets that expire what is not repeated still ask for it.
const MEMORY_MIN: Duration = Duration::from_mins(10);

/// How often a muted incident is looked at.
const MUTE_LOOK: Duration = Duration::from_secs(1);

pub(super) type Key = (Arc<str>, RuleKind);

/// See the module.
pub struct Ledger {
    pub(super) terms: LedgerTerms,
    pub(super) incidents: BTreeMap<Key, Incident>,
    pub(super) silences: BTreeMap<u64, Silence>,
    pub(super) paused: HashMap<Arc<str>, Timestamp>,
    /// Until then a hub reports the sites, over all locations.
    pub(super) left_until: Timestamp,
    /// Whether another hub delivers what locations find.
    pub(super) is_following: bool,
    numbers: Numbers,
    pub(super) next_silence: u64,
    /// Nothing is due before.
    pub(super) next_look: Timestamp,
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
            paused: HashMap::new(),
            left_until: Timestamp::ZERO,
            is_following: false,
            numbers: Numbers::new(Counter::Incident),
            next_silence: 1,
            next_look: Timestamp::ZERO,
            word,
        }
    }

    /// Takes over what was kept.
    pub fn restore(&mut self, incidents: Vec<Incident>, silences: Vec<Silence>, next: (u64, u64)) {
        self.numbers.restore(next.0, incidents.iter().map(|incident| incident.number).max());
        self.next_silence = next.1.max(silences.iter().map(|silence| silence.number + 1).max().unwrap_or(1));
        self.incidents =
            incidents.into_iter().map(|incident| ((Arc::clone(incident.site()), incident.rule()), incident)).collect();
        self.silences = silences.into_iter().map(|silence| (silence.number, silence)).collect();
        self.next_look = Timestamp::ZERO;
    }

    /// The numbers of the incidents.
    pub const fn numbers(&mut self) -> &mut Numbers {
        &mut self.numbers
    }

    /// Adopts an incident that an earlier version opened and reported, as `opening` says. Returns its number.
    pub fn adopt(&mut self, opening: &Alert, out: &mut Emitted) -> u64 {
        let key = (Arc::clone(&opening.site), opening.rule);
        if let Some(known) = self.incidents.get(&key).filter(|known| known.is_open()) {
            return known.number;
        }
        let mut incident = self.open(opening, NewsContext::default(), Duration::ZERO, out);
        incident.is_announced = true;
        self.keep(key, incident, out)
    }

    /// Adds a silence that begins now, when the past is told again.
    pub fn add_silence(&mut self, silence: Silence) {
        self.silences.insert(silence.number, silence);
        self.next_look = Timestamp::ZERO;
    }

    /// Leaves the sites to a hub until then: incidents that open meanwhile are reported here only if they outlast it. After the clock
    /// was set back, that is earlier than before.
    pub fn leave_until(&mut self, until: Timestamp) {
        (self.left_until, self.next_look) = (until, Timestamp::ZERO);
    }

    /// The settings.
    #[must_use]
    pub const fn terms(&self) -> &LedgerTerms {
        &self.terms
    }

    /// Replaces the settings at `now`. Open incidents are reminded of as they say, from now on where that is new.
    pub fn set_terms(&mut self, terms: LedgerTerms, now: Timestamp, out: &mut Emitted) {
        let before = std::mem::replace(&mut self.terms, terms);
        self.next_look = Timestamp::ZERO;
        for incident in self.incidents.values_mut().filter(|incident| incident.is_open()) {
            let remind = |terms: &LedgerTerms| terms.sites.get(incident.site()).map(|terms| terms.remind);
            // A site that is not watched keeps its reminder until it is watched again.
            let Some(pause) = remind(&self.terms) else { continue };
            let is_new = remind(&before).is_some_and(|before| before != pause);
            // An earlier run may have had other settings.
            if is_new || pause.is_some() != incident.reminder.is_some() {
                incident.reminder = pause.map(|pause| (now.after(pause), pause));
                out.changes
                    .push((ChangeKey::Incident(incident.number), Some(Record::Incident(Box::new(incident.clone())))));
            }
        }
    }

    /// What is known about a site.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<&SiteTerms> {
        self.terms.sites.get(name)
    }

    /// Notes that checks of `site` are paused until then, or no longer.
    pub fn set_paused(&mut self, site: &Arc<str>, until: Option<Timestamp>) {
        match until {
            Some(until) => _ = self.paused.insert(Arc::clone(site), until),
            None => _ = self.paused.remove(site),
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
        self.expire_silences(now, out);
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
        self.next_look = instants.chain(self.silence_due(now)).min().unwrap_or(Timestamp::MAX);
    }

    /// Nothing is due before.
    #[must_use]
    pub const fn due(&self) -> Timestamp {
        self.next_look
    }

    /// All incidents that are open, by site and rule.
    pub fn open_incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(|incident| incident.is_open())
    }

    /// Words `alert`.
    #[must_use]
    pub fn word(&self, alert: &Alert) -> String {
        (self.word)(alert)
    }

    /// How the incident of this number stands, as news: opened while it is open, then closed. `None` once it is forgotten.
    #[must_use]
    pub fn current(&self, number: u64) -> Option<News> {
        let incident = self.incident(number)?;
        let (kind, facts) = match (incident.phase, incident.newest.state) {
            (Phase::Closed(_), AlertState::Ended) => (NewsKind::Ended, incident.closing()),
            (Phase::Closed(_), _) => (NewsKind::Closed, incident.closing()),
            _ => (NewsKind::Opened, incident.opening.clone()),
        };
        let mut out = Emitted::default();
        self.emit(kind, incident, facts, incident.opened(), &mut out);
        out.news.pop().map(|(_, news)| news)
    }

    /// The incident of this number, open or closed lately.
    #[must_use]
    pub fn incident(&self, number: u64) -> Option<&Incident> {
        self.incidents.values().find(|incident| incident.number == number)
    }

    /// When something about `incident` is due, at `now` or later.
    fn due_at(&self, incident: &Incident, now: Timestamp) -> Option<Timestamp> {
        match incident.phase {
            Phase::Closed(at) => Some(at.after(self.memory())),
            Phase::Calming(since) => Some(since.after(incident.settle)),
            Phase::Breached if !incident.is_announced => Some(now.after(MUTE_LOOK)),
            Phase::Breached => incident.reminder.filter(|_| self.is_watched(incident)).map(|(due, _)| due),
        }
    }

    /// Whether the site of `incident` is watched. The state of a site that was not selected is unknown.
    fn is_watched(&self, incident: &Incident) -> bool {
        incident.rule().is_own() || self.terms.sites.contains_key(incident.site())
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
        let number = self.numbers.take(&mut out.changes);
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
        // It may have been muted for longer than the pause.
        incident.reminder = incident.reminder.map(|(_, pause)| (now.after(pause), pause));
        self.emit(NewsKind::Opened, incident, incident.opening.clone(), now, out);
    }

    /// Closes `incident` at `at`, reported if its opening was.
    fn close(&self, incident: &mut Incident, kind: NewsKind, at: Timestamp, out: &mut Emitted) {
        incident.phase = Phase::Closed(at);
        incident.reminder = None;
        incident.ack = None;
        if incident.is_announced {
            self.emit(kind, incident, incident.closing(), at, out);
        }
    }

    pub(super) fn emit(&self, kind: NewsKind, incident: &Incident, facts: Alert, now: Timestamp, out: &mut Emitted) {
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

    pub(super) fn keep(&mut self, key: Key, incident: Incident, out: &mut Emitted) -> u64 {
        let number = incident.number;
        out.changes.push((ChangeKey::Incident(number), Some(Record::Incident(Box::new(incident.clone())))));
        self.incidents.insert(key, incident);
        number
    }
}
