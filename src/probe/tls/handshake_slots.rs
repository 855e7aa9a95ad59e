//! Limits the TLS handshakes in flight, and keeps room for other sites when some stall.
//!
//! Handshakes are the one phase that costs CPU; without a bound the load of this machine would be measured as slowness of every
//! site. Waiting for a slot is off the clock. But a server that accepts connections and then stays silent holds its slot until
//! the timeout. So sites whose last handshake did not end, and those with [`CROWD`] handshakes in flight, share half of the
//! slots. For stalling sites waiting is on the clock: to them it is the server's silence that continues.
//!
//! Bounds: 256 handshakes in flight, 128 of them for such sites; 16,384 sites are remembered. When more than 256 sites stall
//! at the same moment, the others wait for the first timeout, once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::Phase;
use crate::model::lock::lock;
use crate::probe::stopwatch::{Stopwatch, Waiting};

const IN_FLIGHT_MAX: usize = 256;
/// Of these, for sites that stall.
const STALLED_MAX: usize = IN_FLIGHT_MAX / 2;
/// A site with so many handshakes in flight is not quick, whatever the last one was.
const CROWD: u32 = 2;
const SITES_MAX: usize = 16_384;

pub(crate) struct HandshakeSlots {
    in_flight: Semaphore,
    stalled: Semaphore,
    /// By the name of the site; those with a handshake in flight or a stalled one.
    sites: Mutex<HashMap<Arc<str>, SiteHandshakes>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct SiteHandshakes {
    running: u32,
    /// The last one did not end.
    stalls: bool,
}

impl HandshakeSlots {
    pub(crate) fn new() -> Self {
        let (in_flight, stalled) = (Semaphore::new(IN_FLIGHT_MAX), Semaphore::new(STALLED_MAX));
        Self { in_flight, stalled, sites: Mutex::default() }
    }

    /// Waits for a slot for `site` and enters `phase`.
    pub(crate) async fn acquire(&self, site: &Arc<str>, phase: Phase, watch: &mut Stopwatch) -> HandshakeSlot<'_> {
        let known = lock(&self.sites).get(site).copied().unwrap_or_default();
        if known.stalls {
            watch.enter(phase);
        } else {
            watch.wait_for(Waiting::Handshake);
        }
        let open = "these semaphores are never closed";
        let of_stalled = known.stalls || known.running >= CROWD;
        let of_stalled = if of_stalled { Some(self.stalled.acquire().await.expect(open)) } else { None };
        let permit = self.in_flight.acquire().await.expect(open);
        if !known.stalls {
            watch.enter(phase);
        }
        self.change(site, |known| known.running += 1);
        HandshakeSlot { slots: self, site: Arc::clone(site), has_ended: false, _permits: (permit, of_stalled) }
    }

    fn change(&self, site: &Arc<str>, change: impl FnOnce(&mut SiteHandshakes)) {
        let mut sites = lock(&self.sites);
        if sites.len() >= SITES_MAX && !sites.contains_key(site) {
            sites.clear();
        }
        let known = sites.entry(Arc::clone(site)).or_default();
        change(known);
        if known.running == 0 && !known.stalls {
            sites.remove(site);
        }
    }
}

/// A slot in use; dropping it without [`HandshakeSlot::end`] means that the handshake stalled.
pub(crate) struct HandshakeSlot<'a> {
    slots: &'a HandshakeSlots,
    site: Arc<str>,
    has_ended: bool,
    _permits: (SemaphorePermit<'a>, Option<SemaphorePermit<'a>>),
}

impl HandshakeSlot<'_> {
    /// The handshake ended, successful or not.
    pub(crate) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for HandshakeSlot<'_> {
    fn drop(&mut self) {
        let stalls = !self.has_ended;
        self.slots.change(&self.site, |known| {
            *known = SiteHandshakes { running: known.running.saturating_sub(1), stalls };
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Instant;

    use super::*;

    #[allow(clippy::disallowed_methods, reason = "no test looks at the time")]
    fn clock() -> Instant {
        Instant::now()
    }

    /// The slot of site `name` if it is free, and whether the phase runs.
    fn at_once<'a>(slots: &'a HandshakeSlots, name: &str) -> (Option<HandshakeSlot<'a>>, bool) {
        let mut watch = Stopwatch::new(clock);
        let name: Arc<str> = name.into();
        let polled = pin!(slots.acquire(&name, Phase::Tls, &mut watch)).poll(&mut Context::from_waker(Waker::noop()));
        let slot = if let Poll::Ready(slot) = polled { Some(slot) } else { None };
        assert_eq!(watch.waiting().is_some(), slot.is_none() && watch.phase().is_none(), "{name}");
        (slot, watch.phase() == Some(Phase::Tls))
    }

    fn numbered(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|n| format!("site {n}"))
    }

    #[test]
    fn slots_are_bounded_and_waiting_for_one_is_off_the_clock() {
        let slots = HandshakeSlots::new();
        let mut taken: Vec<_> = numbered(IN_FLIGHT_MAX).filter_map(|name| at_once(&slots, &name).0).collect();
        assert_eq!(taken.len(), IN_FLIGHT_MAX);
        let (slot, runs) = at_once(&slots, "late");
        assert!(slot.is_none() && !runs);
        taken.pop().unwrap().end();
        assert!(at_once(&slots, "late").0.is_some());
    }

    #[test]
    fn sites_that_stall_leave_half_of_the_slots_to_the_others_until_a_handshake_ends() {
        let slots = HandshakeSlots::new();
        numbered(300).for_each(|name| drop(at_once(&slots, &name).0));
        let mut taken: Vec<_> = numbered(300).filter_map(|name| at_once(&slots, &name).0).collect();
        assert_eq!(taken.len(), STALLED_MAX);
        let (slot, runs) = at_once(&slots, "site 299");
        assert!(slot.is_none() && runs, "waiting is on the clock");
        let others = (0..IN_FLIGHT_MAX - STALLED_MAX).map(|n| at_once(&slots, &format!("other {n}")).0);
        assert!(others.collect::<Vec<_>>().iter().all(Option::is_some));
        taken.swap_remove(0).end();
        let again = at_once(&slots, "site 0").0;
        assert!(again.is_some(), "one that came to an end is like any other");
        assert_eq!(slots.stalled.available_permits(), 1);
    }

    #[test]
    fn a_site_with_many_handshakes_in_flight_does_not_take_the_slots_of_others() {
        let slots = HandshakeSlots::new();
        let taken: Vec<_> = (0..300).filter_map(|_| at_once(&slots, "crowded").0).collect();
        assert_eq!(taken.len(), CROWD as usize + STALLED_MAX);
        let (slot, runs) = at_once(&slots, "crowded");
        assert!(slot.is_none() && !runs, "it may be quick");
        assert!(at_once(&slots, "other").0.is_some());
        taken.into_iter().for_each(HandshakeSlot::end);
        assert!(!lock(&slots.sites).contains_key("crowded"), "there is nothing to say of it any more");
    }
}
