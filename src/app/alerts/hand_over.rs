//! Who delivers: a location leaves sites to a hub while that is there, and of several hubs one delivers.
//!
//! A hub that follows judges and records, and delivers nothing of what all hubs find, neither to people nor to programs. Invariant:
//! what counts as told has arrived at every outlet; so a hub that dies on the way is one whose message is repeated, not lost.

use crate::alert::incident::terms::Emitted;
use crate::alert::kept::incident::Incident;
use crate::alert::outbox::Audience;
use crate::alert::{NewsKind, RuleKind};
use crate::model::{Location, Timestamp};

use super::book::AlertBook;
use super::context::Part;

impl AlertBook {
    /// Says with every alert about a site that `location` judged it for itself.
    pub fn judge_at(&self, location: Location) {
        self.inner().location = Some(location);
    }

    /// Leaves the sites to a hub until then: incidents that open meanwhile are reported only if they outlast it. After the clock was
    /// set back, that is earlier than before.
    pub fn leave_until(&self, until: Timestamp) {
        self.inner().ledger.leave_until(until);
    }

    /// Delivers nothing until it is known who delivers.
    pub fn hold_back(&self) {
        self.inner().part = Part::Waits;
    }

    /// Leaves to another hub what all of them find.
    pub fn follow(&self) {
        let inner = &mut *self.inner();
        let mut out = Emitted::default();
        inner.part = Part::Follows;
        let left = inner.ledger.follow(&mut out);
        inner.outbox.forget(&left, &mut out.changes);
        inner.settle_outlets(self.clock.now());
        self.keep(inner, Vec::new(), out.changes, false);
    }

    /// Delivers from now on. The hub that did before has reported these incidents, named by site and rule.
    pub fn lead(&self, told: &[(String, String)]) {
        let inner = &mut *self.inner();
        let now = self.clock.now();
        let mut out = Emitted::default();
        inner.part = Part::Delivers;
        let is_told =
            |site: &str, rule: RuleKind| told.iter().any(|(name, kind)| *name == *site && kind == rule.name());
        let known = inner.ledger.lead(is_told, now, &mut out);
        for (incident, news) in &known {
            let terms = inner.ledger.site(&news.alert.site).cloned().unwrap_or_default();
            let audience = Audience { group: terms.group.as_deref(), tell: terms.tell.as_deref(), except: &[] };
            inner.outbox.note_told(*incident, news, audience, now, &mut out.changes);
        }
        inner.ledger.step(now, &mut out);
        for (incident, news) in out.news.iter().filter(|(_, news)| !news.alert.rule.is_own()) {
            if news.kind == NewsKind::Opened || news.kind.is_closing() {
                inner.outbox.post_to_programs(*incident, news, now, &mut out.changes);
            }
        }
        let changes = inner.fan_out(out, now);
        self.keep(inner, Vec::new(), changes, true);
    }

    /// The incidents whose opening this hub has reported, and whose end it has not.
    #[must_use]
    pub fn told(&self) -> Vec<(String, String)> {
        let inner = self.inner();
        let is_told = |incident: &&Incident| {
            let (opens, closes) = inner.outbox.waiting_of(incident.number);
            !opens && (incident.is_open() || closes)
        };
        let told = inner.ledger.announced().filter(is_told);
        told.map(|incident| (incident.site().to_string(), incident.rule().name().to_owned())).collect()
    }
}
