//! What users order: silences, acknowledgements, and what they mute.

use std::sync::Arc;

use crate::alert::incident::order::{
    Obeyed, OrderChange, OrderEvent, OrderedBy, Refusal, SILENCES_MAX, Silenced, UserOrder, WINDOW_MEMORY,
};
use crate::alert::kept::change::{ChangeKey, Counter, Record};
use crate::alert::kept::incident::{Ack, Incident, SILENCE_MAX, Silence};
use crate::alert::{NewsKind, RuleKind};
use crate::model::Timestamp;

use super::handover::is_shared;
use super::ledger::{Key, Ledger};
use super::terms::{Emitted, Mute, Target};

/// When the record of `silence` goes.
fn leaves(silence: &Silence) -> Timestamp {
    if silence.is_maintenance { silence.until.after(WINDOW_MEMORY) } else { silence.until }
}

impl Obeyed {
    fn note(&mut self, change: OrderChange, ordered: &OrderedBy) {
        self.events.push(OrderEvent { change, ordered: ordered.clone() });
    }
}

impl Ledger {
    /// Obeys `order`, which `ordered` gave, at `now`. A refused order changes nothing.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn obey(
        &mut self,
        order: &UserOrder,
        ordered: &OrderedBy,
        now: Timestamp,
        out: &mut Emitted,
    ) -> Result<Obeyed, Refusal> {
        self.next_look = Timestamp::ZERO;
        match order {
            UserOrder::Acknowledge(target) => {
                let OrderedBy { by, at, text } = ordered.clone();
                self.change_ack(target, Some(&Ack { by, at: at.min(now), text }), ordered, now, out)
            }
            UserOrder::Withdraw(target) => self.change_ack(target, None, ordered, now, out),
            UserOrder::Silence { sites, until, is_maintenance, replaces } => {
                let until = *until;
                if until <= now {
                    return Err(Refusal::Past);
                }
                if until.since(now) > SILENCE_MAX {
                    return Err(Refusal::TooLong);
                }
                let is_replaced = |silence: &Silence| *replaces && silence.sites == *sites;
                if self.active(now).filter(|silence| !is_replaced(silence)).count() >= SILENCES_MAX {
                    return Err(Refusal::TooMany);
                }
                let mut obeyed = Obeyed::default();
                if *replaces {
                    self.end_silences(|silence| silence.sites == *sites, ordered, now, (&mut obeyed, out));
                }
                let number = self.next_silence;
                self.next_silence += 1;
                let silence = Silence {
                    number,
                    sites: sites.clone(),
                    from: now,
                    until,
                    by: Arc::clone(&ordered.by),
                    text: ordered.text.clone(),
                    is_maintenance: *is_maintenance,
                };
                out.changes.push((ChangeKey::Next(Counter::Silence), Some(Record::Next(self.next_silence))));
                self.keep_silence(silence, out);
                let (sites, is_maintenance) = (sites.clone(), *is_maintenance);
                obeyed.silence = Some(number);
                obeyed.note(OrderChange::Silenced { number, sites, until, is_maintenance }, ordered);
                Ok(obeyed)
            }
            UserOrder::EndSilence(which) => {
                let is_meant = |silence: &Silence| match which {
                    Silenced::All => true,
                    Silenced::Number(number) => silence.number == *number,
                    Silenced::Sites(sites) => silence.sites == *sites,
                };
                let mut obeyed = Obeyed::default();
                self.end_silences(is_meant, ordered, now, (&mut obeyed, out));
                if obeyed.ended.is_empty() { Err(Refusal::NotSilenced(which.clone())) } else { Ok(obeyed) }
            }
        }
    }

    /// Sets or withdraws the acknowledgement of the incidents that are meant. A repetition in the same words is no change, nor is
    /// one without words of what was acknowledged with some: those stay, with their author.
    fn change_ack(
        &mut self,
        target: &Target,
        ack: Option<&Ack>,
        ordered: &OrderedBy,
        now: Timestamp,
        out: &mut Emitted,
    ) -> Result<Obeyed, Refusal> {
        let is_meant = |incident: &Incident| match target {
            Target::Number(number) => incident.number == *number,
            Target::Site(site) => incident.site() == site,
        };
        let meant = self.incidents.iter().filter(|(_, incident)| incident.is_open() && is_meant(incident));
        let keys: Vec<Key> = meant.map(|(key, _)| key.clone()).collect();
        if keys.is_empty() {
            return Err(Refusal::NothingOpen(target.clone()));
        }
        let words = |ack: &Ack| (Arc::clone(&ack.by), ack.text.clone());
        let mut obeyed = Obeyed::default();
        for key in keys {
            let Some(mut incident) = self.incidents.remove(&key) else { continue };
            let (number, site, rule) = (incident.number, Arc::clone(incident.site()), incident.rule());
            obeyed.incidents.push((number, Arc::clone(&site)));
            let is_wordless = ack.is_some_and(|ack| ack.text.is_empty());
            let has_words = incident.ack.as_ref().is_some_and(|known| !known.text.is_empty());
            if incident.ack.as_ref().map(words) == ack.map(words) || is_wordless && has_words {
                self.incidents.insert(key, incident);
                continue;
            }
            incident.ack = ack.cloned();
            let (kind, change) = match ack {
                Some(_) => (NewsKind::Acknowledged, OrderChange::Acknowledged(number, site, rule)),
                None => (NewsKind::Withdrawn, OrderChange::Withdrawn(number, site, rule)),
            };
            obeyed.note(change, ordered);
            if incident.is_announced {
                self.emit(kind, &incident, incident.opening.clone(), now, out);
            }
            self.keep(key, incident, out);
        }
        Ok(obeyed)
    }

    /// Ends the silences that are meant.
    fn end_silences(
        &mut self,
        is_meant: impl Fn(&Silence) -> bool,
        ordered: &OrderedBy,
        now: Timestamp,
        (obeyed, out): (&mut Obeyed, &mut Emitted),
    ) {
        let ended: Vec<Silence> = self.active(now).filter(|silence| is_meant(silence)).cloned().collect();
        for silence in ended {
            let (number, sites) = (silence.number, silence.sites.clone());
            obeyed.ended.push(number);
            obeyed.note(OrderChange::SilenceEnded { number, sites }, ordered);
            if silence.is_maintenance {
                self.keep_silence(Silence { until: now.max(silence.from), ..silence }, out);
            } else {
                self.silences.remove(&number);
                out.changes.push((ChangeKey::Silence(number), None));
            }
        }
        self.forget_windows(out);
    }

    pub(super) fn keep_silence(&mut self, silence: Silence, out: &mut Emitted) {
        out.changes.push((ChangeKey::Silence(silence.number), Some(Record::Silence(silence.clone()))));
        self.silences.insert(silence.number, silence);
    }

    /// Forgets the oldest windows of maintenance beyond the number that is remembered.
    fn forget_windows(&mut self, out: &mut Emitted) {
        while self.silences.len() > 2 * SILENCES_MAX {
            let oldest = self.silences.values().min_by_key(|silence| silence.until).map(|silence| silence.number);
            let Some(number) = oldest else { return };
            self.silences.remove(&number);
            out.changes.push((ChangeKey::Silence(number), None));
        }
    }

    /// Removes the silences that are over, but for windows of maintenance, which are remembered.
    pub(super) fn expire_silences(&mut self, now: Timestamp, out: &mut Emitted) {
        let over: Vec<u64> =
            self.silences.values().filter(|silence| leaves(silence) <= now).map(|silence| silence.number).collect();
        for number in over {
            self.silences.remove(&number);
            out.changes.push((ChangeKey::Silence(number), None));
        }
        self.forget_windows(out);
    }

    /// When the next silence ends or is forgotten, after `now`.
    pub(super) fn silence_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |silence: &Silence| if silence.until > now { silence.until } else { leaves(silence) };
        self.silences.values().map(due).min()
    }

    /// The silences, by number, and the past windows of maintenance among them.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// The silences at `now`, by number.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        self.silences.values().filter(move |silence| silence.until > now)
    }

    /// Why `incident` is not reported at `now`; `None` if it is.
    #[must_use]
    pub fn mute(&self, incident: &Incident, now: Timestamp) -> Option<Mute> {
        let site = incident.site();
        let terms = self.terms.sites.get(site);
        let group = terms.and_then(|terms| terms.group.as_deref());
        let silence = self.active(now).find(|silence| silence.sites.selects(site, group));
        if let Some(silence) = silence {
            return Some(Mute::Silence(silence.number));
        }
        if self.is_following && is_shared(incident.rule()) {
            return Some(Mute::Hub);
        }
        if incident.rule().is_own() {
            return None;
        }
        if now < self.left_until {
            return Some(Mute::Hub);
        }
        if self.paused.get(site).is_some_and(|&until| now < until) {
            return Some(Mute::Paused);
        }
        if self.terms.maintenance.iter().any(|window| window.sites.selects(site, group) && window.covers(now)) {
            return Some(Mute::Maintenance);
        }
        let parent = terms.and_then(|terms| terms.parent.as_ref())?;
        let is_down = |parent: &Incident| parent.is_open() && incident.rule() != RuleKind::Certificate;
        let parent_key = (Arc::clone(parent), RuleKind::Availability);
        self.incidents.get(&parent_key).filter(|parent| is_down(parent)).map(|_| Mute::Parent(Arc::clone(parent)))
    }
}
