//! Turns at the TLS handshake: how many are in flight at once, and that those which come to no end leave room for others.
//!
//! Handshakes are the one phase that costs CPU, so only so many may be under way; past that bound the load of this machine
//! would be measured as the slowness of every site. Who waits for a turn does so before the clock of the phase starts. But
//! a server that accepts connections and then says nothing holds its turn until the timeout, and a few such sites on
//! short intervals would keep everybody else waiting. So sites whose last handshake came to no end, and those with
//! [`CROWD`] handshakes in flight, take their turns from a half of them. For the former waiting is on the clock: to them
//! it is the server's silence that goes on.
//!
//! Limits: 256 handshakes in flight over all probes, 128 of them for such sites; 16,384 sites are remembered. When more
//! than 256 sites fall silent at the same moment, the others wait for the first timeout, once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::model::Phase;
use crate::probe::stopwatch::{Stopwatch, Waiting};

/// Handshakes in flight at once, over all probes.
const IN_FLIGHT_MAX: usize = 256;
/// Of these, for sites that stall.
const STALLED_MAX: usize = IN_FLIGHT_MAX / 2;
/// A site with so many handshakes in flight is not quick, whatever the last one was.
const CROWD: u32 = 2;
/// Sites that are remembered at most.
const SITES_MAX: usize = 16_384;

/// See the module.
pub(crate) struct HandshakeSlots {
    in_flight: Semaphore,
    stalled: Semaphore,
    /// By the name of the site; only those of which there is something to say. Held for a look, never across a wait.
    sites: Mutex<HashMap<Arc<str>, SiteHandshakes>>,
}

/// What is known of the handshakes of one site.
#[derive(Clone, Copy, Debug, Default)]
struct SiteHandshakes {
    running: u32,
    stalls: bool,
}

impl HandshakeSlots {
    /// All of them are free.
    pub(crate) fn new() -> Self {
        let (in_flight, stalled) = (Semaphore::new(IN_FLIGHT_MAX), Semaphore::new(STALLED_MAX));
        Self { in_flight, stalled, sites: Mutex::default() }
    }

    /// Waits for a turn of `site`; then the phase runs.
    pub(crate) async fn take(
        &self,
        site: &Arc<str>,
        watch: &mut Stopwatch,
        waiting: &mut Option<Waiting>,
    ) -> HandshakeSlot<'_> {
        let known = self.lock().get(site).copied().unwrap_or_default();
        if known.stalls {
            watch.enter(Phase::Tls);
        } else {
            watch.stop();
            *waiting = Some(Waiting::Handshake);
        }
        let open = "these semaphores are never closed";
        let of_stalled = known.stalls || known.running >= CROWD;
        let of_stalled = if of_stalled { Some(self.stalled.acquire().await.expect(open)) } else { None };
        let permit = self.in_flight.acquire().await.expect(open);
        *waiting = None;
        if !known.stalls {
            watch.enter(Phase::Tls);
        }
        self.change(site, |known| known.running += 1);
        HandshakeSlot { turns: self, site: Arc::clone(site), has_ended: false, _permits: (permit, of_stalled) }
    }

    fn change(&self, site: &Arc<str>, change: impl FnOnce(&mut SiteHandshakes)) {
        let mut sites = self.lock();
        if sites.len() >= SITES_MAX && !sites.contains_key(site) {
            sites.clear();
        }
        let known = sites.entry(Arc::clone(site)).or_default();
        change(known);
        if known.running == 0 && !known.stalls {
            sites.remove(site);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, SiteHandshakes>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that was taken; dropping it without a word means that the handshake came to no end.
pub(crate) struct HandshakeSlot<'a> {
    turns: &'a HandshakeSlots,
    site: Arc<str>,
    has_ended: bool,
    _permits: (SemaphorePermit<'a>, Option<SemaphorePermit<'a>>),
}

impl HandshakeSlot<'_> {
    /// The handshake came to an end, a good or a bad one.
    pub(crate) fn end(mut self) {
        self.has_ended = true;
    }
}

impl Drop for HandshakeSlot<'_> {
    fn drop(&mut self) {
        let stalls = !self.has_ended;
        self.turns.change(&self.site, |known| {
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

    /// The turn of site `name` if it is to be had at once, and whether the phase ran meanwhile.
    fn at_once<'a>(turns: &'a HandshakeSlots, name: &str) -> (Option<HandshakeSlot<'a>>, bool) {
        let (mut watch, mut waiting) = (Stopwatch::new(clock), None);
        let name: Arc<str> = name.into();
        let polled = pin!(turns.take(&name, &mut watch, &mut waiting)).poll(&mut Context::from_waker(Waker::noop()));
        let turn = if let Poll::Ready(turn) = polled { Some(turn) } else { None };
        assert_eq!(waiting.is_some(), turn.is_none() && watch.phase().is_none(), "{name}");
        (turn, watch.phase() == Some(Phase::Tls))
    }

    fn numbered(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|n| format!("site {n}"))
    }

    #[test]
    fn turns_are_bounded_and_waiting_for_one_is_off_the_clock() {
        let turns = HandshakeSlots::new();
        let mut taken: Vec<_> = numbered(IN_FLIGHT_MAX).filter_map(|name| at_once(&turns, &name).0).collect();
        assert_eq!(taken.len(), IN_FLIGHT_MAX);
        let (turn, runs) = at_once(&turns, "late");
        assert!(turn.is_none() && !runs);
        taken.pop().unwrap().end();
        assert!(at_once(&turns, "late").0.is_some());
    }

    #[test]
    fn sites_that_stall_leave_half_of_the_turns_to_the_others_until_a_handshake_ends() {
        let turns = HandshakeSlots::new();
        numbered(300).for_each(|name| drop(at_once(&turns, &name).0));
        let mut taken: Vec<_> = numbered(300).filter_map(|name| at_once(&turns, &name).0).collect();
        assert_eq!(taken.len(), STALLED_MAX);
        let (turn, runs) = at_once(&turns, "site 299");
        assert!(turn.is_none() && runs, "waiting is on the clock");
        let others = (0..IN_FLIGHT_MAX - STALLED_MAX).map(|n| at_once(&turns, &format!("other {n}")).0);
        assert!(others.collect::<Vec<_>>().iter().all(Option::is_some));
        taken.swap_remove(0).end();
        let again = at_once(&turns, "site 0").0;
        assert!(again.is_some(), "one that came to an end is like any other");
        assert_eq!(turns.stalled.available_permits(), 1);
    }

    #[test]
    fn a_site_with_many_handshakes_in_flight_does_not_take_the_turns_of_others() {
        let turns = HandshakeSlots::new();
        let taken: Vec<_> = (0..300).filter_map(|_| at_once(&turns, "crowded").0).collect();
        assert_eq!(taken.len(), CROWD as usize + STALLED_MAX);
        let (turn, runs) = at_once(&turns, "crowded");
        assert!(turn.is_none() && !runs, "it may be quick");
        assert!(at_once(&turns, "other").0.is_some());
        taken.into_iter().for_each(HandshakeSlot::end);
        assert!(!turns.lock().contains_key("crowded"), "there is nothing to say of it any more");
    }
}
