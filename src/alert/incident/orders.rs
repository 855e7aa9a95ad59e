//! What users order: silences, acknowledgements, and what they mute.

use std::sync::Arc;

use crate::alert::kept::change::{ChangeKey, Counter, Record};
use crate::alert::kept::incident::{Ack, Incident, Silence};
use crate::alert::{NewsKind, RuleKind};
use crate::model::Timestamp;

use super::ledger::{Key, Ledger};
use super::terms::{Emitted, Mute, Target};

impl Ledger {
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
