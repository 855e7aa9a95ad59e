//! The sites of one scheduler by slot. A slot is empty if its site was removed, has not arrived yet, or belongs to another
//! scheduler: slots are numbers of the whole monitor. Cost: a pointer for each slot up to the largest one.

use std::sync::Arc;
use std::time::Duration;

use crate::app::clock::Clock;
use crate::model::{Certificate, Site, SiteSlot, Timestamp};
use crate::ring::Producer;

use super::ScheduledSite;
use super::due_time::missed;
use super::known_answers::KnownAnswers;

/// A site of this scheduler.
pub(super) struct RunningSite {
    pub(super) slot: SiteSlot,
    pub(super) site: Arc<Site>,
    pub(super) producer: Producer,
    /// The last certificate that all queues took.
    pub(super) certificate: Option<Arc<Certificate>>,
    /// Failed answers that evidence was kept of.
    pub(super) known_answers: KnownAnswers,
    pub(super) in_flight: usize,
    pub(super) in_flight_limit: usize,
    pub(super) skipped: u32,
    pub(super) last_at: Option<Timestamp>,
    pub(super) after_hole: bool,
    /// Since when every check was `local`.
    pub(super) blind_since: Option<Timestamp>,
    pub(super) pause: Option<Pause>,
    /// When a check was due that is made later, at the time in the heap.
    pub(super) held: Option<Duration>,
}

impl RunningSite {
    pub(super) fn new(watch: ScheduledSite, clock: &Clock) -> Self {
        let interval = watch.site.interval;
        let first = clock.wall_at(watch.first_due);
        let gap = watch.last_at.map(|last| first.since(last));
        Self {
            slot: watch.slot,
            in_flight: 0,
            in_flight_limit: watch.site.in_flight_limit(),
            skipped: gap.map_or(0, |gap| missed(gap, interval)),
            last_at: watch.last_at,
            after_hole: gap.is_none_or(|gap| gap > 2 * interval),
            blind_since: None,
            known_answers: KnownAnswers::default(),
            held: None,
            pause: watch.paused.map(|until| Pause { since: clock.now(), until }),
            site: watch.site,
            producer: watch.producer,
            certificate: None,
        }
    }
}

/// A pause of a site.
#[derive(Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl RunningSite {
    /// Whether the site is paused at `now`. A pause that has ended is a gap.
    pub(crate) fn is_paused(&mut self, now: Timestamp) -> bool {
        let Some(pause) = self.pause else { return false };
        if now < pause.until {
            return true;
        }
        self.pause = None;
        self.note_gap(now.since(pause.since));
        false
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct SiteTable(Vec<Option<Box<RunningSite>>>);

impl SiteTable {
    pub(super) fn has(&self, slot: SiteSlot) -> bool {
        self.get(slot).is_some()
    }

    pub(super) fn get(&self, slot: SiteSlot) -> Option<&RunningSite> {
        self.0.get(slot.get())?.as_deref()
    }

    pub(super) fn get_mut(&mut self, slot: SiteSlot) -> Option<&mut RunningSite> {
        self.0.get_mut(slot.get())?.as_deref_mut()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut RunningSite> {
        self.0.iter_mut().flatten().map(|site| &mut **site)
    }

    /// Adds a site, whose slot is empty.
    pub(super) fn insert(&mut self, site: RunningSite) {
        let slot = site.slot.get();
        if self.0.len() <= slot {
            self.0.resize_with(slot + 1, || None);
        }
        debug_assert!(self.0[slot].is_none(), "slots are never reused");
        self.0[slot] = Some(Box::new(site));
    }

    /// Removes and returns the sites that `stays` does not hold.
    pub(super) fn take_unless(&mut self, stays: impl Fn(SiteSlot) -> bool) -> Vec<RunningSite> {
        let leaves = |site: &mut Box<RunningSite>| !stays(site.slot);
        self.0.iter_mut().filter_map(|place| place.take_if(|site| leaves(site))).map(|site| *site).collect()
    }
}
